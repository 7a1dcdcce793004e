"""Large bodies, received without aiohttp's parser, from a server that counts its connections."""

import asyncio
import hashlib
import random
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ferryman.reference import Repository
from ferryman.registry.blobs.downloads import Download
from ferryman.registry.client import RegistryClient
from ferryman.registry.http import received_body
from ferryman.registry.http.buffers import SIZE
from ferryman.registry_options import RegistryOptions
from tests.registry.conftest import Connect
from tests.support.transports import open_client

BLOB = random.Random(9).randbytes(20_000_000)
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
MORE = b"HTTP/1.1 200 OK\r\n"  # what a lying server may send after the body


class Server:
    """Answers every request with the blob, written in `pieces` of it, and `after` it."""

    def __init__(
        self,
        pieces: list[int] | None = None,
        *,
        after: bytes = b"",
        breaks: bool = False,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`breaks`: it closes the first connection after the first piece."""
        self.host = ""
        self.connections = 0
        self.is_sent = asyncio.Event()  # the whole blob
        self.goes_on = asyncio.Event()  # after each piece
        self.goes_on.set()
        self.asked_from: list[int] = []  # the position in the blob, of each request
        self._breaks = breaks
        self._ends = pieces or []
        self._after = after
        self._tls = tls

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Server"]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._tls)
        self.host = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server:
            yield self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := await reader.readuntil(b"\r\n\r\n"):
                begin = self._answer(request, writer)
                for end in [*self._ends, len(BLOB)]:
                    writer.write(BLOB[begin:end])
                    await writer.drain()
                    begin = max(begin, end)
                    if self._breaks:
                        self._breaks = False
                        writer.close()
                        return
                    await self.goes_on.wait()
                self.is_sent.set()
                writer.write(self._after)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, request: bytes, writer: asyncio.StreamWriter) -> int:
        """Write the headers of an answer. Returns the position from which the blob is to follow."""
        found = re.search(rb"bytes=(\d+)-", request)
        begin = int(found[1]) if found else 0
        self.asked_from.append(begin)
        about = (
            f"206 Partial Content\r\nContent-Range: bytes {begin}-{len(BLOB) - 1}/{len(BLOB)}" if begin else "200 OK"
        )
        writer.write(f"HTTP/1.1 {about}\r\nContent-Length: {len(BLOB) - begin}\r\n\r\n".encode())
        return begin


def download(client: RegistryClient, host: str) -> Download:
    return client.download(Repository(host, "a/b"), DIGEST, len(BLOB), on_progress=lambda _: None)


async def taken(blob: Download) -> bytes:
    """All pieces, kept until the end."""
    return b"".join([piece async for piece in blob.pieces(0, blob.size)])


async def test_the_connection_is_used_again(connect: Connect) -> None:
    client = connect()
    async with Server().running() as server:
        assert await taken(download(client, server.host)) == BLOB
        assert await taken(download(client, server.host)) == BLOB
        assert server.connections == 1


async def test_over_tls(certificate: tuple[Path, Path], connect: Connect) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    async with Server(tls=context).running() as server:
        client = connect(hosts={server.host: RegistryOptions(tls=str(certificate[0]))})
        assert await taken(download(client, server.host)) == BLOB
        assert await taken(download(client, server.host)) == BLOB
        assert server.connections == 1


async def test_a_slow_reader_holds_the_server_up(connect: Connect) -> None:
    async with Server().running() as server:
        blob = download(connect(), server.host)
        pieces = blob.pieces(0, len(BLOB))
        first = len(await anext(pieces))
        with pytest.raises(TimeoutError):  # what the kernel holds for both sides is less than the blob
            await asyncio.wait_for(server.is_sent.wait(), 0.3)
        assert first + sum([len(piece) async for piece in pieces]) == len(BLOB)
        assert server.is_sent.is_set()


async def test_what_follows_the_body_is_not_taken_for_an_answer(connect: Connect) -> None:
    client = connect()
    async with Server(after=MORE * 2).running() as server:
        assert await taken(download(client, server.host)) == BLOB
        assert await taken(download(client, server.host)) == BLOB


async def test_what_comes_in_small_parts_is_passed_on_in_full_buffers(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(received_body, "_PATIENCE", 1000.0)
    async with Server(list(range(10_000, len(BLOB), 10_000))).running() as server:
        blob = download(connect(), server.host)
        sizes = [len(piece) async for piece in blob.pieces(0, blob.size)]
    assert sizes == [SIZE] * (len(BLOB) // SIZE) + [len(BLOB) % SIZE]


async def test_what_comes_slowly_is_passed_on(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(received_body, "_PATIENCE", 0.0)
    async with Server([1000]).running() as server:
        server.goes_on.clear()  # after the first part
        pieces = (blob := download(connect(), server.host)).pieces(0, len(BLOB))
        assert len(await anext(pieces)) == 1000
        server.goes_on.set()
        assert 1000 + sum([len(piece) async for piece in pieces]) == len(BLOB)
        blob.close()


async def test_what_came_before_a_connection_broke_is_passed_on(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(received_body, "_PATIENCE", 1000.0)
    async with Server([SIZE + 1000], breaks=True).running() as server:
        blob = download(connect(), server.host)
        assert await taken(blob) == BLOB
        assert server.asked_from == [0, SIZE + 1000]


@settings(max_examples=20, deadline=None)
@given(ends=st.lists(st.integers(1, len(BLOB) - 1), max_size=6).map(sorted), keeps=st.lists(st.booleans(), min_size=1))
def test_the_pieces_make_the_body_whatever_a_reader_keeps(ends: list[int], keeps: list[bool]) -> None:
    async def check() -> None:
        client, kept = open_client(), list[tuple[bytes | memoryview, bytes]]()
        received = bytearray()
        async with Server(ends).running() as server:
            async for piece in download(client, server.host).pieces(0, len(BLOB)):
                received += piece
                if keeps[len(received) % len(keeps)]:
                    kept.append((piece, bytes(piece)))
        await client.aclose()
        assert received == BLOB
        assert all(bytes(piece) == copy for piece, copy in kept), "a piece that is kept is not written over"

    asyncio.run(check())
