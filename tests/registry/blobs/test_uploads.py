"""Uploads, against a registry that deviates from the specification in every way."""

import asyncio
import hashlib
import random
from datetime import timedelta

import pytest
from aiohttp import web

from ferryman.errors import Denied, RateLimited, Unreachable, Unsupported, WrongContent
from ferryman.reference import Repository
from ferryman.registry.client import Mount
from ferryman.registry.http.session import Timeouts
from tests.registry.conftest import Connect
from tests.support.clock import ManualClock
from tests.support.faulty import Faulty, Handler, says

MIB = 1024 * 1024
SMALL = b"a small blob"
LARGE = random.Random(7).randbytes(20 * MIB)
START = "/v2/a/b/blobs/uploads/"
UPLOAD = "/up/1"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


class Uploads:
    """A registry's side of uploads: one session, whose query changes with every answer."""

    def __init__(self, server: Faulty) -> None:
        self.stored: dict[str, bytes] = {}
        self.begun = 0
        self.given_up = 0
        self.location = UPLOAD  # as it is written into answers, without the query
        self.arrived = b""
        self._server = server
        self._step = 0
        server.on(f"POST {START}", self.start)
        server.on(f"PUT {UPLOAD}", self.put)
        server.on(f"PATCH {UPLOAD}", self.patch)
        server.on(f"GET {UPLOAD}", self.status)
        server.on(f"DELETE {UPLOAD}", self.delete)

    @property
    def requests(self) -> list[str]:
        return [asked.method for asked in self._server.asked]

    def answer(self, status: int, **headers: str) -> web.Response:
        self._step += 1
        location = f"{self.location}?_state=a%2Fb%3D&step={self._step}"
        told = {"Location": location, "Range": f"0-{max(len(self.arrived) - 1, 0)}"}
        return web.Response(
            status=status, headers={**told, **{name.replace("_", "-"): headers[name] for name in headers}}
        )

    async def start(self, request: web.Request) -> web.StreamResponse:
        self.begun += 1
        self.arrived = b""
        return self.answer(202)

    async def put(self, request: web.Request) -> web.StreamResponse:
        self.demand_location(request)
        content = self.arrived + await request.read()
        if digest_of(content) != request.query["digest"]:
            return web.json_response({"errors": [{"code": "DIGEST_INVALID"}]}, status=400)
        self.stored[request.query["digest"]] = content
        return web.Response(status=201)

    async def patch(self, request: web.Request) -> web.StreamResponse:
        self.demand_location(request)
        content = await request.read()
        begin = len(self.arrived)
        assert request.headers["Content-Range"] == f"{begin}-{begin + len(content) - 1}"
        self.arrived += content
        return self.answer(202)

    async def status(self, request: web.Request) -> web.StreamResponse:
        self.demand_location(request)
        return self.answer(204)

    async def delete(self, request: web.Request) -> web.StreamResponse:
        self.given_up += 1
        return web.Response(status=204)

    def demand_location(self, request: web.Request) -> None:
        """Only the last answer's Location counts, to the letter."""
        assert request.raw_path.startswith(f"{UPLOAD}?_state=a%2Fb%3D&step={self._step}"), request.raw_path


@pytest.fixture
def uploads(faulty: Faulty) -> Uploads:
    return Uploads(faulty)


def at(server: Faulty) -> Repository:
    return Repository(server.host, "a/b")


def cuts_after(count: int, *, keeping: Uploads | None = None) -> Handler:
    """Takes so many bytes of a body and breaks off; what it took may be kept."""

    async def answer(request: web.Request) -> web.StreamResponse:
        taken = b""
        while len(taken) < count:
            taken += await request.content.readany()
        if keeping is not None:
            keeping.arrived += taken[:count]
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    return answer


async def test_one_request_uploads_a_blob(faulty: Faulty, uploads: Uploads, connect: Connect) -> None:
    for content in (SMALL, b"", LARGE):
        await connect().upload_blob(at(faulty), digest_of(content), content)

        assert uploads.stored[digest_of(content)] == content
    assert uploads.requests == ["POST", "PUT"] * 3
    assert faulty.asked[-1].headers["Content-Length"] == str(len(LARGE))
    assert "Transfer-Encoding" not in faulty.asked[-1].headers


