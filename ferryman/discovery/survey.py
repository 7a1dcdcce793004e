"""One look at a repository: a walk over its tags, and a closer look at those whose digest or time no list told.

A walk ends early where upstream lists its newest tags first: behind a page on which nothing has changed,
nothing has changed at all. What the walk does not reach is taken as it was known.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol, TypeVar

from ferryman.discovery.base import Page, TagLister, UpstreamTag
from ferryman.discovery.contents import created_at
from ferryman.errors import Denied, LoginRefused, NotFound, RateLimited, TransferError, Unreachable
from ferryman.reference import DOCKER_HUB, Repository
from ferryman.registry.client import RegistryClient

_AT_ONCE = 32  # questions under way; the client keeps to the registry's own limit
_OUTAGE = 3  # tags in a row that were refused, or had no answer: that is no tag's own trouble any more
_SAME_TIME = timedelta(seconds=1)  # times may have been stored with less precision

Answer = TypeVar("Answer")


class Choice(Protocol):
    """An item's rules, as far as a survey asks them: only what may be wanted is looked at closely."""

    @property
    def by_time(self) -> bool:
        """Whether the order depends on push times."""
        ...

    @property
    def pins(self) -> Sequence[str]:
        """Names that are wanted wherever they stand."""
        ...

    def admits(self, name: str) -> bool:
        """Whether the tag may be wanted, as far as its name tells."""
        ...

    def chosen(self, tags: Iterable[UpstreamTag]) -> Sequence[UpstreamTag]:
        """The wanted ones, were these all the tags that there are."""
        ...

    def is_met_by(self, newest: Iterable[UpstreamTag]) -> bool:
        """Whether nothing older than these tags, the newest of all, can be wanted, but for `pins`."""
        ...


@dataclass(frozen=True, slots=True)
class TagProblem:
    """Why one tag could not be looked at."""

    tag: str
    error: TransferError


@dataclass(frozen=True, slots=True)
class Survey:
    """What a repository has now."""

    tags: Sequence[UpstreamTag]  # the complete known view, without what is gone
    seen: frozenset[str]  # names that upstream showed this time
    gone: frozenset[str]  # names that were known, and that upstream no longer has
    complete: bool  # the walk went to the end
    problems: Sequence[TagProblem]  # tags that stay as they were known


async def survey(
    *,
    lister: TagLister,
    client: RegistryClient,
    repository: Repository,
    known: Mapping[str, UpstreamTag],
    choice: Choice,
    complete: bool = False,
) -> Survey:
    """Look at a repository. `known` is what earlier walks saw, without what was gone; empty before the first one.

    `complete` walks to the end, so that tags which upstream no longer has are noticed.
    Raises TransferError where the repository cannot be looked at; one tag's trouble is a TagProblem.
    """
    view = _View(known)
    ended = await _walk(lister, repository, view, choice, complete=complete)
    closer = _CloserLook(client, repository, view, known)
    await closer.at_what_matters(choice)
    return Survey(
        tags=tuple(view.tags.values()),
        seen=frozenset(view.seen),
        gone=frozenset(known.keys() - view.tags.keys()),
        complete=ended,
        problems=tuple(TagProblem(tag, error) for tag, error in closer.problems.items()),
    )


async def _walk(lister: TagLister, repository: Repository, view: "_View", choice: Choice, *, complete: bool) -> bool:
    """Fill the view; whether the walk went to the end."""
    async with aclosing(lister.pages(repository)) as pages:
        async for page in pages:
            quiet = view.take(page)
            if complete or not view.newest_first:
                continue
            if quiet:
                return False
            if choice.is_met_by(view.tags[name] for name in view.seen):
                view.doubt(name for name in choice.pins if name not in view.seen)
                return False
    view.drop_unseen()
    return True


