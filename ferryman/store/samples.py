"""Samples of the queue and of the work, one for every five minutes, for charts over a day or a month."""

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, and_, cast, delete, extract, func, literal_column, select

from ferryman.store.database.database import Database, Transaction
from ferryman.store.database.tables import attempts, samples, status_is, tags
from ferryman.store.queue.item_queues import read_queue_totals

INTERVAL = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Sample:
    """The queue at the end of an interval that began at `at`, and the attempts that ended in the interval."""

    at: datetime
    queued: int
    due: int  # and not paused by a person
    running: int
    failed: int
    latency: float  # seconds: the age of the oldest due tag
    copies: int
    failures: int
    bytes_moved: int
    bytes_reused: int


@dataclass(frozen=True, slots=True)
class Step:
    """The samples of several intervals, as one."""

    at: datetime  # when the first of these intervals began, were none missing
    queued: int  # at the most
    latency: float  # at the most
    bytes_moved: int


def interval_of(moment: datetime) -> datetime:
    """The start of the interval that contains the moment, by the clock of UTC."""
    return datetime.fromtimestamp(moment.timestamp() // INTERVAL.total_seconds() * INTERVAL.total_seconds(), UTC)


class Samples:
    """Takes and reads samples. Every call raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def take(self, now: datetime) -> None:
        """Take the sample of the interval that ended last. Idempotent: several processes may take it."""
        at = interval_of(now) - INTERVAL
        async with self._database.read() as connection:
            if await connection.scalar(select(samples.c.at).where(samples.c.at == at)):
                return
            values = {"at": at, **await _queue(connection, now), **await _work(connection, at)}
        async with self._database.write() as connection:
            await connection.execute(connection.insert(samples).values(values).on_conflict_do_nothing())

    async def since(self, moment: datetime) -> list[Sample]:
        """The samples from then on, oldest first. Intervals in which no process ran have none."""
        columns = [samples.c[field.name] for field in fields(Sample)]
        query = select(*columns).where(samples.c.at >= moment).order_by(samples.c.at)
        async with self._database.read() as connection:
            return [Sample(*row) for row in await connection.execute(query)]

    async def steps(self, moment: datetime, length: timedelta) -> list[Step]:
        """The samples from then on in steps of this length by the clock of UTC, oldest first; none for a gap.

        The database sums them up: a month has thousands of samples.
        """
        seconds = int(length.total_seconds())
        number = cast(extract("epoch", samples.c.at), BigInteger) // literal_column(str(seconds), BigInteger)
        query = (
            select(
                number.label("number"),
                func.max(samples.c.queued),
                func.max(samples.c.latency),
                func.sum(samples.c.bytes_moved),
            )
            .where(samples.c.at >= moment)
            .group_by("number")
            .order_by("number")
        )
        async with self._database.read() as connection:
            rows = await connection.execute(query)
            return [
                Step(datetime.fromtimestamp(place * seconds, UTC), queued, latency, int(moved))
                for place, queued, latency, moved in rows
            ]

    async def forget(self, before: datetime) -> None:
        """Drop the samples of earlier intervals."""
        async with self._database.write() as connection:
            await connection.execute(delete(samples).where(samples.c.at < before))


async def _queue(connection: Transaction, now: datetime) -> dict[str, float]:
    queue = await read_queue_totals(connection, now)
    queued = queue.due + queue.waiting + queue.held + queue.paused
    running = await connection.scalar(select(func.count()).select_from(tags).where(status_is("running"))) or 0
    failed = await connection.scalar(select(func.count()).select_from(tags).where(status_is("failed"))) or 0
    latency = (now - queue.due_since).total_seconds() if queue.due_since else 0.0  # a paused mirror is not slow
    return {"queued": queued, "due": queue.due, "latency": latency, "running": running, "failed": failed}


async def _work(connection: Transaction, at: datetime) -> dict[str, int]:
    ended = and_(attempts.c.finished_at >= at, attempts.c.finished_at < at + INTERVAL)
    totals = select(
        func.count().filter(attempts.c.outcome == "synced"),
        func.count().filter(attempts.c.outcome == "failed"),
        func.coalesce(func.sum(attempts.c.bytes_moved), 0),
        func.coalesce(func.sum(attempts.c.bytes_reused), 0),
    )
    copies, failures, moved, reused = (await connection.execute(totals.where(ended))).one()
    return {"copies": copies, "failures": failures, "bytes_moved": int(moved), "bytes_reused": int(reused)}
