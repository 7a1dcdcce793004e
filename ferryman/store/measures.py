"""What the metrics read of the database: one short transaction for all of it."""

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

from sqlalchemy import ColumnElement, case, func, literal_column, or_, select

from ferryman.clock import Clock
from ferryman.kinds import Hold
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database, Transaction
from ferryman.store.database.tables import (
    HELD_BACK,
    UNREAD,
    cycles,
    lookup_failures,
    manual_pauses,
    services,
    status_is,
    tags,
)
from ferryman.store.freezes import read_freezes
from ferryman.store.queries.findings import DamagedTags, count_damaged
from ferryman.store.queue.item_queues import read_queue_totals
from ferryman.store.queue.pauses import read_paused
from ferryman.store.records import KEPT, Status
from ferryman.store.services import Service


@dataclass(frozen=True, slots=True)
class QueueMeasures:
    """The queue's length, in tags, by when they may run."""

    due: int  # now
    waiting: int  # later: for a retry, or the end of a rate limit
    held: int  # once their registry is resumed
    paused: int  # once a person resumes them
    quarantined: int  # once their digests are old enough
    oldest_due_at: datetime | None  # since when the oldest of the due ones might run


@dataclass(frozen=True, slots=True)
class DiskMeasures:
    """Where the database is. All in bytes."""

    size: int  # of the database, with SQLite's write-ahead log
    free: int | None  # on the disk of SQLite's file; None: PostgreSQL, which does not say


@dataclass(frozen=True, slots=True)
class Measures:
    """One state of the database: everything in it is from the same moment, except for `disk`."""

    at: datetime
    tags: Mapping[tuple[str, Status], int]  # by target and status, of the combinations that exist
    unread: Mapping[str, int]  # tags that were mirrored before and cannot be read now, by target
    damaged: list[DamagedTags]
    unlisted: frozenset[str]  # the targets of the items whose last lookup failed
    frozen: frozenset[str]  # the targets of the frozen items
    held: Mapping[tuple[str, Hold], int]  # tags that nothing is copied over, by target, and why; of those that exist
    queue: QueueMeasures
    refused: frozenset[str]  # the registries that are paused because they refused a login
    limited: frozenset[str]  # the registries that are paused until a rate limit ends
    manual: frozenset[tuple[str, str]]  # what persons have paused: scope (all, item, registry), and its name
    cycle_at: datetime | None  # the end of the last cycle in which an item could be listed; None: there was none
    services: list[Service]
    disk: DiskMeasures


async def measure(database: Database, *, clock: Clock) -> Measures:
    """Read it all. Raises StoreError."""
    now = clock.now()
    async with database.read() as connection:
        paused = (await read_paused(connection, now)).states
        by_status = await _tags(connection)
        return Measures(
            at=now,
            tags=by_status,
            unread=await _unread(connection),
            damaged=await count_damaged(connection),
            unlisted=frozenset((await connection.execute(select(lookup_failures.c.target))).scalars()),
            frozen=frozenset(await read_freezes(connection)),
            held=await _held(connection, sorted({target for target, _ in by_status})),
            queue=await _queue(connection, now),
            refused=frozenset(host for host, state in paused.items() if state.until is None),
            limited=frozenset(host for host, state in paused.items() if state.until is not None),
            manual=await _manual_pauses(connection),
            cycle_at=await _last_successful_cycle(connection),
            services=await _services(connection),
            disk=await _disk(connection, database.file),
        )


async def _tags(connection: Transaction) -> dict[tuple[str, Status], int]:
    query = select(tags.c.target, tags.c.status, func.count()).group_by(tags.c.target, tags.c.status)
    return {(target, status): number for target, status, number in await connection.execute(query)}


async def _unread(connection: Transaction) -> dict[str, int]:
    query = select(tags.c.target, func.count().label("number")).where(UNREAD).group_by(tags.c.target)
    return {row.target: row.number for row in await connection.execute(query)}


async def _held(connection: Transaction, targets: Sequence[str]) -> dict[tuple[str, Hold], int]:
    """Without what is being removed. `targets`: of all items, so that an index finds what persons keep."""
    why: ColumnElement[Hold] = case((tags.c.hold == literal_column("'rollback'"), "rollback"), else_="changed")
    told = select(tags.c.target, why.label("why")).where(HELD_BACK).subquery()
    counted = select(told.c.target, told.c.why, func.count()).group_by(told.c.target, told.c.why)
    found: dict[tuple[str, Hold], int] = {(target, why): n for target, why, n in await connection.execute(counted)}
    kept = select(tags.c.target, func.count()).where(status_is("synced"), tags.c.hold.is_(None), tags.c.reason == KEPT)
    for chunk in chunks(targets):
        rows = await connection.execute(kept.where(tags.c.target.in_(chunk)).group_by(tags.c.target))
        found |= {(target, KEPT): n for target, n in rows}
    return found


async def _queue(connection: Transaction, now: datetime) -> QueueMeasures:
    found = await read_queue_totals(connection, now)
    return QueueMeasures(found.due, found.waiting, found.held, found.paused, found.quarantined, found.due_since)


async def _manual_pauses(connection: Transaction) -> frozenset[tuple[str, str]]:
    query = select(manual_pauses.c.scope, manual_pauses.c.name)
    return frozenset((scope, name) for scope, name in await connection.execute(query))


async def _last_successful_cycle(connection: Transaction) -> datetime | None:
    number = cycles.c["items"]  # `.items` is a method
    some_listed = or_(cycles.c.items_failed < number, number == 0)
    query = select(func.max(cycles.c.ended_at)).where(cycles.c.outcome == "done", some_listed)
    found: datetime | None = await connection.scalar(query)
    return found


async def _services(connection: Transaction) -> list[Service]:
    query = select(*(services.c[field.name] for field in fields(Service)))
    return [Service(*row) for row in await connection.execute(query)]


async def _disk(connection: Transaction, file: Path | None) -> DiskMeasures:
    if file is not None:
        return await asyncio.to_thread(_disk_of, file)
    return DiskMeasures(await connection.scalar(select(func.pg_database_size(func.current_database()))), None)


def _disk_of(file: Path) -> DiskMeasures:
    parts = (file, file.with_name(f"{file.name}-wal"))
    size = sum(part.stat().st_size for part in parts if part.exists())
    return DiskMeasures(size, shutil.disk_usage(file.parent).free)
