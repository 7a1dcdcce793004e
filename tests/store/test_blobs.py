"""The record of what targets hold, on both databases."""

from datetime import timedelta

import pytest

from ferryman.store.blobs import Blobs
from ferryman.store.engine import Database
from tests.store.scene import ManualClock
from tests.support.upstreams import made_up_digest

HOST = "registry.example.com"
ONE, TWO, THREE = map(made_up_digest, ("one", "two", "three"))


@pytest.fixture
def blobs(database: Database, clock: ManualClock) -> Blobs:
    return Blobs(database, clock=clock)


async def test_tells_who_holds_what(blobs: Blobs) -> None:
    await blobs.remember(HOST, "a", {"blob": [ONE, TWO], "manifest": [THREE]})
    await blobs.remember(HOST, "b", {"blob": [ONE]})
    await blobs.remember(HOST, "b", {"blob": [ONE]})
    await blobs.remember("other.example.com", "c", {"blob": [ONE]})

    assert await blobs.holders(HOST, [ONE, TWO, THREE], kind="blob") == {ONE: {"a", "b"}, TWO: {"a"}}
    assert await blobs.holders(HOST, [ONE, THREE], kind="manifest") == {THREE: {"a"}}
    assert await blobs.holders(HOST, [], kind="blob") == {}


async def test_forgets_what_turned_out_to_be_gone(blobs: Blobs) -> None:
    await blobs.remember(HOST, "a", {"blob": [ONE, TWO], "manifest": [THREE]})
    await blobs.remember(HOST, "b", {"blob": [ONE]})

    await blobs.forget(HOST, "a", [ONE, THREE])
    await blobs.forget(HOST, "a", [ONE, THREE])

    assert await blobs.holders(HOST, [ONE, TWO], kind="blob") == {ONE: {"b"}, TWO: {"a"}}
    assert await blobs.holders(HOST, [THREE], kind="manifest") == {}


async def test_takes_more_at_once_than_one_statement_can(blobs: Blobs) -> None:
    many = [made_up_digest(str(number)) for number in range(1200)]

    await blobs.remember(HOST, "a", {"blob": many})

    assert len(await blobs.holders(HOST, many, kind="blob")) == 1200
    await blobs.forget(HOST, "a", many)
    assert await blobs.holders(HOST, many, kind="blob") == {}


async def test_an_inability_is_believed_for_a_month(blobs: Blobs, clock: ManualClock) -> None:
    await blobs.note_inability(HOST, "mounts")
    clock.advance(timedelta(days=20))
    await blobs.note_inability(HOST, "takes_chunks")
    await blobs.note_inability(HOST, "takes_chunks")

    assert await blobs.inabilities(HOST) == {"mounts", "takes_chunks"}
    clock.advance(timedelta(days=11))
    assert await blobs.inabilities(HOST) == {"takes_chunks"}
    assert await blobs.inabilities("other.example.com") == frozenset()