class _View:
    """What is known of a repository's tags, while a walk corrects it."""

    def __init__(self, known: Mapping[str, UpstreamTag]) -> None:
        self.tags = dict(known)
        self.seen: set[str] = set()
        self.doubtful: set[str] = set()  # their digests may be others by now
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


def _identified(tag: UpstreamTag, digest: str) -> UpstreamTag:
    """The tag with its present digest; what is known of another digest is no longer true."""
    return replace(tag, digest=digest) if tag.digest in {None, digest} else UpstreamTag(tag.name, digest)


class _CloserLook:
    """Asks for digests (HEAD, free everywhere) and ages (GET, a pull on Docker Hub) that no list told."""

    def __init__(
        self, client: RegistryClient, repository: Repository, view: _View, known: Mapping[str, UpstreamTag]
    ) -> None:
        self.problems: dict[str, TransferError] = {}
        self._client = client
        self._repository = repository
        self._view = view
        self._known = known
        self._refused = 0

    async def at_what_matters(self, choice: Choice) -> None:
        """Look at what the rules may choose, until nothing that they do choose is in doubt."""
        tags, doubtful = self._view.tags, self._view.doubtful
        if self._order_hangs_on_age(choice):
            admitted = [name for name in tags if choice.admits(name)]
            await self._each([name for name in admitted if name in doubtful], self._take_digest)
            await self._each([name for name in admitted if self._lacks_age(name)], self._take_age)
        while asked := [tag.name for tag in choice.chosen(tags.values()) if tag.name in doubtful]:
            await self._each(asked, self._take_digest)
        chosen = [tag.name for tag in choice.chosen(tags.values())]
        await self._each([name for name in chosen if self._lacks_age(name)], self._take_age)

    def _order_hangs_on_age(self, choice: Choice) -> bool:
        """Whether the limit cuts through tags that were listed by name alone, in no order."""
        if not choice.by_time or self._view.newest_first or self._repository.registry == DOCKER_HUB:
            return False
        tags = self._view.tags
        return len(choice.chosen(tags.values())) < sum(choice.admits(name) for name in tags)

    async def _each(self, names: Collection[str], look: Callable[[str], Awaitable[None]]) -> None:
        waiting = iter(names)

        async def some() -> None:
            for name in waiting:
                await look(name)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(_AT_ONCE, len(names))):
                    group.create_task(some())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None

    async def _take_digest(self, name: str) -> None:
        self._view.doubtful.discard(name)
        before = self._view.tags[name]
        answer = await self._patiently(self._client.head_manifest(self._repository.tagged(name)))
        if isinstance(answer, NotFound):  # went away between the list and now, or a pin that never was
            del self._view.tags[name]
            self._view.seen.discard(name)
        elif isinstance(answer, TransferError):
            self.problems[name] = answer
        else:
            self._view.seen.add(name)
            self._view.tags[name] = _identified(before, answer.digest)

    def _lacks_age(self, name: str) -> bool:
        """An age is asked for once: what was known of this digest is all that can be known."""
        tag, before = self._view.tags[name], self._known.get(name)
        if tag.pushed_at or tag.digest is None or self._repository.registry == DOCKER_HUB:
            return False
        return before is None or before.digest != tag.digest

    async def _take_age(self, name: str) -> None:
        tag = self._view.tags[name]
        answer = await self._patiently(created_at(self._client, self._repository.pinned(tag.digest or "")))
        if not isinstance(answer, TransferError):  # the age of an image that cannot be read is unknown
            self._view.tags[name] = replace(tag, pushed_at=answer)

    async def _patiently(self, question: Awaitable[Answer]) -> Answer | TransferError:
        """An answer, or one tag's own trouble. Raises what is the whole registry's."""
        try:
            answer = await question
        except (RateLimited, LoginRefused):
            raise
        except (Unreachable, Denied) as error:
            self._refused += 1
            if self._refused >= _OUTAGE:
                raise
            return error
        except TransferError as error:
            self._refused = 0
            return error
        self._refused = 0
        return answer
