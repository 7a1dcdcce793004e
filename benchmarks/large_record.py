"""A record as large as one gets in years: 100,000 tags of 50 items, and 1,000,000 attempts. Written row by row."""

import json
import random
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ferryman.versions import natural_order

ITEMS = 50  # the first one has nine tenths of the tags
NOW = datetime.now(UTC)
_SPAN = timedelta(days=28)  # the service forgets attempts that are older than 30 days
_TAGS, _ATTEMPTS = 100_000, 1_000_000
_LOOKS = 60  # of each item
_SAMPLES = 28 * 24 * 12  # one every five minutes
_STATUSES = {"synced": 60, "queued": 15, "failed": 5, "skipped": 20}  # per cent


def fill(file: Path) -> None:
    """Write it into a new database of the newest schema."""
    chance = random.Random(1)
    with sqlite3.connect(file) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        insert(connection, "tags", _tags(chance))
        insert(connection, "attempts", _attempts(chance))
        insert(connection, "looks", _looks())
        walks = (
            {"target": target_of(item), "walked_at": _at(1), "completed_at": _at(1), "rules": ""}
            for item in range(ITEMS)
        )
        insert(connection, "walks", walks)
        insert(connection, "samples", _samples(chance))
    connection.close()


def insert(connection: sqlite3.Connection, table: str, rows: Iterator[dict[str, Any]]) -> None:
    """Write rows that have the same columns."""
    first = next(rows)
    names = ", ".join(first)
    statement = f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in first)})"
    connection.execute(statement, first)
    connection.executemany(statement, rows)


def _tags(chance: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(_TAGS):
        [status] = chance.choices(list(_STATUSES), list(_STATUSES.values()))
        target, at, digest = target_of(_item(number)), _at(number / _TAGS), f"sha256:{number:064x}"
        synced, has_failed = status == "synced", status == "failed"
        yield {
            "id": number + 1, "item": target.rpartition("/")[2],
            "target": target, "target_registry": "registry.example.com",
            "source": f"quay.io/upstream/image{_item(number)}", "source_registry": "quay.io",
            "tag": tag_of(number), "natural_order": natural_order(tag_of(number)),
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
        tag, at = number % _TAGS, _at(number / _ATTEMPTS)
        [outcome] = chance.choices(("synced", "failed", "lost"), (90, 9, 1))
        yield {
            "tag_id": tag + 1, "started_at": at, "finished_at": at, "outcome": outcome,
            "digest": f"sha256:{number:064x}", "bytes_moved": 10**7, "bytes_reused": 10**6,
            "error": None if outcome == "synced" else "it broke", "error_kind": None, "target": target_of(_item(tag)),
        }  # fmt: skip


def _looks() -> Iterator[dict[str, Any]]:
    looks = ITEMS * _LOOKS
    for number in range(looks):
        yield {
            "target": target_of(number % ITEMS), "at": _at(number / looks), "outcome": "looked", "tags": 1000,
            "enqueued": 1, "complete": 1, "copied": 1, "failed": 0,
        }  # fmt: skip


def _item(tag: int) -> int:
    return 0 if tag % 10 else tag // 10 % ITEMS


def _samples(chance: random.Random) -> Iterator[dict[str, Any]]:
    for number in range(_SAMPLES):
        yield {
            "at": _at(number / _SAMPLES), "queued": chance.randrange(20_000), "due": chance.randrange(1_000),
            "running": 4, "failed": 5_000, "latency": chance.random() * 3600, "copies": chance.randrange(100),
            "failures": chance.randrange(9), "bytes_moved": chance.randrange(10**10), "bytes_reused": 10**6,
        }  # fmt: skip


def target_of(item: int) -> str:
    """The target of an item by its number."""
    return f"registry.example.com/mirror/image{item}"


def tag_of(number: int) -> str:
    """The name of a tag by its number in the record."""
    return f"{number // 10_000}.{number // 100 % 100}.{number % 100}-alpine"


def _at(share: float) -> str:
    """A time in the span of the record. 0: at its start, 1: now."""
    return column(NOW - _SPAN * (1 - share))


def column(moment: datetime) -> str:
    """A time in UTC, as SQLite has it."""
    return f"{moment:%Y-%m-%d %H:%M:%S.%f}"
