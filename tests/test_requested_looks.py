"""Looks that people ask for: taken up beside the timetable, each once, and not more than once a minute."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ferryman.application import Application, open_application
from ferryman.errors import StoreError
from ferryman.events import CycleStarted, Event, ItemLooked
from ferryman.operations.look import request_look
from ferryman.operations.requeue import requeue_tags
from ferryman.requested_looks import RequestedLooks
from ferryman.settings import Settings
from ferryman.store.records import Intent
from tests.conftest import ReadLog
from tests.support.clock import PatientClock
from tests.support.upstreams import Google

LOOK = Intent("token:ci", "look", "something")
ITEMS = """
registries:
  gcr.io: {{endpoint: {url}, api: {url}}}
defaults: {{target: registry.example.com/m/}}
items: [{{source: gcr.io/google/pause}}, {{source: gcr.io/google/etcd}}]
"""


class Place:
    """An application whose requested looks are observed."""

    def __init__(self, app: Application) -> None:
        self.app = app
        self.clock = app.clock = PatientClock()
        self.looked: asyncio.Queue[str] = asyncio.Queue()  # names of items
        self.cycles: list[CycleStarted] = []
        self.reloads = 0
        app.events.subscribe(self._observe)
        self.looks = RequestedLooks(app, app.scheduler(), reload=self._reload)

    def _observe(self, event: Event) -> None:
        if isinstance(event, ItemLooked):
            self.looked.put_nowait(event.item)
        if isinstance(event, CycleStarted):
            self.cycles.append(event)

    def _reload(self) -> None:
        self.reloads += 1
        self.app.reload()

    async def request(self, *names: str) -> None:
        targets = [f"registry.example.com/m/{name}" for name in names]
        await self.app.record.look_requests.add(targets or [""], intent=LOOK)


@pytest.fixture
async def place(tmp_path: Path, google: Google, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Place]:
    monkeypatch.setattr("ferryman.requested_looks._POLL", 3600.0)
    for name in ("pause", "etcd"):
        google.put(f"google/{name}", "1.0")
    items = tmp_path / "items.yml"
    items.write_text(ITEMS.format(url=google.url))
    environment = {"FERRYMAN_DATABASE_URL": f"sqlite+aiosqlite:///{tmp_path}/ferryman.db"}
    settings = Settings.load(environment).model_copy(update={"items": items})
    async with open_application(settings, engine=False) as app:
        made = Place(app)
        working = asyncio.create_task(made.looks.run())
        yield made
        working.cancel()
        await asyncio.wait([working])


async def test_a_request_of_this_process_is_taken_up_at_once_for_its_items_only(
    place: Place, read_log: ReadLog
) -> None:
    await place.request("etcd")
    assert await place.looked.get() == "etcd"
    assert place.cycles == [CycleStarted(1, requested=True)]
    assert place.looked.empty()
    assert await place.app.record.look_requests.pending() == {}
    assert place.reloads == 1
    assert "look_requested" in [line["event"] for line in read_log()]


async def test_a_request_for_everything_includes_the_others(place: Place) -> None:
    await place.app.record.look_requests.add(["registry.example.com/m/etcd", ""], intent=LOOK)
    assert {await place.looked.get() for _ in range(2)} == {"pause", "etcd"}
    assert place.cycles == [CycleStarted(2, requested=True)]


async def test_many_requests_within_a_minute_become_one_more_look(place: Place) -> None:
    await place.request("etcd")
    assert await place.looked.get() == "etcd"
    for _ in range(5):
        await place.request("etcd")
        await place.looks.take_up()
    assert list(await place.app.record.look_requests.pending()) == ["registry.example.com/m/etcd"]
    await place.request("pause")  # others do not wait for that
    assert await place.looked.get() == "pause"
    place.clock.advance(60)
    await place.looks.take_up()
    assert await place.looked.get() == "etcd"
    assert await place.app.record.look_requests.pending() == {}
    assert len(place.cycles) == 3


async def test_a_request_for_what_items_yml_does_not_have_is_dropped(place: Place) -> None:
    await place.request("gone")
    await place.request("etcd")
    assert await place.looked.get() == "etcd"
    assert await place.app.record.look_requests.pending() == {}


async def test_a_look_whose_database_fails_is_told_and_the_next_request_is_taken_up(
    place: Place, read_log: ReadLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = asyncio.Event()

    async def fail(*_: object, **__: object) -> None:
        failed.set()
        raise StoreError("the disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(place.looks._scheduler, "cycle", fail)
        await place.request("etcd")
        await failed.wait()
    await place.request("pause")
    assert await place.looked.get() == "pause"
    assert [line["error"] for line in read_log() if line["event"] == "requested_look_failed"] == ["the disk is full"]


async def test_without_a_scheduler_nothing_is_requested(place: Place) -> None:
    done = await request_look(place.app.record, {"registry.example.com/m/etcd"}, actor="me")
    assert not done.scheduler
    assert await place.app.record.look_requests.pending() == {}
    assert place.cycles == []


async def test_a_living_scheduler_is_asked_and_a_worker_is_not(place: Place) -> None:
    services, owner = place.app.record.services, place.app.owner.name
    await services.heartbeat(owner, "worker")
    assert not (await request_look(place.app.record, None, actor="me")).scheduler
    await services.heartbeat(owner, "run")
    done = await request_look(place.app.record, None, actor="me")
    assert (done.scheduler, done.is_new) == (True, True)
    assert {await place.looked.get() for _ in range(2)} == {"pause", "etcd"}
    [entry] = await place.app.record.actions.list()
    assert (entry.actor, entry.action, entry.subject) == ("me", "look", "everything")


async def test_what_is_queued_again_is_asked_for_at_once(place: Place, google: Google) -> None:
    """Of the item that has it, and of no other one."""
    services, owner = place.app.record.services, place.app.owner.name
    await place.request()
    assert {await place.looked.get() for _ in range(2)} == {"pause", "etcd"}
    job = await place.app.record.queue.claim(["registry.example.com/m/etcd"])
    assert job is not None
    await place.app.record.queue.fail(job, started_at=place.clock.now(), kind="denied", error="no", retry_at=None)
    await services.heartbeat(owner, "scheduler")
    place.clock.advance(60)

    done = await requeue_tags(
        place.app.record, {f"registry.example.com/m/{name}" for name in ("etcd", "pause")}, only_failed=True, actor="me"
    )

    assert done.queued == 1
    assert await place.looked.get() == "etcd"
    assert place.looked.empty()
    assert [each.action for each in await place.app.record.actions.list()] == ["requeue", "look"]
