"""What the rules no longer want at the targets, and its removal by a person."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ferryman.application import Application
from ferryman.errors import LoginRefused
from ferryman.items.model import Item
from ferryman.kinds import PruneBlock, Stay
from ferryman.pruning.judgement import is_never_upstream
from ferryman.pruning.outlook import Outlook
from ferryman.pruning.pruner import Pruned
from ferryman.pruning.removal import Removed
from ferryman.store.records import PruneMark


@dataclass(frozen=True, slots=True)
class UnwantedTag:
    """A tag of a target that the rules do not want."""

    item: str
    source: str
    target: str
    tag: str
    digest: str | None  # that the target's tag names; None: not known
    reason: str
    gone_at: datetime | None  # since when upstream no longer lists it
    stays: Stay | None  # why it stays all the same; None: it may go
    marked_at: datetime | None = None  # since when it is marked; None: it is not
    due_at: datetime | None = None  # when the service removes it; None: it does not
    now: bool = False  # a person may remove it now; False: another day


@dataclass(frozen=True, slots=True)
class PruneResult:
    """What came of a removal."""

    outlook: Outlook
    done: Pruned

    @property
    def is_well(self) -> bool:
        """Whether all that was to be removed now is, by a look that can be trusted."""
        wanted = sum(step.action == "remove" for step in self.outlook.steps)
        return block_or_doubt_of(self.outlook) is None and self.done.removed == wanted


async def unwanted_of(app: Application, items: Sequence[Item], *, note: bool = False) -> list[Outlook]:
    """What a person may remove of each item now, and why the rest stays. Raises StoreError.

    `note`: what the targets have of others is recorded, as a removal needs it.
    """
    paused = await app.record.manual_pauses.read()
    pruner = app.pruner()
    return [
        await _checked(app, await pruner.outlook(item, at_once=True, note=note))
        if paused.of_item(str(item.target), str(item.target)) is None
        else replace(await pruner.outlook(item, at_once=True), block="paused")
        for item in items
    ]


async def prune(
    app: Application, items: Sequence[Item], *, actor: str,
    tell: Callable[[PruneMark, Removed], object] = lambda *_: None,
) -> list[PruneResult]:  # fmt: skip
    """Remove what may go now, without waiting for its time. `tell` is called for each tag. Raises StoreError."""
    results = []
    for outlook in await unwanted_of(app, items, note=True):
        done = Pruned()
        if outlook.block is None:
            await app.pruner().remove(outlook, done, actor=actor, tell=tell)
        results.append(PruneResult(outlook, done))
    return results


def tags_of(outlook: Outlook) -> list[UnwantedTag]:
    """The unwanted tags, those that go first."""
    item = outlook.item
    steps = {step.mark.id: step for step in outlook.steps}
    found = []
    for each in outlook.judgement.unwanted:
        record, step = each.record, steps.get(each.record.id)
        tag = UnwantedTag(
            item.name, str(item.source), str(item.target), record.tag, record.target_digest or record.mirrored_digest,
            each.reason, None if is_never_upstream(record) else record.gone_at, each.stays,
        )  # fmt: skip
        if step is not None:
            is_marked = step.is_known and item.prune is not None
            tag = replace(
                tag, now=step.action == "remove" and outlook.block is None,
                marked_at=step.mark.marked_at if is_marked else None,
                due_at=step.mark.due_at if item.prune is not None else None,
            )  # fmt: skip
        found.append(tag)
    return sorted(found, key=lambda tag: tag.stays is not None)


def block_of(outlook: Outlook) -> PruneBlock | None:
    """Why nothing of the item goes now, if anything would."""
    return outlook.block if outlook.steps else None


def block_or_doubt_of(outlook: Outlook) -> PruneBlock | None:
    """The same, also if nothing would go by a look that cannot be trusted: nobody knows what is unwanted now."""
    return outlook.block if outlook.block in _DOUBTS else block_of(outlook)


_DOUBTS: Collection[PruneBlock | None] = frozenset(
    {"never-looked", "failed", "stale", "rules-changed", "frozen", "unlisted"}
)


async def _checked(app: Application, outlook: Outlook) -> Outlook:
    try:
        await app.pauses.check(outlook.item.target.registry)
    except LoginRefused:
        return replace(outlook, block="paused")
    return outlook
