"""Long lists, read a page at a time, on both databases."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Connection, event, update

from ferryman.store.database.database import Database
from ferryman.store.database.tables import tags
from ferryman.store.ledger import Ledger
from ferryman.store.records import HistoryLine, Intent, ItemKey, TagRecord
from ferryman.versions import version_key
from tests.store.scene import ITEM, START, Scene, digest

HUB = ItemKey("traefik", "docker.io/library/traefik", "registry.example.com/mirror/traefik", None)
MANY = 1200  # more than two pages


async def _mirrored(ledger: Ledger, item: ItemKey, number: int = MANY, *, dated: bool = True) -> list[str]:
    """So many tags of the item, in the order of the list."""
    names = [f"1.{each}" for each in range(number)]
    times = [START + timedelta(seconds=each) if dated else None for each in range(number)]
    lines = [HistoryLine(tag, digest("a"), pushed_at) for tag, pushed_at in zip(names, times, strict=True)]
    await ledger.import_history(item, lines, now=START)
    return names[::-1]


async def _take(records: AsyncIterator[TagRecord], number: int) -> list[TagRecord]:
    return [await anext(records) for _ in range(number)]


@pytest.mark.parametrize("dated", [True, False])
async def test_many_pages_in_order(ledger: Ledger, *, dated: bool) -> None:
    names = await _mirrored(ledger, HUB, dated=dated) + ["latest"]
    await ledger.import_history(HUB, [HistoryLine("latest", digest("a"), None)], now=START)
    first = await _mirrored(ledger, ITEM, 3, dated=dated)
    found = [(each.item, each.tag) async for each in ledger.tags()]
    assert found == [("etcd", tag) for tag in first] + [("traefik", tag) for tag in names]
    assert dated or names == sorted(names, key=version_key, reverse=True)


async def test_tags_of_one_second_stand_as_they_were_recorded(ledger: Ledger) -> None:
    names = [f"v{number * 7919 % MANY}" for number in range(MANY)]
    await ledger.import_history(ITEM, [HistoryLine(tag, digest("a"), START) for tag in names], now=START)
    assert [each.tag async for each in ledger.tags()] == names


async def test_what_changes_meanwhile_is_not_shown_twice_and_the_rest_is_shown(scene: Scene) -> None:
    names = await _mirrored(scene.ledger, ITEM) + await _mirrored(scene.ledger, HUB)
    records = scene.ledger.tags()
    shown = await _take(records, 700)
    changed = [*names[:600], *names[1000:1100]]
    await scene.walk(dict.fromkeys(changed, digest("b")), pushed_at=START - timedelta(days=1))  # further down by now
    assert (await scene.ledger.summary([ITEM.target]))[0].counts["queued"] == 700
    shown += [each async for each in records]
    assert len({each.id for each in shown}) == len(shown)
    assert [each.tag for each in shown] == names


async def test_tags_that_are_deleted_or_deselected_between_pages_are_left_out(scene: Scene) -> None:
    await _mirrored(scene.ledger, HUB)
    for number in range(2):
        await scene.fail(await scene.running(f"v{number}"))
    await scene.walk(dict.fromkeys(("1.0", "1.1"), digest("b")), item=HUB)
    for _ in range(2):
        await scene.fail(await scene.claimed())
    records = scene.ledger.tags(failed=True)
    assert [each.item for each in await _take(records, 2)] == ["etcd", "etcd"]
    await scene.queue.requeue(targets=[HUB.target], tag="1.0")
    assert [each.tag async for each in records] == ["1.1"]
    every = scene.ledger.tags()
    assert (await anext(every)).item == "etcd"
    await scene.ledger.forget_items([HUB.target], now=scene.clock.now(), intent=Intent("me", "forget", HUB.target))
    assert {each.item async for each in every} == {"etcd"}


async def test_only_the_first(ledger: Ledger, database: Database) -> None:
    newest = await _mirrored(ledger, ITEM, 3)
    others = await _mirrored(ledger, HUB)
    for most in (2, 3, 5, 3000):
        found = [each.tag async for each in ledger.tags(most=most)]
        assert found == (newest + others)[:most]
    with _statements(database) as asked:
        assert len([each async for each in ledger.tags(most=2)]) == 2
    assert len(asked[-1][1]) == 2  # no other record was read


async def test_how_many_failed(scene: Scene) -> None:
    await _mirrored(scene.ledger, HUB, 5)
    await scene.fail(await scene.running("v1"))
    await scene.succeed(await scene.running("v2"))
    assert await scene.ledger.count_failed([ITEM.target, HUB.target]) == 1
    assert await scene.ledger.count_failed([HUB.target]) == 0
    assert await scene.ledger.count_unreadable([ITEM.target]) == 0
    async with scene.ledger._database.write() as connection:
        unread = update(tags).where(tags.c.target == HUB.target, tags.c.tag.in_(["1.0", "1.1"]))
        await connection.execute(unread.values(error="answered 500", failed_at=START))
    assert await scene.ledger.count_failed([ITEM.target, HUB.target]) == 3
    assert await scene.ledger.count_unreadable([ITEM.target, HUB.target]) == 2
    assert await scene.ledger.count_unreadable([HUB.target], "1.1") == 1


async def test_no_transaction_is_open_between_pages(ledger: Ledger) -> None:
    await _mirrored(ledger, ITEM)
    readers = [ledger.tags() for _ in range(15)]  # more than there are connections
    async with asyncio.timeout(60):
        for reader in readers:
            await _take(reader, 600)
        for reader in readers:
            assert len([each async for each in reader]) == MANY - 600


@pytest.mark.slow
@pytest.mark.no_cover
async def test_memory_stays_flat(ledger: Ledger) -> None:
    for number in range(4):
        item = ItemKey(f"image{number}", "quay.io/acme/image", f"registry.example.com/mirror/{number}", None)
        await _mirrored(ledger, item, 3000)
    assert len([each async for each in ledger.tags(most=1)]) == 1  # what is kept for ever is kept by now
    tracemalloc.start()
    try:
        number = sum([1 async for _ in ledger.tags()])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert number == 12_000
    assert peak < 6_000_000  # all of them at once are 20 MB and more


@contextmanager
def _statements(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """The statements about tags that are executed inside the context."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Connection, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if "tags" in statement:
            asked.append((statement, parameters))

    engine = database._reader
    event.listen(engine, "before_cursor_execute", note)
    yield asked
    event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("failed", "expected"),
    [
        (False, ["COVERING INDEX", "(target=?)", "PRIMARY KEY"]),
        (True, ["ix_tags_unread", "ix_tags_unread", "PRIMARY KEY"]),
    ],
)
async def test_the_queries_use_indexes(
    database: Database, ledger: Ledger, *, failed: bool, expected: list[str]
) -> None:
    await _mirrored(ledger, ITEM, 2)
    async with database.write() as connection:
        await connection.execute(update(tags).values(error="answered 500", failed_at=START))
    with _statements(database) as asked:
        assert len([each async for each in ledger.tags(targets=[ITEM.target, HUB.target], failed=failed)]) == 2
    assert len(asked) == len(expected)
    async with database.read() as connection:
        for (statement, parameters), index in zip(asked, expected, strict=True):
            steps = await connection.run_sync(partial(_plan, statement=statement, parameters=parameters))
            assert any(index in step for step in steps), steps
            assert not [step for step in steps if step.startswith("SCAN tags")], steps


def _plan(connection: Connection, *, statement: str, parameters: Any) -> list[str]:
    """SQLite's query plan of a statement."""
    return [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)]
