"""Large bodies, received without aiohttp's parser, from a server that counts its connections."""

import asyncio
import hashlib
import random
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
from ferryman.registry_options import RegistryOptions
from tests.registry.conftest import Connect
from tests.support.transports import open_client

BLOB = random.Random(9).randbytes(20_000_000)
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
MORE = b"HTTP/1.1 200 OK\r\n"  # what a lying server may send after the body


class Server:
    """Answers every request with the blob, written in `pieces` of it, and `after` it."""

    def __init__(
        self, pieces: list[int] | None = None, *, after: bytes = b"", tls: ssl.SSLContext | None = None
    ) -> None:
        self.host = ""
        self.connections = 0
        self.is_sent = asyncio.Event()  # the whole blob
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
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(BLOB)}\r\n\r\n".encode())
                begin = 0
                for end in [*self._ends, len(BLOB)]:
                    writer.write(BLOB[begin:end])
                    await writer.drain()
                    begin = end
                self.is_sent.set()
                writer.write(self._after)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()


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
