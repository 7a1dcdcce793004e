"""Prune items: mark what the rules no longer want, and remove what is due."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from ferryman import log
from ferryman.clock import Clock
from ferryman.discovery.base import UpstreamTag
from ferryman.errors import TransferError
from ferryman.events import Events, TagPruned
from ferryman.items.model import Item
from ferryman.pruning.outlook import Outlook, Outlooks
from ferryman.pruning.removal import Removal, Removed
from ferryman.pruning.schedule import Step
from ferryman.reference import Repository
from ferryman.store.ledger import Ledger
from ferryman.store.prunes import Prunes
from ferryman.store.queue.lease_owners import is_here
from ferryman.store.records import PruneMark, TagRecord, Walk
from ferryman.store.target_blobs import TargetBlobs, refusal_names

_LONGEST = timedelta(hours=1)  # of a removal; then its process counts as dead, wherever it runs
_RUN = 1800.0  # seconds of a cycle: the next one goes on

_FINAL: frozenset[Removed | None] = frozenset({"refused", "denied"})  # no other tag of the target would go, either
Tell = Callable[[PruneMark, Removed], object]


@dataclass(slots=True)
class Pruned:
    """What came of it, in tags."""

    removed: int = 0
    stayed: int = 0  # as they, or their items, are not as they were judged any more
    refusal: Removed | None = None  # of the target
    error: TransferError | None = None  # that ended it early

    def count(self, result: Removed | None) -> None:
        """Add the result of a tag; None: it was left alone."""
        self.removed += result == "removed"
        self.stayed += result != "removed"
        self.refusal = result if result in _FINAL else self.refusal


class Pruner:
    """Prunes. One object for the life of a process. Every call raises StoreError."""

    def __init__(
        self, *, outlooks: Outlooks, removal: Removal, prunes: Prunes, ledger: Ledger, blobs: TargetBlobs,
        clock: Clock, owner: str, interval: Callable[[], timedelta], events: Events,
    ) -> None:  # fmt: skip
        """`interval`: between two cycles, now."""
        self._outlooks = outlooks
        self._removal = removal
        self._prunes = prunes
        self._ledger = ledger
        self._blobs = blobs
        self._clock = clock
        self._owner = owner
        self._interval = interval
        self._events = events

    async def outlook(self, item: Item, *, at_once: bool = False, note: bool = False) -> Outlook:
        """What would be removed now. `note`: what the target has of others is recorded, as a removal needs it."""
        now = self._clock.now()
        recorded = await self._outlooks.recorded(item, now=now, note=note)
        return await self._outlooks.of(item, recorded, now=now, interval=self._interval(), at_once=at_once)

    async def outlook_after(
        self, item: Item, tags: Mapping[str, TagRecord], upstream: Mapping[str, UpstreamTag], walk: Walk
    ) -> Outlook:
        """What the cycle does that makes this look."""
        recorded = await self._outlooks.after(item, tags, upstream, walk)
        return await self._outlooks.of(item, recorded, now=self._clock.now(), interval=self._interval())

    async def run(self, items: Sequence[Item], may_ask: Callable[[Item], bool]) -> None:
        """Mark and remove, as these items' rules say. Call it after each cycle. `may_ask`: whether it is not paused."""
        pruned = [item for item in items if item.prune is not None]
        await self._prunes.forget_items(but={str(item.target) for item in pruned})
        failed: set[str] = set()  # registries
        began = self._clock.monotonic()
        for item in pruned:
            if item.target.registry in failed or not may_ask(item):
                continue
            if self._clock.monotonic() - began > _RUN:  # not in the middle of a removal
                log.get().warning("prune_cut", message="pruning took too long: the next cycle goes on")
                return
            done = await self._prune(item)
            if done.error is not None or done.refusal == "refused":
                failed.add(item.target.registry)

    async def _prune(self, item: Item) -> Pruned:
        outlook = await self.outlook(item, note=True)
        if outlook.unlisted is not None:
            log.get().warning(
                "prune_failed", message="cannot list the tags of a target; the next cycle tries again",
                target=str(item.target), error=str(outlook.unlisted),
            )  # fmt: skip
        if outlook.block == "unlisted" and outlook.unlisted is not None and outlook.unlisted.temporary:
            return Pruned(error=outlook.unlisted)  # the registry fails, not this repository alone
        if outlook.block in {None, "refused"}:
            await self._prunes.settle(str(item.target), [step.mark for step in outlook.steps])
            _tell_marks(outlook)
        done = Pruned()
        if outlook.block is None:
            await self.remove(outlook, done, actor=None)
        return done

    async def remove(self, outlook: Outlook, done: Pruned, *, actor: str | None, tell: Tell = lambda *_: None) -> None:
        """Remove what goes now. What comes of it is counted in `done`, and `tell` is called with each result."""
        assert outlook.walked_at is not None  # noqa: S101 - nothing goes without a look
        for step in outlook.steps:
            if step.action != "remove":
                continue
            record = step.unwanted.record
            mark = await self._prunes.begin(
                record, step.mark, walked_at=outlook.walked_at, owner=self._owner, actor=actor
            )
            if mark is None:
                done.count(None)
                continue
            try:
                result = await self._removal.remove(mark, record)
            except TransferError as error:
                _tell_failure(mark, error)
                done.error = error
                return
            await self._account(mark, record, result)
            done.count(result)
            tell(mark, result)
            if done.refusal is not None:
                return

    async def finish(self, held_locks: Collection[str], may_ask: Callable[[str], bool] = lambda _: True) -> None:
        """End the removals whose processes are dead, or take them back.

        `held_locks`: of living processes. `may_ask`: whether a target is not paused.
        """
        for pending in await self._prunes.leaving():
            is_old = pending.began_at is None or self._clock.now() - pending.began_at >= _LONGEST
            owner = pending.owner or ""
            is_dead = owner not in held_locks and is_here(owner)
            is_over = is_dead or (is_old and (owner not in held_locks or owner == self._owner))
            if not is_over or not may_ask(pending.target):
                continue
            mark = await self._prunes.take_over(pending, owner=self._owner)
            record = await self._ledger.tag(pending.target, pending.tag)
            if mark is None or record is None:
                continue
            try:
                result = await self._removal.go_on(mark, record)
            except TransferError as error:
                _tell_failure(mark, error)
                continue
            if result is not None:
                await self._account(mark, record, result)

    async def _account(self, mark: PruneMark, record: TagRecord, result: Removed) -> None:
        of = {"target": mark.target, "tag": mark.tag}
        match result:
            case "removed":
                digest = record.target_digest or record.mirrored_digest
                self._events.emit(TagPruned(record.item, mark.target, mark.tag, digest, mark.reason, mark.actor))
                for name in refusal_names(_repository(mark)):
                    await self._blobs.forget_missing_capability(_repository(mark).registry, name)
            case "changed":
                message = "a tag is not removed: somebody else has overwritten it"
                log.get().warning("prune_changed", message=message, **of)
            case "immutable":
                message = "the registry does not let a tag go: it is tried again when it would be due anew"
                log.get().warning("prune_immutable", message=message, **of)
            case "refused" | "denied":
                await self._note_refusal(_repository(mark), result)

    async def _note_refusal(self, target: Repository, result: Removed) -> None:
        """Remember it, and tell it once: it is tried again after a month, or when a person prunes."""
        of_registry, of_repository = refusal_names(target)
        name = of_registry if result == "refused" else of_repository
        if name in await self._blobs.missing_capabilities(target.registry):
            return
        await self._blobs.note_missing_capability(target.registry, name)
        log.get().warning(
            "prune_refused", target=str(target) if result == "denied" else target.registry,
            message="deleting is refused, so nothing is pruned there: allow it, then run `ferryman prune --yes`",
        )  # fmt: skip


def _repository(mark: PruneMark) -> Repository:
    return Repository.parse(mark.target)


def _tell_marks(outlook: Outlook) -> None:
    new = [step for step in outlook.steps if step.action == "mark"]
    if new:
        log.get().info(
            "prune_marked", message="the rules no longer want these tags of the target: they go once they are due",
            item=outlook.item.name, target=str(outlook.item.target), tags=_names(new),
            number=len(new), due=new[0].mark.due_at,
        )  # fmt: skip


_MOST_NAMED = 20  # tags in one line of the log


def _names(steps: Sequence[Step]) -> str:
    return ", ".join(step.mark.tag for step in steps[:_MOST_NAMED])


def _tell_failure(mark: PruneMark, error: TransferError) -> None:
    log.get().warning(
        "prune_failed", message="cannot remove a tag from its target; the next cycle tries again",
        target=mark.target, tag=mark.tag, error=str(error),
    )  # fmt: skip
