"""Signs of life of the processes that run on a database, for the health check and `status`."""

from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import delete, select

from ferryman.clock import Clock
from ferryman.store.database.database import Database
from ferryman.store.database.tables import services


@dataclass(frozen=True, slots=True)
class Service:
    """One process. It is well as long as `beat_at` is fresh."""

    owner: str
    role: str  # run, scheduler, worker
    started_at: datetime
    beat_at: datetime
    next_cycle_at: datetime | None  # None: it schedules nothing, or a cycle is under way
    cycle_began_at: datetime | None = None  # the one that is under way
    cycle_ended_at: datetime | None = None  # the last one, however it ended


@dataclass(frozen=True, slots=True)
class Cycles:
    """Where a process is with its cycles, in moments of the clock as it is set now."""

    began_at: datetime | None = None  # the one that is under way
    ended_at: datetime | None = None  # the last one
    next_at: datetime | None = None  # None: one is under way


_NONE = Cycles()


class Services:
    """The processes, by their owner's name. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def heartbeat(self, owner: str, role: str, *, cycles: Cycles = _NONE) -> None:
        """Record a heartbeat; the first one says when the process started."""
        now = self._clock.now()
        fresh = {
            "role": role,
            "beat_at": now,
            "next_cycle_at": cycles.next_at,
            "cycle_began_at": cycles.began_at,
            "cycle_ended_at": cycles.ended_at,
        }
        async with self._database.write() as connection:
            upsert = connection.insert(services).values(owner=owner, started_at=now, **fresh)
            await connection.execute(upsert.on_conflict_do_update(index_elements=["owner"], set_=fresh))
        await self._database.checkpoint()  # who copies the file alone, without its log, gets all but the last seconds

    async def list(self) -> list[Service]:
        """Every process, the one that was heard of last first."""
        query = select(*(services.c[field.name] for field in fields(Service))).order_by(services.c.beat_at.desc())
        async with self._database.read() as connection:
            return [Service(*row) for row in await connection.execute(query)]

    async def forget(self, before: datetime) -> None:
        """Drop the processes that were last heard of before: killed ones do not say goodbye."""
        async with self._database.write() as connection:
            await connection.execute(delete(services).where(services.c.beat_at < before))

    async def drop(self, owner: str) -> None:
        """The process has ended. Idempotent."""
        async with self._database.write() as connection:
            await connection.execute(delete(services).where(services.c.owner == owner))
