"""The cycles of all schedulers: when each began and ended, and what came of it."""

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, select, update

from ferryman.store.database.database import Database
from ferryman.store.database.tables import cycles

CycleOutcome = Literal["done", "failed", "stopped"]


@dataclass(frozen=True, slots=True)
class CycleRecord:
    """One cycle. Without an outcome it is still running, or its process was killed."""

    id: int
    owner: str
    began_at: datetime
    ended_at: datetime | None
    outcome: CycleOutcome | None
    items: int
    items_failed: int
    enqueued: int  # tags
    error: str | None


class CycleLog:
    """Writes and reads the cycles. Every call raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, owner: str, *, items: int, now: datetime) -> int:
        """Record that a cycle begins. Returns its id, for `end`."""
        values = {"owner": owner, "began_at": now, "items": items, "items_failed": 0, "enqueued": 0}
        async with self._database.write() as connection:
            key = await connection.scalar(cycles.insert().values(values).returning(cycles.c.id))
        assert isinstance(key, int)  # noqa: S101 - INSERT … RETURNING gives a row
        return key

    async def end(
        self,
        key: int,
        *,
        outcome: CycleOutcome,
        now: datetime,
        items_failed: int = 0,
        enqueued: int = 0,
        error: str | None = None,
    ) -> None:
        """Record what came of a cycle."""
        values = {
            "ended_at": now, "outcome": outcome, "items_failed": items_failed, "enqueued": enqueued, "error": error,
        }  # fmt: skip
        async with self._database.write() as connection:
            await connection.execute(update(cycles).where(cycles.c.id == key).values(values))

    async def stop(self, owner: str, *, now: datetime) -> None:
        """Record that the owner's process stops, so that a cycle of its that has not ended will not."""
        unfinished = update(cycles).where(cycles.c.owner == owner, cycles.c.ended_at.is_(None))
        async with self._database.write() as connection:
            await connection.execute(unfinished.values(ended_at=now, outcome="stopped"))

    async def latest(self, number: int, *, before: int | None = None) -> list[CycleRecord]:
        """The last cycles, newest first. `before`: of those that were recorded before the one with this id."""
        query = select(*(cycles.c[field.name] for field in fields(CycleRecord))).order_by(cycles.c.id.desc())
        if before is not None:
            query = query.where(cycles.c.id < before)
        async with self._database.read() as connection:
            return [CycleRecord(*row) for row in await connection.execute(query.limit(number))]

    async def forget(self, before: datetime) -> None:
        """Drop the cycles that began earlier."""
        async with self._database.write() as connection:
            await connection.execute(delete(cycles).where(cycles.c.began_at < before))
