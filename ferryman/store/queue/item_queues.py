"""How many tags of each item are queued, and when they may run, with the pauses of registries taken into account.

A pause holds back all tags of an item alike, so one row for each item is enough: reading a covering index gives it.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import false, func, not_, select

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import status_is, tags
from ferryman.store.queue.manual_pauses import read_pauses
from ferryman.store.queue.pauses import read_paused
from ferryman.store.records import PausedRegistries


@dataclass(frozen=True, slots=True)
class ItemQueue:
    """The queued tags of an item, or of several, by when they may run."""

    target: str
    source_registry: str
    due: int  # now
    waiting: int  # later: for a retry, or the end of a rate limit
    held: int  # once a registry accepts the login
    due_since: datetime | None  # since when the oldest of the due ones might run
    next_at: datetime | None  # when the first of the waiting ones may run
    quarantined: int  # until their digests are old enough; in none of the other numbers


@dataclass(frozen=True, slots=True)
class QueueTotals:
    """All queued tags, by when they may run."""

    due: int
    waiting: int
    held: int
    paused: int  # by a person, or frozen; in none of the other numbers
    due_since: datetime | None
    next_at: datetime | None
    quarantined: int  # in none of the other numbers


async def read_item_queues(
    connection: Transaction, now: datetime, targets: Collection[str] | None = None
) -> list[ItemQueue]:
    """The queue of each of these items that has one; None: of all."""
    paused = await read_paused(connection, now)
    due, run_at = tags.c.run_at <= now, tags.c.run_at
    is_young = func.coalesce(tags.c.quarantined_until > now, false())
    query = (
        select(
            tags.c.target,
            func.min(tags.c.source_registry),  # the same in all of an item's queued tags
            func.count(),
            func.count().filter(due),
            func.min(run_at),
            func.min(run_at).filter(run_at > now, not_(is_young)),
            func.count().filter(is_young),
        )
        .where(status_is("queued"))
        .group_by(tags.c.target)
    )
    if targets is not None:
        query = query.where(tags.c.target.in_(targets))
    return [_with_pauses(_Row(*row), paused) for row in await connection.execute(query)]


class _Row(NamedTuple):
    target: str
    source_registry: str
    number: int
    due: int
    first_at: datetime
    later_at: datetime | None
    quarantined: int


def _with_pauses(row: _Row, paused: PausedRegistries) -> ItemQueue:
    of_item = (row.target, row.source_registry)
    pause, others = paused.of_item(*of_item), row.number - row.quarantined
    if pause is None:
        since = max(row.first_at, paused.open_since(*of_item) or row.first_at) if row.due else None
        return ItemQueue(*of_item, row.due, others - row.due, 0, since, row.later_at, row.quarantined)
    if pause.until is None:
        return ItemQueue(*of_item, 0, 0, others, None, None, row.quarantined)
    next_at = max(row.first_at, pause.until) if others else None
    return ItemQueue(*of_item, 0, others, 0, None, next_at, row.quarantined)


async def read_queue_totals(
    connection: Transaction, now: datetime, targets: Collection[str] | None = None
) -> QueueTotals:
    """All that is queued of these items; None: of all."""
    by_persons = await read_pauses(connection)
    queues = await read_item_queues(connection, now, targets)
    open_ones = [each for each in queues if not by_persons.holds(each.target, each.source_registry)]
    due, waiting, held = (sum(getattr(each, name) for each in open_ones) for name in ("due", "waiting", "held"))
    return QueueTotals(
        due,
        waiting,
        held,
        paused=sum(each.due + each.waiting + each.held for each in queues) - due - waiting - held,
        due_since=min((each.due_since for each in open_ones if each.due_since), default=None),
        next_at=min((each.next_at for each in open_ones if each.next_at), default=None),
        quarantined=sum(each.quarantined for each in queues),
    )
