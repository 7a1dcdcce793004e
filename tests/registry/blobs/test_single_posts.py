"""A small blob in the POST that begins its upload: where a registry takes it, and where not."""

import asyncio

import pytest
from aiohttp import web

from tests.registry.blobs.test_uploads import SMALL, START, Uploads, at, cuts_after, digest_of
from tests.registry.conftest import Connect
from tests.support.faulty import Faulty, says

BLOBS = [b"%d" % number for number in range(8)]


class Taking(Uploads):
    """A registry that takes a blob in a POST; `keeps` False: it says so, and stores nothing."""

    def __init__(self, server: Faulty, *, keeps: bool = True) -> None:
        super().__init__(server)
        self._keeps = keeps

    async def start(self, request: web.Request) -> web.StreamResponse:
        if (digest := request.query.get("digest")) is None:
            return await super().start(request)
        content = await request.read()
        assert digest_of(content) == digest
        if self._keeps:
            self.stored[digest] = content
        return web.Response(status=201)


@pytest.fixture
def uploads(faulty: Faulty) -> Uploads:
    return Uploads(faulty)


def attempts(server: Faulty) -> int:
    """How often a blob came in a POST."""
    return sum(asked.method == "POST" and asked.headers.get("Content-Length") != "0" for asked in server.asked)


async def test_a_registry_that_takes_it_gets_one_request_a_blob(faulty: Faulty, connect: Connect) -> None:
    uploads, client = Taking(faulty), connect()
    faulty.on(f"HEAD /v2/a/b/blobs/{digest_of(BLOBS[0])}", says(200))
    for blob in BLOBS:
        await client.upload_blob(at(faulty), digest_of(blob), blob)
    assert uploads.stored == {digest_of(blob): blob for blob in BLOBS}
    assert uploads.requests == ["POST", "HEAD", *["POST"] * (len(BLOBS) - 1)]  # the first one is verified
    assert client.takes_single_posts(faulty.host)


async def test_a_registry_that_opens_a_session_instead_is_tried_once(
    faulty: Faulty, uploads: Uploads, connect: Connect
) -> None:
    client = connect()
    for blob in BLOBS:
        await client.upload_blob(at(faulty), digest_of(blob), blob)
    assert uploads.stored == {digest_of(blob): blob for blob in BLOBS}
    assert uploads.requests == ["POST", "PUT"] * len(BLOBS)  # the trial costs no request
    assert attempts(faulty) == 1


async def test_one_of_several_at_once_is_the_trial(faulty: Faulty, connect: Connect) -> None:
    client, answers = connect(), asyncio.Event()

    async def start(request: web.Request) -> web.StreamResponse:
        if await request.read():
            await answers.wait()
        elif not answers.is_set():
            answers.set()
        return web.Response(status=202, headers={"Location": f"/up/{len(faulty.asked)}"})

    faulty.on(f"POST {START}", start)
    for number in range(3 * len(BLOBS)):
        faulty.on(f"PUT /up/{number}", says(201))
    await asyncio.gather(*(client.upload_blob(at(faulty), digest_of(blob), blob) for blob in BLOBS))
    assert attempts(faulty) == 1


@pytest.mark.parametrize("status", [400, 404, 405, 411, 413, 501])
async def test_a_registry_that_refuses_it_gets_an_ordinary_upload(
    faulty: Faulty, uploads: Uploads, connect: Connect, status: int
) -> None:
    client = connect()
    faulty.interrupt(f"POST {START}", says(status))
    await client.upload_blob(at(faulty), digest_of(SMALL), SMALL)
    await client.upload_blob(at(faulty), digest_of(b"next"), b"next")
    assert set(uploads.stored.values()) == {SMALL, b"next"}
    assert uploads.requests == ["POST", *["POST", "PUT"] * 2]
    assert attempts(faulty) == 1


async def test_what_breaks_it_off_is_not_tried_again(faulty: Faulty, uploads: Uploads, connect: Connect) -> None:
    client = connect()
    faulty.interrupt(f"POST {START}", cuts_after(1))
    await client.upload_blob(at(faulty), digest_of(SMALL), SMALL)
    assert uploads.stored[digest_of(SMALL)] == SMALL
    assert client.takes_single_posts(faulty.host) is False


async def test_a_registry_that_only_says_so_is_not_believed(faulty: Faulty, connect: Connect) -> None:
    uploads, client = Taking(faulty, keeps=False), connect()
    faulty.on(f"HEAD /v2/a/b/blobs/{digest_of(SMALL)}", says(404))
    await client.upload_blob(at(faulty), digest_of(SMALL), SMALL)
    assert uploads.stored == {digest_of(SMALL): SMALL}
    assert uploads.requests == ["POST", "HEAD", "POST", "PUT"]


async def test_a_registry_that_takes_it_no_longer_gets_ordinary_uploads(faulty: Faulty, connect: Connect) -> None:
    uploads, client = Taking(faulty), connect()
    faulty.on(f"HEAD /v2/a/b/blobs/{digest_of(SMALL)}", says(200))
    await client.upload_blob(at(faulty), digest_of(SMALL), SMALL)
    faulty.interrupt(f"POST {START}", says(405))
    await client.upload_blob(at(faulty), digest_of(b"next"), b"next")
    assert uploads.requests == ["POST", "HEAD", "POST", "POST", "PUT"]
    assert client.takes_single_posts(faulty.host) is False


async def test_the_source_is_asked_while_the_session_opens(
    faulty: Faulty, elsewhere: Faulty, uploads: Uploads, connect: Connect
) -> None:
    asked, client = asyncio.Event(), connect()
    faulty.interrupt(f"POST {START}", cuts_after(0))  # and it is asked once, however often a session is begun

    async def blob(_: web.Request) -> web.StreamResponse:
        asked.set()
        return web.Response(body=SMALL)

    async def start(request: web.Request) -> web.StreamResponse:
        await asked.wait()
        return await uploads.start(request)

    elsewhere.on(f"GET /v2/a/b/blobs/{digest_of(SMALL)}", blob)
    faulty.on(f"POST {START}", start)
    download = client.download(at(elsewhere), digest_of(SMALL), len(SMALL), on_progress=lambda _: None)
    async with asyncio.timeout(60), client.transfer(elsewhere.host, faulty.host):
        await client.upload_blob(at(faulty), digest_of(SMALL), download)
    assert uploads.stored == {digest_of(SMALL): SMALL}
    assert len(elsewhere.asked) == 1
