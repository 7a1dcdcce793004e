"""Properties for any cut, range and link: blobs arrive intact or not at all, no page is at another origin."""

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress

import pytest
from aiohttp import web
from hypothesis import example, given, settings
from hypothesis import strategies as st
from yarl import URL

from ferryman.errors import TransferError, Unreachable, Unsupported, WrongContent
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient
from ferryman.registry.http.links import next_page
from ferryman.registry.http.messages import origin
from tests.registry.blobs.test_uploads import START, UPLOAD, Uploads
from tests.registry.conftest import credentials
from tests.support.clock import ManualClock
from tests.support.faulty import Faulty, Handler

HANGS = 60  # seconds
LONGEST = 2000  # characters of an error
BLOB = random.Random(11).randbytes(9 * 1024 * 1024 + 12345)  # more than one chunk
SHORT = BLOB[:5000]
PAGE = URL("https://quay.example/v2/a/b/tags/list?n=2")


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def with_client(work: Callable[[RegistryClient, AsyncExitStack], Awaitable[None]]) -> None:
    """Run it with a client of its own, within a time."""

    async def run() -> None:
        async with AsyncExitStack() as stack, asyncio.timeout(HANGS):
            clock = ManualClock()
            client = RegistryClient(hosts={}, credentials=credentials(clock, {}, frozenset()), clock=clock)
            stack.push_async_callback(client.aclose)
            await work(client, stack)

    asyncio.run(run())


def odd_part(kind: str, cut: int, shift: int) -> Handler:
    """A server's answer to a request for a part: as it should be, or in some other way, and cut off somewhere."""

    async def answer(request: web.Request) -> web.StreamResponse:
        begin = int(request.headers.get("Range", "bytes=0-")[6:-1])
        shifted = max(0, min(begin + shift, len(SHORT)))
        first = {"whole": 0, "shifted": shifted, "lying": shifted}.get(kind, begin)
        content = SHORT[first:] if kind != "damaged" else bytes(len(SHORT) - first)
        told = begin if kind == "lying" else first
        partial = kind != "whole" and "Range" in request.headers
        response = web.StreamResponse(status=206 if partial else 200)
        if partial:
            response.headers["Content-Range"] = f"bytes {told}-{len(SHORT) - 1}/{len(SHORT)}"
        if kind == "nonsense":
            response.headers["Content-Range"] = f"bytes {'9' * cut}-/{shift}"
        response.enable_chunked_encoding()
        await response.prepare(request)
        await response.write(content[:cut])
        if cut < len(content):
            assert request.transport is not None
            request.transport.close()
        return response

    return answer


kinds = st.sampled_from(["right", "right", "right", "whole", "shifted", "lying", "damaged", "nonsense"])
cuts = st.integers(0, len(SHORT) + 10)
answers = st.lists(st.builds(odd_part, kinds, cuts, st.integers(-2000, 2000)), min_size=1, max_size=8)
sizes = st.lists(st.integers(1, 3000), max_size=4)


@pytest.mark.slow
@settings(max_examples=150)
@given(answers, sizes)
def test_a_download_ends_with_the_right_bytes_or_an_error(answers: list[Handler], sizes: list[int]) -> None:
    """Whatever the source does, and in whatever parts the blob is taken."""

    async def work(client: RegistryClient, stack: AsyncExitStack) -> None:
        server = await stack.enter_async_context(Faulty())
        server.on(f"GET /v2/a/b/blobs/{digest_of(SHORT)}", *answers)
        download = client.download(
            Repository(server.host, "a/b"), digest_of(SHORT), len(SHORT), on_progress=lambda _: None
        )
        taken, failure = b"", None
        try:
            for size in [*sizes, len(SHORT)]:
                async for piece in download.pieces(len(taken), min(size, len(SHORT) - len(taken))):
                    taken += piece
        except (WrongContent, Unreachable) as error:
            failure = error
        download.close()

        assert download.failure is failure
        if failure is None:
            assert taken == SHORT
        else:
            assert failure.registry == server.host
            assert len(taken) < len(SHORT)

    with_client(work)


def odd_upload(uploads: Uploads, take: int, keep: int, told: str | None) -> Handler:
    """Takes a part of a body, keeps less of it, and breaks off, or tells an offset of its own."""

    async def answer(request: web.Request) -> web.StreamResponse:
        taken = b""
        with suppress(ConnectionError):
            while len(taken) < take and (piece := await request.content.readany()):
                taken += piece
        uploads.arrived += taken[:keep]
        if told is not None:
            return uploads.answer(202, Range=told)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return answer


