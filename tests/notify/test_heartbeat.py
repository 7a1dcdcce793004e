"""The URL that is called after every cycle."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from yarl import URL

from ferryman.events import CycleEnded
from ferryman.notify.heartbeat import Heartbeat, called
from tests.conftest import ReadLog
from tests.notify.listener import Listener
from tests.support.clock import PatientClock

DONE, SOME_FAILED = CycleEnded("done", items=3), CycleEnded("done", items=3, items_failed=1)
FAILED, STOPPED = CycleEnded("failed", items=3), CycleEnded("stopped", items=3)


@pytest.mark.parametrize(
    ("url", "well", "badly"),
    [
        ("https://hc-ping.com/uuid", "https://hc-ping.com/uuid", "https://hc-ping.com/uuid/fail"),
        ("https://hc-ping.com/uuid/", "https://hc-ping.com/uuid/", "https://hc-ping.com/uuid/fail"),
        ("https://h.io/k%20y/a?create=1", "https://h.io/k%20y/a?create=1", "https://h.io/k%20y/a/fail?create=1"),
        (
            "https://kuma.io/api/push/KEY?status=up&msg=OK&ping=",
            "https://kuma.io/api/push/KEY?status=up&msg=OK&ping=",
            "https://kuma.io/api/push/KEY?status=down&msg=the+last+cycle+did+not+go+well&ping=",
        ),
    ],
)
def test_what_is_called(url: str, well: str, badly: str) -> None:
    assert str(called(URL(url), went_well=True)) == well
    assert str(called(URL(url), went_well=False)) == badly


@asynccontextmanager
async def beating(url: Callable[[], str | None], clock: PatientClock) -> AsyncIterator[Heartbeat]:
    heartbeat = Heartbeat(url=url, user_agent="ferryman/test", clock=clock)
    task = asyncio.create_task(heartbeat.run())
    yield heartbeat
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_every_cycle_that_ends_calls_it(listener: Listener) -> None:
    async with beating(lambda: f"{listener.url}/uuid", PatientClock()) as heartbeat:
        for number, (event, path) in enumerate(
            [(DONE, "/uuid"), (SOME_FAILED, "/uuid/fail"), (FAILED, "/uuid/fail"), (DONE, "/uuid")], start=1
        ):
            heartbeat.observe(STOPPED)
            heartbeat.observe(event)
            await listener.count(number)
            assert (listener.received[-1].method, listener.received[-1].path) == ("GET", path)
    assert listener.received[0].headers["User-Agent"] == "ferryman/test"


async def test_it_is_tried_again_and_then_reported_without_the_url(listener: Listener, read_log: ReadLog) -> None:
    clock = PatientClock()
    listener.otherwise = (503, {})
    async with beating(lambda: f"{listener.url}/secret-uuid", clock) as heartbeat:
        heartbeat.observe(DONE)
        for seconds in (5, 10, 20):
            async with asyncio.timeout(20):
                await clock.asleep()
            clock.advance(seconds)
        await listener.count(4)
        listener.otherwise = (200, {})
        heartbeat.observe(FAILED)
        await listener.count(5)
        assert listener.received[-1].path == "/secret-uuid/fail"

    [line] = [line for line in read_log() if line["event"] == "heartbeat_not_called"]
    assert line["error"] == "it answers 503"
    assert "secret" not in str(line)


async def test_without_a_url_nothing_is_called_until_there_is_one(listener: Listener) -> None:
    urls: list[str | None] = [None]
    async with beating(lambda: urls[0], PatientClock()) as heartbeat:
        heartbeat.observe(DONE)
        for _ in range(5):
            await asyncio.sleep(0)
        urls[0] = listener.url
        heartbeat.observe(FAILED)
        await listener.count(1)
    assert [each.path for each in listener.received] == ["/fail"]
