"""Requests for the digests, ages and platforms that the tag list did not include."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TypeVar

from ferryman.discovery.base import TagProblem, TagSelector, UpstreamTag
from ferryman.discovery.image_details import platform_digests, read_image_details
from ferryman.discovery.tag_view import TagView
from ferryman.errors import (
    Denied,
    LoginRefused,
    NotFound,
    RateLimited,
    TlsFailed,
    TransferError,
    Unreachable,
    Unsupported,
    WrongContent,
)
from ferryman.reference import DOCKER_HUB, Repository
from ferryman.registry.client import RegistryClient
from ferryman.tasks import compute, for_each

_AT_ONCE = 32  # concurrent requests; the client also applies the registry's own limit
# Failures in a row that count as an outage of the registry, not as problems of single tags. After successful requests
# more are needed: failures arrive last, because they are retried, and refusals arrive first.
_OUTAGE, _CERTAIN_OUTAGE = 3, 32

Result = TypeVar("Result")


class TagEnricher:
    """Requests missing digests (HEAD, never counted as a pull), ages and platforms (GET, a pull on Docker Hub)."""

    def __init__(
        self,
        client: RegistryClient,
        repository: Repository,
        view: TagView,
        known: Mapping[str, UpstreamTag],
        unread: Collection[str],
        *,
        thorough: bool,
    ) -> None:
        """`thorough`: a tag that has not moved counts only if its manifest is there."""
        self.problems: dict[str, TagProblem] = {}
        self.probed: set[str] = set()  # tags whose digest was asked for, and answered
        self.requests = 0
        self._client = client
        self._repository = repository
        self._view = view
        self._known = known
        self._unread = unread  # tags that could not be read the last time
        self._thorough = thorough
        self._examined: set[str] = set()  # tags whose details were requested; once each, whatever the result
        self._failures = 0  # in a row
        self._successes = 0
        self._last_failure: TransferError | None = None

    async def enrich(self, selector: TagSelector) -> None:
        """Read tags that the rules may select, until everything about the selected ones is certain.

        Problems of single tags are collected in `problems`. Raises TransferError for an outage of the registry,
        RateLimited and LoginRefused.
        """
        if self._view.doubtful or any(map(self._lacks_age, self._view.tags)):
            await self._read_selected(selector)
        asked: set[str] = set()
        while open_tags := [
            name
            for name in await self._compute(selector.needing_platforms, self._view.tags.values)
            if name not in asked
        ]:
            asked.update(open_tags)
            await for_each(open_tags, self._read_platforms, at_once=_AT_ONCE)
            await self._confirm_selected(selector)
        if self._last_failure is not None and self._failures >= _OUTAGE and not self._successes:
            raise self._last_failure

    async def _read_selected(self, selector: TagSelector) -> None:
        """Read the doubtful digests, ages and platforms of the tags that the rules select."""
        tags, doubtful = self._view.tags, self._view.doubtful
        if await self._order_depends_on_age(selector):
            candidates = [name for name in tags if selector.matches_name(name)]
            await for_each([name for name in candidates if name in doubtful], self._read_digest, at_once=_AT_ONCE)
            await self._read_missing_details(candidates)
        await self._confirm_selected(selector)
        # A tag without a wanted platform is no longer selected: others take its place, and are read in turn.
        while await self._read_missing_details(await self._selected(selector)):
            await self._confirm_selected(selector)

    async def _confirm_selected(self, selector: TagSelector) -> None:
        """Read the digests of selected tags that are doubtful. Repeat, since each digest may change the selection."""
        doubtful = self._view.doubtful
        while asked := [
            tag.name for tag in await self._compute(selector.select, self._certain_tags) if tag.name in doubtful
        ]:
            await for_each(asked, self._read_digest, at_once=_AT_ONCE)

    def _certain_tags(self) -> Iterable[UpstreamTag]:
        """All tags; doubtful ones without digest and platforms: an outdated digest must not rule a tag out."""
        doubtful = self._view.doubtful
        return [
            replace(tag, digest=None, platforms=None) if name in doubtful else tag
            for name, tag in self._view.tags.items()
        ]

    async def _selected(self, selector: TagSelector) -> list[str]:
        selected = await self._compute(selector.select, self._view.tags.values)
        return [tag.name for tag in selected if selector.matches_name(tag.name)]

    async def _compute(
        self, rule: Callable[[Iterable[UpstreamTag]], Result], tags: Callable[[], Iterable[UpstreamTag]]
    ) -> Result:
        """Apply a rule to the tags, in a thread if there are many."""
        return await compute(lambda: rule(tags()), size=len(self._view.tags))

    async def _read_missing_details(self, names: Iterable[str]) -> bool:
        """Read the age and platforms of tags without an age. True if there were any."""
        lacking = [name for name in names if self._lacks_age(name) and name not in self._examined]
        self._examined.update(lacking)
        await for_each(lacking, self._read_details, at_once=_AT_ONCE)
        return bool(lacking)

    async def _order_depends_on_age(self, selector: TagSelector) -> bool:
        """Whether the limit excludes some tags, and they were listed by name only, in no order."""
        tags = self._view.tags
        if not selector.orders_by_time or self._view.newest_first or not self._may_get or len(tags) <= selector.limit:
            return False
        selected = {tag.name for tag in await self._compute(selector.select, tags.values)}
        return any(selector.matches_name(name) and name not in selected for name in tags)

    async def _read_digest(self, name: str) -> None:
        self._view.doubtful.discard(name)
        before = self._view.tags[name]
        answer = await self._attempt(name, self._digest(name))
        if isinstance(answer, NotFound):  # deleted since it was listed, or a pinned name that never existed
            del self._view.tags[name]
            self._view.seen.discard(name)
        elif isinstance(answer, TransferError):
            self.problems[name] = TagProblem(name, answer, "digest")
        else:
            self.probed.add(name)
            self._view.seen.add(name)
            self._view.tags[name] = _with_digest(before, answer)

    async def _digest(self, name: str) -> str:
        """Request the digest: by GET for a new tag, whose age is needed next and which will be copied; else by HEAD."""
        reference = self._repository.tagged(name)
        if self._is_new(name):
            with suppress(NotFound, Unsupported, WrongContent):  # HEAD may succeed all the same
                return (await self._client.get_manifest(reference, keep=True)).digest
        before = None if self._thorough else self._known.get(name)
        known = before.digest if before else None
        return (await self._client.head_manifest(reference, expected=True, known=known)).digest

    def _is_new(self, name: str) -> bool:
        before = self._known.get(name)
        unseen = before is None or before.digest is None
        return unseen and not self._view.tags[name].pushed_at and self._may_get

    def _lacks_age(self, name: str) -> bool:
        """Whether the age should be requested: once per digest, since a digest that had no age will never have one."""
        tag, before = self._view.tags.get(name), self._known.get(name)
        if tag is None or tag.pushed_at or tag.digest is None or not self._may_get or name in self.problems:
            return False
        return before is None or before.digest != tag.digest or name in self._unread

    async def _read_details(self, name: str) -> None:
        tag = self._view.tags[name]
        answer = await self._attempt(name, read_image_details(self._client, self._repository.pinned(tag.digest or "")))
        if not isinstance(answer, TransferError):
            platforms = tag.platforms if answer.platforms is None else answer.platforms
            self._view.tags[name] = replace(tag, pushed_at=answer.created_at, platforms=platforms)
        elif not isinstance(answer, NotFound | Unsupported):  # a broken or schema 1 image has no age: no problem
            self.problems[name] = TagProblem(name, answer, "age")

    async def _read_platforms(self, name: str) -> None:
        """Read the platforms; they are recorded, so this happens once per digest."""
        tag = self._view.tags[name]
        if tag.digest is None or not self._may_get:
            return
        answer = await self._attempt(name, platform_digests(self._client, self._repository.pinned(tag.digest)))
        if isinstance(answer, TransferError):
            self.problems.setdefault(name, TagProblem(name, answer, "platforms"))
        else:
            self._view.seen.add(name)
            self._view.tags[name] = replace(tag, platforms=answer)

    @property
    def _may_get(self) -> bool:
        """Not on Docker Hub: a GET counts as a pull there, and its list has the same information."""
        return self._repository.registry != DOCKER_HUB

    async def _attempt(self, name: str, request: Awaitable[Result]) -> Result | TransferError:
        """The answer, or the error if it concerns this tag only. Raises an error that concerns the whole registry."""
        self.requests += 1
        try:
            answer = await request
        except (RateLimited, LoginRefused):
            raise
        except (Unreachable, TlsFailed, Denied) as error:
            self._failures += name not in self._unread  # those had failed before
            self._last_failure = error
            successes = _CERTAIN_OUTAGE if isinstance(error, Denied) else min(self._successes, _CERTAIN_OUTAGE)
            if self._failures >= max(_OUTAGE, successes):
                raise
            return error
        except TransferError as error:
            self._failures = 0
            return error
        self._failures = 0
        self._successes += 1
        return answer


def _with_digest(tag: UpstreamTag, digest: str) -> UpstreamTag:
    """The tag with its current digest; if that has changed, without the other fields, which are out of date.

    A list without digests may be older than this digest, so its times say nothing about how long upstream has it.
    """
    if tag.digest is None:
        return replace(tag, digest=digest, since=None)
    return tag if tag.digest == digest else UpstreamTag(tag.name, digest)
