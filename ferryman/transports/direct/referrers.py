"""Copies a tag with its referrers: whatever refers to its images (signatures, attestations …), to that, and so on.

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
from ferryman.reference import referrers_tag, subject_of
from ferryman.tasks import gather_or_raise
from ferryman.transports.base import Copied
from ferryman.transports.direct.copy import CopyContext, CopyRequest, DirectCopy
from ferryman.transports.tagging import put_tag

ALL_PLATFORMS = Platforms(keyword="all")
_DEEPEST = 4  # referrers of referrers of …
_MOST = 500  # referrers of one tag


class CopyWithReferrers:
    """Copies one tag, then what refers to it. Made for one `run`."""

    def __init__(self, context: CopyContext, request: CopyRequest) -> None:
        self._context = context
        self._request = request
        self._fingerprints: dict[str, str] = {}  # by subject, the referrers_fingerprint of what the API lists
        self._seen: set[str] = set()
        self._left_out: list[str] = []
        self._failed_temporarily = False  # something was left out because of a temporary error
        self._moved = 0
        self._reused = 0

    async def run(self) -> Copied:
        """Copy. Referrers that cannot be copied are reported as `degraded`: they do not fail the tag.

        Raises what the copy of the tag itself raises, and RateLimited.
        """
        copied, subjects = await (self._copy_referrers_tag() if self._is_referrers_tag else self._copy_tag())
        await gather_or_raise(*(self._copy_referrers_of(subject, depth=1) for subject in sorted(subjects)))
        return replace(
            copied,
            bytes_moved=copied.bytes_moved + self._moved,
            bytes_reused=copied.bytes_reused + self._reused,
            degraded="; ".join(filter(None, (copied.degraded, self._degraded))) or None,
            # None: the next look compares again, and copies what was left out.
            referrers=None if self._failed_temporarily else self._fingerprints.get(self._request.source.digest or ""),
        )

    async def _copy_tag(self) -> tuple[Copied, Collection[str]]:
        """Copy the tag. Also returns the digests whose referrers are to be copied."""
        copy, copied = await self._copy(self._request)
        digest = self._request.source.digest or ""
        if not copied.identical and (referrers := await self._referrers_of(digest)):
            self._leave_out(len(referrers), f"they refer to {digest}, which the target has only in part")
        return copied, copy.verbatim

    async def _copy_referrers_tag(self) -> tuple[Copied, Collection[str]]:
        """Copy a referrers tag: an index of the referrers that could be copied, and of those that the target has."""
        registry, source, target = self._context.registry, self._request.source, self._request.target
        index = await registry.get_manifest(source)
        if not is_list(document_of(index)):
            return await self._copy_tag()  # only its name looks like a referrers tag
        listed = listed_in(index, tag=target.selector)
        copied = await self._copy_all(listed)
        own = index if copied == listed else with_more(None, copied)
        async with self._context.referrers_locks.holding(str(target)):
            existing = await registry.tagged_referrers(target)
            stored = await put_tag(registry, target, with_more(own, existing), self._request.overwriting)
        identical = stored.digest == source.digest
        result = Copied(stored.digest, identical, bytes_moved=0, bytes_reused=0, confirmed=stored.confirmed)
        return result, {referrer.digest for referrer in copied}

    async def _copy(self, request: CopyRequest) -> tuple[DirectCopy, Copied]:
        copy = DirectCopy(self._context, request)
        return copy, await copy.run()

    async def _copy_referrers_of(self, subject: str, *, depth: int) -> None:
        """Copy what refers to one manifest, then what refers to those referrers."""
        new = [referrer for referrer in await self._referrers_of(subject) if referrer.digest not in self._seen]
        if depth > _DEEPEST:
            self._leave_out(len(new), f"those to {subject} are nested too deep")
            return
        copied = await self._copy_all(new)
        target = self._request.target.repository.registry
        if copied and not self._context.registry.capabilities(target).lists_referrers:
            await self._add_to_referrers_tag(subject, copied)
        await gather_or_raise(*(self._copy_referrers_of(referrer.digest, depth=depth + 1) for referrer in copied))

    async def _referrers_of(self, subject: str) -> Sequence[Referrer]:
        """As the referrers API lists them, or the referrers tag where there is no API. Empty after an error."""
        registry, repository = self._context.registry, self._request.source.repository
        try:
            listed = await registry.list_referrers(repository.pinned(subject))
            if listed is not None:
                self._fingerprints[subject] = referrers_fingerprint(listed)
                return listed
            return await registry.tagged_referrers(repository.tagged(referrers_tag(subject)))
        except RateLimited:
            raise
        except TransferError as error:
            self._leave_out_after(error)
            return ()

    async def _copy_all(self, referrers: Sequence[Referrer]) -> list[Referrer]:
        """Copy these. Returns those that the target holds now under their own digest."""
        chosen = referrers[: _MOST - len(self._seen)]
        self._leave_out(len(referrers) - len(chosen), f"there are more than {_MOST}")
        self._seen |= {referrer.digest for referrer in chosen}
        outcomes = await gather_or_raise(*(self._copy_one(referrer) for referrer in chosen))
        return [referrer for referrer, is_copied in zip(chosen, outcomes, strict=True) if is_copied]

    async def _copy_one(self, referrer: Referrer) -> bool:
        source, target = (
            reference.repository.pinned(referrer.digest) for reference in (self._request.source, self._request.target)
        )
        try:
            _, copied = await self._copy(replace(self._request, source=source, target=target, platforms=ALL_PLATFORMS))
        except RateLimited:
            raise
        except TransferError as error:
            self._leave_out_after(error)
            return False
        self._moved += copied.bytes_moved
        self._reused += copied.bytes_reused
        return copied.identical

    async def _add_to_referrers_tag(self, subject: str, copied: Sequence[Referrer]) -> None:
        """Add them to the target's referrers tag, for a target that has no referrers API."""
        registry, tag = self._context.registry, self._request.target.repository.tagged(referrers_tag(subject))
        try:
            async with self._context.referrers_locks.holding(str(tag)):
                existing = await registry.tagged_referrers(tag)
                if {referrer.digest for referrer in copied} - {referrer.digest for referrer in existing}:
                    await registry.put_manifest(tag, with_more(None, [*existing, *copied]))
        except RateLimited:
            raise
        except TransferError as error:
            self._leave_out_after(error)

    def _leave_out_after(self, error: TransferError) -> None:
        self._failed_temporarily |= error.temporary
        self._leave_out(1, str(error))

    def _leave_out(self, number: int, why: str) -> None:
        if number:
            log.get().warning(
                "referrers_left_out", message="referrers of an image are left out", number=number, why=why
            )
            self._left_out.append(why)

    @property
    def _degraded(self) -> str | None:
        if not self._left_out:
            return None
        more = f" (and {len(self._left_out) - 1} more)" if len(self._left_out) > 1 else ""
        return f"referrers left out: {self._left_out[0]}{more}"

    @property
    def _is_referrers_tag(self) -> bool:
        tag = self._request.target.tag or ""
        subject = subject_of(tag)
        return subject is not None and referrers_tag(subject) == tag and self._request.source.digest != subject
