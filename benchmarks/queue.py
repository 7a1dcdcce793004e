"""Measures the queue's throughput against plain sqlite3 on the same file: `python -m benchmarks.queue`.

The workers copy nothing, so they use the queue at the same time and share transactions, as they do when the queue is
the bottleneck. A single worker has nobody to share with.
"""

import asyncio
import resource
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ferryman.clock import SystemClock
from ferryman.store.database.database import open_database
from ferryman.store.ledger import Ledger
from ferryman.store.queue.queue import Queue
from ferryman.store.records import ItemKey, PlannedTag, SeenTag, Walk

_TAGS = 100_000  # enqueued at once
_ITEMS = 10  # with as many tags each, so the table has 1,000,000 rows in the end
_JOBS = 4_000
_WORKERS = 8
_NOW = datetime.now(UTC)


async def main() -> None:
    print(f"{'':<64}{'ferryman':>10}{'sqlite3':>10}{'ratio':>8}")
    with tempfile.TemporaryDirectory(prefix="ferryman-benchmark-") as folder:
        file = Path(folder) / "ferryman.db"
        database = await open_database(f"sqlite+aiosqlite:///{file}")
        queue = Queue(database, owner="benchmark", clock=SystemClock(), lease=timedelta(minutes=5), max_attempts=6)
        ledger = Ledger(database, clock=SystemClock())
        with _bare(file) as connection:
            _show(f"enqueue {_TAGS:,} tags: rows a second", await _enqueue(queue), _bare_insert(connection))
            resident = _resident()
            _fill(connection)
            bare = _bare_jobs(connection)
            for workers in (1, _WORKERS):
                ours = await _run_jobs(queue, workers)
                what = f"claim and finish, {_TAGS * _ITEMS:,} rows, workers {workers}"
                _show(f"{what}: jobs a second", ours.rate, bare.rate)
                _show("    milliseconds of CPU a job", ours.cpu, bare.cpu)
        _show("status of one item: milliseconds", await _status(ledger, [_target(5)]))
        _show("status of all items: milliseconds", await _status(ledger, None))
        _show("resident after enqueueing: MiB", resident)
        _show("resident at the end: MiB", _resident())
        await database.close()


def _target(item: int) -> str:
    return f"registry.example.com/mirror/image{item}"


def _digest(number: int) -> str:
    return f"sha256:{number:064x}"


async def _enqueue(queue: Queue) -> float:
    seen = [SeenTag(f"v{number}", _digest(number), _NOW) for number in range(_TAGS)]
    planned = [PlannedTag(each.tag, "copy", "new", rank) for rank, each in enumerate(seen)]
    item = ItemKey("image0", "quay.io/upstream/image0", _target(0), None)
    began = time.perf_counter()
    await queue.apply(item, seen, gone=(), planned=planned, walk=Walk(_NOW, _NOW, ""))
    return _TAGS / (time.perf_counter() - began)


@contextmanager
def _bare(file: Path) -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    yield connection
    connection.close()


def _columns(connection: sqlite3.Connection) -> list[str]:
    return [row[1] for row in connection.execute("PRAGMA table_info(tags)") if row[1] != "id"]


def _bare_insert(connection: sqlite3.Connection) -> float:
    """Insert the same rows under the same indexes, without a layer in between."""
    columns = _columns(connection)
    listed = ", ".join(columns)
    first = dict(zip(columns, connection.execute(f"SELECT {listed} FROM tags LIMIT 1").fetchone(), strict=True))
    rows = [
        tuple({**first, "target": _target(1), "tag": f"v{number}", "rank": number}.values()) for number in range(_TAGS)
    ]
    began = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(f"INSERT INTO tags ({listed}) VALUES ({', '.join('?' * len(columns))})", rows)
    connection.execute("COMMIT")
    return _TAGS / (time.perf_counter() - began)


def _fill(connection: sqlite3.Connection) -> None:
    """Copy the first item's rows as synced ones until the table has its full size."""
    columns = _columns(connection)
    synced = {"target": "?", "status": "'synced'", "mirrored_digest": "source_digest", "synced_at": "first_seen_at"}
    chosen = ", ".join(synced.get(name, name) for name in columns)
    for item in range(2, _ITEMS):
        connection.execute(
            f"INSERT INTO tags ({', '.join(columns)}) SELECT {chosen} FROM tags WHERE target = ?",
            (_target(item), _target(0)),
        )


@dataclass(frozen=True)
class _Jobs:
    rate: float  # jobs a second
    cpu: float  # milliseconds per job, all threads: affected little by other programs on the machine


class _Stopwatch:
    def __init__(self) -> None:
        self._began, self._cpu = time.perf_counter(), time.process_time()

    def read(self) -> _Jobs:
        seconds, cpu = time.perf_counter() - self._began, time.process_time() - self._cpu
        return _Jobs(_JOBS / seconds, cpu * 1000 / _JOBS)


async def _run_jobs(queue: Queue, workers: int) -> _Jobs:
    left = iter(range(_JOBS))

    async def work() -> None:
        for _ in left:
            job = await queue.claim()
            if job is None:
                raise RuntimeError("the queue is empty")
            await queue.succeed(
                job, started_at=_NOW, target_digest=job.digest, identical=True, bytes_moved=1, bytes_reused=1
            )

    watch = _Stopwatch()
    async with asyncio.TaskGroup() as group:
        for _ in range(workers):
            group.create_task(work())
    return watch.read()


def _bare_jobs(connection: sqlite3.Connection) -> _Jobs:
    """Run the same statements one after the other."""
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
    watch = _Stopwatch()
    for number in range(_JOBS):
        connection.execute("BEGIN IMMEDIATE")
        (tag_id,) = connection.execute(_CLAIM, {"token": str(number), "now": now}).fetchone()
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        for statement in (_FINISH, _ATTEMPT, _HISTORY):
            connection.execute(statement, {"id": tag_id, "token": str(number), "now": now, "digest": _digest(number)})
        connection.execute("COMMIT")
    return watch.read()


_CLAIM = """
    UPDATE tags SET status = 'running', attempts = attempts + 1, run_at = NULL, lease_token = :token
    WHERE id = (SELECT id FROM tags WHERE status = 'queued' AND run_at IS NOT NULL AND run_at <= :now
                ORDER BY rank, run_at, id LIMIT 1)
    RETURNING id
"""
_FINISH = (
    "UPDATE tags SET status = 'synced', lease_token = NULL, synced_at = :now WHERE id = :id AND lease_token = :token"
)
_ATTEMPT = """
    INSERT INTO attempts (tag_id, started_at, finished_at, outcome, bytes_moved, bytes_reused)
    VALUES (:id, :now, :now, 'synced', 1, 1)
"""
_HISTORY = "INSERT INTO history (tag_id, digest) VALUES (:id, :digest)"


async def _status(ledger: Ledger, targets: list[str] | None) -> float:
    began = time.perf_counter()
    await ledger.summary(targets)
    return (time.perf_counter() - began) * 1000


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _show(what: str, ours: float, bare: float | None = None) -> None:
    beside = "" if bare is None else f"{_number(bare)}{ours / bare:>8.2f}"
    print(f"{what:<64}{_number(ours)}{beside}", flush=True)


def _number(value: float) -> str:
    return f"{value:>10,.0f}" if value >= 10 else f"{value:>10.2f}"


if __name__ == "__main__":
    asyncio.run(main())
