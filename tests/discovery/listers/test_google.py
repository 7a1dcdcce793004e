"""Google: one request, the inverted map, and malformed maps."""

from typing import Any

import pytest
from aiohttp import web

from ferryman.discovery.base import UpstreamTag
from ferryman.discovery.listers.google import GoogleLister
from ferryman.errors import NotFound
from tests.discovery.conftest import Connect
from tests.discovery.support import PAUSE, names_of, tags_of, walk
from tests.support.upstreams import NOON, Google, made_up_digest

NAME = "google/pause"
LIST = f"GET /v2/{NAME}/tags/list"


async def test_one_request_lists_everything(google: Google, connect: Connect) -> None:
    names = google.fill(NAME, 5000)
    found = tags_of(await walk(GoogleLister(await connect({"gcr.io": google})), PAUSE))
    assert sorted(tag.name for tag in found) == sorted(names)
    assert all(tag.digest == google.digest(NAME, tag.name) and tag.pushed_at for tag in found)
    assert google.asked(beginning="GET /v2/google/") == 1


async def test_every_name_of_a_manifest_counts(google: Google, connect: Connect) -> None:
    for name in ("latest", "another"):
        google.put(NAME, name, digest=made_up_digest("one"))
    found = tags_of(await walk(GoogleLister(await connect({"gcr.io": google})), PAUSE))
    assert {tag.name: tag for tag in found} == {
        name: UpstreamTag(name, made_up_digest("one"), NOON, since=NOON) for name in ("latest", "another")
    }


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"tags": ["1", "2"]}, [UpstreamTag("1"), UpstreamTag("2")]),
        ({"tags": ["1"], "manifest": None}, [UpstreamTag("1")]),
        (
            {"tags": ["1", 2, None, "a/b"], "manifest": {"sha256:x": {"tag": ["3"]}, made_up_digest("1"): []}},
            [UpstreamTag("1")],
        ),
        (
            {"tags": None, "manifest": {made_up_digest("1"): {"tag": ["1", None, "a b"], "timeUploadedMs": "soon"}}},
            [UpstreamTag("1", made_up_digest("1"), None)],
        ),
        (
            {"tags": ["1", "2"], "manifest": {made_up_digest("1"): {"tag": ["1"], "timeCreatedMs": "1777636800000"}}},
            [UpstreamTag("1", made_up_digest("1"), NOON), UpstreamTag("2")],
        ),
        ({"tags": [], "manifest": {made_up_digest("1"): {"tag": None}}}, []),
    ],
)
async def test_what_is_missing_or_malformed_is_unknown(
    google: Google, connect: Connect, document: Any, expected: list[UpstreamTag]
) -> None:
    google.answers[LIST] = lambda: web.json_response({"name": NAME} | document)
    assert tags_of(await walk(GoogleLister(await connect({"gcr.io": google})), PAUSE)) == expected


async def test_the_images_own_time_says_nothing_of_how_long_it_is_there(google: Google, connect: Connect) -> None:
    google.put(NAME, "1")
    manifest = {"tag": ["1"], "timeCreatedMs": "1577836800000"}
    document = {"name": NAME, "tags": ["1"], "manifest": {made_up_digest("1"): manifest}}
    google.answers[LIST] = lambda: web.json_response(document)
    [tag] = tags_of(await walk(GoogleLister(await connect({"gcr.io": google})), PAUSE))
    assert (tag.pushed_at is None, tag.since) == (False, None)


async def test_a_repository_without_tags_is_empty(google: Google, connect: Connect) -> None:
    google.answers[LIST] = lambda: web.json_response({"name": NAME, "tags": None})
    assert names_of(await walk(GoogleLister(await connect({"gcr.io": google})), PAUSE)) == []


async def test_a_folder_without_tags_names_what_is_in_it(google: Google, connect: Connect) -> None:
    folder = {"child": ["pause", "etcd", "kube-proxy", "addon", 7], "manifest": {}, "name": NAME, "tags": []}
    google.answers[LIST] = lambda: web.json_response(folder)
    with pytest.raises(NotFound, match=r"is a folder .* gcr\.io/google/pause/etcd, .* and 1 more"):
        await walk(GoogleLister(await connect({"gcr.io": google})), PAUSE)


@pytest.mark.parametrize("tags", [["1"], []])
async def test_a_repository_with_others_below_it_is_no_folder(
    google: Google, connect: Connect, tags: list[str]
) -> None:
    manifests: dict[str, Any] = {} if tags else {made_up_digest("untagged"): {"tag": []}}
    google.answers[LIST] = lambda: web.json_response({"child": ["sub"], "manifest": manifests, "tags": tags})
    assert names_of(await walk(GoogleLister(await connect({"gcr.io": google})), PAUSE)) == tags
