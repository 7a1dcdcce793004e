"""A closer look at tags whose digest or time no list told."""

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

_AT_ONCE = 32  # questions under way; the client keeps to the registry's own limit
# Tags in a row that were refused, or had no answer: that is no tag's own trouble any more. Where others were read, it
# takes more: what fails comes in last, for it is asked for several times, and what is denied comes in first.
_OUTAGE, _CERTAIN_OUTAGE = 3, 32

Answer = TypeVar("Answer")


class TagEnricher:
    """Asks for digests (HEAD, free everywhere), ages and platforms (GET, a pull on Docker Hub) that no list told."""

    def __init__(
        self,
        client: RegistryClient,
        repository: Repository,
        view: TagView,
        known: Mapping[str, UpstreamTag],
        unread: Collection[str] = (),
    ) -> None:
        self.problems: dict[str, TagProblem] = {}
        self._client = client
        self._repository = repository
        self._view = view
        self._known = known
        self._unread = unread  # what could not be read the last time
        self._examined: set[str] = set()  # a tag is examined once, whatever comes of it
        self._refused = 0  # in a row
        self._answered = 0
        self._refusal: TransferError | None = None  # the last one

    async def at_what_matters(self, choice: TagSelector) -> None:
        """Look at what the rules may choose, until nothing that they do choose is in doubt."""
        tags, doubtful = self._view.tags, self._view.doubtful
        if await self._order_hangs_on_age(choice):
            admitted = [name for name in tags if choice.admits(name)]
            await for_each([name for name in admitted if name in doubtful], self._take_digest, at_once=_AT_ONCE)
            await self._examine(admitted)
        await self._settle(choice)
        # What turns out to have no wanted platform takes no place: others are chosen then, and examined in their turn.
        while await self._examine(await self._chosen(choice)):
            await self._settle(choice)
        asked: set[str] = set()
        while unclear := [name for name in await self._compute(choice.unclear, tags.values) if name not in asked]:
            asked.update(unclear)
            await for_each(unclear, self._take_platforms, at_once=_AT_ONCE)
            await self._settle(choice)
        if self._refusal is not None and self._refused >= _OUTAGE and not self._answered:
            raise self._refusal

    async def _settle(self, choice: TagSelector) -> None:
        """Every digest makes the choice surer, until nothing that is chosen is in doubt."""
        doubtful = self._view.doubtful
        while asked := [tag.name for tag in await self._compute(choice.chosen, self._as_sure) if tag.name in doubtful]:
            await for_each(asked, self._take_digest, at_once=_AT_ONCE)

    def _as_sure(self) -> Iterable[UpstreamTag]:
        """What is known for sure: the platforms of a digest that may be another one by now rule nothing out."""
        doubtful = self._view.doubtful
        return [
            replace(tag, digest=None, platforms=None) if name in doubtful else tag
            for name, tag in self._view.tags.items()
        ]

    async def _chosen(self, choice: TagSelector) -> list[str]:
        chosen = await self._compute(choice.chosen, self._view.tags.values)
        return [tag.name for tag in chosen if choice.admits(tag.name)]

    async def _compute(
        self, rule: Callable[[Iterable[UpstreamTag]], Answer], tags: Callable[[], Iterable[UpstreamTag]]
    ) -> Answer:
        """What a rule says of the tags."""
        return await compute(lambda: rule(tags()), size=len(self._view.tags))

    async def _examine(self, names: Iterable[str]) -> bool:
        """Take the age and the platforms of those whose age is not known; whether there were any."""
        lacking = [name for name in names if self._lacks_age(name) and name not in self._examined]
        self._examined.update(lacking)
        await for_each(lacking, self._take_contents, at_once=_AT_ONCE)
        return bool(lacking)

    async def _order_hangs_on_age(self, choice: TagSelector) -> bool:
        """Whether the limit cuts through tags that were listed by name alone, in no order."""
        if not choice.by_time or self._view.newest_first or not self._may_read:
            return False
        tags = self._view.tags
        chosen = {tag.name for tag in await self._compute(choice.chosen, tags.values)}
        return any(choice.admits(name) and name not in chosen for name in tags)

    async def _take_digest(self, name: str) -> None:
        self._view.doubtful.discard(name)
        before = self._view.tags[name]
        answer = await self._patiently(name, self._digest(name))
        if isinstance(answer, NotFound):  # went away between the list and now, or a pin that never was
            del self._view.tags[name]
            self._view.seen.discard(name)
        elif isinstance(answer, TransferError):
            self.problems[name] = TagProblem(name, answer, "digest")
        else:
            self._view.seen.add(name)
            self._view.tags[name] = _identified(before, answer)

    async def _digest(self, name: str) -> str:
        """By one GET for a tag that is new, for its age is asked next and the copy needs all of it."""
        reference = self._repository.tagged(name)
        if self._is_new(name):
            with suppress(NotFound, Unsupported, WrongContent):  # what cannot be read may have a digest all the same
                return (await self._client.get_manifest(reference, keep=True)).digest
        return (await self._client.head_manifest(reference, expected=True)).digest

    def _is_new(self, name: str) -> bool:
        before = self._known.get(name)
        unseen = before is None or before.digest is None
        return unseen and not self._view.tags[name].pushed_at and self._may_read

    def _lacks_age(self, name: str) -> bool:
        """An age is asked for once: what was known of this digest is all that can be known."""
        tag, before = self._view.tags.get(name), self._known.get(name)
        if tag is None or tag.pushed_at or tag.digest is None or not self._may_read or name in self.problems:
            return False
        return before is None or before.digest != tag.digest or name in self._unread

    async def _take_contents(self, name: str) -> None:
        tag = self._view.tags[name]
        answer = await self._patiently(
            name, read_image_details(self._client, self._repository.pinned(tag.digest or ""))
        )
        if not isinstance(answer, TransferError):
            platforms = tag.platforms if answer.platforms is None else answer.platforms
            self._view.tags[name] = replace(tag, pushed_at=answer.created_at, platforms=platforms)
        elif not isinstance(answer, NotFound | Unsupported):  # an image that is broken, or of schema 1, has no age
            self.problems[name] = TagProblem(name, answer, "age")

    async def _take_platforms(self, name: str) -> None:
        """Once for a digest: they are recorded."""
        tag = self._view.tags[name]
        if tag.digest is None or not self._may_read:
            return
        answer = await self._patiently(name, platform_digests(self._client, self._repository.pinned(tag.digest)))
        if isinstance(answer, TransferError):
            self.problems.setdefault(name, TagProblem(name, answer, "platforms"))
        else:
            self._view.seen.add(name)
            self._view.tags[name] = replace(tag, platforms=answer)

    @property
    def _may_read(self) -> bool:
        """Docker Hub's list tells as much, and a GET there counts as a pull."""
        return self._repository.registry != DOCKER_HUB

    async def _patiently(self, name: str, question: Awaitable[Answer]) -> Answer | TransferError:
        """An answer, or one tag's own trouble. Raises what is the whole registry's."""
        try:
            answer = await question
        except (RateLimited, LoginRefused):
            raise
        except (Unreachable, TlsFailed, Denied) as error:
            self._refused += name not in self._unread  # which was broken before
            self._refusal = error
            answered = _CERTAIN_OUTAGE if isinstance(error, Denied) else min(self._answered, _CERTAIN_OUTAGE)
            if self._refused >= max(_OUTAGE, answered):
                raise
            return error
        except TransferError as error:
            self._refused = 0
            return error
        self._refused = 0
        self._answered += 1
        return answer


def _identified(tag: UpstreamTag, digest: str) -> UpstreamTag:
    """The tag with its present digest; what is known of another digest is no longer true."""
    return replace(tag, digest=digest) if tag.digest in {None, digest} else UpstreamTag(tag.name, digest)
