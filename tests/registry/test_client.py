"""The client, against servers that cut connections, stall and lie."""

import asyncio
import json
import logging
import traceback
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from ferryman.errors import (
    Denied,
    NotFound,
    RateLimited,
    TlsFailed,
    TransferError,
    Unreachable,
    Unsupported,
    WrongContent,
)
from ferryman.manifests.manifest import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Manifest, digest_of
from ferryman.reference import Reference, Repository
from ferryman.registry.auth.tokens import Grant
from ferryman.registry.client import Described, ManifestRefused
from ferryman.registry.hosts import Host
from ferryman.registry.http.messages import Request, RequestSpec, Response
from ferryman.registry.http.session import Timeouts
from ferryman.registry.limits.quota import Quota
from ferryman.registry_options import RegistryOptions
from tests.registry.conftest import Connect
from tests.support.clock import ManualClock
from tests.support.faulty import Faulty, Handler, cuts, says, stalls, trickles

BODY = json.dumps({"schemaVersion": 2, "config": {}, "layers": []}, indent=3).encode()
DIGEST = digest_of(BODY)
OTHER = digest_of(b"other")
FOUND = says(200, BODY, Content_Type=OCI_MANIFEST, Docker_Content_Digest=DIGEST)
PATH = "/v2/team/app/manifests/1"
TAGS = "/v2/team/app/tags/list"
SHORT = Timeouts(connect=0.5, read=0.5, answer=0.5, total=1)


def reference(server: Faulty) -> Reference:
    return repository(server).tagged("1")


def repository(server: Faulty) -> Repository:
    return Repository(server.host, "team/app")


# Manifests


async def test_head_describes_a_manifest(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"HEAD {PATH}", FOUND)
    assert await connect().head_manifest(reference(faulty)) == Described(DIGEST, OCI_MANIFEST, len(BODY))
    asked = faulty.asked[0]
    assert asked.headers["Accept-Encoding"] == "identity"
    assert OCI_INDEX in asked.headers["Accept"]


@pytest.mark.parametrize(
    "head", [says(405), says(400), says(501), says(200), says(200, Docker_Content_Digest="nonsense")]
)
async def test_head_without_a_digest_becomes_a_get(faulty: Faulty, connect: Connect, head: Handler) -> None:
    faulty.on(f"HEAD {PATH}", head)
    faulty.on(f"GET {PATH}", FOUND)
    assert await connect().head_manifest(reference(faulty)) == Described(DIGEST, OCI_MANIFEST, len(BODY))
    assert faulty.asked[0].headers["Accept"] == faulty.asked[-1].headers["Accept"]


@pytest.mark.parametrize(
    ("head", "digest"),
    [
        (says(304), DIGEST),
        (says(304, Docker_Content_Digest=DIGEST), DIGEST),
        (says(304, Docker_Content_Digest=OTHER), OTHER),  # it contradicts itself: better to copy once more
        (says(200, Docker_Content_Digest=OTHER), OTHER),
        (FOUND, DIGEST),  # it knows no conditions
    ],
)
async def test_a_digest_that_is_known_is_only_asked_about(
    faulty: Faulty, connect: Connect, head: Handler, digest: str
) -> None:
    faulty.on(f"HEAD {PATH}", head)
    client = connect()
    assert (await client.head_manifest(reference(faulty), expected=True, known=DIGEST)).digest == digest
    assert [asked.headers.get("If-None-Match") for asked in faulty.asked] == [f'"{DIGEST}"']


@pytest.mark.parametrize("head", [says(405), says(404), says(200)])
async def test_a_digest_that_cannot_be_asked_about_is_read(faulty: Faulty, connect: Connect, head: Handler) -> None:
    faulty.on(f"HEAD {PATH}", head)
    faulty.on(f"GET {PATH}", FOUND)
    assert (await connect().head_manifest(reference(faulty), expected=True, known=OTHER)).digest == DIGEST
    assert "If-None-Match" not in faulty.asked[-1].headers


async def test_a_304_that_was_not_asked_for_says_nothing(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"HEAD {PATH}", says(304))
    with pytest.raises(TransferError, match="answered 304 where content was expected"):
        await connect().head_manifest(reference(faulty))


