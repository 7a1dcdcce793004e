"""Quiet looks leave what other looks would leave: two worlds live alike, and one of them never looks quietly."""

import asyncio
import re
import sqlite3
import tempfile
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.clock import SystemClock
from ferryman.discovery.base import Page, UpstreamTag
from ferryman.errors import Unreachable
from ferryman.items.model import Configuration, Item, Rules
from ferryman.kinds import RepairOutcome
from ferryman.reference import Repository
from ferryman.store.records import Checked, Damage, Intent, TagRecord
from ferryman.store.target_checks import TargetChecks
from tests.support.clock import ManualClock, Unwaiting
from tests.support.databases import open_new_database
from tests.support.transports import open_client
from tests.support.upstreams import NOON, made_up_digest
from tests.test_scheduler import PAUSE, Raising, World

BY_ME = Intent("me", "requeue", "something")
HOSTS = (PAUSE.source.registry, PAUSE.target.registry)
HOUR = 3600


class Shelf:
    """A repository in memory: newest first and three tags a page, or all at once in no order."""

    def __init__(self, *, ordered: bool) -> None:
        self.tags: dict[str, UpstreamTag] = {}
        self.pages_read = 0
        self._ordered = ordered
        self._now = NOON

    def push(self, name: str, content: str) -> None:
        self._now += timedelta(minutes=1)
        self.tags[name] = UpstreamTag(name, made_up_digest(f"{name} {content}"), self._now)

    async def pages(self, repository: Repository) -> AsyncGenerator[Page, None]:
        tags = sorted(self.tags.values(), key=lambda tag: tag.pushed_at or NOON, reverse=self._ordered)
        size = 3 if self._ordered else max(1, len(tags))
        for start in range(0, max(1, len(tags)), size):
            self.pages_read += 1
            yield Page(tags[start : start + size], newest_first=self._ordered)


@asynccontextmanager
async def world_of(shelf: Shelf, folder: Path) -> AsyncIterator[World]:
    database = await open_new_database(folder / "ferryman.db")
    # What asks for more than lists finds nobody, at once.
    client = open_client(clock=Unwaiting(SystemClock()), endpoints=dict.fromkeys(HOSTS, "http://127.0.0.1:9"))
    world = World(database, client, ManualClock(), {})
    world.scheduler._listers["gcr.io", None] = shelf
    try:
        yield world
    finally:
        await client.aclose()
        await database.close()


def query(world: World, text: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(world.file)) as connection, connection:
        return connection.execute(text).fetchall()


async def is_quiet(world: World, one: Item = PAUSE) -> bool:
    """Whether the next cycle, six hours later, looks quietly."""
    before = query(world, "SELECT listed_at FROM walks")
    world.clock.advance(6 * HOUR)
    await world.cycle(one)
    [(walked_at,)] = query(world, "SELECT walked_at FROM walks")
    assert datetime.fromisoformat(f"{walked_at}+00:00") == world.clock.now()
    return query(world, "SELECT listed_at FROM walks") == before


async def settle(world: World, one: Item = PAUSE) -> None:
    """Copy what is wanted, and look until nothing is left to say."""
    for _ in range(3):
        await world.cycle(one)
        await world.copy_everything()


@pytest.fixture(params=[True, False], ids=["ordered", "whole"])
def shelf(request: pytest.FixtureRequest) -> Shelf:
    shelf = Shelf(ordered=request.param)
    for name in "abcde":
        shelf.push(name, "1")
    return shelf


@pytest.fixture
async def world(tmp_path: Path, shelf: Shelf) -> AsyncIterator[World]:
    async with world_of(shelf, tmp_path) as world:
        await settle(world)
        yield world


async def test_a_look_without_news_is_quiet_and_says_what_others_say(world: World) -> None:
    known = await world.known(PAUSE)
    world.emitted.clear()
    assert await is_quiet(world)
    [said] = [event for event in world.emitted if type(event).__name__ == "ItemLooked"]
    assert (said.outcome, said.tags, said.enqueued) == ("looked", 5, 0)  # type: ignore[union-attr]
    [(number,)] = query(world, "SELECT tags FROM looks ORDER BY id DESC LIMIT 1")
    assert number == 5
    after = await world.known(PAUSE)
    assert all(record.last_seen_at == world.clock.now() for record in after.values() if record.tag in "cde")
    assert _lasting(after) == _lasting(known)


def _lasting(records: dict[str, TagRecord]) -> dict[str, TagRecord]:
    return {name: replace(record, last_seen_at=None) for name, record in records.items()}


async def test_a_quiet_look_reads_no_more_of_the_list_than_another(world: World, shelf: Shelf) -> None:
    shelf.pages_read = 0
    assert await is_quiet(world)
    assert shelf.pages_read == 1


