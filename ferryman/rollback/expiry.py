"""Once a cycle: remove the tags of digests that were kept long enough, and settle what a killed process left behind."""

from collections.abc import Callable
from datetime import datetime, timedelta

from ferryman import log
from ferryman.clock import Clock
from ferryman.errors import Denied, NotFound, TransferError, Unsupported
from ferryman.reference import Repository, keep_tag
from ferryman.registry.client import RegistryClient
from ferryman.rollback.keeper import Keeper
from ferryman.store.kept_digests import KeptDigests
from ferryman.store.records import KeptDigest
from ferryman.transports.tagging import remove_tag

_SETTLES = timedelta(hours=1)  # a process that keeps a digest has done so by then


class Expiry:
    """Brings the record of kept digests and the targets together. One object for the life of a process."""

    def __init__(self, *, keeper: Keeper, kept: KeptDigests, registry: RegistryClient, clock: Clock) -> None:
        self._keeper = keeper
        self._kept = kept
        self._registry = registry
        self._clock = clock

    async def run(self, may_ask: Callable[[str], bool] = lambda _: True) -> None:
        """Do it for all targets. A registry that fails is left for the next cycle. Raises StoreError.

        `may_ask`: whether a target is not paused.
        """
        now = self._clock.now()
        shortest = min(self._keeper.periods.values(), default=timedelta())
        failed: set[str] = set()  # registries
        for kept in await self._kept.unsettled(before=now - shortest):
            registry = Repository.parse(kept.target).registry
            if registry in failed or not may_ask(kept.target):
                continue
            try:
                await self._settle(kept, now)
            except TransferError as error:
                failed.add(registry)
                log.get().warning(
                    "kept_tags_failed", message="cannot look after kept digests; trying again in the next cycle",
                    target=kept.target, error=str(error),
                )  # fmt: skip

    async def _settle(self, kept: KeptDigest, now: datetime) -> None:
        period = self._keeper.periods.get(kept.target)
        is_over = kept.state == "leaving" or now - kept.kept_at >= (period or timedelta())
        if period is None:  # nothing is written to a target that items.yml names no more
            await self._kept.forget([kept.target])
        elif is_over and await self._kept.begin_removal(kept):
            await self._remove(kept)
        elif kept.state == "pending" and now - kept.kept_at >= _SETTLES:
            await self._confirm(kept)

    async def _remove(self, kept: KeptDigest) -> None:
        tag = Repository.parse(kept.target).tagged(keep_tag(kept.digest))
        try:
            removed = await remove_tag(self._registry, tag)
        except (Unsupported, Denied):  # immutable tags; an account that may not delete
            removed = False
        await self._kept.drop(kept.target, kept.digest)
        of = {"target": kept.target, "tag": tag.tag, "digest": kept.digest}
        if removed:
            log.get().info("kept_tag_removed", message="a digest is kept no longer", **of)
        else:
            log.get().warning(
                "kept_tag_remains",
                message="a digest is kept no longer, but its registry keeps the tag",
                **of,
            )

    async def _confirm(self, kept: KeptDigest) -> None:
        """A process was killed when it was about to put the tag: put it, if the target still has the digest."""
        repository = Repository.parse(kept.target)
        try:
            manifest = await self._registry.get_manifest(repository.pinned(kept.digest))
        except NotFound:
            await self._kept.drop(kept.target, kept.digest)
            return
        await self._keeper.hold(repository, manifest)
