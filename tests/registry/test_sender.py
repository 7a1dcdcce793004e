"""The event of each HTTP exchange: registry, method, status and duration, and no secret."""

import asyncio

import pytest
from aiohttp import web

from ferryman.errors import Unreachable
from ferryman.events import Event, Events, RequestDone, RequestRetried
from ferryman.reference import Repository
from tests.registry.conftest import Connect
from tests.support.clock import ManualClock
from tests.support.faulty import Faulty, cuts, says, stalls

PATH = "/v2/team/app/manifests/1"
BODY = b'{"schemaVersion": 2, "config": {}, "layers": []}'
FOUND = says(200, BODY, Content_Type="application/vnd.oci.image.manifest.v1+json")


@pytest.fixture
def events() -> Events:
    return Events()


@pytest.fixture
def reported(events: Events) -> list[tuple[str, str, int | None]]:
    """Registry, method and status of each exchange."""
    seen: list[tuple[str, str, int | None]] = []

    def note(event: Event) -> None:
        if isinstance(event, RequestDone):
            seen.append((event.registry, event.method, event.status))

    events.subscribe(note)
    return seen


async def test_a_login_and_a_redirect_are_reported_for_the_registry(
    faulty: Faulty, elsewhere: Faulty, connect: Connect, events: Events, reported: list[tuple[str, str, int | None]]
) -> None:
    challenge = f'Bearer realm="{elsewhere.url}/token",service="x"'
    faulty.on(f"GET {PATH}", says(401, WWW_Authenticate=challenge), says(307, Location=f"{elsewhere.url}/signed?sig=s"))
    elsewhere.on("GET /token", says(200, {"token": "s3cr3t"}))
    elsewhere.on("GET /signed", FOUND)
    await connect(events=events).get_manifest(Repository(faulty.host, "team/app").tagged("1"))
    assert reported == [(faulty.host, "GET", status) for status in (401, 200, 307, 200)]


async def test_every_try_is_reported_even_without_an_answer(
    faulty: Faulty, connect: Connect, events: Events, reported: list[tuple[str, str, int | None]]
) -> None:
    faulty.on(f"GET {PATH}", says(503), cuts(), FOUND)
    await connect(events=events).get_manifest(Repository(faulty.host, "team/app").tagged("1"))
    assert [status for _, _, status in reported] == [503, None, 200]


async def test_a_retry_is_reported_before_its_backoff(faulty: Faulty, connect: Connect, events: Events) -> None:
    seen: list[Event] = []
    events.subscribe(seen.append)
    faulty.on(f"GET {PATH}", says(503), cuts(), FOUND)
    await connect(events=events).get_manifest(Repository(faulty.host, "team/app").tagged("1"))
    retried = RequestRetried(faulty.host)
    assert [event if event == retried else "answer" for event in seen] == ["answer", retried] * 2 + ["answer"]


async def test_a_request_that_fails_at_its_last_try_is_not_reported_as_retried(
    connect: Connect, events: Events
) -> None:
    seen: list[Event] = []
    events.subscribe(seen.append)
    with pytest.raises(Unreachable):
        await connect(events=events).head_manifest(Repository("127.0.0.1:9", "team/app").tagged("1"))
    assert isinstance(seen[0], RequestDone)
    assert isinstance(seen[-1], RequestDone)
    assert len(seen) == 2 * seen.count(RequestRetried("127.0.0.1:9")) + 1


async def test_nobody_there(connect: Connect, events: Events, reported: list[tuple[str, str, int | None]]) -> None:
    with pytest.raises(Unreachable):
        await connect(events=events).head_manifest(Repository("127.0.0.1:9", "team/app").tagged("1"))
    assert set(reported) == {("127.0.0.1:9", "HEAD", None)}


async def test_the_reported_time_is_that_of_the_exchange(
    faulty: Faulty, connect: Connect, clock: ManualClock, events: Events
) -> None:
    async def slow(_: web.Request) -> web.StreamResponse:
        clock.advance(2)
        return await FOUND(_)

    took: list[Event] = []
    events.subscribe(took.append)
    faulty.on(f"GET {PATH}", slow)
    await connect(events=events).get_manifest(Repository(faulty.host, "team/app").tagged("1"))
    assert took == [RequestDone(faulty.host, "GET", 200, 2.0)]


async def test_a_cancelled_request_is_not_reported(
    faulty: Faulty, connect: Connect, events: Events, reported: list[tuple[str, str, int | None]]
) -> None:
    asked = asyncio.Event()

    async def never(request: web.Request) -> web.StreamResponse:
        asked.set()
        return await stalls()(request)

    faulty.on(f"GET {PATH}", never)
    getting = asyncio.create_task(connect(events=events).get_manifest(Repository(faulty.host, "team/app").tagged("1")))
    await asked.wait()
    getting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await getting
    assert reported == []
