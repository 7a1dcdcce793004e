"""All that the verdict depends on, read in one short transaction."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import func, select

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import attempts, cycles, lookup_failures, registries, services
from ferryman.store.freezes import read_freezes
from ferryman.store.ledger import LookupFailure
from ferryman.store.queries.causes import Cause, read_causes
from ferryman.store.queries.counts import TagCounts, read_counts
from ferryman.store.queries.findings import DamagedTags, count_damaged
from ferryman.store.queries.look_strips import read_last_walks
from ferryman.store.queries.refused_deletes import RefusedDeletes, read_refused_deletes
from ferryman.store.queue.manual_pauses import read_pauses
from ferryman.store.queue.pauses import in_force
from ferryman.store.records import Freeze, Paused, RegistryState
from ferryman.store.services import Service


@dataclass(frozen=True, slots=True)
class EndedCycle:
    """The last cycle that has ended."""

    outcome: str  # done, failed, stopped
    began_at: datetime
    ended_at: datetime
    error: str | None


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand, of the items of items.yml."""

    at: datetime
    counts: Mapping[str, TagCounts]  # by target: every item
    walked_at: Mapping[str, datetime]  # the last successful look, by target
    causes: tuple[Cause, ...]  # newest first
    lookup_failures: tuple[LookupFailure, ...]
    registries: tuple[RegistryState, ...]  # the paused ones
    pauses: Paused  # by persons
    services: tuple[Service, ...]
    cycle: EndedCycle | None
    attempt_at: datetime | None  # when the last attempt ended
    damaged: tuple[DamagedTags, ...] = ()
    freezes: tuple[Freeze, ...] = ()  # of items that are frozen
    refused_deletes: tuple[RefusedDeletes, ...] = ()


async def read_standing(connection: Transaction, targets: Collection[str], now: datetime) -> Standing:
    """Read it all."""
    return Standing(
        at=now,
        counts=await read_counts(connection, targets, now),
        walked_at=await read_last_walks(connection, targets),
        causes=tuple(await read_causes(connection, targets)),
        lookup_failures=await _lookup_failures(connection, targets),
        registries=await _paused_registries(connection, now),
        pauses=await read_pauses(connection),
        services=await _services(connection),
        cycle=await _last_cycle(connection),
        attempt_at=await connection.scalar(_LAST_ATTEMPT),
        damaged=tuple([each for each in await count_damaged(connection) if each.target in targets]),
        freezes=tuple([each for target, each in (await read_freezes(connection)).items() if target in targets]),
        refused_deletes=tuple(await read_refused_deletes(connection, targets, now)),
    )


_LAST_ATTEMPT = select(attempts.c.finished_at).where(attempts.c.id == select(func.max(attempts.c.id)).scalar_subquery())
_LAST_CYCLE = (
    select(*(cycles.c[each.name] for each in fields(EndedCycle)))
    .where(cycles.c.outcome.is_not(None))
    .order_by(cycles.c.id.desc())
    .limit(1)
)


async def _lookup_failures(connection: Transaction, targets: Collection[str]) -> tuple[LookupFailure, ...]:
    columns = (lookup_failures.c[each.name] for each in fields(LookupFailure))
    query = select(*columns).where(lookup_failures.c.target.in_(targets)).order_by(lookup_failures.c.item)
    return tuple([LookupFailure(*row) for row in await connection.execute(query)])


async def _paused_registries(connection: Transaction, now: datetime) -> tuple[RegistryState, ...]:
    columns = (registries.c[each.name] for each in fields(RegistryState))
    query = select(*columns).where(in_force(now)).order_by(registries.c.since, registries.c.registry)
    return tuple([RegistryState(*row) for row in await connection.execute(query)])


async def _services(connection: Transaction) -> tuple[Service, ...]:
    query = select(*(services.c[each.name] for each in fields(Service))).order_by(services.c.beat_at.desc())
    return tuple([Service(*row) for row in await connection.execute(query)])


async def _last_cycle(connection: Transaction) -> EndedCycle | None:
    row = (await connection.execute(_LAST_CYCLE)).one_or_none()
    return EndedCycle(*row) if row else None
