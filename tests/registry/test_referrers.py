"""What refers to a manifest, as registries list it: by their API, or under a tag."""

import json
from typing import Any

import pytest

from ferryman.errors import Denied, Unsupported, WrongContent
from ferryman.reference import Repository
from ferryman.registry.manifests import Manifest, digest_of
from ferryman.registry.referrers import Referrer, fingerprint, listed_in, referrers_in, with_more
from tests.registry.conftest import Connect
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
async def test_a_registry_without_the_api_says_nothing(faulty: Faulty, connect: Connect, status: int) -> None:
    faulty.on(f"GET {PATH}", says(status, b"404 page not found"))
    assert await connect().list_referrers(image(faulty).pinned(SUBJECT)) is None


async def test_an_empty_list_is_an_answer(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", says(200, index()))
    assert await connect().list_referrers(image(faulty).pinned(SUBJECT)) == []


async def test_half_a_list_is_none(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", says(200, index(ONE), Link='<http://elsewhere.example.com/>; rel="next"'))
    with pytest.raises(Unsupported, match="not followed"):
        await connect().list_referrers(image(faulty).pinned(SUBJECT))


async def test_what_may_not_be_read_is_no_missing_api(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", says(403))
    with pytest.raises(Denied):
        await connect().list_referrers(image(faulty).pinned(SUBJECT))


async def test_what_is_no_list(faulty: Faulty, connect: Connect) -> None:
    faulty.on(f"GET {PATH}", says(200, [1]))
    with pytest.raises(WrongContent, match="no list"):
        await connect().list_referrers(image(faulty).pinned(SUBJECT))


async def test_a_tag_lists_them_too(faulty: Faulty, connect: Connect) -> None:
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
    assert client.abilities(faulty.host).lists_referrers
    await client.put_manifest(image(faulty).pinned(referring.digest), referring)
    assert client.abilities(faulty.host).lists_referrers == bool(answer)


@pytest.mark.parametrize("listed", [None, 1, {}, [1], [{}], [{"digest": 1}], [{"digest": "sha256:x"}], [None]])
def test_entries_that_make_no_sense_are_left_out(listed: object) -> None:
    assert referrers_in({"manifests": listed}) == []


def test_a_list_that_has_everything_stays_byte_for_byte() -> None:
    written = manifest(index(ONE, TWO, annotations={"a": "b"}))
    assert with_more(written, [Referrer(TWO, entry(TWO))]) is written


def test_what_is_missing_is_added_and_all_else_kept() -> None:
    joined = with_more(
        manifest(index(ONE, annotations={"a": "b"})), [Referrer(each, entry(each)) for each in (ONE, TWO)]
    )
    assert json.loads(joined.body) == index(ONE, TWO, annotations={"a": "b"})
    assert joined.digest == digest_of(joined.body)
    assert [each.digest for each in listed_in(with_more(None, listed_in(joined)))] == [ONE, TWO]


def test_the_fingerprint_is_that_of_a_set() -> None:
    one, two = Referrer(ONE, {}), Referrer(TWO, {})
    assert fingerprint([]) == ""
    assert fingerprint([one, two]) == fingerprint([two, one])
    assert len({fingerprint([one]), fingerprint([two]), fingerprint([one, two])}) == 3
