"""`count_requeue` says how many tags `requeue` queues, whatever is asked for: a person is asked with that number."""

import random
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

import pytest

from ferryman.store.database.database import Database
from ferryman.store.queries.causes import of_group, read_causes
from tests.store.queries.random_events import TARGETS, RandomEvents
from tests.store.scene import Scene


def choices(causes: Collection[tuple[str | None, str | None]], now: datetime) -> list[Mapping[str, Any]]:
    """All that failed, an item, a tag, and each cause, with and without the pause of its registry."""
    found: list[Mapping[str, Any]] = [
        {"targets": TARGETS, "failed": True},
        {"targets": TARGETS[:1]},
        {"targets": TARGETS[1:2], "tag": "1.3"},
    ]
    return found + [
        {"targets": TARGETS, "among": of_group(kind, registry, now), "lifting": lifting}
        for kind, registry in causes
        for lifting in ([registry], [])
    ]


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
async def test_as_many_are_queued_as_were_counted(seed: int, scene: Scene, database: Database) -> None:
    chance = random.Random(seed)
    events = RandomEvents(scene, chance)
    counted = []
    for _ in range(6):
        await events.happen(40)
        async with database.read() as connection:
            causes = {(cause.kind, cause.registry) for cause in await read_causes(connection, TARGETS)}
        choice = chance.choice(choices(sorted(causes, key=str), scene.clock.now()))
        expected = await scene.queue.count_requeue(**choice)
        assert await scene.queue.requeue(**choice) == expected
        counted.append(expected)
    assert any(counted)