async def test_head_that_is_not_found_is_not_repeated(faulty: Faulty, connect: Connect) -> None:
    with pytest.raises(NotFound, match="manifest team/app:1 not found"):
        await connect().head_manifest(reference(faulty))
    assert len(faulty.asked) == 1


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (500, "MANIFEST_BLOB_UNKNOWN", ManifestRefused),  # Docker Hub's way
        (500, "MANIFEST_INVALID", ManifestRefused),
        (503, "TAG_INVALID", ManifestRefused),
        (501, "", ManifestRefused),
        (406, "", ManifestRefused),
        (409, "", ManifestRefused),
        (500, "UNKNOWN", Unreachable),
        (502, "", Unreachable),
    ],
)
async def test_errors_of_put_manifest(
    faulty: Faulty, connect: Connect, status: int, code: str, kind: type[TransferError]
) -> None:
    faulty.on(f"PUT {PATH}", says(status, {"errors": [{"code": code, "message": "no"}]}))

    with pytest.raises(kind) as raised:
        await connect().put_manifest(reference(faulty), Manifest(BODY, OCI_MANIFEST, DIGEST))

    assert raised.value.status == status
    assert isinstance(raised.value, ManifestRefused) is (faulty.times("PUT", PATH) == 1)
    if isinstance(raised.value, ManifestRefused):
        assert raised.value.lacks_content is (code == "MANIFEST_BLOB_UNKNOWN")


async def test_a_head_that_does_not_find_what_is_expected_becomes_a_get_for_a_day(
    faulty: Faulty, connect: Connect, clock: ManualClock
) -> None:
    faulty.on(f"GET {PATH}", FOUND)
    client = connect()
    for _ in range(3):
        assert (await client.head_manifest(reference(faulty), expected=True)).digest == DIGEST
    assert [asked.method for asked in faulty.asked] == ["HEAD", "GET", "GET", "GET"]
    clock.advance(timedelta(days=2).total_seconds())
    faulty.on(f"HEAD {PATH}", FOUND)
    await client.head_manifest(reference(faulty))
    assert faulty.asked[-1].method == "HEAD"


async def test_a_manifest_that_neither_head_nor_get_finds(faulty: Faulty, connect: Connect) -> None:
    client = connect()
    with pytest.raises(NotFound):
        await client.head_manifest(reference(faulty), expected=True)
    faulty.on(f"HEAD {PATH}", FOUND)
    assert (await client.head_manifest(reference(faulty))).digest == DIGEST
    assert [asked.method for asked in faulty.asked] == ["HEAD", "GET", "HEAD"]


async def test_docker_hub_is_not_asked_by_get_after_a_404(faulty: Faulty, connect: Connect) -> None:
    client = connect(hosts={"docker.io": RegistryOptions(endpoint=faulty.url)})
    with pytest.raises(NotFound):
        await client.head_manifest(Repository("docker.io", "team/app").tagged("1"), expected=True)
    assert [asked.method for asked in faulty.asked] == ["HEAD"]


@pytest.mark.parametrize("status", [400, 403, 405, 501])
async def test_a_head_that_storage_refuses_becomes_a_get(
    faulty: Faulty, elsewhere: Faulty, connect: Connect, status: int
) -> None:
    faulty.on(f"HEAD {PATH}", says(307, Location=f"{elsewhere.url}/m?X-Amz-Signature=0"))
    elsewhere.on("HEAD /m", says(status))
    faulty.on(f"GET {PATH}", FOUND)
    assert (await connect().head_manifest(reference(faulty))).digest == DIGEST


