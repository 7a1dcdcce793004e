"""What pauses hold back is found as often as it is counted, after random events."""

import random
from datetime import timedelta
from functools import partial
from typing import get_args

import pytest
from sqlalchemy import select

from ferryman.kinds import PauseScope
from ferryman.store.database.database import Database
from ferryman.store.database.tables import tags
from ferryman.store.queries.counts import read_counts
from ferryman.store.queries.held_tags import read_held_tags
from ferryman.store.queries.item_tags import TagFilter, read_facets, read_item_tags
from ferryman.store.queue.manual_pauses import ManualPauses
from ferryman.store.records import Intent, TagState
from ferryman.wakeup import Wakeup
from tests.store.queries.random_events import ITEMS, TARGETS, RandomEvents, all_rows
from tests.store.queries.test_numbers import all_pages
from tests.store.scene import Scene

_HOSTS = ("quay.io", "docker.io", "registry.example.com", "other.example.com")
_PERSONS: dict[str, tuple[PauseScope, str]] = {
    "everything": ("all", ""), "an item": ("item", TARGETS[0]), "a registry": ("registry", "quay.io"),
}  # fmt: skip


@pytest.fixture(params=["nothing", "login", "limit", "both", *_PERSONS])
async def paused(request: pytest.FixtureRequest, database: Database, scene: Scene) -> str:
    """Random events, then this pause and no other."""
    await RandomEvents(scene, random.Random(3)).happen(120)
    for host in _HOSTS:
        await scene.queue.resume(host)
    # Between the times at which tags may run: a limit does not hold back what waits for longer anyway.
    waits = [row.run_at for row in await all_rows(database) if row.status == "queued" and row.run_at]
    limit = max([*waits, scene.clock.now() + timedelta(minutes=1)]) - timedelta(seconds=1)
    if request.param in {"login", "both"}:
        await scene.queue.pause("quay.io", until=None, error="401")
    if request.param in {"limit", "both"}:
        await scene.queue.pause("registry.example.com", until=limit, error="429")
    if request.param in _PERSONS:
        scope, name = _PERSONS[request.param]
        pauses = ManualPauses(database, clock=scene.clock, resumed=Wakeup())
        await pauses.pause(scope, name, intent=Intent("me", "pause", name))
    return str(request.param)


async def test_every_number_is_that_of_the_rows_that_it_leads_to(database: Database, scene: Scene, paused: str) -> None:
    now, found_by_reason = scene.clock.now(), 0
    async with database.read() as connection:
        counts = await read_counts(connection, TARGETS, now)
        for target in TARGETS:
            held = await read_held_tags(connection, now, target)
            facets = await read_facets(connection, target, held)
            number = {state: counts[target].__getattribute__(state) for state in get_args(TagState)}
            for state in get_args(TagState):
                shown = TagFilter(statuses=[state])
                rows = await all_pages(partial(read_item_tags, connection, target, shown, held, size=7))
                assert len(rows) == number[state] == shown.count(facets)
                assert state != "held" or all(row.run_at is None for row in rows)
            for reason in {each.reason for each in facets} - {None}:
                shown = TagFilter(reason=reason)
                rows = await all_pages(partial(read_item_tags, connection, target, shown, held, size=7))
                assert {row.reason for row in rows} == {reason}
                assert len(rows) == shown.count(facets)
                found_by_reason += len(rows) if reason == "paused" else 0
    assert (found_by_reason > 0) == (paused != "nothing")


async def test_all_items_together_are_held_as_each_alone(database: Database, scene: Scene, paused: str) -> None:
    async with database.read() as connection:
        of_all = await read_held_tags(connection, scene.clock.now())
        for item in ITEMS:
            here = select(tags.c.id).where(tags.c.target == item.target).order_by(tags.c.id)
            alone = await read_held_tags(connection, scene.clock.now(), item.target)
            for one, other in ((of_all.held, alone.held), (of_all.paused, alone.paused)):
                found = [(await connection.execute(here.where(each))).scalars().all() for each in (one, other)]
                assert found[0] == found[1]
