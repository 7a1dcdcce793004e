"""Times what the page reads of a large record: `python -m benchmarks.pages`.

One database with 100,000 tags, nine tenths of them of one item, and 1,000,000 attempts; every query is
executed many times. The time of the CPU, of all threads, is affected little by other programs on the machine.
"""

import asyncio
import json
import random
import resource
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from ferryman.item_names import Named
from ferryman.operations.verdict import judge
from ferryman.store.database.database import Database, Transaction, open_database
from ferryman.store.queries.activity import ActivityFilter, read_activity
from ferryman.store.queries.item_tags import SORTS, Sort, TagFilter, count_item_tags, read_facets, read_item_tags
from ferryman.store.queries.look_strips import read_look_strips
from ferryman.store.queries.running import read_running
from ferryman.store.queries.standing import read_standing
from ferryman.store.queries.tag_life import read_tag_life
from ferryman.store.queries.waiting import read_waiting
from ferryman.versions import natural_order

_TAGS, _ATTEMPTS = 100_000, 1_000_000
_ITEMS = 50  # the first one has nine tenths of the tags
_LOOKS = 60  # of each item
_TIMES = 50  # runs of each query
_SINCE = datetime(2026, 1, 1, tzinfo=UTC)
_NOW = _SINCE + timedelta(days=100)
_STATUSES = {"synced": 60, "queued": 15, "failed": 5, "skipped": 20}  # per cent

_ALL, _FAILED, _UNHEARD_OF = TagFilter(), TagFilter(statuses=["failed"]), "nothing is called so"

_Query = Callable[[Transaction], Awaitable[object]]


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ferryman-benchmark-") as folder:
        file = Path(folder) / "ferryman.db"
        database = await open_database(f"sqlite+aiosqlite:///{file}")
        _fill(file)
        print(f"{'milliseconds':<56}{'median':>10}{'worst':>10}{'of CPU':>10}", flush=True)
        before = _resident()
        for name, query in _queries().items():
            await _time(name, database, query)
        print(f"resident, more than before: {_resident() - before:.0f} MiB")
        await database.close()


def _queries() -> dict[str, _Query]:
    """What is timed, by its name. An overview and an item page are several queries."""
    targets = [_target(item) for item in range(_ITEMS)]
    items = [Named(f"image{item}", f"quay.io/upstream/image{item}", _target(item)) for item in range(_ITEMS)]

    async def overview(connection: Transaction) -> None:
        judge(await read_standing(connection, targets, _NOW), items, [])
        await read_look_strips(connection, targets)

    def item(shown: TagFilter = _ALL, sort: Sort = "version") -> _Query:
        async def read(connection: Transaction) -> None:
            await read_item_tags(connection, targets[0], shown, sort=sort)
            await count_item_tags(connection, targets[0], shown)

        return read

    return {
        "overview, with the verdict": overview,
        **{f"item page by {sort}": item(sort=sort) for sort in SORTS},
        "item page, failed": item(_FAILED),
        "item page, containing 7": item(TagFilter(text="7")),
        "item page, containing 7, by push time": item(TagFilter(text="7"), "pushed"),
        "item page, excluded, by attempts": item(TagFilter(reason="excluded"), "attempts"),
        "item page, containing what none has": item(TagFilter(text=_UNHEARD_OF)),
        "what an item can be filtered by": partial(read_facets, target=targets[0]),
        "waiting": partial(read_waiting, targets=targets, now=_NOW),
        "running": partial(read_running, targets=targets),
        "activity": read_activity,
        "activity of an item": partial(read_activity, shown=ActivityFilter(target=targets[1])),
        "activity, failed": partial(read_activity, shown=ActivityFilter(outcome="failed")),
        "activity, containing what none has": partial(read_activity, shown=ActivityFilter(text=_UNHEARD_OF)),
        "tag": partial(read_tag_life, target=targets[0], tag=_tag(501)),
    }


