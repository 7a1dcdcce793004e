"""Put a target's tag back on a digest that it had: one manifest, no blobs. It is held there until a person releases it.

The rollback is recorded before the target is asked to change, and ended after it has. So whatever ends the process in
between, the next cycle finds it: `finish` asks the target what the tag names, and ends or repeats the rollback.
"""

from collections.abc import Callable, Collection
from datetime import timedelta

from ferryman import log
from ferryman.clock import Clock
from ferryman.errors import NotFound, TransferError, Unreachable, Unsupported, WrongContent
from ferryman.manifests.manifest import Manifest
from ferryman.reference import Reference, Repository
from ferryman.registry.client import RegistryClient
from ferryman.rollback.keeper import Keeper
from ferryman.store.queue.lease_owners import is_here
from ferryman.store.records import PendingRollback
from ferryman.store.rollbacks import Refusal, Rollbacks
from ferryman.transports.tagging import put_tag
from ferryman.verification.contents import Contents

_LONGEST = timedelta(minutes=10)  # of a rollback; then its process counts as dead, wherever it runs


class RollbackUnsettled(Unreachable):
    """The target does not say whether it has taken the rollback."""


class Rollback:
    """Puts tags back. One object for the life of a process."""

    def __init__(
        self, *, rollbacks: Rollbacks, keeper: Keeper, registry: RegistryClient, clock: Clock, owner: str
    ) -> None:
        self._rollbacks = rollbacks
        self._keeper = keeper
        self._registry = registry
        self._clock = clock
        self._owner = owner

    async def put_back(self, target: Repository, tag: str, digest: str, *, actor: str) -> Refusal | None:
        """Put the tag back on the digest. Returns why not, if something else goes on with it. Raises StoreError.

        Raises TransferError; the tag is unchanged then, unless it is RollbackUnsettled.
        """
        manifest = await self._whole(target, digest)
        pending = await self._rollbacks.begin(str(target), tag, digest, actor=actor, owner=self._owner)
        if not isinstance(pending, PendingRollback):
            return pending
        await self._write(pending, manifest)
        return None

    async def finish(self, held_locks: Collection[str], may_ask: Callable[[str], bool] = lambda _: True) -> None:
        """End the rollbacks whose processes are dead. Raises StoreError.

        `held_locks`: of living processes. `may_ask`: whether a target is not paused.
        """
        for pending in await self._rollbacks.pending():
            is_old = self._clock.now() - pending.began_at >= _LONGEST
            is_over = pending.owner not in held_locks and (is_old or is_here(pending.owner))
            if not is_over or not may_ask(pending.target):
                continue
            target = Repository.parse(pending.target)
            try:
                if await self._is_done(pending):
                    await self._end(pending)
                else:
                    await self._write(pending, await self._whole(target, pending.digest), patient=True)
            except NotFound as error:
                await self._rollbacks.undo(pending)
                _report(pending, error)
            except TransferError as error:
                _report(pending, error)

    async def _whole(self, target: Repository, digest: str) -> Manifest:
        """The manifest, if the target has all that it names. Raises NotFound if not."""
        manifest = await self._registry.get_manifest(target.pinned(digest))
        lacking = await Contents(self._registry, reads=False).lacking(target, digest)
        if lacking:
            raise NotFound(f"{target}@{digest}: {next(iter(lacking.values()))}", registry=target.registry)
        return manifest

    async def _write(self, pending: PendingRollback, manifest: Manifest, *, patient: bool = False) -> None:
        tag = _tag(pending)
        try:
            # A tag that holds the digest may be overwritten at this moment: no other one is trusted.
            stored = await put_tag(self._registry, tag, manifest, self._keeper.overwriting(tag, alone=True))
            if not stored.confirmed and not await self._is_done(pending):
                raise WrongContent(f"{tag} names something else after it was put", registry=tag.repository.registry)
        except TransferError as error:
            await self._settle(pending, error, patient=patient)
        await self._end(pending)

    async def _settle(self, pending: PendingRollback, error: TransferError, *, patient: bool) -> None:
        """After an error: find out whether the target has taken the manifest. Raises the error if it has not.

        `patient`: a temporary error ends no rollback.
        """
        try:
            done = await self._is_done(pending)
        except TransferError:
            message = f"{error}; whether {_tag(pending)} was put back is not known: the next cycle finds out"
            raise RollbackUnsettled(message, registry=error.registry) from error
        if not done:
            if not (patient and error.temporary):
                await self._rollbacks.undo(pending)
            raise error

    async def _is_done(self, pending: PendingRollback) -> bool:
        """Whether the tag names the digest already."""
        try:
            return (await self._registry.head_manifest(_tag(pending))).digest == pending.digest
        except NotFound:
            return False

    async def _end(self, pending: PendingRollback) -> None:
        if not await self._rollbacks.end(pending):
            message = f"{_tag(pending)} was released while it was put back: it is copied from upstream again"
            raise Unsupported(message, registry=Repository.parse(pending.target).registry)
        log.get().info(
            "tag_put_back", message="a tag names again what it named before",
            target=pending.target, tag=pending.tag, digest=pending.digest, actor=pending.actor,
        )  # fmt: skip


def _tag(pending: PendingRollback) -> Reference:
    return Repository.parse(pending.target).tagged(pending.tag)


def _report(pending: PendingRollback, error: TransferError) -> None:
    log.get().warning(
        "rollback_unfinished", message="cannot finish a rollback that was interrupted",
        target=pending.target, tag=pending.tag, digest=pending.digest, error=str(error),
    )  # fmt: skip