async def test_a_look_that_finds_news_reads_no_page_twice(world: World, shelf: Shelf) -> None:
    assert await is_quiet(world)
    shelf.push("f", "1")
    shelf.pages_read = 0
    assert not await is_quiet(world)
    assert shelf.pages_read == len([page async for page in shelf.pages(PAUSE.source)])
    assert (await world.statuses(PAUSE))["f"] == "queued"


async def _write(world: World, statement: str) -> None:
    query(world, statement)


async def _fail_one(world: World) -> None:
    await world.queue.requeue(targets=[str(PAUSE.target)], tag="e", intent=BY_ME)
    job = await world.claim()
    await world.queue.fail(job, started_at=world.clock.now(), kind="denied", error="no", retry_at=None)


async def _miss_one(world: World) -> None:
    await miss(world, PAUSE, "e", repair="queued")


async def _damage_one(world: World) -> None:
    await miss(world, PAUSE, "e", repair="none")


async def miss(world: World, item: Item, name: str, *, repair: RepairOutcome) -> None:
    """A check finds that the target lacks a tag."""
    checks = TargetChecks(world.database, clock=world.clock, queued=world.queue.filled)
    held, _ = await checks.unchecked(str(item.target), "tags", before=world.clock.now() + timedelta(days=1))
    listed = {tag for tag, record in (await world.known(item)).items() if record.source_digest is not None}
    missing = [each for each in held if each.tag in listed & {name}]
    await checks.record([Checked(each, Damage("missing"), repair) for each in missing], "tags")


