"""Pauses by persons: what claims pass over, on both databases."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from ferryman.kinds import PauseScope
from ferryman.store.actions import Actions
from ferryman.store.database.database import Database, open_database
from ferryman.store.ledger import Ledger
from ferryman.store.queue.manual_pauses import ManualPauses
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Intent, ItemKey, ManualPause, Outstanding, Share
from tests.store.scene import ITEM, LEASE, MAX_ATTEMPTS, START, ManualClock, Scene, digest

ELSEWHERE = ItemKey("nginx", "docker.io/library/nginx", "other.example.com/nginx", None)
SAME_SOURCE = ItemKey("flannel", "quay.io/coreos/flannel", "third.example.com/flannel", None)
OF_ITEM = [("all", ""), ("item", ITEM.target), ("registry", "quay.io"), ("registry", "registry.example.com")]


class Person:
    """Pauses and resumes."""

    def __init__(self, database: Database, clock: ManualClock, queue: Queue) -> None:
        self.pauses = ManualPauses(database, clock=clock, resumed=queue.filled)

    async def pause(self, scope: PauseScope, name: str, note: str | None = None) -> bool:
        return await self.pauses.pause(scope, name, intent=Intent("cli:me@here", "pause", name, note))

    async def resume(self, scope: PauseScope, name: str) -> bool:
        return await self.pauses.resume(scope, name, intent=Intent("cli:me@here", "resume", name))


@pytest.fixture
def person(database: Database, clock: ManualClock, queue: Queue) -> Person:
    return Person(database, clock, queue)


@pytest.mark.parametrize(("scope", "name"), OF_ITEM)
async def test_what_is_paused_is_not_claimed_and_not_changed(
    scene: Scene, person: Person, scope: PauseScope, name: str
) -> None:
    await scene.walk({"v1": digest("a")})
    before = await scene.record()
    assert await person.pause(scope, name)
    assert await scene.queue.claim() is None
    assert await scene.queue.claim([ITEM.target]) is None
    assert await scene.record() == replace(before, reason="paused")  # as it is told; the row keeps its reason
    filled = scene.queue.filled.next()
    assert await person.resume(scope, name)
    assert filled.is_set()
    assert await scene.record() == before
    assert (await scene.claimed()).tag == "v1"


@pytest.mark.parametrize(("scope", "name"), OF_ITEM[1:])
async def test_the_others_go_on_in_their_order(scene: Scene, person: Person, scope: PauseScope, name: str) -> None:
    await scene.walk({"v1": digest("a"), "v2": digest("b")})
    await scene.walk({"1": digest("a"), "2": digest("b"), "3": digest("c")}, item=ELSEWHERE)
    await person.pause(scope, name)
    jobs = await asyncio.gather(*(scene.queue.claim() for _ in range(2)))
    assert [job.tag for job in jobs if job] == ["1", "2"]
    assert (await scene.claimed()).tag == "3"
    assert await scene.queue.claim() is None


async def test_the_order_of_the_queue_goes_across_items(scene: Scene, person: Person) -> None:
    await scene.walk({"v1": digest("a"), "v2": digest("b"), "v3": digest("c")})
    await scene.walk({"1": digest("a"), "2": digest("b")}, item=ELSEWHERE)
    await person.pause("item", SAME_SOURCE.target)
    assert [(await scene.claimed()).tag for _ in range(5)] == ["v1", "1", "v2", "2", "v3"]


async def test_a_share_and_some_items_are_respected_while_others_are_paused(scene: Scene, person: Person) -> None:
    for item in (ITEM, SAME_SOURCE, ELSEWHERE):
        await scene.walk({"1": digest("a"), "2": digest("b")}, item=item)
    await person.pause("item", ITEM.target)
    share = Share(1, frozenset({"quay.io", "docker.io"}))
    jobs = [await scene.queue.claim(share=share) for _ in range(3)]
    assert [job.item for job in jobs if job] == ["flannel", "nginx"]
    assert await scene.queue.claim([ITEM.target]) is None
    another = await scene.queue.claim([SAME_SOURCE.target])
    assert another is not None
    assert another.item == "flannel"


async def test_a_pause_holds_for_every_process_and_after_a_restart(
    url: str, scene: Scene, person: Person, queue_of: Callable[[str], Queue], clock: ManualClock
) -> None:
    await scene.walk({"v1": digest("a")})
    await person.pause("registry", "quay.io", "maintenance")
    assert await queue_of("other").claim() is None
    again = await open_database(url)
    restarted = Queue(again, owner="again", clock=clock, lease=LEASE, max_attempts=MAX_ATTEMPTS)
    pauses = ManualPauses(again, clock=clock, resumed=restarted.filled)
    pause = ManualPause("registry", "quay.io", START, "cli:me@here", "maintenance")
    assert (await pauses.read()).all == [pause]
    assert await restarted.claim() is None
    await pauses.resume("registry", "quay.io", intent=Intent("me", "resume", "quay.io"))
    assert await restarted.claim() is not None
    await again.close()


async def test_a_running_copy_goes_on_to_its_end(scene: Scene, person: Person) -> None:
    job = await scene.running()
    await person.pause("all", "")
    assert await scene.queue.heartbeat() == {job.token}
    assert await scene.succeed(job)


async def test_no_requeue_and_no_registry_that_resumes_ends_it(scene: Scene, person: Person) -> None:
    await scene.fail(await scene.running())
    await person.pause("registry", "quay.io")
    await scene.queue.pause("quay.io", until=None, error="refused")
    assert await scene.queue.requeue(failed=True) == 1
    await scene.queue.resume("quay.io")
    assert await scene.queue.claim() is None
    assert await person.resume("registry", "quay.io")
    assert await scene.queue.claim() is not None


async def test_a_narrower_pause_outlasts_a_wider_one(scene: Scene, person: Person) -> None:
    await scene.walk({"v1": digest("a")})
    for scope, name in OF_ITEM:
        await person.pause(scope, name)  # type: ignore[arg-type]  # a str
    held = (await person.pauses.read()).of_item(ITEM.target, "quay.io")
    for scope, name in OF_ITEM:
        assert held is not None
        assert await scene.queue.claim() is None
        await person.resume(scope, name)  # type: ignore[arg-type]  # a str
        held = (await person.pauses.read()).of_item(ITEM.target, "quay.io")
    assert held is None
    assert await scene.queue.claim() is not None


async def test_only_changes_are_recorded(database: Database, scene: Scene, person: Person, clock: ManualClock) -> None:
    assert await person.pause("item", ITEM.target, "for a test")
    clock.advance(timedelta(hours=1))
    assert not await person.pause("item", ITEM.target, "once more")
    [pause] = (await person.pauses.read()).all
    assert (pause.since, pause.note) == (START, "for a test")
    assert await person.resume("item", ITEM.target)
    assert not await person.resume("item", ITEM.target)
    entries = await Actions(database, clock=clock).list()
    assert [(each.action, each.subject, each.at, each.detail) for each in entries] == [
        ("resume", ITEM.target, START + timedelta(hours=1), None),
        ("pause", ITEM.target, START, "for a test"),
    ]


async def test_what_waits_for_a_person_is_counted_apart(scene: Scene, person: Person) -> None:
    await scene.walk({"v1": digest("a"), "v2": digest("b"), "v3": digest("c")})
    await scene.fail(await scene.claimed(), retry_at=START + timedelta(minutes=5))
    await scene.claimed()
    await scene.walk({"1": digest("a")}, item=ELSEWHERE)
    await scene.queue.pause("docker.io", until=None, error="refused")
    assert await scene.queue.outstanding() == Outstanding(1, 1, 1, 1, START + timedelta(minutes=5))
    await person.pause("registry", "quay.io")
    assert await scene.queue.outstanding() == Outstanding(0, 0, 1, 1, None, paused=2)
    assert await scene.queue.outstanding([ELSEWHERE.target]) == Outstanding(0, 0, 1, 0, None)
    await person.pause("all", "")
    assert await scene.queue.outstanding() == Outstanding(0, 0, 0, 1, None, paused=3)


async def test_an_item_that_is_forgotten_is_not_paused_any_more(
    scene: Scene, person: Person, ledger: Ledger, clock: ManualClock
) -> None:
    await scene.walk({"v1": digest("a")})
    await person.pause("item", ITEM.target)
    await person.pause("registry", "quay.io")
    await ledger.forget_items([ITEM.target], now=clock.now(), intent=Intent("me", "forget", ITEM.target))
    assert [each.scope for each in (await person.pauses.read()).all] == ["registry"]


async def test_many_workers_never_get_the_same_tag_nor_a_paused_one(
    scene: Scene, person: Person, queue_of: Callable[[str], Queue]
) -> None:
    for item in (ITEM, SAME_SOURCE, ELSEWHERE):
        await scene.walk({f"v{number}": digest("a") for number in range(10)}, item=item)
    await person.pause("item", ITEM.target)

    async def claim_all(queue: Queue) -> list[int]:
        found = []
        while job := await queue.claim():
            assert job.item != "etcd"
            found.append(job.id)
        return found

    claimed = await asyncio.gather(*(claim_all(queue_of(f"owner {number}")) for number in range(4)))
    ids = [key for keys in claimed for key in keys]
    assert len(set(ids)) == len(ids)
    while (job := await scene.queue.claim()) is not None:  # one that all have passed over while it was locked
        ids.append(job.id)
    assert len(set(ids)) == 20