MIB = 1024 * 1024
lengths = st.sampled_from([0, 1, 100, MIB, 8 * MIB - 1, 8 * MIB, 8 * MIB + 1, len(BLOB)])
ranges = st.none() | st.sampled_from(["0-0", "0-1", "bytes=0-99", "0-", "nonsense", "0-99999999999", "5-9"])
interruptions = st.lists(st.tuples(st.sampled_from(["PUT", "PATCH"]), lengths, lengths, ranges), max_size=4)


@pytest.mark.slow
@settings(max_examples=40)
@given(interruptions, st.booleans())
@example([("PUT", 5 * MIB, 5 * MIB, None), ("PATCH", MIB, 100, None)], True)
def test_an_upload_cut_anywhere_leaves_the_right_blob_or_none(
    interruptions: list[tuple[str, int, int, str | None]], takes_large_bodies: bool
) -> None:
    async def work(client: RegistryClient, stack: AsyncExitStack) -> None:
        server = await stack.enter_async_context(Faulty())
        uploads = Uploads(server)
        for method, take, keep, told in interruptions:
            server.interrupt(f"{method} {UPLOAD}", odd_upload(uploads, take, keep, told))
        target = Repository(server.host, "a/b")
        client.capabilities(server.host).takes_large_bodies = takes_large_bodies
        failure = None
        try:
            await client.upload_blob(target, digest_of(BLOB), BLOB)
        except TransferError as error:
            failure = error

        # An answer of success to half a body is believed: putting the manifest tells.
        lied = any(method == "PUT" and told is not None for method, _, _, told in interruptions)
        assert failure is None or failure.registry == server.host
        assert uploads.stored in ({digest_of(BLOB): BLOB}, {})
        assert uploads.stored or lied or failure is not None
        assert server.times("POST", START) <= 4

    with_client(work)


words = st.sampled_from([*"<>;,=\"' /?&:@#%[]\\", "rel", "next", "http://", "https://", "//", "evil.example", "x"])
odd_links = st.lists(words, max_size=12).map("".join) | st.text(max_size=40)


@given(odd_links)
@example("<https://evil.example/>; rel=next")
def test_no_next_page_is_at_another_origin(link: str) -> None:
    try:
        page = next_page([link, f'<{link}>; rel="next"'], PAGE)
    except Unsupported:
        return
    assert page is None or origin(page) == origin(PAGE)


class Always(asyncio.Protocol):
    """Says the same to whatever comes; no HTTP server would write such headers."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        if not self._transport.is_closing():
            self._transport.write(self._answer)
            self._transport.close()


raw_links = odd_links.map(lambda link: link.encode(errors="replace")) | st.binary(max_size=20)
names = st.sampled_from(
    [b"Location", b"Link", b"WWW-Authenticate", b"Content-Type", b"Retry-After", b"Docker-Content-Digest"]
)
statuses = st.sampled_from([b"200", b"202", b"307", b"401", b"404", b"429"])


@pytest.mark.slow
@settings(max_examples=200)
@given(statuses, st.lists(st.tuples(names, raw_links), max_size=3))
@example(b"307", [(b"Location", b"/\xff\xfe")])
@example(b"307", [(b"Location", b"/a b")])
@example(b"401", [(b"WWW-Authenticate", b'Bearer realm="/\xff"')])
def test_whatever_headers_say_a_request_ends(status: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    """With an answer, or an error of the program that can be shown."""
    told = [name + b": " + value.translate(None, b"\r\n\0") for name, value in headers]
    answer = b"\r\n".join(
        [b"HTTP/1.1 " + status + b" x", b"Content-Length: 2", b"Connection: close", *told, b"", b"{}"]
    )

    async def work(client: RegistryClient, stack: AsyncExitStack) -> None:
        loop = asyncio.get_running_loop()
        server = await stack.enter_async_context(await loop.create_server(lambda: Always(answer), "127.0.0.1", 0))
        host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        repository = Repository(host, "a/b")
        for request in (
            client.get_manifest(repository.tagged("1")),
            client.get_blob(repository, digest_of(b"{}")),
            client.upload_blob(repository, digest_of(b"{}"), b"{}"),
            client.get_tags_document(repository),
        ):
            try:
                await request
            except TransferError as error:
                demand_sense(error)

    with_client(work)


def demand_sense(error: TransferError) -> None:
    assert str(error).isprintable()
    assert len(str(error)) < LONGEST
