"""A tag and what belongs to it: whatever refers to its images (signatures, attestations …), to that, and so on.

Source: OCI distribution specification 1.1, "Listing Referrers", "Pushing Manifests with Subject", "Referrers Tag
Schema". Cosign's own tags are no part of it: they are tags like others, which the planner wants or not.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from ferryman import log
from ferryman.errors import RateLimited, TransferError
from ferryman.manifests.index import document_of
from ferryman.manifests.referrers import Referrer, is_list, listed_in, referrers_fingerprint, with_more
from ferryman.platforms import Platforms
from ferryman.reference import Reference, referrers_tag, subject_of
from ferryman.tasks import gather_or_raise
from ferryman.transports.base import Copied, ProgressSink
from ferryman.transports.direct.copy import CopyContext, DirectCopy
from ferryman.transports.tagging import put_tag

EVERYTHING = Platforms(keyword="all")
_DEEPEST = 4  # what refers to a signature's signature's …
_MOST = 500  # manifests that belong to one tag


class ReferringCopy:
    """Copies one tag, then what refers to it. Made for one `run`."""

    def __init__(
        self, tools: CopyContext, *, source: Reference, target: Reference, wanted: Platforms, progress: ProgressSink
    ) -> None:
        self._tools = tools
        self._source = source
        self._target = target
        self._wanted = wanted
        self._progress = progress
        self._told: dict[str, str] = {}  # by subject, the referrers_fingerprint of what that API lists
        self._seen: set[str] = set()
        self._left_out: list[str] = []
        self._may_mend = False  # some of it was left out for what may pass
        self._moved = 0
        self._reused = 0

    async def run(self) -> Copied:
        """Copy. What cannot be brought of the rest is told as `degraded`: the tag stands all the same.

        Raises what the tag's own copy raises, and RateLimited.
        """
        copied, subjects = await (self._list_copied() if self._is_list else self._tag_copied())
        await gather_or_raise(*(self._follow(subject, depth=1) for subject in sorted(subjects)))
        return replace(
            copied,
            bytes_moved=copied.bytes_moved + self._moved,
            bytes_reused=copied.bytes_reused + self._reused,
            degraded="; ".join(filter(None, (copied.degraded, self._complaint))) or None,
            referrers=None if self._may_mend else self._told.get(self._source.digest or ""),
        )

    async def _tag_copied(self) -> tuple[Copied, Collection[str]]:
        copy, copied = await self._copy(self._source, self._target, self._wanted)
        if not copied.identical and (left := await self._referrers_of(self._source.digest or "")):
            self._leave_out(len(left), f"they refer to {self._source.digest}, which the target has only in part")
        return copied, copy.verbatim

    async def _list_copied(self) -> tuple[Copied, Collection[str]]:
        """The tag is a list of referrers: what can be brought stands in it then, and what the target has besides."""
        index = await self._tools.registry.get_manifest(self._source)
        if not is_list(document_of(index)):
            return await self._tag_copied()  # it is only called so
        listed = listed_in(index, tag=self._target.selector)
        brought = await self._brought(listed)
        own = index if brought == listed else with_more(None, brought)
        async with self._tools.lists.holding(str(self._target)):
            there = await self._tools.registry.tagged_referrers(self._target)
            stored = await put_tag(self._tools.registry, self._target, with_more(own, there))
        identical = stored.digest == self._source.digest
        copied = Copied(stored.digest, identical, bytes_moved=0, bytes_reused=0, confirmed=stored.confirmed)
        return copied, {each.digest for each in brought}

    async def _copy(self, source: Reference, target: Reference, wanted: Platforms) -> tuple[DirectCopy, Copied]:
        copy = DirectCopy(self._tools, source=source, target=target, wanted=wanted, progress=self._progress)
        return copy, await copy.run()

    async def _follow(self, subject: str, *, depth: int) -> None:
        """Bring what refers to one manifest, then what refers to that."""
        listed = [each for each in await self._referrers_of(subject) if each.digest not in self._seen]
        if depth > _DEEPEST:
            self._leave_out(len(listed), f"those to {subject} are nested too deep")
            return
        brought = await self._brought(listed)
        if brought and not self._tools.registry.capabilities(self._target.repository.registry).lists_referrers:
            await self._list(subject, brought)
        await gather_or_raise(*(self._follow(each.digest, depth=depth + 1) for each in brought))

    async def _referrers_of(self, subject: str) -> Sequence[Referrer]:
        """By the API; where there is none, by the tag. What cannot be told is left out."""
        registry, repository = self._tools.registry, self._source.repository
        try:
            listed = await registry.list_referrers(repository.pinned(subject))
            if listed is not None:
                self._told[subject] = referrers_fingerprint(listed)
                return listed
            return await registry.tagged_referrers(repository.tagged(referrers_tag(subject)))
        except RateLimited:
            raise
        except TransferError as error:
            self._miss(error)
            return ()

    async def _brought(self, referrers: Sequence[Referrer]) -> list[Referrer]:
        """Bring them; those that the target has then, each under its digest."""
        chosen = referrers[: _MOST - len(self._seen)]
        self._leave_out(len(referrers) - len(chosen), f"there are more than {_MOST}")
        self._seen |= {each.digest for each in chosen}
        landed = await gather_or_raise(*(self._bring(each) for each in chosen))
        return [each for each, has_landed in zip(chosen, landed, strict=True) if has_landed]

    async def _bring(self, referrer: Referrer) -> bool:
        source, target = (each.repository.pinned(referrer.digest) for each in (self._source, self._target))
        try:
            _, copied = await self._copy(source, target, EVERYTHING)
        except RateLimited:
            raise
        except TransferError as error:
            self._miss(error)
            return False
        self._moved += copied.bytes_moved
        self._reused += copied.bytes_reused
        return copied.identical

    async def _list(self, subject: str, brought: Sequence[Referrer]) -> None:
        """Add them to the referrers tag: the target does not list them by itself."""
        registry, tag = self._tools.registry, self._target.repository.tagged(referrers_tag(subject))
        try:
            async with self._tools.lists.holding(str(tag)):
                there = await registry.tagged_referrers(tag)
                if {each.digest for each in brought} - {each.digest for each in there}:
                    await registry.put_manifest(tag, with_more(None, [*there, *brought]))
        except RateLimited:
            raise
        except TransferError as error:
            self._miss(error)

    def _miss(self, error: TransferError) -> None:
        self._may_mend |= error.temporary
        self._leave_out(1, str(error))

    def _leave_out(self, number: int, why: str) -> None:
        if number:
            log.get().warning("what belongs to an image is left out", number=number, why=why)
            self._left_out.append(why)

    @property
    def _complaint(self) -> str | None:
        if not self._left_out:
            return None
        more = f" (and {len(self._left_out) - 1} more)" if len(self._left_out) > 1 else ""
        return f"referrers left out: {self._left_out[0]}{more}"

    @property
    def _is_list(self) -> bool:
        tag = self._target.tag or ""
        subject = subject_of(tag)
        return subject is not None and referrers_tag(subject) == tag and self._source.digest != subject
