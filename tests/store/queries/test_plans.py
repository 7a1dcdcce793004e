"""No query of a page reads all tags, or all attempts: SQLite's plans say so."""

import random
from pathlib import Path

import pytest

from ferryman.store.database.database import Database
from ferryman.store.queries.causes import read_causes, read_examples
from ferryman.store.queries.look_strips import read_look_strips
from ferryman.store.queries.standing import read_standing
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
    assert scans(plans) == []
