"""No query of a page reads all tags, or all attempts: SQLite's plans say so."""

import random
from datetime import timedelta
from pathlib import Path

import pytest

from ferryman.store.database.database import Database
from ferryman.store.database.tables import status_is
from ferryman.store.queries.activity import ActivityFilter, read_activity
from ferryman.store.queries.causes import read_causes, read_examples
from ferryman.store.queries.held_tags import HeldTags, read_held_tags
from ferryman.store.queries.item_tags import SORTS, Sort, TagFilter, read_facets, read_item_tags
from ferryman.store.queries.look_strips import read_look_strips
from ferryman.store.queries.running import read_running
from ferryman.store.queries.standing import read_standing
from ferryman.store.queries.tag_life import read_tag_life
from ferryman.store.queries.waiting import read_waiting
from ferryman.store.records import Paused, PausedRegistries
from tests.store.queries.plans import captured
from tests.store.queries.random_events import TARGETS, RandomEvents
from tests.store.scene import Scene


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite+aiosqlite:///{tmp_path}/ferryman.db"


@pytest.fixture
async def events(scene: Scene) -> RandomEvents:
    made = RandomEvents(scene, random.Random(7))
    await made.happen(60)
    return made


def scans(plans: list[str]) -> list[str]:
    """The steps that read a whole table that may be long."""
    return [step for step in plans if step.startswith(("SCAN tags", "SCAN attempts"))]


async def test_the_overview(database: Database, scene: Scene, events: RandomEvents) -> None:
    with captured(database) as statements:
        async with database.read() as connection:
            await read_standing(connection, TARGETS, scene.clock.now())
            await read_look_strips(connection, TARGETS)
            for cause in await read_causes(connection, TARGETS):
                await read_examples(connection, cause, most=3)

    plans = await statements.plans(database)
    assert any("ix_tags_item" in step for step in plans)
    assert any("COVERING INDEX ix_tags_gone" in step for step in plans), "not all of an item for the few that are gone"
    assert scans(plans) == []
    assert not [step for step in plans if " tags USING INDEX" in step and not _reads_few(step)], "of a row of the table"


async def test_its_statements_are_compiled_once(database: Database, scene: Scene, events: RandomEvents) -> None:
    for targets in (TARGETS, TARGETS[:2]):
        with captured(database) as statements:
            async with database.read() as connection:
                await read_standing(connection, targets, scene.clock.now())
                await read_look_strips(connection, targets)
    assert (len(statements.seen) > 5, statements.compiled) == (True, 0)


def _reads_few(step: str) -> bool:
    """Whether it is about one row of each item, or about failures only."""
    return any(index in step for index in ("ix_tags_newest", "ix_tags_failing"))


_FILTERS = (
    TagFilter(),
    TagFilter(text="1"),
    TagFilter(statuses=["failed", "queued"]),
    TagFilter(reason="excluded"),
    TagFilter(kind="denied", text="1"),
    TagFilter(outcome="synced", text="latest"),
)
_OF_PAUSED = (TagFilter(statuses=["held", "failed"]), TagFilter(reason="paused"))


@pytest.mark.parametrize("paused", [False, True])
@pytest.mark.parametrize("sort", SORTS)
async def test_the_page_of_an_item(
    database: Database, scene: Scene, events: RandomEvents, sort: Sort, paused: bool
) -> None:
    for registry in ("quay.io", "registry.example.com"):
        await scene.queue.resume(registry)
    if paused:  # a rate limit, for which the time of each tag counts
        await scene.queue.pause("quay.io", until=scene.clock.now() + timedelta(hours=1), error="429")
    with captured(database) as statements:
        async with database.read() as connection:
            held = await read_held_tags(connection, scene.clock.now(), TARGETS[0])
            for shown in (*_FILTERS, *(_OF_PAUSED if paused else ())):
                first = await read_item_tags(connection, TARGETS[0], shown, held, sort=sort, size=1)
                await read_item_tags(connection, TARGETS[0], shown, held, sort=sort, cursor=first.next)
                await read_facets(connection, TARGETS[0], held, shown.text)

    plans = await statements.plans(database)
    assert scans(plans) == []
    of_table = [step for step in plans if "SEARCH tags" in step and "COVERING INDEX" not in step]
    assert set(of_table) == {"SEARCH tags USING INTEGER PRIMARY KEY (rowid=?)"}


@pytest.mark.parametrize("sort", ["version", "name"])
@pytest.mark.parametrize("shown", [TagFilter(), TagFilter(text="1")])
async def test_tags_in_the_order_of_their_names_are_read_in_the_order_of_an_index(
    database: Database, scene: Scene, events: RandomEvents, sort: Sort, shown: TagFilter
) -> None:
    with captured(database) as statements:
        async with database.read() as connection:
            held = await read_held_tags(connection, scene.clock.now(), TARGETS[0])
            statements.seen.clear()
            await read_item_tags(connection, TARGETS[0], shown, held, sort=sort, size=1)

    first, *_ = await statements.plans(database)
    assert first.startswith("SEARCH tags USING COVERING INDEX")
    assert not [step for step in await statements.plans(database) if "TEMP B-TREE" in step]


async def test_an_item_is_grouped_along_an_index_while_it_is_paused(
    database: Database, scene: Scene, events: RandomEvents
) -> None:
    paused = HeldTags(PausedRegistries({}, {}), Paused(), held=status_is("queued"), paused=status_is("queued"))
    with captured(database) as statements:
        async with database.read() as connection:
            await read_facets(connection, TARGETS[0], paused, "1")

    plans = await statements.plans(database)
    assert [step.partition(" (")[0] for step in plans] == ["SEARCH tags USING COVERING INDEX ix_tags_page"]


async def test_the_other_pages(database: Database, scene: Scene, events: RandomEvents) -> None:
    with captured(database) as statements:
        async with database.read() as connection:
            await read_running(connection, TARGETS)
            await read_tag_life(connection, TARGETS[0], "1.1", scene.clock.now())
            for shown in (ActivityFilter(), ActivityFilter(target=TARGETS[0], outcome="failed", kind="x", text="y")):
                await read_activity(connection, shown)

    assert scans(await statements.plans(database)) == []


async def test_the_queue_is_read_in_the_order_of_an_index(
    database: Database, scene: Scene, events: RandomEvents
) -> None:
    with captured(database) as statements:
        async with database.read() as connection:
            await read_waiting(connection, TARGETS, scene.clock.now())

    plans = await statements.plans(database)
    assert set(scans(plans)) == {"SCAN tags USING COVERING INDEX ix_tags_due_by_route"}  # to the first row
    for index, found in (
        ("ix_tags_due_by_route", "source_registry=? AND target_registry=? AND status=?"),
        ("ix_tags_queued", "target=? AND status=? AND run_at>?"),
    ):
        assert f"SEARCH tags USING INDEX {index} ({found})" in plans