CHANGES: dict[str, Callable[[World], object]] = {
    "requeue": lambda world: world.queue.requeue(targets=[str(PAUSE.target)], intent=BY_ME),
    "import-history": lambda world: world.take_over(PAUSE, "z", made_up_digest("z")),
    "a worker": _fail_one,
    "a target's tag": _miss_one,
    "a finding": _damage_one,
    "a restored backup": lambda world: _write(world, "INSERT INTO marks VALUES ('backup', 'x', '2026-01-01 00:00:00')"),
    "by hand": lambda world: _write(world, "UPDATE tags SET mirrored_digest = NULL WHERE tag = 'e'"),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_whoever_changes_a_row_ends_the_quiet(world: World, change: str) -> None:
    assert await is_quiet(world)
    await CHANGES[change](world)  # type: ignore[misc]
    assert not await is_quiet(world)


@pytest.mark.parametrize(
    "one",
    [
        replace(PAUSE, rules=Rules(limit=2)),
        replace(PAUSE, name="another"),
        replace(PAUSE, source=Repository.parse("gcr.io/google/pause2")),
    ],
    ids=["rules", "name", "source"],
)
async def test_another_item_of_the_target_ends_the_quiet(world: World, one: Item) -> None:
    assert await is_quiet(world)
    assert not await is_quiet(world, one)


async def test_what_is_due_at_the_target_ends_the_quiet(world: World) -> None:
    assert await is_quiet(world)
    query(world, "UPDATE walks SET settled_until = walked_at")
    assert not await is_quiet(world)


async def test_a_look_with_something_to_say_each_time_is_never_quiet(world: World) -> None:
    one = replace(PAUSE, rules=Rules(pin=(re.compile("absent"),)))
    await settle(world, one)
    assert not await is_quiet(world, one)


async def test_a_failed_look_is_over_with_a_quiet_one(world: World, shelf: Shelf) -> None:
    world.scheduler._listers["gcr.io", None] = Raising(Unreachable("gone"))
    await world.cycle(PAUSE)
    assert len(await world.ledger.lookup_failures()) == 1
    world.scheduler._listers["gcr.io", None] = shelf
    assert await is_quiet(world)
    assert await world.ledger.lookup_failures() == []


async def test_a_complete_walk_reads_all_that_a_quiet_look_did_not(world: World, shelf: Shelf) -> None:
    assert await is_quiet(world)
    shelf.tags.pop("a")  # on the last page
    world.clock.advance(24 * HOUR)
    assert not await is_quiet(world)
    record = (await world.known(PAUSE))["a"]
    assert record.gone_at == world.clock.now()
    assert record.last_seen_at is not None
    assert record.last_seen_at < world.clock.now()


async def test_a_gone_tag_keeps_the_time_of_the_quiet_look_that_saw_it_last(world: World, shelf: Shelf) -> None:
    assert await is_quiet(world)
    last = world.clock.now()
    shelf.tags.pop("e")  # on the first page
    world.clock.advance(24 * HOUR)
    await world.cycle(PAUSE)
    record = (await world.known(PAUSE))["e"]
    assert (record.last_seen_at, record.gone_at) == (last, world.clock.now())


async def test_a_clock_that_was_ahead_ends_the_quiet(world: World) -> None:
    world.clock.set_by(365 * 24 * HOUR)
    await settle(world)
    world.clock.set_by(-365 * 24 * HOUR)
    assert not await is_quiet(world)
    await settle(world)
    assert await is_quiet(world)


steps = st.one_of(
    st.tuples(st.just("push"), st.sampled_from("abcdefgh"), st.sampled_from("12")),
    st.tuples(st.just("delete"), st.sampled_from("abcdefgh")),
    st.tuples(st.just("cycle"), st.sampled_from([0, 6, 25]), st.sampled_from(["due", "due", "requested"])),
    st.tuples(st.just("copy"), st.integers(1, 9), st.sampled_from(["succeed", "succeed", "fail", "skip"])),
    st.tuples(st.just("limit"), st.sampled_from([0, 2, 9])),
    st.tuples(st.just("pin"), st.sampled_from("ah")),
    st.tuples(st.just("name"), st.sampled_from(["pause", "other"])),
    st.tuples(st.just("requeue"), st.sampled_from("abcdefgh")),
    st.tuples(st.just("import"), st.sampled_from("abcdefgh")),
    st.tuples(st.just("check"), st.sampled_from("abcdefgh")),
    st.tuples(st.just("quiet"), st.integers(1, 5)),
)


@pytest.mark.slow
@pytest.mark.no_cover
@given(st.lists(steps, max_size=25), st.booleans())
@settings(max_examples=60)
def test_quiet_looks_leave_what_others_leave(history: list[tuple[object, ...]], ordered: bool) -> None:
    asyncio.run(live_alike(history, ordered=ordered))


async def live_alike(history: list[tuple[object, ...]], *, ordered: bool) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        shelf = Shelf(ordered=ordered)
        async with world_of(shelf, Path(one)) as quiet, world_of(shelf, Path(other)) as loud:
            item = PAUSE
            for what, *told in history:
                match what, told:
                    case "push", [str(name), str(content)]:
                        shelf.push(name, content)
                    case "delete", [str(name)]:
                        shelf.tags.pop(name, None)
                    case "limit", [int(limit)]:
                        item = replace(item, rules=replace(item.rules, limit=limit))
                    case "pin", [str(name)]:
                        item = replace(item, rules=replace(item.rules, pin=(re.compile(name),)))
                    case "name", [str(name)]:
                        item = replace(item, name=name)
                    case _:
                        await act(quiet, item, what, *told)
                        await act(loud, item, what, *told, settled=False)
                        assert rows(quiet) == rows(loud)
                        assert shown(await quiet.known(item)) == shown(await loud.known(item))


async def act(world: World, item: Item, what: object, *told: object, settled: bool = True) -> None:
    """What a cycle, workers and persons do. `settled` False: no look may be a quiet one."""
    match what, told:
        case "cycle", [int(hours), extent]:
            world.clock.advance(hours * HOUR)
            await look(world, item, settled=settled, requested=extent == "requested")
        case "quiet", [int(number)]:
            for _ in range(number):
                world.clock.advance(6 * HOUR)
                await look(world, item, settled=settled)
        case "copy", [int(number), str(outcome)]:
            await copy_some(world, number, outcome)
        case "requeue", [str(name)]:
            await world.queue.requeue(targets=[str(item.target)], tag=name, intent=BY_ME)
        case "import", [str(name)]:
            await world.take_over(item, name, made_up_digest(f"{name} 1"))
        case "check", [str(name)]:
            await miss(world, item, name, repair="queued")


async def look(world: World, item: Item, *, settled: bool, requested: bool = False) -> None:
    if not settled:
        query(world, "UPDATE walks SET settled = NULL")
    await world.scheduler.cycle(Configuration((item,), world.registries), [item], requested=requested)


async def copy_some(world: World, number: int, outcome: str) -> None:
    now = world.clock.now()
    for _ in range(number):
        job = await world.queue.claim()
        if job is None:
            return
        if outcome == "succeed":
            await world.succeed(job)
        elif outcome == "skip":
            await world.queue.skip(job, started_at=now, reason="platform", error="no such platform")
        else:
            await world.queue.fail(job, started_at=now, kind="denied", error="no", retry_at=None)


# Each world makes its own tokens. When a tag was last seen is compared as it is shown.
ROWS = """
    SELECT target, tag, item, source, status, reason, rank, withdrawn, source_digest, pushed_at, first_seen_at, gone_at,
        mirrored_digest, target_digest, synced_at, attempts, run_at, error, failed_at, moved_at, probed_at,
        target_checked_at, natural_order
    FROM tags ORDER BY target, tag
"""
REST = (
    "SELECT target, walked_at, completed_at, rules FROM walks",
    "SELECT target, at, outcome, error, tags, enqueued, complete, copied, failed FROM looks",
    "SELECT side, digest, at FROM digests",
)


def rows(world: World) -> list[list[tuple[object, ...]]]:
    return [query(world, each) for each in (ROWS, *REST)]


def shown(records: dict[str, TagRecord]) -> dict[str, TagRecord]:
    return {name: replace(record, id=0) for name, record in records.items()}
