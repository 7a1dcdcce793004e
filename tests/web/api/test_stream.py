"""The event stream: what is told, what is told again, and how it ends."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest

from ferryman.events import (
    CycleStarted,
    Events,
    ItemLooked,
    JobEnded,
    JobInfo,
    JobProgressed,
    JobStarted,
    RegistryPaused,
    RequestDone,
)
from ferryman.views.running_jobs import RunningJobs
from ferryman.web import streams
from ferryman.web.api.broadcast import Broadcast
from ferryman.web.streams import Message
from tests.store.scene import ManualClock
from tests.web.api.filled import HOSTILE
from tests.web.support import READ_TOKEN, Site, bearer

JOB = JobInfo("k1", "etcd", "quay.io/coreos/etcd", "registry.example.com/mirror/etcd", "v1", 1)
LONGEST = 20.0  # seconds


class Reader:
    """Reads events from a response."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def block(self) -> dict[str, str]:
        """The next block: its fields; of a comment: the key ''."""
        async with asyncio.timeout(LONGEST):
            lines = (await self.response.content.readuntil(b"\n\n")).decode()
        return dict(line.split(": ", 1) for line in lines.strip().split("\n"))

    async def event(self) -> dict[str, str]:
        while "event" not in (block := await self.block()):
            pass
        return block


@asynccontextmanager
async def following(api: Site, **headers: str) -> AsyncIterator[Reader]:
    """A stream that has begun: events from now on are in it."""
    async with api.http.get("/api/v1/events", headers={**bearer(READ_TOKEN), **headers}) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"] == "text/event-stream"
        reader = Reader(response)
        assert await reader.block() == {"retry": "3000"}
        yield reader


async def test_events_come_as_json(api: Site) -> None:
    async with following(api) as reader:
        api.app.events.emit(CycleStarted(3))
        first = await reader.event()
        api.app.events.emit(ItemLooked("etcd", "s", "t", "failed", HOSTILE, "denied", traceback="secret"))
        second = await reader.event()

    assert (first["event"], json.loads(first["data"])) == ("cycle-started", {"items": 3, "requested": False})
    looked = json.loads(second["data"])
    assert (second["event"], looked["error"], "traceback" in looked) == ("item-looked", HOSTILE, False)


async def test_a_stream_goes_on_where_it_was_left(api: Site) -> None:
    async with following(api) as reader:
        api.app.events.emit(CycleStarted(1))
        last = await reader.event()
    for items in (2, 3):
        api.app.events.emit(CycleStarted(items))
    async with following(api, **{"Last-Event-ID": last["id"]}) as reader:
        again = [json.loads((await reader.event())["data"])["items"] for _ in range(2)]

    assert again == [2, 3]


async def test_a_stream_that_cannot_go_on_begins_with_a_reset(api: Site) -> None:
    for unknown in ("0badcafe-3", "nonsense", "-", "1-x"):
        async with following(api, **{"Last-Event-ID": unknown}) as reader:
            first = await reader.event()
            api.app.events.emit(CycleStarted(1))
            second = await reader.event()
        assert (first["event"], second["event"]) == ("reset", "cycle-started")


async def test_a_head_request_is_no_stream(api: Site) -> None:
    async with api.http.head("/api/v1/events", headers=bearer(READ_TOKEN)) as response:
        assert (response.status, await response.read()) == (200, b"")
        assert response.headers["Content-Type"] == "text/event-stream"


async def test_nobody_follows_without_a_token(api: Site) -> None:
    async with api.http.get("/api/v1/events") as response:
        assert response.status == 401


async def test_too_many_streams_are_refused(api: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_MOST", 1)
    async with following(api), api.http.get("/api/v1/events", headers=bearer(READ_TOKEN)) as response:
        assert response.status == 503
        assert response.headers["Retry-After"] == "60"


async def test_a_silent_stream_is_kept_open(api: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_KEEP_ALIVE", 0.01)
    async with following(api) as reader:
        assert await reader.block() == {"": "still here"}


async def test_a_stop_ends_the_stream(api: Site) -> None:
    async with following(api) as reader:
        api.serving.cancel()
        async with asyncio.timeout(LONGEST):
            assert await reader.response.content.read() == b""


async def test_a_reader_that_does_not_read_is_dropped(api: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "_LONGEST_WRITE", 0.05)
    monkeypatch.setattr(streams, "_MOST", 1)
    host, _, port = api.host.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=1000)
    writer.write(f"GET /api/v1/events HTTP/1.1\r\nHost: {api.host}\r\n".encode())
    writer.write(f"Authorization: Bearer {READ_TOKEN}\r\n\r\n".encode())
    await reader.readuntil(b"retry: 3000")

    status = 503
    async with asyncio.timeout(LONGEST):
        while status == 503:  # as long as the other one has the only place
            api.app.events.emit(ItemLooked("x" * 100_000, "s", "t", "looked"))
            async with api.http.get("/api/v1/events", headers=bearer(READ_TOKEN)) as response:
                status = response.status
    assert status == 200
    writer.transport.abort()


# The buffer alone


class Listener:
    """Reads a broadcast without a connection."""

    def __init__(self, broadcast: Broadcast, last_id: str | None = None) -> None:
        self._messages = broadcast.follow(last_id)

    async def next(self) -> Message | None:
        async with asyncio.timeout(LONGEST):
            return await anext(self._messages, None)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


class Work:
    """Events, as a service's broadcast gets them."""

    def __init__(self, clock: ManualClock, **options: int) -> None:
        running, events = RunningJobs(clock=clock.monotonic), Events()
        self.broadcast = Broadcast(running, clock=clock.monotonic, **options)
        events.subscribe(running.observe)
        events.subscribe(self.broadcast.observe)
        self.emit = events.emit

    async def followed(self) -> tuple[Listener, Message]:
        """A listener, and the first event that it has read."""
        listener = Listener(self.broadcast)
        self.emit(CycleStarted(0))
        first = await listener.next()
        assert first is not None
        return listener, first


async def test_progress_is_told_twice_a_second(clock: ManualClock) -> None:
    work = Work(clock)
    listener, _ = await work.followed()
    work.emit(JobStarted(JOB))
    for done in range(100):
        work.emit(JobProgressed(JOB, "copy:layer", done, 100))
        clock.advance(timedelta(milliseconds=20))
    work.emit(JobEnded(JOB, "synced"))
    told = []
    while (message := await listener.next()) is not None and message.event != "job-ended":
        told.append((message.event, json.loads(message.data).get("bytes_moved")))

    assert told == [("job-started", None), *(("job-progressed", done) for done in (0, 25, 50, 75))]


async def test_a_late_report_of_a_job_that_ended_is_not_told(clock: ManualClock) -> None:
    work = Work(clock)
    listener, _ = await work.followed()
    work.emit(JobProgressed(JOB, "copy:layer", 1, 2))
    work.emit(RequestDone("quay.io", "GET", 200, 0.1))
    work.emit(RegistryPaused("quay.io", None, "no"))

    message = await listener.next()
    assert message is not None
    assert message.event == "registry-paused"


async def test_a_reader_that_is_too_slow_is_dropped_and_learns_that_it_missed_something(clock: ManualClock) -> None:
    work = Work(clock, kept=3)
    listener, first = await work.followed()
    for items in range(1, 5):
        work.emit(CycleStarted(items))

    assert await listener.next() is None
    reset = await Listener(work.broadcast, first.id).next()
    assert reset is not None
    assert reset.event == "reset"
    work.emit(CycleStarted(5))
    after = await Listener(work.broadcast, reset.id).next()
    assert after is not None
    assert json.loads(after.data)["items"] == 5