async def test_get_is_verbatim(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", FOUND)
    assert await connect().get_manifest(reference(faulty)) == Manifest(BODY, OCI_MANIFEST, DIGEST)


@pytest.mark.parametrize(
    ("document", "told", "media_type"),
    [
        ({"schemaVersion": 2, "config": {}}, "", OCI_MANIFEST),
        ({"schemaVersion": 2, "manifests": []}, "application/json", OCI_INDEX),
        ({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST}, "text/plain; charset=utf-8", DOCKER_MANIFEST),
        ({"schemaVersion": 2, "manifests": []}, "application/vnd.new.type+json", "application/vnd.new.type+json"),
        ({"schemaVersion": 2, "mediaType": "application/vnd.new+json"}, "text/plain", "application/vnd.new+json"),
        # What the document says of itself wins over what the server calls it.
        ({"schemaVersion": 2, "mediaType": DOCKER_MANIFEST}, OCI_MANIFEST, DOCKER_MANIFEST),
        ({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}, DOCKER_LIST, OCI_INDEX),
        ({"schemaVersion": 2, "mediaType": DOCKER_LIST, "manifests": []}, "application/vnd.odd+json", DOCKER_LIST),
        # Without a word of its own it can be OCI's alone, and an index where it lists manifests.
        ({"schemaVersion": 2, "config": {}}, DOCKER_MANIFEST, OCI_MANIFEST),
        ({"schemaVersion": 2, "manifests": []}, OCI_MANIFEST, OCI_INDEX),
        ({"schemaVersion": 2, "mediaType": ["odd"], "manifests": []}, DOCKER_LIST, OCI_INDEX),
    ],
)
async def test_the_media_type_of_a_manifest(
    faulty: Faulty, connect: Connect, document: dict[str, Any], told: str, media_type: str
) -> None:
    faulty.on(f"GET {PATH}", says(200, document, Content_Type=told))
    assert (await connect().get_manifest(reference(faulty))).media_type == media_type


@pytest.mark.parametrize(
    "answer",
    [
        says(200, {"schemaVersion": 1}, Content_Type="application/json", Docker_Content_Digest=OTHER),
        says(200, {"x": 1}, Content_Type="application/vnd.docker.distribution.manifest.v1+prettyjws"),
    ],
)
async def test_schema_1_is_unsupported(faulty: Faulty, connect: Connect, answer: Handler) -> None:
    faulty.on(f"GET {PATH}", answer)
    with pytest.raises(Unsupported, match="is of schema 1"):
        await connect().get_manifest(reference(faulty))


@pytest.mark.parametrize(
    "answer",
    [
        says(200, BODY, Content_Type=OCI_MANIFEST, Docker_Content_Digest=OTHER),
        says(200, b"<html>", Content_Type=OCI_MANIFEST),
        says(200, [], Content_Type=OCI_MANIFEST),
        says(200, b"[" * 100_000, Content_Type=OCI_MANIFEST),
        says(200, b" " * (4 * 1024 * 1024 + 1)),
    ],
)
async def test_wrong_digests_are_noticed(faulty: Faulty, connect: Connect, answer: Handler) -> None:
    faulty.on(f"GET {PATH}", answer)
    with pytest.raises(WrongContent, match="manifest team/app:1"):
        await connect().get_manifest(reference(faulty))


async def test_a_pinned_digest_is_checked(faulty: Faulty, connect: Connect) -> None:
    pinned = repository(faulty).pinned(OTHER)
    for method in ("GET", "HEAD"):
        faulty.on(f"{method} /v2/team/app/manifests/{OTHER}", FOUND)
    client = connect()
    with pytest.raises(WrongContent, match=OTHER):
        await client.get_manifest(pinned)
    with pytest.raises(WrongContent, match=DIGEST):
        await client.head_manifest(pinned)


async def test_a_body_without_a_length_is_cut_at_the_limit(faulty: Faulty, connect: Connect) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" " * 65536)

    faulty.on(f"GET {PATH}", endless)
    with pytest.raises(WrongContent, match="more than 4194304 bytes"):
        await connect().get_manifest(reference(faulty))