@pytest.mark.parametrize("where", ["relative", "absolute", "another host"])
async def test_the_location_is_followed(faulty: Faulty, elsewhere: Faulty, connect: Connect, where: str) -> None:
    uploads = Uploads(faulty)
    if where == "another host":
        there = Uploads(elsewhere)
        there._step = 1
        uploads.location = elsewhere.url + UPLOAD
    elif where == "absolute":
        uploads.location = faulty.url + UPLOAD
    client = connect(logins={faulty.host: ("me", "secret")})
    faulty.interrupt(f"POST {START}", says(401, WWW_Authenticate='Basic realm="x"'))

    await client.upload_blob(at(faulty), digest_of(SMALL), SMALL)

    host = elsewhere if where == "another host" else faulty
    assert host.asked[-1].method == "PUT"
    assert (host.asked[-1].authorization is None) == (where == "another host")


async def test_after_a_413_this_and_the_next_uploads_are_chunked(
    faulty: Faulty, uploads: Uploads, connect: Connect
) -> None:
    client = connect()
    faulty.interrupt(f"PUT {UPLOAD}", says(413))

    await client.upload_blob(at(faulty), digest_of(LARGE), LARGE)
    await client.upload_blob(at(faulty), digest_of(LARGE[1:]), LARGE[1:])

    assert uploads.stored == {digest_of(LARGE): LARGE, digest_of(LARGE[1:]): LARGE[1:]}
    chunked = ["POST", "PATCH", "PATCH", "PATCH", "PUT"]
    assert uploads.requests == ["POST", "PUT", "DELETE", *chunked, *chunked]
    assert not client.capabilities(faulty.host).takes_large_bodies


async def test_the_minimum_chunk_size_is_respected(faulty: Faulty, uploads: Uploads, connect: Connect) -> None:
    async def start(request: web.Request) -> web.StreamResponse:
        await uploads.start(request)
        return uploads.answer(202, OCI_Chunk_Min_Length=str(12 * MIB))

    faulty.on(f"POST {START}", start)
    client = connect()
    client.capabilities(faulty.host).takes_large_bodies = False

    await client.upload_blob(at(faulty), digest_of(LARGE), LARGE)

    sizes = [int(asked.headers["Content-Length"]) for asked in faulty.asked if asked.method == "PATCH"]
    assert sizes == [12 * MIB, 8 * MIB]


async def test_an_interrupted_upload_is_resumed_if_the_registry_kept_something(
    faulty: Faulty, uploads: Uploads, connect: Connect
) -> None:
    faulty.interrupt(f"PUT {UPLOAD}", cuts_after(5 * MIB, keeping=uploads))

    await connect().upload_blob(at(faulty), digest_of(LARGE), LARGE)

    assert uploads.stored == {digest_of(LARGE): LARGE}
    assert uploads.requests == ["POST", "PUT", "GET", "PATCH", "PATCH", "PUT"]


async def test_an_interrupted_upload_starts_again_if_the_registry_kept_nothing(
    faulty: Faulty, uploads: Uploads, connect: Connect
) -> None:
    faulty.interrupt(f"PUT {UPLOAD}", cuts_after(5 * MIB))

    await connect().upload_blob(at(faulty), digest_of(LARGE), LARGE)

    assert uploads.stored == {digest_of(LARGE): LARGE}
    assert uploads.requests == ["POST", "PUT", "GET", "DELETE", "POST", "PUT"]


async def test_after_a_416_a_chunk_is_sent_from_the_registrys_position(
    faulty: Faulty, uploads: Uploads, connect: Connect
) -> None:
    client = connect()
    client.capabilities(faulty.host).takes_large_bodies = False
    faulty.interrupt(f"PATCH {UPLOAD}", cuts_after(3 * MIB, keeping=uploads), says(416))

    await client.upload_blob(at(faulty), digest_of(LARGE), LARGE)

    assert uploads.stored == {digest_of(LARGE): LARGE}
    assert uploads.requests == ["POST", "PATCH", "GET", "PATCH", "GET", "PATCH", "PATCH", "PATCH", "PUT"]


async def test_without_chunked_uploads_an_interrupted_upload_starts_again(
    faulty: Faulty, uploads: Uploads, connect: Connect
) -> None:
    client = connect()
    faulty.interrupt(f"PUT {UPLOAD}", cuts_after(5 * MIB, keeping=uploads))
    faulty.interrupt(f"PATCH {UPLOAD}", says(405))

    await client.upload_blob(at(faulty), digest_of(LARGE), LARGE)

    assert uploads.requests == ["POST", "PUT", "GET", "PATCH", "DELETE", "POST", "PUT"]
    assert not client.capabilities(faulty.host).takes_chunks


