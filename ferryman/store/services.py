"""Heartbeats of the processes that run on a database, for `health` and `status`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, select

from ferryman import __version__
from ferryman.clock import Clock
from ferryman.store.database.database import Database
from ferryman.store.database.tables import services


@dataclass(frozen=True, slots=True)
class Service:
    """One process. It is alive as long as its heartbeat, `beat_at`, is fresh."""

    owner: str
    role: str  # run, scheduler, worker
    started_at: datetime
    beat_at: datetime
    next_cycle_at: datetime | None  # None: it schedules nothing, or a cycle is running
    cycle_began_at: datetime | None = None  # of the running cycle
    cycle_ended_at: datetime | None = None  # of the last cycle, whatever its outcome
    version: str | None = None  # of Ferryman
    details: Mapping[str, Any] | None = None  # what the process last said of itself, for the page


@dataclass(frozen=True, slots=True)
class Cycles:
    """The times of a process's cycles, by the machine's clock as it is set now."""

    began_at: datetime | None = None  # of the running cycle
    ended_at: datetime | None = None  # of the last cycle
    next_at: datetime | None = None  # None: a cycle is running


_NONE = Cycles()


class Services:
    """The processes, by owner (see lease_owners.py). Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def heartbeat(
        self, owner: str, role: str, *, cycles: Cycles = _NONE, details: Mapping[str, Any] | None = None
    ) -> None:
        """Record a heartbeat; the first one sets the process's start time. `details`: what it says of itself (JSON)."""
        now = self._clock.now()
        values = {
            "role": role,
            "beat_at": now,
            "next_cycle_at": cycles.next_at,
            "cycle_began_at": cycles.began_at,
            "cycle_ended_at": cycles.ended_at,
            "version": __version__,
            "details": details,
        }
        async with self._database.write() as connection:
            upsert = connection.insert(services).values(owner=owner, started_at=now, **values)
            await connection.execute(upsert.on_conflict_do_update(index_elements=["owner"], set_=values))
        await self._database.checkpoint()  # so a copy of the file alone, without its log, misses only the last seconds

    async def list(self) -> list[Service]:
        """Every process, the newest heartbeat first."""
        query = select(*(services.c[field.name] for field in fields(Service))).order_by(services.c.beat_at.desc())
        async with self._database.read() as connection:
            return [Service(*row) for row in await connection.execute(query)]

    async def forget(self, before: datetime, *, existing: Collection[str] = ()) -> None:
        """Drop the processes whose last heartbeat is older: killed ones do not drop themselves.

        Those that are known to exist stay: one that hangs for days must not look as if it were none.
        """
        silent = and_(services.c.beat_at < before, services.c.owner.not_in(existing))
        async with self._database.write() as connection:
            await connection.execute(delete(services).where(silent))

    async def drop(self, owner: str) -> None:
        """Drop a process that has ended. Idempotent."""
        async with self._database.write() as connection:
            await connection.execute(delete(services).where(services.c.owner == owner))
