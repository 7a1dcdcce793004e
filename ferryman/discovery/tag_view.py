"""The known tags of a repository, updated page by page during a walk."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from ferryman.discovery.base import Page, UpstreamTag
from ferryman.reference import is_keep_tag

_SAME_TIME = timedelta(seconds=1)  # times may have been stored with less precision


class TagView:
    """Starts from the tags that earlier walks found; each page of a new walk is merged into it."""

    def __init__(
        self, known: Mapping[str, UpstreamTag], unread: Collection[str] = (), rested: Collection[str] = ()
    ) -> None:
        """`rested`: tags whose known digest counts as certain, unless a page shows that they have changed."""
        self.tags = dict(known)
        self.seen: set[str] = set()
        # Tags whose digest is unknown or may have changed. From the start: those without one, and those not readable.
        self.doubtful = {name for name, tag in known.items() if tag.digest is None or name in unread}
        self.newest_first = True  # true of every page so far
        self._known = known
        self._rested = rested
        self._reached_unchanged = False  # the walk has reached unchanged tags: no later one has changed either

    def merge(self, page: Page) -> bool:
        """Merge a page. True if it shows that nothing has changed, on it or on later pages."""
        self.newest_first &= page.newest_first
        news = unchanged = False
        for tag in page.tags:
            if is_keep_tag(tag.name):  # upstream is another Ferryman's target
                continue
            before = self._known.get(tag.name)
            changed = _changed(before, tag)
            news |= changed is True
            unchanged |= changed is False
            is_rested = changed is None and tag.name in self._rested
            is_certain = tag.digest is not None or changed is False or self._reached_unchanged or is_rested
            self._put(before, tag, is_certain=is_certain)
        self._reached_unchanged |= unchanged and self.newest_first
        return unchanged and not news and self.newest_first

    def add_doubtful(self, names: Iterable[str]) -> None:
        """Add tags that no page listed, to be requested by name."""
        for name in names:
            self.tags.setdefault(name, UpstreamTag(name))
            self.doubtful.add(name)

    def drop_unseen(self) -> None:
        for name in self.tags.keys() - self.seen:
            del self.tags[name]

    def _put(self, before: UpstreamTag | None, tag: UpstreamTag, *, is_certain: bool) -> None:
        self.seen.add(tag.name)
        self.tags[tag.name] = merged = _merged(before, tag)
        if merged.digest is None or not is_certain:
            self.doubtful.add(tag.name)
        elif tag.digest is not None:
            self.doubtful.discard(tag.name)


def _changed(before: UpstreamTag | None, tag: UpstreamTag) -> bool | None:
    """Whether a listed tag has changed; None: the list has too little information."""
    if before is None:
        return True
    if tag.digest and tag.digest != before.digest:
        return True
    if tag.pushed_at:
        return not _same_time(before, tag)
    return False if tag.digest else None


def _same_time(before: UpstreamTag, tag: UpstreamTag) -> bool:
    return bool(before.pushed_at and tag.pushed_at and abs(before.pushed_at - tag.pushed_at) < _SAME_TIME)


def _merged(before: UpstreamTag | None, tag: UpstreamTag) -> UpstreamTag:
    """The listed tag, completed with what was known of the same image."""
    if before is None:
        return tag
    if tag.digest is None:
        # An old digest must not be combined with a new time: the next walk would take the pair for unchanged.
        return before if tag.pushed_at is None or _same_time(before, tag) else tag
    if tag.digest != before.digest:
        return tag
    pushed_at, platforms = tag.pushed_at or before.pushed_at, tag.platforms or before.platforms
    since = tag.since or before.since
    if (pushed_at, platforms, since) == (before.pushed_at, before.platforms, before.since):
        return before  # the usual case, and a new one takes much longer
    return replace(tag, pushed_at=pushed_at, platforms=platforms, since=since)