async def test_a_blob_that_is_refused_whole_and_in_chunks_is_an_error(
    faulty: Faulty, uploads: Uploads, connect: Connect
) -> None:
    faulty.interrupt(f"PUT {UPLOAD}", says(413))
    faulty.interrupt(f"PATCH {UPLOAD}", says(405))

    with pytest.raises(Unsupported, match="refused, both in one request and in chunks") as raised:
        await connect().upload_blob(at(faulty), digest_of(LARGE), LARGE)
    assert raised.value.registry == faulty.host


async def test_a_proxy_that_silently_cuts_large_bodies(faulty: Faulty, uploads: Uploads, connect: Connect) -> None:
    faulty.interrupt(f"PUT {UPLOAD}", cuts_after(MIB), cuts_after(MIB))

    await connect().upload_blob(at(faulty), digest_of(LARGE), LARGE)

    assert uploads.stored == {digest_of(LARGE): LARGE}
    assert uploads.requests[-5:] == ["POST", "PATCH", "PATCH", "PATCH", "PUT"]


async def test_a_damaged_blob_is_uploaded_again(faulty: Faulty, uploads: Uploads, connect: Connect) -> None:
    async def damaged(request: web.Request) -> web.StreamResponse:
        await request.content.read()
        return web.json_response({"errors": [{"code": "DIGEST_INVALID"}]}, status=400)

    faulty.interrupt(f"PUT {UPLOAD}", damaged)
    await connect().upload_blob(at(faulty), digest_of(SMALL), SMALL)
    assert uploads.requests == ["POST", "PUT", "DELETE", "POST", "PUT"]

    faulty.interrupt(f"PUT {UPLOAD}", *[damaged] * 3)
    with pytest.raises(WrongContent, match="arrived damaged"):
        await connect().upload_blob(at(faulty), digest_of(SMALL), SMALL)


async def test_a_401_during_an_upload(faulty: Faulty, uploads: Uploads, connect: Connect) -> None:
    client = connect(logins={faulty.host: ("me", "secret")})
    client.capabilities(faulty.host).takes_large_bodies = False
    for request in (f"POST {START}", f"PATCH {UPLOAD}", f"PUT {UPLOAD}"):
        faulty.interrupt(request, says(401, WWW_Authenticate='Basic realm="x"'))
        await client.upload_blob(at(faulty), digest_of(LARGE), LARGE)
        assert uploads.stored.pop(digest_of(LARGE)) == LARGE
        client = connect(logins={faulty.host: ("me", "secret")})
        client.capabilities(faulty.host).takes_large_bodies = False


async def test_a_403_ends_the_upload(faulty: Faulty, uploads: Uploads, connect: Connect) -> None:
    faulty.interrupt(f"PUT {UPLOAD}", says(403, {"errors": [{"code": "DENIED", "message": "over quota"}]}))

    with pytest.raises(Denied, match="over quota"):
        await connect().upload_blob(at(faulty), digest_of(LARGE), LARGE)
    assert uploads.requests == ["POST", "PUT", "DELETE"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
async def test_a_429_during_an_upload_holds_the_registry_and_is_not_retried_here(
    faulty: Faulty, uploads: Uploads, connect: Connect, clock: ManualClock, method: str
) -> None:
    client = connect()
    client.capabilities(faulty.host).takes_large_bodies = method != "PATCH"  # or it is a chunked upload
    faulty.interrupt(f"{method} {START if method == 'POST' else UPLOAD}", says(429, Retry_After="120"))

    with pytest.raises(RateLimited, match="too many requests") as raised:
        await client.upload_blob(at(faulty), digest_of(LARGE), LARGE)

    assert raised.value.retry_at == clock.now() + timedelta(seconds=120)
    assert client.held_until(faulty.host) == raised.value.retry_at
    assert uploads.requests == (["POST"] if method == "POST" else ["POST", method])
    assert uploads.stored == {}


async def test_a_registry_that_stops_reading_times_out(
    faulty: Faulty, uploads: Uploads, connect: Connect, clock: ManualClock
) -> None:
    async def deaf(request: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    faulty.interrupt(f"PUT {UPLOAD}", *[deaf] * 3)
    faulty.interrupt(f"PATCH {UPLOAD}", *[deaf] * 20)

    with pytest.raises(Unreachable, match=r"no answer in time|takes less than"):
        await connect(timeouts=Timeouts(connect=30, read=0.5, total=60, commit=0.5)).upload_blob(
            at(faulty), digest_of(LARGE), LARGE
        )


async def test_cancelling_cancels_the_upload_session(faulty: Faulty, uploads: Uploads, connect: Connect) -> None:
    reached = asyncio.Event()

    async def deaf(request: web.Request) -> web.StreamResponse:
        reached.set()
        await asyncio.Event().wait()
        raise AssertionError

    faulty.interrupt(f"PUT {UPLOAD}", deaf)
    uploading = asyncio.create_task(connect().upload_blob(at(faulty), digest_of(LARGE), LARGE))
    await reached.wait()
    uploading.cancel()

    with pytest.raises(asyncio.CancelledError):
        await uploading
    assert uploads.given_up == 1


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([says(201)], Mount(made=True)),
        ([says(405)], Mount(made=False)),
        ([says(400)], Mount(made=False)),
    ],
)
async def test_mounts(faulty: Faulty, connect: Connect, answers: list[Handler], expected: Mount) -> None:
    faulty.on(f"POST {START}", *answers)

    assert await connect().mount_blob(at(faulty), digest_of(SMALL), source="c/d") == expected
    assert faulty.asked[-1].query == {"mount": digest_of(SMALL), "from": "c/d"}


