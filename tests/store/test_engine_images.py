"""The record of images in engines, on both databases."""

from datetime import timedelta

from ferryman.store.database.database import Database
from ferryman.store.engine_images import EngineImage, EngineImages
from tests.store.scene import START, ManualClock


async def test_the_cache_of_one_engine(database: Database, clock: ManualClock) -> None:
    images = EngineImages(database, clock=clock)
    await images.remember("engine", "quay.io/a:1", role="source")
    clock.advance(timedelta(minutes=1))
    await images.remember("engine", "quay.io/b:1", role="source", image_id="sha256:b", previous_id="sha256:old")
    await images.remember("engine", "registry.example.com/a:1", role="target")
    await images.remember("another engine", "quay.io/a:1", role="source")
    assert await images.of_role("engine", "source") == [
        EngineImage("quay.io/a:1", "source", None, None, START),
        EngineImage("quay.io/b:1", "source", "sha256:b", "sha256:old", clock.now()),
    ]
    assert [each.reference for each in await images.of_role("engine", "target")] == ["registry.example.com/a:1"]


async def test_what_was_used_just_now_goes_last(database: Database, clock: ManualClock) -> None:
    images = EngineImages(database, clock=clock)
    await images.remember("engine", "quay.io/a:1", role="source")
    await images.remember("engine", "quay.io/b:1", role="source")
    clock.advance(timedelta(minutes=1))
    await images.touch("engine", "quay.io/a:1", "sha256:a")
    found = await images.of_role("engine", "source")
    assert [(each.reference, each.image_id) for each in found] == [("quay.io/b:1", None), ("quay.io/a:1", "sha256:a")]


async def test_a_name_is_written_anew_and_forgotten(database: Database, clock: ManualClock) -> None:
    images = EngineImages(database, clock=clock)
    await images.remember("engine", "quay.io/a:1", role="source", image_id="sha256:a")
    await images.remember("engine", "quay.io/a:1", role="target", image_id="sha256:b")
    assert await images.of_role("engine", "source") == []
    await images.forget("engine", "quay.io/a:1")
    await images.forget("engine", "quay.io/a:1")
    assert await images.of_role("engine", "target") == []