async def _time(name: str, database: Database, query: _Query) -> None:
    took, cpu = [], []
    for _ in range(_TIMES):
        began, cpu_began = time.perf_counter(), time.process_time()
        async with database.read() as connection:
            await query(connection)
        took.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - cpu_began) * 1000)
    print(f"{name:<56}{statistics.median(took):>10.1f}{max(took):>10.1f}{statistics.median(cpu):>10.1f}", flush=True)


def _fill(file: Path) -> None:
    chance = random.Random(1)
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        _insert(connection, "tags", _tags(chance))
        _insert(connection, "attempts", _attempts(chance))
        _insert(connection, "looks", _looks())
        walks = (
            {"target": _target(item), "walked_at": _at(0), "completed_at": _at(0), "rules": ""}
            for item in range(_ITEMS)
        )
        _insert(connection, "walks", walks)
    connection.close()


def _insert(connection: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    first = next(rows)
    names = ", ".join(first)
    statement = f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in first)})"
    connection.execute(statement, first)
    connection.executemany(statement, rows)


def _tags(chance: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(_TAGS):
        [status] = chance.choices(list(_STATUSES), list(_STATUSES.values()))
        target, at, digest = _target(_item(number)), _at(number), f"sha256:{number:064x}"
        synced, has_failed = status == "synced", status == "failed"
        yield {
            "id": number + 1, "item": target.rpartition("/")[2],
            "target": target, "target_registry": "registry.example.com",
            "source": f"quay.io/upstream/image{_item(number)}", "source_registry": "quay.io",
            "tag": _tag(number), "natural_order": natural_order(_tag(number)),
            "status": status, "reason": "excluded" if status == "skipped" else None, "rank": number, "withdrawn": 0,
            "source_digest": digest, "pushed_at": at, "first_seen_at": at, "last_seen_at": at,
            "platform_digests": json.dumps({"linux/amd64": digest, "linux/arm64": digest}),
            "mirrored_digest": digest if synced else None, "target_digest": digest if synced else None,
            "identical": 1 if synced else None, "synced_at": at if synced else None, "attempts": number % 5,
            "run_at": at if status == "queued" else None, "last_outcome": None if status == "queued" else status,
            "error": "quay.io: denied: " + "no " * 40 if has_failed else None,
            "error_kind": chance.choice(("denied", "not-found")) if has_failed else None,
            "error_registry": "quay.io" if has_failed else None, "failed_at": at if has_failed else None,
        }  # fmt: skip


def _attempts(chance: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(_ATTEMPTS):
        tag = number % _TAGS
        [outcome] = chance.choices(("synced", "failed", "lost"), (90, 9, 1))
        yield {
            "tag_id": tag + 1, "started_at": _at(number // 10), "finished_at": _at(number // 10), "outcome": outcome,
            "digest": f"sha256:{number:064x}", "bytes_moved": 10**7, "bytes_reused": 10**6,
            "error": None if outcome == "synced" else "it broke", "error_kind": None, "target": _target(_item(tag)),
        }  # fmt: skip


def _looks() -> Iterator[dict[str, Any]]:
    for number in range(_ITEMS * _LOOKS):
        yield {
            "target": _target(number % _ITEMS), "at": _at(number), "outcome": "looked", "tags": 1000, "enqueued": 1,
            "complete": 1, "copied": 1, "failed": 0,
        }  # fmt: skip


def _walks() -> Iterator[dict[str, Any]]:
    for item in range(_ITEMS):
        yield {"target": _target(item), "walked_at": _at(0), "completed_at": _at(0), "rules": ""}


def _item(tag: int) -> int:
    return 0 if tag % 10 else tag // 10 % _ITEMS


def _target(item: int) -> str:
    return f"registry.example.com/mirror/image{item}"


def _tag(number: int) -> str:
    return f"{number // 10_000}.{number // 100 % 100}.{number % 100}-alpine"


def _at(minutes: int) -> str:
    return f"{_SINCE.replace(tzinfo=None) + timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S.000000}"


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    asyncio.run(main())
