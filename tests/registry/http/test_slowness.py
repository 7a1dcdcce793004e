"""Timeouts and the least rate: endless trickles are given up, slow servers are waited for."""

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count

import pytest
from aiohttp import web

from ferryman.errors import TooSlow, Unreachable
from ferryman.reference import Reference, Repository
from ferryman.registry.http.least_rate import LeastRate
from ferryman.registry.http.session import Timeouts
from ferryman.registry_options import RegistryOptions
from tests.registry.conftest import Connect
from tests.support.clock import ManualClock
from tests.support.faulty import Faulty, Handler, says

pytestmark = pytest.mark.slow

BLOB = random.Random(3).randbytes(40_000)
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
PATH = f"/v2/a/b/blobs/{DIGEST}"
TAGS = "/v2/a/b/tags/list"
UPLOADS = "/v2/a/b/blobs/uploads/"
IMPATIENT = Timeouts(read=0.4, answer=0.4, page=0.4, fetch=0.4, commit=0.4, total=0.4, listing=0.6)


def repository(host: str) -> Repository:
    return Repository(host, "a/b")


# The least rate, as arithmetic


def test_only_waiting_for_the_server_uses_the_window() -> None:
    pace = LeastRate(rate=100, window=60)
    pace.waited(59, 0)
    assert pace.left == 1
    pace.waited(0, 1000)  # ten seconds' worth
    assert pace.left == 11
    pace.waited(0, 10**9)
    assert pace.left == 60  # what was sent in advance is no licence to be silent for longer


@pytest.mark.parametrize(("a_second", "lasts"), [(0, 60), (50, 120), (75, 240), (99, 6000)])
def test_a_transfer_below_the_least_rate_ends(a_second: int, lasts: int) -> None:
    pace = LeastRate(rate=100, window=60)
    seconds = 0
    while pace.left > 1e-9:
        pace.waited(1, a_second)
        seconds += 1
    assert seconds == pytest.approx(lasts, abs=1)


def test_a_transfer_at_the_least_rate_goes_on() -> None:
    pace = LeastRate(rate=100, window=60)
    for _ in range(10_000):  # 50 seconds of silence at a time
        pace.waited(50, 5000)
        assert pace.left > 0


# Downloads


def drips(piece: bytes = b"x", every: float = 0.01) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(BLOB))})
        await response.prepare(request)
        while True:
            await response.write(piece)
            await asyncio.sleep(every)

    return answer


async def test_a_dripping_blob_is_given_up_and_not_resumed(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", drips())
    blob = connect(timeouts=IMPATIENT).download(repository(faulty.host), DIGEST, len(BLOB), on_progress=lambda _: None)
    with pytest.raises(TooSlow, match=r"sends less than 10 KiB/s over 0.4 s: .*least_rate"):
        [piece async for piece in blob.pieces(0, len(BLOB))]
    assert faulty.times("GET", PATH) == 1


async def test_a_lower_least_rate_may_be_set(faulty: Faulty, connect: Connect) -> None:
    async def slowly(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(BLOB))})
        await response.prepare(request)
        for start in range(0, len(BLOB), 1000):
            await response.write(BLOB[start : start + 1000])
            await asyncio.sleep(0.02)  # 0.8 s in all, 50 kB a second
        return response

    faulty.on(f"GET {PATH}", slowly)

    async def take(least_rate: float) -> bytes:
        client = connect(timeouts=IMPATIENT, hosts={faulty.host: RegistryOptions(least_rate=least_rate)})
        blob = client.download(repository(faulty.host), DIGEST, len(BLOB), on_progress=lambda _: None)
        return b"".join([piece async for piece in blob.pieces(0, len(BLOB))])

    assert await take(1000) == BLOB
    with pytest.raises(TooSlow):
        await take(10**7)


