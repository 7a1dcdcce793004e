"""Paused registries: which tags they hold back.

A pause is one row of `registries`, and changes no tag: claims pass over what waits for the registry, and whatever shows
a queued tag or counts some takes the pause into account. The row of a pause that has ended stays: what it held back is
due since then.
"""

from collections.abc import Collection, Iterable
from dataclasses import fields, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    and_,
    bindparam,
    exists,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.sql.dml import Update

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import registries, status_is, tags
from ferryman.store.records import Paused, PausedRegistries, RegistryState, TagRecord, WaitingTag

PAUSED = "paused"  # the reason that is shown of a queued tag that waits for its registry, or for a person
_NO_PERSON = Paused()
CLOCK_SKEW = timedelta(minutes=1)  # at most, between the clocks of two machines
LONGEST_PAUSE = timedelta(days=1)  # that a registry may ask for
_Tag = TypeVar("_Tag", TagRecord, WaitingTag)
_STATE = [registries.c[each.name] for each in fields(RegistryState)]


_Moment = datetime | BindParameter[datetime]


def in_force(now: datetime) -> ColumnElement[bool]:
    """Whether a pause is in force.

    One that begins in the future, or ends later than the longest pause, was written under a clock that was ahead. It
    has no effect until it is repaired.
    """
    return _in_force(**moments(now))


def moments(now: datetime) -> dict[str, datetime]:
    """The parameters of IN_FORCE."""
    return {"now": now, "latest_begin": now + CLOCK_SKEW, "latest_end": now + LONGEST_PAUSE + CLOCK_SKEW}


def _in_force(now: _Moment, latest_begin: _Moment, latest_end: _Moment) -> ColumnElement[bool]:
    since, until = registries.c.since, registries.c.until
    possible = and_(since <= latest_begin, until <= latest_end)
    return or_(until.is_(None), and_(until > now, possible))


_TIME = registries.c.until.type
# `in_force`, for a statement that is built once. Parameters: `moments`.
IN_FORCE = _in_force(*(bindparam(name, type_=_TIME) for name in ("now", "latest_begin", "latest_end")))

_PAUSED = select(IN_FORCE, *_STATE).order_by(registries.c.registry)


async def read_paused(connection: Transaction, now: datetime) -> PausedRegistries:
    """The paused registries, as this transaction sees them."""
    return await connection.run_sync(partial(paused_at, now=now))


def paused_at(connection: Connection, *, now: datetime) -> PausedRegistries:
    """`read_paused`, for a transaction in one call."""
    rows = connection.execute(_PAUSED, moments(now)).all()
    states = [RegistryState(*state) for holds, *state in rows if holds]
    ended = {row.registry: row.until for row in rows if row.until is not None and row.until <= now}
    return PausedRegistries({each.registry: each for each in states}, ended)


def touches(hosts: Collection[str]) -> ColumnElement[bool]:
    return or_(tags.c.source_registry.in_(hosts), tags.c.target_registry.in_(hosts))


def held_back(tag: _Tag, paused: PausedRegistries) -> _Tag:
    """A queued tag, with the time and the error of the pause that holds it back; as it is, if it waits for longer."""
    pause = paused.of_item(tag.target, tag.source)
    if pause is None or (pause.until is not None and tag.run_at is not None and tag.run_at > pause.until):
        return tag
    return replace(
        tag, run_at=pause.until, reason=PAUSED, error=pause.error, error_kind=None, error_registry=pause.registry
    )


def as_shown(records: Iterable[TagRecord], paused: PausedRegistries, persons: Paused = _NO_PERSON) -> list[TagRecord]:
    """The records, with what the queued ones wait for. `persons`: whose pauses count, too."""
    if not paused.states and not persons:
        return list(records)
    return [_as_shown(record, paused, persons) if record.status == "queued" else record for record in records]


def _as_shown(record: TagRecord, paused: PausedRegistries, persons: Paused) -> TagRecord:
    shown = held_back(record, paused)
    return replace(shown, reason=PAUSED) if persons.holds(record.target, record.source) else shown


def released(pauses: Collection[RegistryState]) -> list[ColumnElement[bool]]:
    """The tags that become due when these pauses end: those for which one of these holds."""
    waiting = [and_(status_is("queued"), touches([each.registry]), _runs_before(each.until)) for each in pauses]
    return [*waiting, refused([each.registry for each in pauses])]


def _runs_before(until: datetime | None) -> ColumnElement[bool]:
    return true() if until is None else tags.c.run_at < until


def refused(hosts: Collection[str]) -> ColumnElement[bool]:
    """The tags that failed because one of these registries refused the login."""
    return and_(status_is("failed"), tags.c.error_kind == "login", touches(hosts))


def ending(hosts: Collection[str], now: datetime) -> Update:
    """End the pauses of these registries. From now to now: so it stays ended when the clock is set back."""
    return update(registries).where(registries.c.registry.in_(hosts)).values(since=now, until=now)


def forgetting(hosts: Collection[str], now: datetime) -> Update:
    """The same, and forget the logins that were refused."""
    return ending(hosts, now).values(fingerprint=null(), tried_at=null(), tries=0)


async def pauses_over(
    connection: Transaction, scope: ColumnElement[bool], now: datetime, among: Collection[str] | None = None
) -> list[RegistryState]:
    """The pauses (of registries `among` these) that tags in `scope` wait for."""
    paused = (await read_paused(connection, now)).states.values()
    waits = [  # each ends at the first such tag
        (each, select(exists().where(scope, touches([each.registry]))))
        for each in paused
        if among is None or each.registry in among
    ]
    return [each for each, query in waits if await connection.scalar(query)]


async def lift_pauses(
    connection: Transaction, scope: ColumnElement[bool], now: datetime, among: Collection[str] | None = None
) -> list[RegistryState]:
    """End the pauses (of registries `among` these) that hold back tags in `scope`. Returns them."""
    found = await pauses_over(connection, scope, now, among)
    await connection.execute(forgetting([each.registry for each in found], now))
    return found