async def test_blobs_are_checked(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET /v2/team/app/blobs/{DIGEST}", says(200, BODY))
    faulty.on(f"GET /v2/team/app/blobs/{OTHER}", says(200, BODY))
    client = connect()
    assert await client.get_blob(repository(faulty), DIGEST) == BODY
    with pytest.raises(WrongContent, match=f"should be {OTHER}"):
        await client.get_blob(repository(faulty), OTHER)


async def test_a_push_that_stores_something_else_is_noticed(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"PUT {PATH}", says(201, Docker_Content_Digest=OTHER), says(201))
    client = connect()
    with pytest.raises(WrongContent, match=OTHER):
        await client.put_manifest(reference(faulty), Manifest(BODY, OCI_MANIFEST, DIGEST))
    stored = await client.put_manifest(reference(faulty), Manifest(BODY, OCI_MANIFEST, DIGEST))
    assert stored.digest == DIGEST


# Trouble on the way


async def test_temporary_errors_are_retried(faulty: Faulty, connect: Connect, clock: ManualClock) -> None:
    faulty.on(f"GET {PATH}", says(500), cuts(), FOUND)
    assert (await connect().get_manifest(reference(faulty))).body == BODY
    assert clock.slept == [0.5, 1.0]


async def test_a_put_is_retried_and_a_post_not(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"PUT {PATH}", says(502), says(201))
    faulty.on("POST /login", says(502))
    client = connect(hosts={faulty.host: RegistryOptions(api=faulty.url)})
    await client.put_manifest(reference(faulty), Manifest(BODY, OCI_MANIFEST, DIGEST))
    with pytest.raises(Unreachable):
        await client.post_api(faulty.host, "/login", body={})
    assert faulty.times("POST", "/login") == 1


@pytest.mark.parametrize(
    ("answer", "says_what", "times"),
    [
        (says(503, b"down"), r"answered 503 \(down\)", 3),
        (cuts(), "cut off", 3),
        (stalls(), "no answer in time", 3),
        (trickles(), "does not arrive in time", 1),  # it would only take as long again
    ],
)
async def test_lasting_errors(faulty: Faulty, connect: Connect, answer: Handler, says_what: str, times: int) -> None:
    faulty.on(f"GET {PATH}", answer)
    with pytest.raises(Unreachable, match=says_what) as raised:
        await connect(timeouts=SHORT).get_manifest(reference(faulty))
    assert raised.value.registry == faulty.host
    assert faulty.times("GET", PATH) == times


@pytest.mark.parametrize(
    ("answers", "says_what"),
    [
        (b"SSH-2.0-OpenSSH\r\n", "no HTTP"),
        (b"", "closed without an answer"),
        (b"HTTP/1.1 200 OK\r\nX: \x00\r\n\r\n", "no HTTP"),
    ],
)
async def test_a_server_that_is_no_registry(connect: Connect, answers: bytes, says_what: str) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answers)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(Unreachable, match=says_what):
            await connect().head_manifest(Repository(f"127.0.0.1:{port}", "a").tagged("1"))


async def test_no_connection_and_no_tls(faulty: Faulty, connect: Connect) -> None:
    client = connect(hosts={faulty.host: RegistryOptions(tls=True)})
    with pytest.raises(TlsFailed, match="`tls: false`"):
        await client.head_manifest(reference(faulty))
    with pytest.raises(Unreachable, match="cannot connect"):
        await client.head_manifest(Repository("127.0.0.1:1", "a").tagged("1"))


