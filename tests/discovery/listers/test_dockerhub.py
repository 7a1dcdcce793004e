"""Docker Hub: pages, platforms, sign-in, and every failure of its API."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ferryman.discovery.base import UpstreamTag
from ferryman.discovery.listers.dockerhub import DockerHubLister
from ferryman.errors import LoginRefused, NotFound, RateLimited
from ferryman.platforms import Platform
from ferryman.reference import Repository
from tests.discovery.conftest import Connect
from tests.discovery.support import NGINX, names_of, tags_of, walk
from tests.support.upstreams import NOON, DockerHub, made_up_digest

NAME = "library/nginx"
LIST = f"GET /v2/repositories/{NAME}/tags"
PLAIN = f"GET /v2/{NAME}/tags/list"
SIGN_IN = "POST /v2/auth/token"


async def test_the_api_is_paged_by_the_hundred_and_asked_for_nothing_else(hub: DockerHub, connect: Connect) -> None:
    names = hub.fill(NAME, 250)
    pages = await walk(DockerHubLister(await connect({"docker.io": hub})), NGINX)
    assert [len(page.tags) for page in pages] == [100, 100, 50]
    assert all(page.newest_first for page in pages)
    assert names_of(pages) == names
    assert hub.requests == {LIST: 3}


async def test_a_tag_comes_with_digest_time_and_platforms(hub: DockerHub, connect: Connect) -> None:
    hub.put(NAME, "1", digest=made_up_digest("index"), images=[
        {"digest": made_up_digest("amd64")}, {"architecture": "arm64", "variant": "v8", "digest": None},
        {"os": "windows", "os_version": "10.0.1"}, {"os": "unknown", "architecture": "unknown"},
    ])  # fmt: skip
    [tag] = tags_of(await walk(DockerHubLister(await connect({"docker.io": hub})), NGINX))
    assert tag.digest == made_up_digest("index")
    assert tag.pushed_at == NOON.replace(microsecond=77090)
    assert tag.platforms is not None
    assert set(tag.platforms) == {Platform.parse(name) for name in ("linux/amd64", "linux/arm64", "windows/amd64")}
    assert tag.platforms[Platform.parse("linux/amd64")] == made_up_digest("amd64")
    assert tag.platforms[Platform.parse("linux/arm64")] is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"digest": None}, UpstreamTag("1", None, NOON, since=NOON)),
        ({"digest": "latest"}, UpstreamTag("1", None, NOON, since=NOON)),
        (
            {"tag_last_pushed": None},
            UpstreamTag("1", made_up_digest("1"), NOON - timedelta(days=1), since=NOON - timedelta(days=1)),
        ),
        ({"tag_last_pushed": None, "last_updated": None}, UpstreamTag("1", made_up_digest("1"), None)),
        ({"images": [{"os": "linux", "architecture": ""}]}, UpstreamTag("1", made_up_digest("1"), NOON, since=NOON)),
        ({"images": [None]}, UpstreamTag("1", made_up_digest("1"), NOON, since=NOON)),
        ({"name": None}, None),
        ({"name": "../../etc/passwd"}, None),
        ({"name": ["1"]}, None),
    ],
)
async def test_what_is_missing_or_malformed_is_unknown(
    hub: DockerHub, connect: Connect, fields: dict[str, Any], expected: UpstreamTag | None
) -> None:
    whole = {
        "name": "1", "digest": made_up_digest("1"), "images": None,
        "tag_last_pushed": "2026-05-01T12:00:00Z", "last_updated": "2026-04-30T12:00:00Z",
    }  # fmt: skip
    hub.put(NAME, "1")
    hub.edit = lambda document: document | {"results": [None, 7, "x", whole | fields]}
    assert tags_of(await walk(DockerHubLister(await connect({"docker.io": hub})), NGINX)) == (
        [expected] if expected else []
    )


async def test_a_page_in_another_order_says_so(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NAME, 150)
    hub.oldest_first = True
    pages = await walk(DockerHubLister(await connect({"docker.io": hub})), NGINX)
    assert [page.newest_first for page in pages] == [False, False]


async def test_pages_that_shift_repeat_no_tag_and_lose_none(hub: DockerHub, connect: Connect) -> None:
    names = hub.fill(NAME, 250)
    hub.before_page = lambda page: page > 1 and hub.put(NAME, f"pushed-{page}", pushed_at=datetime.now(UTC))
    pages = await walk(DockerHubLister(await connect({"docker.io": hub})), NGINX)
    assert names_of(pages) == names


async def test_an_api_that_repeats_itself_is_left_for_the_plain_list(hub: DockerHub, connect: Connect) -> None:
    names = hub.fill(NAME, 250)
    hub.always_page_one = True
    found = tags_of(await walk(DockerHubLister(await connect({"docker.io": hub})), NGINX))
    assert sorted(tag.name for tag in found) == sorted(names)
    assert [tag.digest is None for tag in found] == [False] * 100 + [True] * 150
    assert hub.requests == {LIST: 2, PLAIN: 1}


async def test_an_anonymous_walk_continues_with_names_past_the_depth_limit(hub: DockerHub, connect: Connect) -> None:
    names = hub.fill(NAME, 1500)
    hub.anonymous_depth = 1000
    pages = await walk(DockerHubLister(await connect({"docker.io": hub})), NGINX)
    found = tags_of(pages)
    assert sorted(tag.name for tag in found) == sorted(names)
    assert sum(tag.digest is None for tag in found) == 500
    assert [page.newest_first for page in pages] == [True] * 10 + [False] * 2
    assert hub.requests == {LIST: 11, PLAIN: 2}


async def test_a_user_signs_in_at_depth_and_stays_signed_in(hub: DockerHub, connect: Connect) -> None:
    names = hub.fill(NAME, 1200)
    hub.anonymous_depth, hub.login = 1000, ("user", "secret")
    lister = DockerHubLister(await connect({"docker.io": hub}, login=("user", "secret")))
    for _ in range(2):
        assert names_of(await walk(lister, NGINX)) == names
    assert hub.requests == {LIST: 13 + 12, SIGN_IN: 1}


async def test_a_user_signs_in_for_what_is_private(hub: DockerHub, connect: Connect) -> None:
    names = hub.fill(NAME, 5)
    hub.private, hub.login = True, ("user", "secret")
    assert (
        names_of(await walk(DockerHubLister(await connect({"docker.io": hub}, login=("user", "secret"))), NGINX))
        == names
    )


async def test_a_refused_sign_in_is_an_error_and_not_tried_again(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NAME, 5)
    hub.private, hub.login = True, ("user", "secret")
    lister = DockerHubLister(await connect({"docker.io": hub}, login=("user", "wrong")))
    for _ in range(2):
        with pytest.raises(LoginRefused):
            await walk(lister, NGINX)
    assert hub.requests[SIGN_IN] == 1


async def test_looks_side_by_side_sign_in_once(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NAME, 5)
    hub.private, hub.login = True, ("user", "secret")
    client = await connect({"docker.io": hub}, login=("user", "wrong"))
    lister = DockerHubLister(client)
    looks = await asyncio.gather(*(walk(lister, NGINX) for _ in range(8)), return_exceptions=True)
    assert {type(look) for look in looks} == {LoginRefused}
    assert hub.requests[SIGN_IN] == 1


async def test_what_is_missing_is_no_reason_to_sign_in_again(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NAME, 5)
    hub.private, hub.login = True, ("user", "secret")
    lister = DockerHubLister(await connect({"docker.io": hub}, login=("user", "secret")))
    await walk(lister, NGINX)
    for _ in range(2):
        with pytest.raises(NotFound):
            await walk(lister, Repository.parse("docker.io/library/none"))
    assert hub.requests[SIGN_IN] == 1


@pytest.mark.parametrize("status", [401, 403, 404, 400, 500])
async def test_an_api_that_refuses_is_left_for_the_plain_list(hub: DockerHub, connect: Connect, status: int) -> None:
    names = hub.fill(NAME, 3)
    hub.fail(LIST, status)
    assert sorted(tags_of(await walk(DockerHubLister(await connect({"docker.io": hub})), NGINX)), key=str) == [
        UpstreamTag(name) for name in sorted(names)
    ]


@pytest.mark.parametrize("document", [{}, [], None, 3, {"results": None}, {"results": {"name": "1"}}])
async def test_an_api_that_talks_nonsense_is_left_for_the_plain_list(
    hub: DockerHub, connect: Connect, document: Any
) -> None:
    names = hub.fill(NAME, 3)
    hub.edit = lambda _: document
    assert sorted(names_of(await walk(DockerHubLister(await connect({"docker.io": hub})), NGINX))) == sorted(names)


async def test_a_limit_is_kept(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NAME, 3)
    until = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=1)
    hub.limit(NAME, until)
    with pytest.raises(RateLimited) as caught:
        await walk(DockerHubLister(await connect({"docker.io": hub})), NGINX)
    assert caught.value.retry_at == until
    assert hub.requests == {LIST: 1}


async def test_what_neither_list_has_is_not_found(hub: DockerHub, connect: Connect) -> None:
    with pytest.raises(NotFound):
        await walk(DockerHubLister(await connect({"docker.io": hub})), NGINX)
