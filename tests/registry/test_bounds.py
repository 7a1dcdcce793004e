"""Limits of lists: too many names, pages or values."""

import json
from typing import Any

import pytest
from aiohttp import web

from ferryman.discovery.base import TagLister
from ferryman.discovery.listers.choose import lister_for
from ferryman.errors import Unsupported, WrongContent
from ferryman.kinds import ListerName
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient
from ferryman.registry_options import RegistryOptions
from tests.registry.conftest import Connect
from tests.support.faulty import Faulty, Handler, says

TAGS = "/v2/a/b/tags/list"
HUB = "/v2/repositories/a/b/tags"
QUAY = "/api/v1/repository/a/b/tag/"
DIGEST = f"sha256:{'0' * 64}"


def names(first: int, number: int) -> list[str]:
    return [f"v{each}" for each in range(first, first + number)]


def pages_of_names(size: int) -> Handler:
    """Without end: each page has `size` names of its own."""

    async def answer(request: web.Request) -> web.StreamResponse:
        first = int(request.query.get("last", "0"))
        link = f'<?last={first + size}>; rel="next"'
        return web.json_response({"tags": names(first, size)}, headers={"Link": link})

    return answer


def pages_of_the_hub(size: int) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        first = int(request.query["page"]) * size
        results = [
            {"name": name, "digest": DIGEST, "last_updated": "2026-01-01T00:00:00Z"} for name in names(first, size)
        ]
        return web.json_response({"results": results, "next": "more"})

    return answer


def pages_of_quay(size: int) -> Handler:
    async def answer(request: web.Request) -> web.StreamResponse:
        first = int(request.query["page"]) * size
        tags = [{"name": name, "manifest_digest": DIGEST, "start_ts": 1} for name in names(first, size)]
        return web.json_response({"tags": tags, "has_additional": True})

    return answer


def of_google(manifests: int, tags_each: int) -> Handler:
    manifest = {
        f"sha256:{number:064}": {"tag": names(number * tags_each, tags_each), "timeUploadedMs": "1"}
        for number in range(manifests)
    }
    return says(200, {"tags": [], "manifest": manifest})


def at(faulty: Faulty, connect: Connect, **options: Any) -> RegistryClient:
    return connect(hosts={faulty.host: RegistryOptions(api=faulty.url, **options)})


async def all_names(lister: TagLister, faulty: Faulty) -> list[str]:
    return [tag.name async for page in lister.pages(Repository(faulty.host, "a/b")) for tag in page.tags]


@pytest.mark.parametrize(
    ("lister", "path", "handler"),
    [
        ("oci", TAGS, pages_of_names(100)),
        ("oci", TAGS, says(200, {"tags": names(0, 100_000)})),  # in one page
        ("dockerhub", HUB, pages_of_the_hub(100)),
        ("quay", QUAY, pages_of_quay(100)),
        ("google", TAGS, of_google(1200, 1)),
        ("google", TAGS, of_google(1, 1200)),
        ("google", TAGS, pages_of_names(100)),
    ],
)
async def test_more_tags_than_a_repository_may_have(
    faulty: Faulty, connect: Connect, lister: ListerName, path: str, handler: Handler
) -> None:
    faulty.on(f"GET {path}", handler)
    client = at(faulty, connect, most_tags=1000)
    with pytest.raises(Unsupported, match=r"tags of a/b: lists more than 1,000 tags: refused; `most_tags:`"):
        await all_names(lister_for(faulty.host, client=client, override=lister), faulty)
    assert len(faulty.asked) <= 11


@pytest.mark.parametrize(
    ("lister", "path", "handler"),
    [
        ("oci", TAGS, says(200, {"tags": names(0, 25_000)})),
        ("google", TAGS, of_google(25_000, 1)),
    ],
)
async def test_a_large_repository_is_read_whole(
    faulty: Faulty, connect: Connect, lister: ListerName, path: str, handler: Handler
) -> None:
    faulty.on(f"GET {path}", handler)
    client = at(faulty, connect)
    assert await all_names(lister_for(faulty.host, client=client, override=lister), faulty) == names(0, 25_000)


async def test_pages_without_new_entries_end_the_list(faulty: Faulty, connect: Connect) -> None:
    async def nothing(request: web.Request) -> web.StreamResponse:
        number = int(request.query.get("last", "0")) + 1
        return web.json_response({"tags": ["no tag!"]}, headers={"Link": f'<?last={number}>; rel="next"'})

    faulty.on(f"GET {TAGS}", nothing)
    client = at(faulty, connect)
    with pytest.raises(WrongContent, match="100 pages without anything new"):
        await all_names(lister_for(faulty.host, client=client, override="oci"), faulty)
    assert len(faulty.asked) == 100


@pytest.mark.parametrize("value", ["[]", "{}", "0", '""', "null", '{"a":1}', "[[]]"])
async def test_small_values_are_counted_before_parsing(faulty: Faulty, connect: Connect, value: str) -> None:
    faulty.on(f"GET {TAGS}", says(200, f'{{"tags": [], "more": [{",".join([value] * 20_000)}]}}'.encode()))
    client = at(faulty, connect, most_tags=1000)
    with pytest.raises(Unsupported, match="more than 1,000 tags"):
        await all_names(lister_for(faulty.host, client=client, override="oci"), faulty)


async def test_referrers_without_end(faulty: Faulty, connect: Connect) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        first = int(request.query.get("last", "0"))
        found = [
            {
                "digest": f"sha256:{first + each:064}",
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "size": 2,
            }
            for each in range(2500)
        ]
        body = json.dumps({"schemaVersion": 2, "manifests": found}).encode()
        headers = {
            "Link": f'<?last={first + 2500}>; rel="next"',
            "Content-Type": "application/vnd.oci.image.index.v1+json",
        }
        return web.Response(body=body, headers=headers)

    faulty.on(f"GET /v2/a/b/referrers/{DIGEST}", answer)
    with pytest.raises(Unsupported, match="lists more than 10,000 referrers"):
        await at(faulty, connect).list_referrers(Repository(faulty.host, "a/b").pinned(DIGEST))
    assert len(faulty.asked) == 5