async def test_endless_redirects(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", says(307, Location=PATH))
    with pytest.raises(Unsupported, match="too many redirects"):
        await connect().get_manifest(reference(faulty))
    assert len(faulty.asked) == 6


# Limits


async def test_a_429_holds_the_host(faulty: Faulty, connect: Connect, clock: ManualClock) -> None:
    faulty.on(f"GET {PATH}", says(429, {"errors": [{"code": "TOOMANYREQUESTS"}]}, Retry_After="300"))
    client = connect()
    for _ in range(3):
        with pytest.raises(RateLimited) as raised:
            await client.get_manifest(reference(faulty))
        assert raised.value.retry_at == clock.now() + timedelta(seconds=300)
    assert len(faulty.asked) == 1
    with pytest.raises(RateLimited):
        await client.slot(faulty.host).__aenter__()


async def test_a_503_with_a_long_retry_after_holds_the_host(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", says(503, Retry_After="300"))
    client = connect()
    with pytest.raises(Unreachable):
        await client.get_manifest(reference(faulty))
    with pytest.raises(RateLimited):
        await client.get_manifest(reference(faulty))
    assert len(faulty.asked) == 1


async def test_a_short_retry_after_is_waited_for(faulty: Faulty, connect: Connect) -> None:
    message = "retry-after: 880µs, allowed: 44000/minute"
    faulty.on(f"GET {PATH}", says(429, {"errors": [{"code": "TOOMANYREQUESTS", "message": message}]}), FOUND)
    assert (await connect().get_manifest(reference(faulty))).digest == DIGEST


async def test_the_quota_is_read_from_every_answer(faulty: Faulty, connect: Connect, clock: ManualClock) -> None:
    faulty.on(f"HEAD {PATH}", says(404, ratelimit_limit="100;w=21600", ratelimit_remaining="76;w=21600"))
    client = connect()
    with pytest.raises(NotFound):
        await client.head_manifest(reference(faulty))
    assert client.quota(faulty.host) == Quota(100, 76, timedelta(hours=6), clock.now(), clock.now())


async def test_the_rate_limit_of_an_api_is_separate(faulty: Faulty, elsewhere: Faulty, connect: Connect) -> None:
    elsewhere.on("GET /tags", says(429, Retry_After="300"))
    faulty.on(f"GET {PATH}", FOUND)
    client = connect(hosts={faulty.host: RegistryOptions(api=elsewhere.url)})
    for _ in range(2):
        with pytest.raises(RateLimited):
            await client.get_api(faulty.host, "/tags", query={})
    assert len(elsewhere.asked) == 1
    assert client.held_until(faulty.host) is None
    await client.get_manifest(reference(faulty))


async def test_no_more_requests_at_once_than_allowed(faulty: Faulty, connect: Connect) -> None:
    running, most = 0, 0

    async def count(request: web.Request) -> web.StreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        return await FOUND(request)

    faulty.on(f"HEAD {PATH}", count)
    client = connect(hosts={faulty.host: RegistryOptions(concurrency=3)})
    await asyncio.gather(*(client.head_manifest(reference(faulty)) for _ in range(12)))
    assert most <= 3


# Tags


def page(names: list[Any] | None, following: str | None = None) -> Handler:
    headers = {"Link": f'<{following}>; rel="next"'} if following else {}
    return says(200, {"name": "team/app", "tags": names}, **headers)


async def tags(server: Faulty, connect: Connect) -> list[list[str]]:
    return [names async for names in connect().list_tags(repository(server))]


async def test_pages_are_followed_to_the_last_one(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {TAGS}", page(["1"], "?n=1000&last=1"), page([], f"{TAGS}?last=2"), page(["3", "1"]))
    assert await tags(faulty, connect) == [["1"], [], ["3"]]
    assert [asked.query for asked in faulty.asked] == [{"n": "1000"}, {"n": "1000", "last": "1"}, {"last": "2"}]


@pytest.mark.parametrize(
    "pages",
    [
        [page(["1", "2"], f"{TAGS}?n=1000")],  # the same URL
        [page(["1", "2"], "?last=2"), page(["1", "2"], "?last=3")],  # the same page under another
    ],
)
async def test_a_repeated_page_ends_the_list(faulty: Faulty, connect: Connect, pages: list[Handler]) -> None:
    faulty.on(f"GET {TAGS}", *pages)
    assert await tags(faulty, connect) == [["1", "2"]]


async def test_full_pages_that_repeat_are_an_error(faulty: Faulty, connect: Connect) -> None:
    full = [f"1.{number}" for number in range(1000)]
    faulty.on(f"GET {TAGS}", page(full, "?n=1000&last=1.999"))
    with pytest.raises(Unsupported, match="its pages repeat"):
        await tags(faulty, connect)
    assert len(faulty.asked) == 2


@pytest.mark.parametrize("names", [None, []])
async def test_no_tags(faulty: Faulty, connect: Connect, names: list[str] | None) -> None:
    faulty.on(f"GET {TAGS}", page(names))
    assert await tags(faulty, connect) == [[]]


async def test_invalid_tags_are_left_out(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {TAGS}", page(["ok", "../../etc/passwd", "a\tb", "a\n", "", "x" * 129, 7, None, {}, "ok"]))
    assert await tags(faulty, connect) == [["ok"]]


@pytest.mark.parametrize("body", [b"<html>", [], "tags", b"\xff"])
async def test_an_answer_that_is_no_list(faulty: Faulty, connect: Connect, body: Any) -> None:
    faulty.on(f"GET {TAGS}", says(200, body))
    with pytest.raises(WrongContent):
        await tags(faulty, connect)


async def test_a_link_to_another_host_is_not_followed(faulty: Faulty, elsewhere: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {TAGS}", page(["1"], f"{elsewhere.url}/v2/other/tags/list"))
    with pytest.raises(Unsupported, match="not followed"):
        await tags(faulty, connect)
    assert elsewhere.asked == []


async def test_a_next_page_at_an_internal_address_is_read_at_the_endpoint(
    faulty: Faulty, elsewhere: Faulty, connect: Connect
) -> None:
    faulty.on(f"GET {TAGS}", page(["1"], f"{elsewhere.url}{TAGS}?last=1&n=9"), page(["2"]))
    assert await tags(faulty, connect) == [["1"], ["2"]]
    assert [asked.query for asked in faulty.asked] == [{"n": "1000"}, {"last": "1", "n": "9"}]
    assert elsewhere.asked == []


async def test_a_malformed_link_is_an_error(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {TAGS}", says(200, {"tags": ["1"]}, Link="<?last=1; rel=next"))
    with pytest.raises(Unsupported, match="Link header"):
        await tags(faulty, connect)


def up_to(most: int, status: int) -> Handler:
    """Refuses larger pages, and gives three names in two pages."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if int(request.query.get("n", most)) > most:
            return web.json_response({"errors": [{"code": "PAGINATION_NUMBER_INVALID"}]}, status=status)
        following = {} if "last" in request.query else {"Link": '<?last=2>; rel="next"'}
        return web.json_response({"tags": ["3"] if "last" in request.query else ["1", "2"]}, headers=following)

    return answer


@pytest.mark.parametrize(("most", "status", "sizes"), [(999, 400, ["1000", "100"]), (10, 405, ["1000", "100", None])])
async def test_a_refused_page_size_is_retried_smaller(
    faulty: Faulty, connect: Connect, *, most: int, status: int, sizes: list[str | None]
) -> None:
    faulty.on(f"GET {TAGS}", up_to(most, status))
    client = connect()
    for asked in (sizes, sizes[-1:]):  # the registry is not asked again for what it refused
        assert [names async for names in client.list_tags(repository(faulty))] == [["1", "2"], ["3"]]
        assert [each.query.get("n") for each in faulty.asked] == [*asked, None]
        faulty.asked.clear()


async def test_a_list_that_is_refused_at_every_page_size_is_an_error(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {TAGS}", says(400, {"errors": [{"code": "UNSUPPORTED"}]}))
    with pytest.raises(Unsupported, match="answered 400"):
        await tags(faulty, connect)
    assert [asked.query for asked in faulty.asked] == [{"n": "1000"}, {"n": "100"}, {}]


async def test_a_later_page_that_is_refused_is_an_error(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {TAGS}", page(["1"], "?last=1"), says(400))
    with pytest.raises(Unsupported):
        await tags(faulty, connect)
    assert len(faulty.asked) == 2


async def test_an_endless_list_is_an_error(faulty: Faulty, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferryman.registry.bounds._MOST_PAGES", 5)
    faulty.on(f"GET {TAGS}", *(page([str(number)], f"?last={number}") for number in range(10)))
    with pytest.raises(WrongContent, match="more than 5 pages"):
        await tags(faulty, connect)
    assert len(faulty.asked) == 5


async def test_googles_document_behind_a_redirect_and_over_pages(
    faulty: Faulty, elsewhere: Faulty, connect: Connect
) -> None:
    """registry.k8s.io answers with a redirect to where the list really is; its Links count from there."""
    faulty.on(f"GET {TAGS}", says(307, Location=f"{elsewhere.url}/v2/k8s/images/app/tags/list"))
    first = says(200, {"name": "x", "tags": ["1"], "manifest": {"a": {}}}, Link='<?page=2>; rel="next"')
    elsewhere.on(
        "GET /v2/k8s/images/app/tags/list", first, says(200, {"name": "x", "tags": ["2"], "manifest": {"b": {}}})
    )
    found = await connect(logins={faulty.host: ("u", "p")}).get_tags_document(repository(faulty))
    assert found == {"name": "x", "tags": ["1", "2"], "manifest": {"a": {}, "b": {}}}
    assert [asked.query for asked in elsewhere.asked] == [{}, {"page": "2"}]
    assert {asked.authorization for asked in elsewhere.asked} == {None}


async def test_the_page_size_of_quay(faulty: Faulty, connect: Connect) -> None:
    faulty.on("GET /v2/coreos/flannel/tags/list", page(["v1"]))
    client = connect(hosts={"quay.io": RegistryOptions(endpoint=faulty.url)})
    assert [names async for names in client.list_tags(Repository("quay.io", "coreos/flannel"))] == [["v1"]]
    assert faulty.asked[0].query == {"n": "100"}


# APIs


async def test_the_api(faulty: Faulty, connect: Connect) -> None:
    faulty.on("GET /v2/x", says(200, {"results": []}))
    client = connect(hosts={"docker.io": RegistryOptions(api=faulty.url)})
    assert await client.get_api("docker.io", "/v2/x", query={"page_size": "100"}, bearer="b") == {"results": []}
    assert faulty.asked[0].query == {"page_size": "100"}
    assert faulty.asked[0].authorization == "Bearer b"
    with pytest.raises(Unsupported, match="has no tag API"):
        await client.get_api("ghcr.io", "/x", query={})


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (says(401), Denied),
        (says(403, {"message": "too deep"}), Denied),
        (says(404), NotFound),
        (says(200, b"<"), WrongContent),
    ],
)
async def test_errors_of_the_api(faulty: Faulty, connect: Connect, answer: Handler, error: type[TransferError]) -> None:
    faulty.on("GET /x", answer)
    with pytest.raises(error):
        await connect(hosts={"docker.io": RegistryOptions(api=faulty.url)}).get_api("docker.io", "/x", query={})


async def test_a_refused_sign_in_is_remembered(faulty: Faulty, connect: Connect) -> None:
    faulty.on("POST /auth", says(401, {"detail": "Incorrect authentication credentials"}))
    client = connect(hosts={"docker.io": RegistryOptions(api=faulty.url)}, logins={"docker.io": ("me", "s3cr3t")})
    for _ in range(2):
        with pytest.raises(TransferError, match="the login of 'me' was refused") as raised:
            await client.post_api("docker.io", "/auth", body={"identifier": "me", "secret": "s3cr3t"})
        assert raised.value.kind == "login"
    assert json.loads(faulty.asked[0].body) == {"identifier": "me", "secret": "s3cr3t"}
    assert len(faulty.asked) == 1


# Around


async def test_no_secret_is_in_errors_or_logs(
    faulty: Faulty, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Every error along a login, with all that led to it, and everything that is logged meanwhile."""
    caplog.set_level(logging.DEBUG)
    challenge = f'Bearer realm="{faulty.url}/token?key=s3cr3t"'
    faulty.on("GET /token", says(200, {"token": "s3cr3t"}))
    faulty.on("GET /x", stalls())
    client = connect(logins={faulty.host: ("me", "s3cr3t")}, timeouts=SHORT)
    told = [repr(client)]
    moved = says(307, Location="/x?sig=s3cr3t")
    for answer in (says(401, WWW_Authenticate=challenge), moved, says(500), cuts(), says(429)):
        faulty.on(f"GET {PATH}", answer)
        with pytest.raises(TransferError) as raised:
            await client.get_manifest(reference(faulty))
        told += traceback.format_exception(raised.value)
    assert faulty.times("GET", "/token") > 0
    assert faulty.times("GET", "/x") > 0
    told += [record.getMessage() for record in caplog.records if record.name != "aiohttp.access"]  # the server's own
    assert "s3cr3t" not in "".join(told)


def test_no_value_shows_a_secret() -> None:
    url = URL("https://quay.io/v2/")
    request = Request("POST", url, {}, b"s3cr3t").authorised("Bearer s3cr3t")
    spec = RequestSpec(Host.resolve("quay.io", RegistryOptions()), request, "its API")
    answer = Response(200, url, CIMultiDictProxy(CIMultiDict()), b"s3cr3t")
    assert "s3cr3t" not in repr([request, spec, answer, Grant("s3cr3t", timedelta(1))])
