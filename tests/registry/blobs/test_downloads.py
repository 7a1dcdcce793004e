"""Downloads, against servers that cut connections, lie and ignore ranges."""

import hashlib
import random
from collections.abc import Callable

import pytest
from aiohttp import web

from ferryman.errors import NotFound, Unreachable, WrongContent
from ferryman.reference import Repository
from ferryman.registry.blobs.downloads import Download
from ferryman.registry.client import RegistryClient
from tests.registry.conftest import Connect
from tests.support.clock import ManualClock
from tests.support.faulty import Faulty, Handler, says

BLOB = random.Random(7).randbytes(600_000)
DIGEST = f"sha256:{hashlib.sha256(BLOB).hexdigest()}"
PATH = f"/v2/a/b/blobs/{DIGEST}"
Told = list[int]


def part(
    start: int, end: int | None = None, *, status: int = 206, announced: str | None = None, **more: str
) -> Handler:
    """The bytes from `start`, cut off at `end`."""

    async def answer(request: web.Request) -> web.StreamResponse:
        headers = {"Content-Length": str(len(BLOB) - start), **more}
        if status == 206:
            headers["Content-Range"] = announced or f"bytes {start}-{len(BLOB) - 1}/{len(BLOB)}"
        response = web.StreamResponse(status=status, headers=headers)
        await response.prepare(request)
        await response.write(BLOB[start:end])
        if end is not None:
            assert request.transport is not None
            request.transport.close()
        return response

    return answer


def download(client: RegistryClient, server: Faulty, *, size: int = len(BLOB), told: Told | None = None) -> Download:
    tell: Callable[[int], None] = (lambda _: None) if told is None else told.append
    return client.download(Repository(server.host, "a/b"), DIGEST, size, on_progress=tell)


async def taken(blob: Download, start: int = 0, size: int | None = None) -> bytes:
    return b"".join([piece async for piece in blob.pieces(start, blob.size - start if size is None else size)])


async def test_downloads_a_blob(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", part(0, status=200))
    told: Told = []

    assert await taken(download(connect(), faulty, told=told)) == BLOB
    assert told == sorted(told)
    assert told[-1] == len(BLOB)


async def test_an_interrupted_download_is_resumed_by_range(
    faulty: Faulty, connect: Connect, clock: ManualClock
) -> None:
    faulty.on(f"GET {PATH}", part(0, 100_000, status=200), part(100_000, 250_000), part(250_000))

    assert await taken(download(connect(), faulty)) == BLOB
    assert [asked.headers.get("Range") for asked in faulty.asked] == [None, "bytes=100000-", "bytes=250000-"]
    assert clock.slept == [0.5, 1.0]


@pytest.mark.parametrize(
    "second",
    [
        part(0, status=200),
        part(0, announced=f"bytes 0-{len(BLOB) - 1}/{len(BLOB)}"),
        part(99_999, announced="bytes somewhere"),
    ],
    ids=["range ignored", "another range", "no range"],
)
async def test_an_interrupted_download_starts_again_if_the_server_ignores_the_range(
    faulty: Faulty, connect: Connect, second: Handler
) -> None:
    faulty.on(f"GET {PATH}", part(0, 100_000, status=200), second, part(0, status=200))

    assert await taken(download(connect(), faulty)) == BLOB
    assert [asked.headers.get("Range") for asked in faulty.asked] == [None, "bytes=100000-", None]


async def test_gives_up_after_too_many_resumptions(faulty: Faulty, connect: Connect, clock: ManualClock) -> None:
    faulty.on(f"GET {PATH}", part(0, 1000, status=200), part(1000, 1000))
    blob = download(connect(), faulty)

    with pytest.raises(Unreachable, match="cut off") as raised:
        await taken(blob)
    assert blob.failure is raised.value
    assert raised.value.registry == faulty.host
    assert sum(clock.slept) < 60


async def test_the_last_piece_of_a_wrong_blob_is_withheld(faulty: Faulty, connect: Connect) -> None:
    changed = BLOB[:-1] + bytes([BLOB[-1] ^ 1])
    faulty.on(f"GET {PATH}", says(body=changed))
    pieces = download(connect(), faulty).pieces(0, len(BLOB))
    sizes: list[int] = []

    async def take() -> None:
        async for piece in pieces:
            sizes.append(len(piece))  # noqa: PERF401 - an extend would lose them with the error

    with pytest.raises(WrongContent, match=f"should be {DIGEST}, and what arrived is sha256:") as raised:
        await take()
    assert raised.value.registry == faulty.host
    assert sum(sizes) < len(BLOB)


@pytest.mark.parametrize("size", [0, 1, len(BLOB) - 1, len(BLOB) + 1, 1 << 40])
async def test_a_wrong_content_length_is_refused(faulty: Faulty, connect: Connect, size: int) -> None:
    faulty.on(f"GET {PATH}", part(0, status=200))

    with pytest.raises(WrongContent):
        await taken(download(connect(), faulty, size=size))


async def test_more_bytes_than_the_manifest_says_are_refused(faulty: Faulty, connect: Connect) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        while True:
            await response.write(bytes(70_001))

    faulty.on(f"GET {PATH}", endless)

    with pytest.raises(WrongContent, match="has more"):
        await taken(download(connect(), faulty))


async def test_a_rewind_hashes_nothing_twice(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", part(0, status=200), part(70_000))
    blob = download(connect(), faulty)

    assert await taken(blob, 0, 200_000) == BLOB[:200_000]
    assert await taken(blob, 200_000, 100_000) == BLOB[200_000:300_000]
    assert await taken(blob, 70_000) == BLOB[70_000:]
    assert faulty.times("GET", PATH) == 2


async def test_a_missing_blob(faulty: Faulty, connect: Connect) -> None:
    blob = download(connect(), faulty)

    with pytest.raises(NotFound):
        await taken(blob)
    assert isinstance(blob.failure, NotFound)


async def test_a_redirect_to_storage_is_followed_without_the_login(
    faulty: Faulty, elsewhere: Faulty, connect: Connect
) -> None:
    signed = "/store/blob?X-Amz-Signature=a%2Fb%3D&x=%7Ey+z"
    faulty.on(f"GET {PATH}", says(401, WWW_Authenticate='Basic realm="x"'), says(307, Location=elsewhere.url + signed))
    raw: list[str] = []

    async def store(request: web.Request) -> web.StreamResponse:
        raw.append(request.raw_path)
        return await part(0, status=200)(request)

    elsewhere.on("GET /store/blob", store)

    assert await taken(download(connect(logins={faulty.host: ("me", "secret")}), faulty)) == BLOB
    assert raw == [signed]
    assert [asked.authorization for asked in elsewhere.asked] == [None]
    assert faulty.asked[-1].authorization is not None
