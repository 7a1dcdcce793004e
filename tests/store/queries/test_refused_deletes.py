"""Whose marked tags stay because a registry refuses to delete, on both databases."""

from datetime import timedelta

import pytest

from ferryman.reference import Repository
from ferryman.store.database.database import Database
from ferryman.store.queries.refused_deletes import RefusedDeletes, read_refused_deletes
from ferryman.store.target_blobs import TargetBlobs, refusal_names
from tests.store.scene import ITEM, ManualClock, Scene, digest
from tests.support.marking import mark

TARGET = Repository.parse(ITEM.target)
OF_REGISTRY, OF_REPOSITORY = refusal_names(TARGET)
OF_ANOTHER = refusal_names(Repository(TARGET.registry, f"{TARGET.name}-old"))[1]


@pytest.fixture
async def blobs(database: Database, clock: ManualClock, scene: Scene) -> TargetBlobs:
    """Three tags are mirrored, and two of them marked."""
    await scene.walk(dict.fromkeys(("v1", "v2", "v3"), digest("a")))
    await mark(database, clock, ITEM.target, "v1", "v2")
    return TargetBlobs(database, clock=clock)


async def found(database: Database, clock: ManualClock, *targets: str) -> list[RefusedDeletes]:
    async with database.read() as connection:
        return await read_refused_deletes(connection, targets or [ITEM.target], clock.now())


@pytest.mark.parametrize("name", [OF_REGISTRY, OF_REPOSITORY])
async def test_marked_tags_stay_for_the_month_of_a_refusal(
    blobs: TargetBlobs, database: Database, clock: ManualClock, name: str
) -> None:
    assert await found(database, clock) == []
    since = clock.now()
    await blobs.note_missing_capability(TARGET.registry, name)

    assert await found(database, clock) == [RefusedDeletes(ITEM.target, 2, since)]
    assert await found(database, clock, "registry.example.com/others") == []
    clock.advance(timedelta(days=31))
    assert await found(database, clock) == []


async def test_other_repositories_and_other_capabilities_say_nothing(
    blobs: TargetBlobs, database: Database, clock: ManualClock
) -> None:
    for registry, name in ((TARGET.registry, OF_ANOTHER), (TARGET.registry, "mounts"), ("quay.io", OF_REGISTRY)):
        await blobs.note_missing_capability(registry, name)
    assert await found(database, clock) == []


async def test_nothing_stays_where_nothing_is_to_go(blobs: TargetBlobs, database: Database, clock: ManualClock) -> None:
    await blobs.note_missing_capability(TARGET.registry, OF_REGISTRY)
    await mark(database, clock, ITEM.target)
    assert await found(database, clock) == []
