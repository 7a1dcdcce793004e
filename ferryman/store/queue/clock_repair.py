"""Repair stored times of past events that lie in the future, because the clock was ahead when they were written.

A machine may boot with its clock hours ahead, and synchronise it later. Until the clock has caught up, a tag that was
due then would not be due, and a registry's pause would last hours longer. A waiting tag or registry gets the wait that
it was given, counted from now. Times of past events are moved to now.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Column, ColumnElement, and_, bindparam, case, delete, func, not_, or_, select, update

from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import attempts, registries, services, status_is, tags, walks
from ferryman.store.queue.pauses import CLOCK_SKEW, LONGEST_PAUSE
from ferryman.store.queue.statements import due_at

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


def in_future(moment: "Column[Any]", now: datetime) -> ColumnElement[bool]:
    """Whether the time of a past event lies in the future: it was written under a clock that was ahead of ours."""
    return moment > now + CLOCK_SKEW


async def is_needed(connection: Transaction, now: datetime) -> bool:
    """Whether any past event is recorded in the future. Cheap: it reads indexes and small tables."""
    newest = [
        select(func.max(moment)).scalar_subquery()
        for moment in (attempts.c.finished_at, walks.c.walked_at, registries.c.since, services.c.beat_at)
    ]
    moments = (await connection.execute(select(*newest))).one()
    return any(moment is not None and moment > now + CLOCK_SKEW for moment in moments)


async def repair(connection: Transaction, now: datetime, *, longest_wait: timedelta) -> int:
    """Repair the times. Returns the number of tags that may run earlier now.

    `longest_wait`: the longest that a queued tag may have to wait, for a pause or between two attempts.
    """
    await _repair_pauses(connection, now)
    number = await _repair_retries(connection, now)
    number += await _repair_due(connection, now, longest_wait)
    # The real time of that walk is unknown. With this one, the next walk is newer and lists everything.
    for moment in (walks.c.walked_at, walks.c.completed_at):
        changes = {moment.name: _LONG_AGO, "settled": None}
        await connection.execute(update(walks).where(in_future(moment, now)).values(changes))
    started_at = case((attempts.c.started_at > now, now), else_=attempts.c.started_at)
    ended = update(attempts).where(in_future(attempts.c.finished_at, now))
    await connection.execute(ended.values(started_at=started_at, finished_at=now))
    await connection.execute(
        delete(services).where(in_future(services.c.beat_at, now))
    )  # living ones send another heartbeat
    return number


async def _repair_pauses(connection: Transaction, now: datetime) -> None:
    wrong = or_(in_future(registries.c.since, now), registries.c.until > now + LONGEST_PAUSE)
    query = select(registries.c.registry, registries.c.since, registries.c.until).where(wrong)
    tried = update(registries).where(in_future(registries.c.tried_at, now))
    await connection.execute(tried.values(tried_at=_LONG_AGO))  # a refused login is tried again at once
    rows = (await connection.execute(query)).all()
    for registry, since, until in rows:
        values = {"since": min(since, now)}
        if until is not None:
            values["until"] = now + _wait(until - max(since, now), most=LONGEST_PAUSE)
        await connection.execute(update(registries).where(registries.c.registry == registry).values(values))


async def _repair_retries(connection: Transaction, now: datetime) -> int:
    """Repair the retries of attempts that ended in the future."""
    ended = (
        select(attempts.c.tag_id, func.max(attempts.c.finished_at).label("at"))
        .where(in_future(attempts.c.finished_at, now))
        .group_by(attempts.c.tag_id)
        .subquery()
    )
    joined = select(tags.c.id, tags.c.run_at, ended.c.at).join(ended, ended.c.tag_id == tags.c.id)
    waiting = joined.where(status_is("queued"), tags.c.error.is_not(None), tags.c.run_at > now)
    rows = (await connection.execute(waiting)).all()
    return await _move(connection, ((key, now + _wait(run_at - at)) for key, run_at, at in rows))


async def _repair_due(connection: Transaction, now: datetime, longest_wait: timedelta) -> int:
    """Make due what was due when it was queued, and what waits for longer than any wait allows."""
    at_once = and_(tags.c.error.is_(None), in_future(tags.c.run_at, now))
    too_long = tags.c.run_at > now + max(longest_wait, LONGEST_PAUSE)
    is_young = tags.c.run_at.is_not_distinct_from(tags.c.quarantined_until)  # the next look computes that time anew
    early = update(tags).where(status_is("queued"), or_(at_once, too_long), not_(is_young))
    return (await connection.execute(early.values(run_at=due_at(now)))).rowcount


_MOVE = (
    update(tags)
    .where(tags.c.id == bindparam("tag_id"))
    .values(run_at=due_at(bindparam("new_run_at", type_=tags.c.run_at.type)))
)


async def _move(connection: Transaction, moves: Iterable[tuple[int, datetime]]) -> int:
    number = 0
    for chunk in chunks([{"tag_id": key, "new_run_at": run_at} for key, run_at in moves]):
        await connection.execute(_MOVE, chunk)
        number += len(chunk)
    return number


def _wait(duration: timedelta, *, most: timedelta = timedelta.max) -> timedelta:
    return min(max(duration, timedelta()), most)
