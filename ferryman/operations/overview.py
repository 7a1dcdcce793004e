"""The overview: the verdict, and how each item stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ferryman.item_names import Named
from ferryman.liveness import Liveness
from ferryman.operations.verdict import Verdict, judge, liveness_of, pause_of
from ferryman.record import Record
from ferryman.store.ledger import LookupFailure
from ferryman.store.queries.counts import TagCounts
from ferryman.store.queries.look_strips import LookAtItem, read_look_strips
from ferryman.store.queries.standing import read_standing
from ferryman.store.records import Freeze, ManualPause


@dataclass(frozen=True, slots=True)
class ItemOverview:
    """How an item stands."""

    name: str
    source: str
    target: str
    counts: TagCounts
    looks: tuple[LookAtItem, ...]  # the last 30, oldest first
    walked_at: datetime | None  # the last successful look; None: never
    failure: LookupFailure | None  # of the last look
    pause: ManualPause | None  # by a person, that holds it back
    freeze: Freeze | None = None  # its upstream has collapsed

    @property
    def looked_at(self) -> datetime | None:
        """The last look, whatever came of it."""
        return max(filter(None, (self.walked_at, self.looks[-1].at if self.looks else None)), default=None)


@dataclass(frozen=True, slots=True)
class Overview:
    """How everything stands at one moment."""

    at: datetime
    verdict: Verdict
    items: tuple[ItemOverview, ...]  # in the order of items.yml
    services: tuple[Liveness, ...]
    looks_since: datetime | None  # a cycle runs since
    next_look_at: datetime | None  # None: a cycle runs, or nobody schedules


async def read_overview(record: Record, items: Sequence[Named], *, now: datetime, looks: bool = True) -> Overview:
    """The overview now, of these items, all from one moment. Raises StoreError.

    Without `looks`, the items have none: those of thousands of items take longer to read than all the rest.
    """
    targets = {item.target for item in items}
    async with record.database.read() as connection:
        standing = await read_standing(connection, targets, now)
        strips = await read_look_strips(connection, targets if looks else ())
    liveness = liveness_of(record, standing)
    failures = {failure.target: failure for failure in standing.lookup_failures}
    freezes = {each.target: each for each in standing.freezes}
    living = [each.service for each in liveness if each.alive]
    return Overview(
        at=now,
        verdict=judge(standing, items, liveness),
        items=tuple(
            ItemOverview(
                item.name, item.source, item.target,
                counts=standing.counts[item.target],
                looks=strips.get(item.target, ()),
                walked_at=standing.walked_at.get(item.target),
                failure=failures.get(item.target),
                pause=pause_of(item, standing.pauses),
                freeze=freezes.get(item.target),
            )
            for item in items
        ),
        services=tuple(liveness),
        looks_since=min((each.cycle_began_at for each in living if each.cycle_began_at), default=None),
        next_look_at=min((each.next_cycle_at for each in living if each.next_cycle_at), default=None),
    )  # fmt: skip
