"""Lists of referrers: by the API, or under a referrers tag."""

import asyncio
import json
from typing import Any

import pytest

from ferryman.errors import Denied, Unsupported, WrongContent
from ferryman.manifests.manifest import Manifest, digest_of
from ferryman.manifests.referrers import Referrer, listed_in, referrers_fingerprint, referrers_in, with_more
from ferryman.reference import Repository, referrers_tag
from tests.registry.conftest import Connect
from tests.support.clock import ManualClock
from tests.support.faulty import Faulty, says
from tests.support.images import OCI_INDEX, OCI_MANIFEST
from tests.support.upstreams import made_up_digest

SUBJECT, ONE, TWO, THREE = (made_up_digest(name) for name in ("subject", "one", "two", "three"))
PATH = f"/v2/a/image/referrers/{SUBJECT}"
TAG = f"/v2/a/image/manifests/{SUBJECT.replace(':', '-')}"


def entry(digest: str) -> dict[str, Any]:
    return {"mediaType": OCI_MANIFEST, "digest": digest, "size": 2, "artifactType": "application/vnd.example"}


def index(*digests: str, **more: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [entry(digest) for digest in digests], **more}


def manifest(document: dict[str, Any]) -> Manifest:
    body = json.dumps(document).encode()
    return Manifest(body, OCI_INDEX, digest_of(body))


def image(server: Faulty) -> Repository:
    return Repository(server.host, "a/image")


async def test_all_pages_are_read_and_nothing_is_filtered(faulty: Faulty, connect: Connect) -> None:
    faulty.on(
        f"GET {PATH}",
        says(200, index(ONE, TWO), Content_Type=OCI_INDEX, Link=f'<{PATH}?token=x>; rel="next"'),
        says(200, index(TWO, THREE), Content_Type=OCI_INDEX),
    )

    found = await connect().list_referrers(image(faulty).pinned(SUBJECT))

    assert found == [Referrer(digest, entry(digest)) for digest in (ONE, TWO, THREE)]
    assert [asked.query for asked in faulty.asked] == [{}, {"token": "x"}]


@pytest.mark.parametrize("status", [404, 400, 405])
async def test_a_registry_without_the_api_gives_none(faulty: Faulty, connect: Connect, status: int) -> None:
    faulty.on(f"GET {PATH}", says(status, b"404 page not found"))
    assert await connect().list_referrers(image(faulty).pinned(SUBJECT)) is None


