"""Requests to look now, on both databases."""

from datetime import timedelta

import pytest

from ferryman.store.actions import Actions
from ferryman.store.database.database import Database
from ferryman.store.look_requests import ALL_ITEMS, LookRequests
from ferryman.store.records import Intent
from tests.store.scene import ITEM, ManualClock

OTHER = "registry.example.com/mirror/other"


@pytest.fixture
def requests(database: Database, clock: ManualClock) -> LookRequests:
    return LookRequests(database, clock=clock)


def look(actor: str) -> Intent:
    return Intent(actor, "look", "something")


async def test_a_request_is_there_once_until_it_is_taken(
    requests: LookRequests, database: Database, clock: ManualClock
) -> None:
    added = requests.added.next()
    assert await requests.add([ITEM.target], intent=look("first"))
    assert added.is_set()
    clock.advance(timedelta(seconds=1))
    added = requests.added.next()
    assert not await requests.add([ITEM.target], intent=look("second"))
    assert not added.is_set()
    assert await requests.add([ITEM.target, OTHER], intent=look("third"))
    assert await requests.pending() == {ITEM.target: "first", OTHER: "third"}
    assert [each.actor for each in await Actions(database, clock=clock).list()] == ["third", "first"]


async def test_each_request_is_taken_by_one_scheduler(requests: LookRequests, database: Database) -> None:
    other = LookRequests(database, clock=ManualClock())
    await requests.add([ITEM.target, OTHER], intent=look("me"))
    assert await requests.take([ITEM.target]) == {ITEM.target: True}
    assert await other.take([ITEM.target, OTHER]) == {OTHER: True}
    assert await requests.take([ITEM.target, OTHER]) == {}


async def test_a_look_at_everything_takes_all_requests(requests: LookRequests) -> None:
    await requests.add([ITEM.target], intent=look("me"))
    await requests.add([ALL_ITEMS], intent=look("me"))
    assert set(await requests.take()) == {ITEM.target, ALL_ITEMS}
    assert await requests.pending() == {}


async def test_a_request_for_every_tag_includes_one_for_those_that_are_due(
    requests: LookRequests, database: Database, clock: ManualClock
) -> None:
    added = requests.added.next()
    await requests.add_for_due_tags([ITEM.target, OTHER], actor="me")
    assert added.is_set()
    assert await requests.add([ITEM.target], intent=look("ci"))
    await requests.add_for_due_tags([ITEM.target], actor="me")

    assert await requests.take() == {ITEM.target: True, OTHER: False}
    assert [each.action for each in await Actions(database, clock=clock).list()] == ["look"], "a requeue notes itself"
