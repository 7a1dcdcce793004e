"""No claim reads the tags that it may not take, however many there are: SQLite's plans say so."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from ferryman.kinds import PauseScope
from ferryman.store.database.database import Database
from ferryman.store.queue.manual_pauses import ManualPauses
from ferryman.store.records import Intent, ItemKey, Share
from tests.store.scene import ITEM, START, Scene, digest

ELSEWHERE = ItemKey("nginx", "docker.io/library/nginx", "other.example.com/nginx", None)
pytestmark = pytest.mark.parametrize("url", ["sqlite"], indirect=True)


@contextmanager
def explained(database: Database) -> Iterator[list[list[str]]]:
    """The plans of the statements about tags that are written with."""
    plans: list[list[str]] = []

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if "tags" in statement and not statement.startswith("EXPLAIN"):
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            plans.append([row[-1] for row in rows])

    event.listen(Engine, "before_cursor_execute", explain)
    yield plans
    event.remove(Engine, "before_cursor_execute", explain)


@pytest.fixture
async def queued(scene: Scene) -> Scene:
    await scene.walk({"v1": digest("a"), "v2": digest("b")})
    await scene.walk({"1": digest("a")}, item=ELSEWHERE)
    return scene


async def plan_of_claim(scene: Scene, database: Database, expected: str, **claim: Any) -> tuple[list[str], list[str]]:
    """The plans of the search for the first tags, and of the claim itself."""
    with explained(database) as plans:
        job = await scene.queue.claim(**claim)
    assert job is not None
    assert job.tag == expected
    find, update = (plan for plan in plans if not any("ix_tags_running" in step for step in plan))
    assert "USE TEMP B-TREE FOR ORDER BY" not in update
    return find, update


def uses_only(index: str, plans: Collection[Collection[str]]) -> bool:
    steps = [step for plan in plans for step in plan if "tags" in step and "INTEGER PRIMARY KEY" not in step]
    return all(f"USING COVERING INDEX {index}" in step for step in steps)


async def by_themselves(scene: Scene, until: timedelta | None) -> None:
    await scene.queue.pause("quay.io", until=START + until if until else None, error="slow down")


@pytest.mark.parametrize("until", [timedelta(hours=1), None])
async def test_behind_a_paused_registry(queued: Scene, database: Database, until: timedelta | None) -> None:
    await by_themselves(queued, until)
    find, update = await plan_of_claim(queued, database, "1")
    assert uses_only("ix_tags_due_by_route", [find, update])
    [first] = [step for step in find if step.startswith("SCAN tags")]  # to its first row
    assert first == "SCAN tags USING COVERING INDEX ix_tags_due_by_route"
    for jump in ("(source_registry=? AND target_registry>?)", "(source_registry>?)"):  # from route to route
        assert f"SEARCH tags USING COVERING INDEX ix_tags_due_by_route {jump}" in find
    assert find.count("USE TEMP B-TREE FOR ORDER BY") == 1, "of the routes"
    assert not any("RIGHT PART" in step for step in find)
    assert not any(step.startswith("SCAN tags") for step in update)


@pytest.mark.parametrize(
    ("scope", "name", "index"),
    [("registry", "quay.io", "ix_tags_due_by_route"), ("item", ITEM.target, "ix_tags_due_by_item")],
)
async def test_behind_a_pause_by_a_person(
    queued: Scene, database: Database, scope: PauseScope, name: str, index: str
) -> None:
    pauses = ManualPauses(database, clock=queued.clock, resumed=queued.queue.filled)
    await pauses.pause(scope, name, intent=Intent("cli:me@here", "pause", name))
    assert uses_only(index, await plan_of_claim(queued, database, "1"))


async def test_beside_a_registry_that_has_its_share(queued: Scene, database: Database) -> None:
    share = Share(1, frozenset({"quay.io", "docker.io"}))
    job = await queued.queue.claim([ITEM.target], share=share)
    assert job is not None
    assert uses_only("ix_tags_due_by_route", await plan_of_claim(queued, database, "1", share=share))


async def test_of_some_items_only(queued: Scene, database: Database) -> None:
    plans = await plan_of_claim(queued, database, "1", targets=[ELSEWHERE.target])
    assert uses_only("ix_tags_due_by_item", plans)