async def test_an_empty_list_is_an_answer(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", says(200, index()))
    assert await connect().list_referrers(image(faulty).pinned(SUBJECT)) == []


async def test_an_incomplete_list_is_an_error(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", says(200, index(ONE), Link='<http://elsewhere.example.com/>; rel="next"'))
    with pytest.raises(Unsupported, match="not followed"):
        await connect().list_referrers(image(faulty).pinned(SUBJECT))


async def test_a_denied_list_is_no_missing_api(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", says(403))
    with pytest.raises(Denied):
        await connect().list_referrers(image(faulty).pinned(SUBJECT))


NO_LISTS = {
    "a web page": says(200, b"<!doctype html><title>Sign in</title>", Content_Type="text/html"),
    "an array": says(200, [1]),
    "a greeting": says(200, {"message": "hello"}),
    "no array": says(200, {"schemaVersion": 2, "manifests": {"a": 1}}),
    "an image": says(200, {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "manifests": []}, Content_Type=OCI_MANIFEST),
    "nothing": says(200, b""),
}


@pytest.mark.parametrize("answer", NO_LISTS)
async def test_an_answer_that_is_no_list_means_no_api(faulty: Faulty, connect: Connect, answer: str) -> None:
    faulty.on(f"GET {PATH}", NO_LISTS[answer])
    assert await connect().list_referrers(image(faulty).pinned(SUBJECT)) is None


async def test_an_answer_that_is_no_list_is_an_error_of_a_registry_with_the_api(
    faulty: Faulty, connect: Connect
) -> None:
    client = connect()
    faulty.on(f"GET {PATH}", says(200, index(ONE)), NO_LISTS["a web page"])
    await client.list_referrers(image(faulty).pinned(SUBJECT))
    with pytest.raises(WrongContent):
        await client.list_referrers(image(faulty).pinned(SUBJECT))


async def test_a_second_page_that_is_no_list_is_an_error(faulty: Faulty, connect: Connect) -> None:
    following = says(200, index(ONE), Link=f'<{PATH}?token=x>; rel="next"')
    faulty.on(f"GET {PATH}", following, NO_LISTS["a greeting"])
    with pytest.raises(WrongContent, match="no list"):
        await connect().list_referrers(image(faulty).pinned(SUBJECT))


async def test_a_registry_without_the_api_is_asked_once_a_day(
    faulty: Faulty, connect: Connect, clock: ManualClock
) -> None:
    client, subjects = connect(), [made_up_digest(f"{number}") for number in range(24)]

    async def ask_for_all() -> None:
        asked = [client.list_referrers(Repository(faulty.host, f"a/{each[-4:]}").pinned(each)) for each in subjects]
        assert await asyncio.gather(*asked) == [None] * 24

    await ask_for_all()
    await ask_for_all()
    assert len(faulty.asked) == 1
    clock.advance(25 * 3600)
    await ask_for_all()
    assert len(faulty.asked) == 2
    clock.advance(-400 * 24 * 3600)  # set back: nobody knows when it was asked
    await ask_for_all()
    assert len(faulty.asked) == 3


async def test_a_refusal_for_one_image_is_no_missing_api(faulty: Faulty, connect: Connect) -> None:
    client = connect()
    faulty.on(f"GET {PATH}", says(200, index(ONE)), says(404), says(200, index(TWO)))
    found = [await client.list_referrers(image(faulty).pinned(SUBJECT)) for _ in range(3)]
    assert [each is None for each in found] == [False, True, False]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
async def test_a_referrers_tag_that_is_the_image_lists_nothing(
    faulty: Faulty, connect: Connect, algorithm: str
) -> None:
    body = json.dumps(index(ONE, TWO)).encode()
    tag = referrers_tag(digest_of(body, algorithm))
    faulty.on(f"GET /v2/a/image/manifests/{tag}", says(200, body, Content_Type=OCI_INDEX))
    assert await connect().tagged_referrers(image(faulty).tagged(tag)) == []


async def test_a_referrers_tag_that_names_an_image_lists_nothing(faulty: Faulty, connect: Connect) -> None:
    document = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": {}, "layers": []}
    faulty.on(f"GET {TAG}", says(200, document, Content_Type=OCI_MANIFEST))
    assert await connect().tagged_referrers(image(faulty).tagged(TAG.rpartition("/")[2])) == []


async def test_a_referrers_tag_lists_them_too(faulty: Faulty, connect: Connect) -> None:
    tag = image(faulty).tagged(SUBJECT.replace(":", "-"))
    assert await connect().tagged_referrers(tag) == []
    faulty.on(f"GET {TAG}", says(200, index(ONE), Content_Type=OCI_INDEX))
    assert await connect().tagged_referrers(tag) == [Referrer(ONE, entry(ONE))]


@pytest.mark.parametrize("answer", [{}, {"OCI-Subject": SUBJECT}])
async def test_a_push_shows_whether_a_registry_lists_referrers(
    faulty: Faulty, connect: Connect, answer: dict[str, str]
) -> None:
    plain, referring = manifest({"schemaVersion": 2}), manifest({"schemaVersion": 2, "subject": entry(SUBJECT)})
    client = connect()
    for each in (plain, referring):
        faulty.on(f"PUT /v2/a/image/manifests/{each.digest}", says(201, **answer))
    await client.put_manifest(image(faulty).pinned(plain.digest), plain)
    assert client.capabilities(faulty.host).lists_referrers
    await client.put_manifest(image(faulty).pinned(referring.digest), referring)
    assert client.capabilities(faulty.host).lists_referrers == bool(answer)


@pytest.mark.parametrize("listed", [None, 1, {}, [1], [{}], [{"digest": 1}], [{"digest": "sha256:x"}], [None]])
def test_malformed_entries_are_left_out(listed: object) -> None:
    assert referrers_in({"manifests": listed}) == []


def test_a_complete_list_stays_byte_for_byte() -> None:
    written = manifest(index(ONE, TWO, annotations={"a": "b"}))
    assert with_more(written, [Referrer(TWO, entry(TWO))]) is written


def test_missing_referrers_are_added_and_the_rest_kept() -> None:
    joined = with_more(
        manifest(index(ONE, annotations={"a": "b"})), [Referrer(each, entry(each)) for each in (ONE, TWO)]
    )
    assert json.loads(joined.body) == index(ONE, TWO, annotations={"a": "b"})
    assert joined.digest == digest_of(joined.body)
    assert [each.digest for each in listed_in(with_more(None, listed_in(joined, tag="x")), tag="x")] == [ONE, TWO]


def test_the_fingerprint_ignores_the_order() -> None:
    one, two = Referrer(ONE, {}), Referrer(TWO, {})
    assert referrers_fingerprint([]) == ""
    assert referrers_fingerprint([one, two]) == referrers_fingerprint([two, one])
    assert len({referrers_fingerprint([one]), referrers_fingerprint([two]), referrers_fingerprint([one, two])}) == 3
