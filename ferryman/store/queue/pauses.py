"""Paused registries: hold back the tags that wait for them, and find the tags to release when a pause ends."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, null, or_, select, true, update

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import registries, status_is, tags
from ferryman.store.queue.statements import PAUSED

CLOCK_SKEW = timedelta(minutes=1)  # at most, between the clocks of two machines
LONGEST_PAUSE = timedelta(days=1)  # that a registry may ask for


async def hold_back(connection: Transaction, now: datetime, among: ColumnElement[bool] | None = None) -> None:
    """Move queued tags (`among` these) behind the pauses in force. Call it at the end of whatever queues tags."""
    for pause in (await connection.execute(select(registries).where(in_force(now)))).all():
        runs = tags.c.run_at.is_not(None) if pause.until is None else tags.c.run_at < pause.until
        held_back = and_(status_is("queued"), touches([pause.registry]), runs, true() if among is None else among)
        await connection.execute(
            update(tags)
            .where(held_back)
            .values(
                run_at=pause.until,
                reason=PAUSED,
                error=pause.error,
                error_kind=null(),
                error_registry=pause.registry,
            )
        )


def in_force(now: datetime) -> ColumnElement[bool]:
    """Whether a pause is in force.

    One that begins in the future, or ends later than the longest pause, was written under a clock that was ahead. It
    has no effect until it is repaired.
    """
    since, until = registries.c.since, registries.c.until
    possible = and_(since <= now + CLOCK_SKEW, until <= now + LONGEST_PAUSE + CLOCK_SKEW)
    return or_(until.is_(None), and_(until > now, possible))


def touches(hosts: Collection[str]) -> ColumnElement[bool]:
    return or_(tags.c.source_registry.in_(hosts), tags.c.target_registry.in_(hosts))


def waits_for_registry() -> ColumnElement[bool]:
    return or_(tags.c.run_at.is_(None), tags.c.reason == PAUSED)


def released(hosts: Collection[str]) -> list[ColumnElement[bool]]:
    """The tags that become due when the pauses of these registries end: those for which one of these holds."""
    return [
        and_(status_is("queued"), waits_for_registry(), touches(hosts)),
        and_(status_is("failed"), tags.c.error_kind == "login", touches(hosts)),
    ]


async def pauses_over(
    connection: Transaction, scope: ColumnElement[bool], among: Collection[str] | None = None
) -> list[str]:
    """The paused registries (`among` these) that tags in `scope` wait for."""
    paused = (await connection.execute(select(registries.c.registry))).scalars()
    hosts = [host for host in paused if among is None or host in among]
    waits = {host: exists().where(scope, touches([host])) for host in hosts}  # ends at the first such tag
    return [host for host, query in waits.items() if await connection.scalar(select(query))]


async def lift_pauses(
    connection: Transaction, scope: ColumnElement[bool], among: Collection[str] | None = None
) -> list[str]:
    """End the pauses (of registries `among` these) that hold back tags in `scope`. Returns the registries."""
    hosts = await pauses_over(connection, scope, among)
    await connection.execute(delete(registries).where(registries.c.registry.in_(hosts)))
    return hosts