async def test_a_mount_from_the_repository_itself_needs_no_other_token(
    faulty: Faulty, uploads: Uploads, connect: Connect
) -> None:
    challenge = f'Bearer realm="{faulty.url}/token",service="test"'
    faulty.on("GET /token", says(200, {"token": "good", "expires_in": 300}))
    faulty.interrupt(f"POST {START}", says(401, WWW_Authenticate=challenge))
    client = connect()
    await client.mount_blob(at(faulty), digest_of(SMALL), source=at(faulty).name)
    await client.upload_blob(at(faulty), digest_of(SMALL), SMALL)
    assert [asked.path for asked in faulty.asked].count("/token") == 1


async def test_a_refused_mount_leaves_an_upload_session(faulty: Faulty, uploads: Uploads, connect: Connect) -> None:
    client = connect()
    mount = await client.mount_blob(at(faulty), digest_of(SMALL), source="c/d")
    assert mount.session is not None

    await client.upload_blob(at(faulty), digest_of(SMALL), SMALL, session=mount.session)

    assert uploads.requests == ["POST", "PUT"]
    assert uploads.stored == {digest_of(SMALL): SMALL}


async def test_an_upload_location_that_leads_inward_is_not_followed(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"POST {START}", says(202, Location="http://169.254.169.254/up"))

    with pytest.raises(Unsupported, match="link-local address") as raised:
        await connect().upload_blob(at(faulty), digest_of(SMALL), SMALL)
    assert raised.value.registry == faulty.host


async def test_an_upload_redirect_that_leads_inward_is_not_followed(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"POST {START}", says(307, Location="http://169.254.169.254/up"))

    with pytest.raises(Unsupported, match="link-local address") as raised:
        await connect().upload_blob(at(faulty), digest_of(SMALL), SMALL)
    assert raised.value.registry == faulty.host


async def test_a_download_is_streamed_into_an_upload_and_both_are_resumed(
    faulty: Faulty, uploads: Uploads, elsewhere: Faulty, connect: Connect
) -> None:
    async def blob(request: web.Request) -> web.StreamResponse:
        begin = int(request.headers.get("Range", "bytes=0-")[6:-1])
        headers = {"Content-Length": str(len(LARGE) - begin)}
        if begin:
            headers["Content-Range"] = f"bytes {begin}-{len(LARGE) - 1}/{len(LARGE)}"
        response = web.StreamResponse(status=206 if begin else 200, headers=headers)
        await response.prepare(request)
        await response.write(LARGE[begin : begin + 6 * MIB])
        if begin + 6 * MIB < len(LARGE):
            assert request.transport is not None
            request.transport.close()
        return response

    elsewhere.on(f"GET /v2/c/d/blobs/{digest_of(LARGE)}", blob)
    faulty.interrupt(f"PUT {UPLOAD}", cuts_after(9 * MIB, keeping=uploads))
    client = connect()
    async with client.transfer(elsewhere.host, faulty.host):
        download = client.download(
            Repository(elsewhere.host, "c/d"), digest_of(LARGE), len(LARGE), on_progress=lambda _: None
        )
        await client.upload_blob(at(faulty), digest_of(LARGE), download)
        download.close()

    assert uploads.stored == {digest_of(LARGE): LARGE}
    assert uploads.begun == 1


