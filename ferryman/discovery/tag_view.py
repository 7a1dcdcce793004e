"""What is known of a repository's tags, while a walk corrects it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import timedelta

from ferryman.discovery.base import Page, UpstreamTag

_SAME_TIME = timedelta(seconds=1)  # times may have been stored with less precision


class TagView:
    """Starts from what earlier walks saw, and takes page after page."""

    def __init__(self, known: Mapping[str, UpstreamTag], unread: Collection[str] = ()) -> None:
        self.tags = dict(known)
        self.seen: set[str] = set()
        # Their digests may be others by now. What was never told, or could not be read, is so wherever a walk ends.
        self.doubtful = {name for name, tag in known.items() if tag.digest is None or name in unread}
        self.newest_first = True  # every page so far was
        self._known = known
        self._settled = False  # the walk has come to what has not changed: neither has anything behind it

    def take(self, page: Page) -> bool:
        """Merge a page; whether it shows that nothing has changed, here or behind it."""
        self.newest_first &= page.newest_first
        news = unchanged = False
        for tag in page.tags:
            before = self._known.get(tag.name)
            changed = _changed(before, tag)
            news |= changed is True
            unchanged |= changed is False
            self._put(before, tag, sure=tag.digest is not None or changed is False or self._settled)
        self._settled |= unchanged and self.newest_first
        return unchanged and not news and self.newest_first

    def doubt(self, names: Iterable[str]) -> None:
        """Ask for these by name: nobody listed them."""
        for name in names:
            self.tags.setdefault(name, UpstreamTag(name))
            self.doubtful.add(name)

    def drop_unseen(self) -> None:
        for name in self.tags.keys() - self.seen:
            del self.tags[name]

    def _put(self, before: UpstreamTag | None, tag: UpstreamTag, *, sure: bool) -> None:
        self.seen.add(tag.name)
        self.tags[tag.name] = merged = _merged(before, tag)
        if merged.digest is None or not sure:
            self.doubtful.add(tag.name)
        elif tag.digest is not None:
            self.doubtful.discard(tag.name)


def _changed(before: UpstreamTag | None, tag: UpstreamTag) -> bool | None:
    """Whether a listed tag is news; None: the list does not tell enough."""
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
    """What the list tells, completed by what was known of the same image."""
    if before is None:
        return tag
    if tag.digest is None:
        # An old digest must not be kept beside a new time: the next walk would take the pair for unchanged.
        return before if tag.pushed_at is None or _same_time(before, tag) else tag
    if tag.digest != before.digest:
        return tag
    return replace(tag, pushed_at=tag.pushed_at or before.pushed_at, platforms=tag.platforms or before.platforms)
