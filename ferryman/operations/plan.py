"""What `sync` would do with every tag: look at items without enqueueing anything."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, replace

from ferryman import planner
from ferryman.application import Application
from ferryman.errors import TransferError
from ferryman.items.model import Item
from ferryman.kinds import PruneAction
from ferryman.planner import Decision
from ferryman.pruning.judgement import Unwanted, is_never_upstream
from ferryman.pruning.outlook import Outlook
from ferryman.pruning.schedule import Step
from ferryman.scheduler import ItemLookup, Scheduler
from ferryman.store.ledger import LookupFailure
from ferryman.store.records import PlannedPrune
from ferryman.tasks import cancel_and_wait

_AT_ONCE = 16  # items that are looked at; each registry's own limit applies as well


@dataclass(frozen=True, slots=True)
class Plan:
    """The result of a look at several items."""

    looked: Sequence[ItemLookup]  # in the order of the items
    failures: Sequence[LookupFailure]  # items whose source could not be looked up

    @property
    def is_complete(self) -> bool:
        """Whether every item could be listed, and every wanted tag could be read."""
        return not self.failures and all(map(is_read, self.looked))


def is_read(looked: ItemLookup) -> bool:
    """Whether every wanted tag could be read, and upstream has not collapsed."""
    return looked.collapse is None and not any(decision.action == "fail" for decision in looked.decisions)


async def plan_items(app: Application, items: Sequence[Item]) -> Plan:
    """Look at the items side by side, and plan each. Nothing is recorded or enqueued. Raises StoreError."""
    looked, failures = [], []
    async for each in plan_each(app, items):
        if isinstance(each, ItemLookup):
            looked.append(each)
        else:
            failures.append(each)
    return Plan(looked, failures)


async def plan_each(app: Application, items: Iterable[Item]) -> AsyncGenerator[ItemLookup | LookupFailure, None]:
    """As `plan_items`, item by item in their order: memory holds a few of them. Close it, or read it to its end."""
    scheduler = app.scheduler()
    running: deque[asyncio.Task[ItemLookup | LookupFailure]] = deque()
    try:
        for item in items:
            running.append(asyncio.create_task(_plan(app, scheduler, item)))
            if len(running) == _AT_ONCE:
                yield await running[0]
                running.popleft()
        while running:
            yield await running[0]
            running.popleft()
    finally:
        await cancel_and_wait(running)


async def _plan(app: Application, scheduler: Scheduler, item: Item) -> ItemLookup | LookupFailure:
    try:
        looked = await scheduler.look(app.configuration, item)
        is_pruned = item.prune is not None and looked.collapse is None
        return await _with_prunes(app, looked) if is_pruned else looked
    except TransferError as error:
        return LookupFailure(item.name, str(item.source), str(item.target), None, str(error))


async def _with_prunes(app: Application, looked: ItemLookup) -> ItemLookup:
    """With what leaves the target. What upstream has deleted has no decision otherwise."""
    upstream = {tag.name: tag for tag in looked.survey.tags}
    outlook = await app.pruner().outlook_after(looked.item, looked.records, upstream, looked.walk)
    if outlook.block not in {None, "refused"}:
        return looked
    prunes = {step.mark.tag: _planned(step, outlook) for step in outlook.steps}
    others = [each for each in outlook.judgement.going if each.record.tag not in upstream]
    decisions = [_gone(each, rank) for rank, each in enumerate(others, start=len(looked.decisions))]
    return replace(looked, prunes=prunes, decisions=[*looked.decisions, *decisions])


def _gone(unwanted: Unwanted, rank: int) -> Decision:
    """What upstream does not have, and so the planner does not see."""
    record = unwanted.record
    reason: planner.Reason = "foreign" if is_never_upstream(record) else "gone"
    details = "upstream never had it" if reason == "foreign" else "upstream has deleted it"
    return Decision(
        record.tag, "skip", reason, details, rank, record.source_digest, record.pushed_at, pinned=False,
        since=record.upstream_since,
    )  # fmt: skip


def _planned(step: Step, outlook: Outlook) -> PlannedPrune:
    action: PruneAction = "wait" if step.action == "remove" and outlook.block is not None else step.action
    return PlannedPrune(action, step.mark.due_at)