async def test_an_error_of_the_source_is_raised_unchanged(
    faulty: Faulty, uploads: Uploads, elsewhere: Faulty, connect: Connect
) -> None:
    changed = b"!" + LARGE[1:]
    elsewhere.on(f"GET /v2/c/d/blobs/{digest_of(LARGE)}", says(body=changed))
    client = connect()
    async with client.transfer(elsewhere.host, faulty.host):
        download = client.download(
            Repository(elsewhere.host, "c/d"), digest_of(LARGE), len(LARGE), on_progress=lambda _: None
        )
        with pytest.raises(WrongContent, match="what arrived is") as raised:
            await client.upload_blob(at(faulty), digest_of(LARGE), download)
        download.close()

    assert raised.value.registry == elsewhere.host
    assert uploads.stored == {}
    assert uploads.given_up == 1


def takes_at_most(uploads: Uploads, limit: int, status: int) -> None:
    """Refuse larger bodies: whole ones with 413, chunks with `status`. Kept apart from `interrupt`: it never ends."""
    put, patch = uploads.put, uploads.patch

    def unless_small(handler: Handler, refused: int) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            if int(request.headers["Content-Length"]) > limit:
                return web.Response(status=refused)
            return await handler(request)

        return answer

    uploads._server.on(f"PUT {UPLOAD}", unless_small(put, 413))
    uploads._server.on(f"PATCH {UPLOAD}", unless_small(patch, status))


def chunk_sizes(server: Faulty) -> list[int]:
    return [int(asked.headers["Content-Length"]) for asked in server.asked if asked.method == "PATCH"]