async def test_time_without_a_read_does_not_count(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", says(200, BLOB))
    client = connect(timeouts=Timeouts(read=0.05), hosts={faulty.host: RegistryOptions(least_rate=10**6)})
    blob = client.download(repository(faulty.host), DIGEST, len(BLOB), on_progress=lambda _: None)
    arrived = b""
    async for piece in blob.pieces(0, len(BLOB)):
        await asyncio.sleep(0.1)  # the target's turn, longer than the window
        arrived += piece
    assert arrived == BLOB


# Headers and small bodies, against a bare socket


Conversation = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def talking(talk: Conversation) -> AsyncIterator[str]:
    """The host:port of a server that talks so."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await talk(reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"127.0.0.1:{port}"
    finally:
        server.close()


async def a_header_now_and_then(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\n")
    for number in count():
        writer.write(f"X-{number}: 0\r\n".encode())
        await writer.drain()
        await asyncio.sleep(0.05)


async def one_continue_after_another(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)


async def hints_without_end(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 100)
        await writer.drain()
        await asyncio.sleep(0)


@pytest.mark.parametrize("talk", [a_header_now_and_then, one_continue_after_another, hints_without_end])
async def test_endless_headers_time_out(connect: Connect, talk: Conversation) -> None:
    async with talking(talk) as host:
        client = connect(timeouts=IMPATIENT)
        with pytest.raises(Unreachable, match=r"no answer in time \(0.4 s\).*timeout:"):
            await client.head_manifest(Reference(repository(host), tag="1"))
        blob = client.download(repository(host), DIGEST, len(BLOB), on_progress=lambda _: None)
        with pytest.raises(TooSlow, match="no answer in time"):
            [piece async for piece in blob.pieces(0, len(BLOB))]


# Uploads


async def test_a_target_that_reads_too_slowly_is_given_up(connect: Connect) -> None:
    data = bytes(64 * 1024 * 1024)  # more than any buffer on the way
    requests: list[str] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append((await reader.readuntil(b"\r\n\r\n")).decode().partition(" ")[0])
        if requests[-1] == "POST":
            writer.write(b"HTTP/1.1 202 Accepted\r\nLocation: /up/1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return
        while await reader.read(1):  # noqa: ASYNC110  (no event: it is slow)
            await asyncio.sleep(0.02)

    async with talking(talk) as host:
        client = connect(timeouts=IMPATIENT, hosts={host: RegistryOptions(least_rate=10**7)})
        with pytest.raises(TooSlow, match="takes less than"):
            await client.upload_blob(repository(host), f"sha256:{hashlib.sha256(data).hexdigest()}", data)
    assert requests.count("POST") == 1  # the upload is not started again


async def test_a_commit_has_the_longest_timeout(faulty: Faulty, connect: Connect) -> None:
    async def puts_it_together(request: web.Request) -> web.StreamResponse:
        await request.read()
        await asyncio.sleep(1)
        return web.Response(status=201)

    faulty.on(f"POST {UPLOADS}", says(202, Location="/up/1"))
    faulty.on("PUT /up/1", puts_it_together)
    client = connect(timeouts=Timeouts(read=0.4, answer=0.4, page=0.4, fetch=0.4, total=0.4, commit=20))
    await client.upload_blob(repository(faulty.host), DIGEST, BLOB)
    assert faulty.times("PUT", "/up/1") == 1


# Lists


def slow_page(seconds: float, names: list[str], following: str | None = None) -> Handler:
    async def answer(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return web.json_response({"tags": names}, headers={"Link": f'<{following}>; rel="next"'} if following else {})

    return answer


async def listed(client: object, host: str) -> list[str]:
    return [name async for names in client.list_tags(repository(host)) for name in names]  # type: ignore[attr-defined]


async def test_endless_slow_pages_are_too_slow_together(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {TAGS}", *(slow_page(0.2, [f"v{number}"], f"?last={number}") for number in range(50)))
    with pytest.raises(TooSlow, match=r"tags of a/b: not listed within 0.6 s"):
        await listed(connect(timeouts=IMPATIENT), faulty.host)
    assert len(faulty.asked) < 10


async def test_a_slow_page_is_waited_for(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {TAGS}", slow_page(1, ["v1"]))
    client = connect(timeouts=Timeouts(read=0.2, answer=0.2, fetch=0.2, total=0.2, page=20))
    assert await listed(client, faulty.host) == ["v1"]


async def test_the_option_timeout_allows_more(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {TAGS}", slow_page(1, ["v1"]))
    client = connect(timeouts=IMPATIENT, hosts={faulty.host: RegistryOptions(timeout=20)})
    assert await listed(client, faulty.host) == ["v1"]


async def test_waiting_for_a_rate_limit_does_not_count_as_time_of_the_list(
    faulty: Faulty, connect: Connect, clock: ManualClock
) -> None:
    faulty.on(f"GET {TAGS}", says(429, Retry_After="5"), slow_page(0, ["v1"]))
    client = connect(timeouts=Timeouts(listing=0.5))
    assert await listed(client, faulty.host) == ["v1"]
    assert sum(clock.slept) >= 5
