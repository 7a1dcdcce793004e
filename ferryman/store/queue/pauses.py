"""Paused registries: what waits behind them, and what their end sets free."""

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, null, or_, select, true, update

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import registries, status_is, tags
from ferryman.store.queue.statements import PAUSED

CLOCKS_DIFFER = timedelta(minutes=1)  # the clocks of two machines, at most
LONGEST_PAUSE = timedelta(days=1)  # that a registry may ask for


async def hold_back(connection: Transaction, now: datetime, among: ColumnElement[bool] | None = None) -> None:
    """Move what is queued (`among` these) behind the pauses in force. Whatever queues tags calls it in the end."""
    for pause in (await connection.execute(select(registries).where(in_force(now)))).all():
        runs = tags.c.run_at.is_not(None) if pause.until is None else tags.c.run_at < pause.until
        early = and_(status_is("queued"), touches([pause.registry]), runs, true() if among is None else among)
        await connection.execute(
            update(tags).where(early).values(run_at=pause.until, reason=PAUSED, error=pause.error, error_kind=null())
        )


def in_force(now: datetime) -> ColumnElement[bool]:
    """A limit that begins in the future was noted by a clock that was ahead, and one that ends later than any may, too.

    Until they are repaired they hold nothing.
    """
    since, until = registries.c.since, registries.c.until
    possible = and_(since <= now + CLOCKS_DIFFER, until <= now + LONGEST_PAUSE + CLOCKS_DIFFER)
    return or_(until.is_(None), and_(until > now, possible))


def touches(hosts: Collection[str]) -> ColumnElement[bool]:
    return or_(tags.c.source_registry.in_(hosts), tags.c.target_registry.in_(hosts))


def waits_for_registry() -> ColumnElement[bool]:
    return or_(tags.c.run_at.is_(None), tags.c.reason == PAUSED)


def freed(hosts: Collection[str]) -> ColumnElement[bool]:
    """What the end of these registries' pauses sets free."""
    waits = or_(
        and_(status_is("queued"), waits_for_registry()), and_(status_is("failed"), tags.c.error_kind == "login")
    )
    return and_(waits, touches(hosts))


async def lift(connection: Transaction, scope: ColumnElement[bool]) -> list[str]:
    """End the pauses that stand in the way of these tags; their registries."""
    pair = select(tags.c.source_registry, tags.c.target_registry).where(scope).distinct()
    hosts = {host for row in await connection.execute(pair) for host in row}
    lifting = delete(registries).where(registries.c.registry.in_(hosts)).returning(registries.c.registry)
    return list((await connection.execute(lifting)).scalars())
