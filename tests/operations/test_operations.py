"""What commands and the web API both do, on a real state database."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from ferryman.errors import ConfigurationError
from ferryman.items.model import Item
from ferryman.operations.cancel import cancel_copy
from ferryman.operations.forget import forget_items, former_items
from ferryman.operations.known_items import known_items
from ferryman.operations.pauses import pause_work
from ferryman.operations.requeue import Requeued, requeue_tags
from ferryman.operations.tags import named_tags, shown_tags
from ferryman.record import Record, open_record
from ferryman.reference import Repository
from ferryman.settings import Settings
from ferryman.store.queue.queue import Queue
from ferryman.store.records import ItemKey, PlannedTag, SeenTag, Walk
from tests.store.scene import ITEM, ManualClock, Scene, digest

OLD = ItemKey("old", "quay.io/coreos/old", "registry.example.com/mirror/old", None)
CONFIGURED = [Item(ITEM.name, Repository.parse(ITEM.source), Repository.parse(ITEM.target))]


@pytest.fixture
async def record(tmp_path: Path) -> AsyncIterator[Record]:
    """The record of an item with a synced, a failed, an excluded and an unreadable tag, and of a former item."""
    settings = Settings.load({"FERRYMAN_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/ferryman.db"})
    async with open_record(settings, create=True) as opened:
        clock = ManualClock()
        queue = Queue(opened.database, owner="test", clock=clock, lease=timedelta(seconds=60), max_attempts=3)
        scene = Scene(queue, opened.ledger, clock)
        await scene.succeed(await scene.running("synced", "a"))
        await scene.fail(await scene.running("failed", "b"))
        await queue.apply(
            ITEM,
            [SeenTag("excluded", digest("c"), None)],
            gone=(),
            planned=[PlannedTag("excluded", "skip", "excluded")],
            walk=Walk(clock.now(), clock.now(), "rules"),
        )
        await scene.walk({"unread": None}, planned={"unread": "fail"})
        await scene.walk({"1": digest("d")}, item=OLD)
        await scene.succeed(await scene.claimed())
        yield opened


async def test_a_recorded_item_that_is_not_configured_is_a_former_one(record: Record) -> None:
    known = await known_items(record, CONFIGURED)

    assert (known.targets, known.former_targets) == ({ITEM.target}, {OLD.target})


async def test_an_invalid_configuration_makes_no_item_a_former_one(record: Record) -> None:
    known = await known_items(record, None)

    assert (known.targets, known.former_targets) == ({ITEM.target, OLD.target}, set())


@pytest.mark.parametrize(
    ("options", "result"),
    [
        ({"only_failed": True}, Requeued(queued=1, unreadable=1, paused=0)),
        ({}, Requeued(queued=2, unreadable=1, paused=0)),
        ({"tag": "synced"}, Requeued(queued=1, unreadable=0, paused=0)),
        ({"tag": "unread"}, Requeued(queued=0, unreadable=1, paused=0)),
    ],
    ids=str,
)
async def test_a_requeue_tells_what_only_another_look_can_retry(
    record: Record, options: dict[str, bool | str], result: Requeued
) -> None:
    done = await requeue_tags(record, {ITEM.target}, actor="me", **options)  # type: ignore[arg-type]  # one of two
    assert done == result


async def test_only_former_items_are_forgotten(record: Record) -> None:
    known = await known_items(record, CONFIGURED)
    with pytest.raises(ConfigurationError, match=r"items\.yml still names 'etcd'"):
        await former_items(record, known, ["etcd"])
    with pytest.raises(ConfigurationError, match="no item 'none'"):
        await former_items(record, known, ["none"])

    found = await former_items(record, known, [])

    assert [each.target for each in found] == [OLD.target]
    assert await forget_items(record, found, actor="me") == 1
    assert (await known_items(record, CONFIGURED)).former == []


async def test_tags_that_the_rules_exclude_are_shown_on_request(record: Record) -> None:
    async def shown(**options: bool) -> set[str]:
        return {each.tag async for each in shown_tags(record, {ITEM.target}, **options)}

    assert await shown() == {"synced", "failed", "unread"}
    assert await shown(failed=True) == {"failed", "unread"}
    assert await shown(everything=True) == {"synced", "failed", "unread", "excluded"}


async def test_a_tag_that_is_named_twice_is_found_once(record: Record) -> None:
    wanted = [({ITEM.target, OLD.target}, "synced"), ({ITEM.target}, "synced"), ({OLD.target}, None)]

    assert [each.tag for each in await named_tags(record, wanted)] == ["synced"]


async def test_a_copy_that_does_not_run_is_not_cancelled(record: Record) -> None:
    assert not await cancel_copy(record, ITEM.target, "synced", actor="me")
    assert await record.actions.list() == []


async def test_what_a_person_requeues_and_forgets_is_recorded(record: Record) -> None:
    await requeue_tags(record, {ITEM.target}, only_failed=True, actor="token:web")
    await requeue_tags(record, {ITEM.target}, tag="synced", actor="cli:me@here")
    await forget_items(record, await former_items(record, await known_items(record, CONFIGURED), []), actor="me")
    entries = [
        (each.actor, each.action, each.subject, each.number, each.detail) for each in await record.actions.list()
    ]
    assert entries == [
        ("me", "forget", OLD.target, 1, None),
        ("cli:me@here", "requeue", f"{ITEM.target}:synced", 1, None),
        ("token:web", "requeue", ITEM.target, 1, "only what failed"),
    ]


async def test_a_requeue_tells_what_a_person_has_paused(record: Record) -> None:
    await pause_work(record, [("item", ITEM.target)], actor="me")
    done = await requeue_tags(record, {ITEM.target}, only_failed=True, actor="me")
    assert (done.queued, done.paused) == (1, 1)