@pytest.mark.parametrize(
    ("limit", "status", "found"),
    [(5 * MIB, 416, 4 * MIB), (2 * MIB, 413, 2 * MIB), (700_000, 413, MIB // 2), (700_000, 416, MIB // 2)],
)
async def test_chunks_shrink_until_accepted_and_the_size_is_remembered(
    faulty: Faulty, uploads: Uploads, connect: Connect, *, limit: int, status: int, found: int
) -> None:
    takes_at_most(uploads, limit, status)
    client = connect()

    await client.upload_blob(at(faulty), digest_of(LARGE), LARGE)

    assert uploads.stored == {digest_of(LARGE): LARGE}
    assert client.capabilities(faulty.host).largest_chunk == found
    faulty.asked.clear()
    await client.upload_blob(at(faulty), digest_of(LARGE[1:]), LARGE[1:])
    assert max(chunk_sizes(faulty)) == found
    assert "PUT" not in uploads.requests[:-1]


async def test_chunks_are_smaller_than_the_refused_request(faulty: Faulty, uploads: Uploads, connect: Connect) -> None:
    takes_at_most(uploads, MIB, 413)

    await connect().upload_blob(at(faulty), digest_of(LARGE[: 3 * MIB]), LARGE[: 3 * MIB])

    assert uploads.stored == {digest_of(LARGE[: 3 * MIB]): LARGE[: 3 * MIB]}
    assert chunk_sizes(faulty) == [2 * MIB, MIB, MIB, MIB]


async def test_a_registry_that_refuses_the_smallest_chunk_is_an_error(
    faulty: Faulty, uploads: Uploads, connect: Connect
) -> None:
    takes_at_most(uploads, 1000, 413)
    client = connect()

    with pytest.raises(Unsupported, match="a chunk of 524288 bytes was refused as too large"):
        await client.upload_blob(at(faulty), digest_of(LARGE), LARGE)

    assert len(chunk_sizes(faulty)) == 5
    assert client.capabilities(faulty.host).takes_large_bodies  # nothing was proven: it may be a quota
    assert client.capabilities(faulty.host).largest_chunk is None


async def test_a_minimum_above_the_maximum_chunk_size_is_an_error(
    faulty: Faulty, uploads: Uploads, connect: Connect
) -> None:
    takes_at_most(uploads, 4 * MIB, 413)

    async def start(request: web.Request) -> web.StreamResponse:
        await uploads.start(request)
        return uploads.answer(202, OCI_Chunk_Min_Length=str(5 * MIB))

    faulty.on(f"POST {START}", start)

    with pytest.raises(Unsupported, match="wants chunks of 5242880 bytes at least"):
        await connect().upload_blob(at(faulty), digest_of(LARGE), LARGE)
    assert chunk_sizes(faulty) == [8 * MIB, 5 * MIB]


async def test_a_proxy_that_silently_cuts_chunks(faulty: Faulty, uploads: Uploads, connect: Connect) -> None:
    patch = uploads.patch

    async def cut_if_large(request: web.Request) -> web.StreamResponse:
        if int(request.headers["Content-Length"]) > MIB:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        return await patch(request)

    faulty.on(f"PUT {UPLOAD}", uploads.put)
    faulty.interrupt(f"PUT {UPLOAD}", cuts_after(MIB), cuts_after(MIB))
    faulty.on(f"PATCH {UPLOAD}", cut_if_large)
    client = connect()

    await client.upload_blob(at(faulty), digest_of(LARGE), LARGE)

    assert uploads.stored == {digest_of(LARGE): LARGE}
    assert client.capabilities(faulty.host).largest_chunk is None  # it may have been the network


@pytest.mark.parametrize("written", ["of the chunk, from 0", "of the chunk, in the blob", "none", "one too many"])
@pytest.mark.parametrize("tells_status", [True, False])
async def test_the_range_of_a_chunk_is_understood(
    faulty: Faulty, uploads: Uploads, connect: Connect, written: str, tells_status: bool
) -> None:
    patch = uploads.patch

    async def odd(request: web.Request) -> web.StreamResponse:
        begin, size = len(uploads.arrived), int(request.headers["Content-Length"])
        answer = await patch(request)
        ranges = {
            "of the chunk, from 0": f"0-{size - 1}",
            "of the chunk, in the blob": f"{begin}-{begin + size - 1}",
            "one too many": f"0-{begin + size}",
        }
        answer.headers.popall("Range")
        if written in ranges:
            answer.headers["Range"] = ranges[written]
        return answer

    faulty.on(f"PATCH {UPLOAD}", odd)
    if not tells_status:
        faulty.on(f"GET {UPLOAD}", says(405))
    client = connect()
    client.capabilities(faulty.host).takes_large_bodies = False

    await client.upload_blob(at(faulty), digest_of(LARGE), LARGE)

    assert uploads.stored == {digest_of(LARGE): LARGE}
    assert uploads.requests.count("PATCH") == 3


@pytest.mark.parametrize("keeps", [0, 1, 5 * MIB])
async def test_chunks_that_are_accepted_and_not_stored_end_in_an_error(
    faulty: Faulty, uploads: Uploads, connect: Connect, keeps: int
) -> None:
    async def drop(request: web.Request) -> web.StreamResponse:
        content = await request.read()
        uploads.arrived = uploads.arrived or content[:keeps]
        return uploads.answer(201)

    faulty.on(f"PATCH {UPLOAD}", drop)
    client = connect()
    client.capabilities(faulty.host).takes_large_bodies = False

    with pytest.raises((Unreachable, WrongContent), match=r"went back|makes no progress|arrived damaged"):
        await client.upload_blob(at(faulty), digest_of(LARGE), LARGE)
    assert uploads.requests.count("PATCH") <= 18


@pytest.mark.parametrize("status", [400, 401, 403, 405, 501, 503])
async def test_a_head_that_storage_refuses_is_no_missing_blob(
    faulty: Faulty, elsewhere: Faulty, connect: Connect, status: int
) -> None:
    blob = f"/v2/a/b/blobs/{digest_of(SMALL)}"
    faulty.on(f"HEAD {blob}", says(307, Location=f"{elsewhere.url}/bucket?X-Amz-Signature=0"))
    elsewhere.on("HEAD /bucket", says(status))
    client = connect(targets=frozenset({faulty.host}))

    assert await client.has_blob(at(faulty), digest_of(SMALL)) is None
    assert elsewhere.times("HEAD", "/bucket") == 1

    elsewhere.on("HEAD /bucket", says(200))
    assert await client.has_blob(at(faulty), digest_of(SMALL)) is True


async def test_what_the_registrys_own_answers_to_head_mean(faulty: Faulty, connect: Connect) -> None:
    blob = f"/v2/a/b/blobs/{digest_of(SMALL)}"
    faulty.on(f"HEAD {blob}", says(403), says(405), says(404))
    client = connect()

    with pytest.raises(Denied):
        await client.has_blob(at(faulty), digest_of(SMALL))
    assert await client.has_blob(at(faulty), digest_of(SMALL)) is None
    assert await client.has_blob(at(faulty), digest_of(SMALL)) is False
