"""How fast the queue is, against plain sqlite3 doing the same to the same file: `python -m benchmarks.queue`."""

import asyncio
import resource
import sqlite3
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ferryman.clock import SystemClock
from ferryman.store.engine import open_database
from ferryman.store.ledger import Ledger
from ferryman.store.queue import Queue
from ferryman.store.records import ItemKey, SeenTag, Verdict, Walk

_TAGS = 100_000  # that are enqueued at once
_ROWS = 1_000_000  # that the table has in the end
_JOBS = 4_000
_WORKERS = 8
_NOW = datetime.now(UTC)


async def main() -> None:
    print(f"{'':44}{'ferryman':>14}{'bare sqlite3':>14}{'ratio':>8}")
    with tempfile.TemporaryDirectory(prefix="ferryman-benchmark-") as folder:
        file = Path(folder) / "ferryman.db"
        database = await open_database(f"sqlite+aiosqlite:///{file}")
        queue = Queue(database, owner="benchmark", clock=SystemClock(), lease=timedelta(minutes=5), max_attempts=6)
        ledger = Ledger(database)
        ours = await _enqueue(queue, item=0)
        _show(f"enqueue {_TAGS:,} tags, rows a second", ours, _bare_insert(file))
        resident = _resident()
        _fill(file)
        ours = await _ferry(queue)
        _show(f"claim and finish over {_ROWS:,} rows, jobs a second", ours, _bare_jobs(file))
        began = time.perf_counter()
        (summary,) = await ledger.summary([_target(5)])
        _tell("status of one item, milliseconds", (time.perf_counter() - began) * 1000)
        began = time.perf_counter()
        everything = await ledger.summary()
        _tell("status of everything, milliseconds", (time.perf_counter() - began) * 1000)
        _tell("memory after enqueueing, MiB", resident)
        _tell("memory at the end, MiB", _resident())
        print(f"{summary.name}: {summary.counts['synced']:,} synced; {len(everything)} items", file=sys.stderr)
        await database.close()


def _target(item: int) -> str:
    return f"registry.example.com/mirror/image{item}"


def _digest(number: int) -> str:
    return f"sha256:{number:064x}"


async def _enqueue(queue: Queue, *, item: int) -> float:
    seen = [SeenTag(f"v{number}", _digest(number), _NOW) for number in range(_TAGS)]
    verdicts = [Verdict(each.tag, "copy", "new", rank) for rank, each in enumerate(seen)]
    key = ItemKey(f"image{item}", f"quay.io/upstream/image{item}", _target(item), None)
    began = time.perf_counter()
    await queue.apply(key, seen, gone=(), verdicts=verdicts, walk=Walk(_NOW, _NOW, ""))
    return _TAGS / (time.perf_counter() - began)


def _bare_insert(file: Path) -> float:
    """The same rows, the same indexes, no one between."""
    connection = sqlite3.connect(file, isolation_level=None)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(tags)") if row[1] != "id"]
    template = dict(connection.execute(f"SELECT {', '.join(columns)} FROM tags LIMIT 1").fetchone() and {})
    row = dict(zip(columns, connection.execute(f"SELECT {', '.join(columns)} FROM tags LIMIT 1").fetchone(), strict=True))
    rows = [tuple({**row, **template, "target": _target(1), "tag": f"v{number}", "rank": number}.values()) for number in range(_TAGS)]
    marks = ", ".join("?" for _ in columns)
    began = time.perf_counter()
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(f"INSERT INTO tags ({', '.join(columns)}) VALUES ({marks})", rows)
    connection.execute("COMMIT")
    taken = time.perf_counter() - began
    connection.close()
    return _TAGS / taken


def _fill(file: Path) -> None:
    """Copies of the first item as synced ones, until the table is as large as it should be."""
    connection = sqlite3.connect(file, isolation_level=None)
    columns = [row[1] for row in connection.execute("PRAGMA table_info(tags)") if row[1] != "id"]
    given = {"item": "'image' || ?1", "target": "?2", "status": "'synced'", "mirrored_digest": "source_digest", "synced_at": "first_seen_at"}
    for item in range(2, _ROWS // _TAGS):
        connection.execute(
            f"INSERT INTO tags ({', '.join(columns)}) SELECT {', '.join(given.get(name, name) for name in columns)}"
            " FROM tags WHERE target = ?3",
            (item, _target(item), _target(0)),
        )
    connection.close()


async def _ferry(queue: Queue) -> float:
    left = iter(range(_JOBS))

    async def work() -> None:
        for _ in left:
            job = await queue.claim()
            if job is None:
                raise RuntimeError("the queue is empty")
            await queue.succeed(
                job, started_at=_NOW, target_digest=job.digest, identical=True, bytes_moved=1, bytes_reused=1
            )

    began = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(_WORKERS):
            group.create_task(work())
    return _JOBS / (time.perf_counter() - began)


def _bare_jobs(file: Path) -> float:
    """The same statements by one connection with nothing to wait for."""
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA synchronous = NORMAL")
    now = datetime.now(UTC).replace(tzinfo=None).isoformat(" ")
    began = time.perf_counter()
    for number in range(_JOBS):
        connection.execute("BEGIN IMMEDIATE")
        (tag_id,) = connection.execute(
            "UPDATE tags SET status = 'running', attempts = attempts + 1, run_at = NULL, lease_token = ?, lease_owner = 'bare'"
            " WHERE id = (SELECT id FROM tags WHERE status = 'queued' AND run_at IS NOT NULL AND run_at <= ?"
            " ORDER BY rank, run_at, id LIMIT 1) RETURNING id",
            (str(number), now),
        ).fetchone()
        connection.execute("COMMIT")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "UPDATE tags SET status = 'synced', lease_token = NULL, lease_owner = NULL, synced_at = ? WHERE id = ? AND lease_token = ?",
            (now, tag_id, str(number)),
        )
        connection.execute(
            "INSERT INTO attempts (tag_id, started_at, finished_at, outcome, bytes_moved, bytes_reused) VALUES (?, ?, ?, 'synced', 1, 1)",
            (tag_id, now, now),
        )
        connection.execute("INSERT INTO history (tag_id, digest) VALUES (?, ?)", (tag_id, _digest(number)))
        connection.execute("COMMIT")
    taken = time.perf_counter() - began
    connection.close()
    return _JOBS / taken


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _show(what: str, ours: float, bare: float) -> None:
    print(f"{what:<50}{ours:>10,.0f}{bare:>12,.0f}{ours / bare:>8.2f}", flush=True)


def _tell(what: str, value: float) -> None:
    print(f"{what:<50}{value:>10,.0f}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
