"""A registry that answers at once and keeps nothing, in a process of its own: what is left to measure is the client."""

import asyncio
import hashlib
import json
import multiprocessing
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.queues import SimpleQueue
from urllib.parse import urlsplit

from tests.support.images import OCI_MANIFEST

_PIECE = bytes(1024 * 1024)
MANIFEST = json.dumps({"schemaVersion": 2, "mediaType": OCI_MANIFEST}).encode()
_DIGEST = f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}"


@contextmanager
def cheap_registry(blob_size: int) -> Iterator[str]:
    """Its host:port. Every blob has `blob_size` bytes, all of them zero."""
    context = multiprocessing.get_context("spawn")
    ports: SimpleQueue[int] = context.SimpleQueue()
    process = context.Process(target=_serve, args=(ports, blob_size), daemon=True)
    process.start()
    try:
        yield f"127.0.0.1:{ports.get()}"
    finally:
        process.terminate()
        process.join()


def _serve(ports: "SimpleQueue[int]", blob_size: int) -> None:
    asyncio.run(_listen(ports, blob_size))


async def _listen(ports: "SimpleQueue[int]", blob_size: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await _head(reader):
            left = head.length
            while left:
                left -= len(await reader.read(min(left, len(_PIECE))))
            writer.write(_answer(head, blob_size))
            if head.method == "GET" and "/blobs/" in head.path:
                await _send_blob(writer, blob_size)
            await writer.drain()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    ports.put(server.sockets[0].getsockname()[1])
    await server.serve_forever()


@dataclass(frozen=True, slots=True)
class _Head:
    """The beginning of a request."""

    method: str
    path: str
    length: int  # of its body
    is_authorised: bool


async def _head(reader: asyncio.StreamReader) -> _Head | None:
    """The next request; None: there is none."""
    try:
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
    method, target, _ = first.split(" ")
    return _Head(method, urlsplit(target).path, int(headers.get("content-length", 0)), "authorization" in headers)


def _answer(head: _Head, blob_size: int) -> bytes:
    """The answer, without the content of a blob. Repositories in `private/` want a token."""
    status, headers, body, size = 404, "", b"", 0
    if head.path == "/token":
        status, body = 200, b'{"token": "cheap", "expires_in": 3600}'
    elif head.path.startswith("/v2/private/") and not head.is_authorised:
        status, headers = 401, 'Www-Authenticate: Bearer realm="/token",service="cheap"\r\n'
    elif head.method == "POST":
        status, headers = 202, f"Location: {head.path}session\r\nRange: 0-0\r\n"
    elif head.method == "PUT":
        status, headers = 201, f"Location: {head.path}\r\n"
    elif "/manifests/" in head.path:
        status, body = 200, MANIFEST
        headers = f'Content-Type: {OCI_MANIFEST}\r\nDocker-Content-Digest: {_DIGEST}\r\nEtag: "{_DIGEST}"\r\n'
    elif head.method == "GET":
        status, size = 200, blob_size
    return (
        f"HTTP/1.1 {status} x\r\nContent-Length: {size or len(body)}\r\nDate: Sun, 29 Nov 2026 12:00:00 GMT\r\n"
        f"Docker-Distribution-Api-Version: registry/2.0\r\nX-Content-Type-Options: nosniff\r\n{headers}\r\n"
    ).encode() + (b"" if head.method == "HEAD" else body)


async def _send_blob(writer: asyncio.StreamWriter, size: int) -> None:
    for start in range(0, size, len(_PIECE)):
        writer.write(_PIECE[: size - start])
        await writer.drain()
