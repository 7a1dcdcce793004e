"""The results of a survey, and its cost: every request is counted."""

import re
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web

from benchmarks.access_log import AccessLog
from ferryman.discovery.base import UpstreamTag
from ferryman.discovery.listers.choose import lister_for
from ferryman.discovery.survey import Survey, survey
from ferryman.errors import Denied, NotFound, TransferError, Unreachable
from ferryman.items.model import Order, Rules
from ferryman.planner import RuleSelector
from ferryman.platforms import Platform
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient
from tests.discovery.conftest import Connect
from tests.discovery.support import FLANNEL, NGINX, PAUSE
from tests.support import images
from tests.support.processes import RegistryServer
from tests.support.referrers import signature
from tests.support.upstreams import NOON, DockerHub, Google, Quay, Upstream, made_up_digest

OTHER = images.image([], platform="linux/s390x")
HUB_LIST = f"GET /v2/repositories/{NGINX.name}/tags"
Known = Mapping[str, UpstreamTag]


def selection(limit: int = 9999, order: Order = "newest", *, exclude: str = "", pin: str = "") -> RuleSelector:
    rules = Rules(
        limit, exclude=tuple(map(re.compile, exclude.split())), pin=tuple(map(re.compile, pin.split())), order=order
    )
    return RuleSelector(rules, None, Platform.parse("linux/amd64"))


async def look(
    client: RegistryClient,
    repository: Repository,
    known: Known | None = None,
    *,
    by: RuleSelector | None = None,
    complete: bool = False,
) -> Survey:
    return await survey(
        lister=lister_for(repository.registry, client=client), client=client, repository=repository,
        known=known or {}, selector=by or selection(), complete=complete,
    )  # fmt: skip


def by_name(found: Survey) -> dict[str, UpstreamTag]:
    return {tag.name: tag for tag in found.tags}


# A repository that is listed newest first


async def test_a_quiet_cycle_over_a_hub_repository_costs_one_request(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NGINX.name, 5000)
    client = await connect({"docker.io": hub})
    first = await look(client, NGINX)
    assert (len(first.tags), first.complete, hub.asked()) == (5000, True, 50)
    again = await look(client, NGINX, by_name(first))
    assert hub.asked() == 51
    assert by_name(again) == by_name(first)
    assert (len(again.seen), again.gone, again.complete) == (100, frozenset(), False)


async def test_a_quiet_cycle_over_a_quay_repository_costs_one_request(quay: Quay, connect: Connect) -> None:
    quay.fill(FLANNEL.name, 5000)
    client = await connect({"quay.io": quay})
    first = await look(client, FLANNEL)
    await look(client, FLANNEL, by_name(first))
    assert quay.asked() == 51


async def test_any_cycle_over_a_google_repository_costs_one_request(google: Google, connect: Connect) -> None:
    google.fill(PAUSE.name, 5000)
    client = await connect({"gcr.io": google})
    first = await look(client, PAUSE, by=selection(20))
    google.delete(PAUSE.name, "1.7")
    again = await look(client, PAUSE, by_name(first), by=selection(20))
    assert google.asked(beginning="GET /v2/google/") == 2
    assert (len(first.tags), again.gone, again.complete) == (5000, frozenset({"1.7"}), True)


async def test_what_changed_is_found_and_no_more_is_asked(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NGINX.name, 1000)
    client = await connect({"docker.io": hub})
    known = by_name(await look(client, NGINX))
    asked = hub.asked()
    hub.put(NGINX.name, "new", pushed_at=NOON + timedelta(hours=1))
    hub.put(NGINX.name, "1.7", pushed_at=NOON + timedelta(hours=2), digest=made_up_digest("changed"))
    found = by_name(await look(client, NGINX, known))
    assert hub.asked() - asked == 2  # the page with news, and the first one without
    assert {name for name, tag in found.items() if known.get(name) != tag} == {"new", "1.7"}
    assert found["1.7"].digest == made_up_digest("changed")


async def test_tags_pushed_again_unchanged_hide_nothing_behind_them(hub: DockerHub, connect: Connect) -> None:
    names = hub.fill(NGINX.name, 400)
    client = await connect({"docker.io": hub})
    known = by_name(await look(client, NGINX))
    hub.put(NGINX.name, "1.1", pushed_at=NOON + timedelta(hours=1), digest=made_up_digest("changed"))
    for minute, name in enumerate(names[:150]):
        hub.put(NGINX.name, name, pushed_at=NOON + timedelta(hours=2, minutes=minute))
    assert by_name(await look(client, NGINX, known))["1.1"].digest == made_up_digest("changed")


async def test_an_api_that_lists_oldest_first_is_walked_to_its_end(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NGINX.name, 300)
    hub.oldest_first = True
    client = await connect({"docker.io": hub})
    known = by_name(await look(client, NGINX, by=selection(20)))
    assert len(known) == 300
    hub.put(NGINX.name, "new", pushed_at=NOON + timedelta(hours=1))
    assert "new" in by_name(await look(client, NGINX, known, by=selection(20)))


async def test_a_first_walk_ends_once_the_limit_is_met(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NGINX.name, 1000)
    client = await connect({"docker.io": hub})
    found = await look(client, NGINX, by=selection(120))
    assert (len(found.tags), found.complete, hub.asked()) == (200, False, 2)


async def test_what_the_rules_leave_out_does_not_meet_the_limit(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NGINX.name, 400)
    client = await connect({"docker.io": hub})
    found = await look(
        client, NGINX, by=selection(20, exclude=r"1\.[34]\d\d 1\.2[^0]\d")
    )  # the newest that is left: 1.209
    assert (len(found.tags), hub.asked()) == (300, 3)


@pytest.mark.parametrize("by", [selection(20, "version"), selection(20, "name"), selection(20, pin=r"1\.\d")])
async def test_a_first_walk_goes_to_the_end_where_older_tags_may_be_wanted(
    hub: DockerHub, connect: Connect, by: RuleSelector
) -> None:
    hub.fill(NGINX.name, 250)
    found = await look(await connect({"docker.io": hub}), NGINX, by=by)
    assert (len(found.tags), found.complete) == (250, True)


async def test_pins_that_the_walk_did_not_reach_are_asked_for_by_name(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NGINX.name, 1000)
    client = await connect({"docker.io": hub})
    found = await look(client, NGINX, by=selection(20, pin=r"1\.1 1.1000 absent"))
    assert by_name(found)["1.1"] == UpstreamTag("1.1", hub.digest(NGINX.name, "1.1"))
    assert found.seen >= {"1.1", "1.1000"}
    assert "absent" not in by_name(found)
    heads = {line for line in hub.requests if line.startswith("HEAD")}
    assert heads == {f"HEAD /v2/{NGINX.name}/manifests/{name}" for name in ("1.1", "absent")}


async def test_only_a_complete_walk_finds_what_is_gone(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NGINX.name, 300)
    client = await connect({"docker.io": hub})
    known = by_name(await look(client, NGINX))
    hub.delete(NGINX.name, "1.5")
    assert (await look(client, NGINX, known)).gone == frozenset()
    found = await look(client, NGINX, known, complete=True)
    assert (found.gone, found.complete, len(found.tags), len(found.seen)) == (frozenset({"1.5"}), True, 299, 299)


async def test_beyond_the_depth_for_strangers_only_unknown_tags_are_asked_for(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NGINX.name, 1050)
    hub.anonymous_depth = 1000
    client = await connect({"docker.io": hub})
    first = await look(client, NGINX)
    assert all(tag.digest == hub.digest(NGINX.name, tag.name) for tag in first.tags)
    assert hub.asked(beginning="HEAD") == 50
    again = await look(client, NGINX, by_name(first), complete=True)
    assert by_name(again) == by_name(first)
    assert hub.asked(beginning="HEAD") == 50
    assert hub.asked(beginning="GET /v2/library/nginx/manifests") == 0


async def test_beyond_the_depth_nothing_is_asked_that_the_limit_leaves_out(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NGINX.name, 1050)
    hub.anonymous_depth = 500
    found = await look(await connect({"docker.io": hub}), NGINX, by=selection(400), complete=True)
    assert (len(found.tags), hub.asked(beginning="HEAD")) == (1050, 0)


async def test_a_tag_listed_without_digest_is_requested_once(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NGINX.name, 10)
    hub.edit = lambda document: document | {"results": [each | {"digest": None} for each in document["results"]]}
    client = await connect({"docker.io": hub})
    first = await look(client, NGINX)
    assert all(tag.digest == hub.digest(NGINX.name, tag.name) and tag.pushed_at for tag in first.tags)
    assert by_name(await look(client, NGINX, by_name(first))) == by_name(first)
    assert hub.asked(beginning="HEAD") == 10
    hub.put(NGINX.name, "1.3", pushed_at=NOON + timedelta(hours=1), digest=made_up_digest("changed"))
    assert by_name(await look(client, NGINX, by_name(first)))["1.3"].digest == made_up_digest("changed")


async def test_without_its_api_a_hub_repository_is_still_looked_at(hub: DockerHub, connect: Connect) -> None:
    hub.fill(NGINX.name, 30)
    client = await connect({"docker.io": hub})
    known = by_name(await look(client, NGINX))
    hub.fail(HUB_LIST, 403)
    hub.put(NGINX.name, "1.3", digest=made_up_digest("changed"))
    found = by_name(await look(client, NGINX, known))
    assert {name for name, tag in found.items() if tag != known[name]} == {"1.3"}
    assert hub.asked(beginning="GET /v2/library/nginx/manifests") == 0  # a GET would count as a pull


# A registry that lists names alone


def repository(upstream: Upstream | RegistryServer) -> Repository:
    return Repository.parse(f"{upstream.host}/a/b")


def asked_for(upstream: Upstream) -> list[str]:
    """The tags whose digests were requested, by HEAD or GET."""
    manifests = (line.partition(" /v2/a/b/manifests/")[2] for line in upstream.requests)
    return sorted({tag for tag in manifests if tag and not tag.startswith("sha256:")})


@pytest.mark.parametrize(
    ("by", "asked"),
    [
        (selection(3, "version"), {"1.50", "1.49", "1.48"}),
        (selection(3, "name", pin="1.7"), {"1.50", "1.49", "1.48", "1.7"}),
        (selection(2, "version", exclude=r"1\.(49|50)"), {"1.48", "1.47"}),
        (selection(3, "newest"), {f"1.{number}" for number in range(1, 51)}),
        (selection(3, "newest", exclude=r"1\.[1-4]\d"), {f"1.{number}" for number in (*range(1, 10), 50)}),
        (selection(), {f"1.{number}" for number in range(1, 51)}),
    ],
)
async def test_only_tags_that_may_be_chosen_are_asked_for(
    plain: Upstream, connect: Connect, by: RuleSelector, asked: set[str]
) -> None:
    plain.fill("a/b", 50)
    found = await look(await connect({}), repository(plain), by=by)
    assert asked_for(plain) == sorted(asked)
    assert len(found.tags) == len(found.seen) == 50
    assert {tag.name for tag in found.tags if tag.digest} == asked


async def test_a_tag_that_vanishes_makes_room_for_the_next(plain: Upstream, connect: Connect) -> None:
    plain.fill("a/b", 5)
    plain.fail("HEAD /v2/a/b/manifests/1.5", 404)
    known = {"1.5": UpstreamTag("1.5", made_up_digest("old"))}
    found = await look(await connect({}), repository(plain), known, by=selection(2, "version"))
    assert {tag.name for tag in found.tags if tag.digest} == {"1.4", "1.3"}
    assert (found.gone, "1.5" in found.seen) == (frozenset({"1.5"}), False)


def build(hour: int) -> images.Image:
    return images.image([], created=f"2026-01-01T{hour:02}:00:00Z")


async def test_the_newest_images_are_found_by_their_age(
    start_registry: Callable[..., RegistryServer], connect: Connect
) -> None:
    server, client = start_registry(), await connect({})
    for name, hour in {"a": 3, "b": 1, "c": 5, "d": 4}.items():
        images.push(server.url, "a/b", name, images.index([build(hour)]))
    images.push(server.url, "a/b", "e", images.image([], created="1970-01-01T00:00:00Z"))
    by = selection(2)
    found = await look(client, repository(server), by=by)
    assert [tag.name for tag in by.select(found.tags)] == ["c", "d"]
    assert by_name(found)["a"].pushed_at == datetime(2026, 1, 1, 3, tzinfo=UTC)
    assert by_name(found)["e"].pushed_at is None


async def test_a_look_asks_whether_tags_have_moved_and_a_complete_one_for_their_manifests(
    start_registry: Callable[..., RegistryServer], connect: Connect
) -> None:
    server, client = start_registry(), await connect({})
    for name in ("stays", "moves", "broken"):
        images.push(server.url, "a/b", name, build(1 if name == "stays" else 2))
    known = by_name(await look(client, repository(server)))
    images.push(server.url, "a/b", "moves", build(3))
    shutil.rmtree(server.folder / "data" / revision(build(2)))

    log = AccessLog(server)
    found = await look(client, repository(server), known)
    heads = {request.line.rpartition("/")[2]: request.status for request in log.observe() if request.discovers}
    assert heads == {"list?n=1000": 200, "stays": 304, "moves": 200, "broken": 304}
    assert by_name(found)["moves"].digest == build(3).digest
    assert found.probed == {"stays", "moves", "broken"}

    assert (await look(client, repository(server), by_name(found), complete=True)).gone == {"broken"}


def revision(image: images.Image) -> str:
    """Where a registry keeps that a repository has this manifest."""
    return f"docker/registry/v2/repositories/a/b/_manifests/revisions/{image.digest.replace(':', '/')}"


async def test_an_age_is_asked_for_once_a_digest(plain: Upstream, connect: Connect) -> None:
    for name, hour in {"a": 3, "b": 1, "c": 5}.items():
        plain.push("a/b", name, build(hour))
    plain.push("a/b", "timeless", images.image([], created="1970-01-01T00:00:00Z"))
    client = await connect({})
    known = by_name(await look(client, repository(plain), by=selection(2)))
    gets = plain.asked(beginning="GET /v2/a/b/")
    assert gets == 1 + 4 * 2  # the list, and each image's manifest and config
    plain.push("a/b", "b", build(6))
    found = by_name(await look(client, repository(plain), known, by=selection(2)))
    assert plain.asked(beginning="GET /v2/a/b/") - gets == 1 + 2
    assert (found["b"].digest, found["b"].pushed_at) == (build(6).digest, datetime(2026, 1, 1, 6, tzinfo=UTC))
    assert {name: tag for name, tag in found.items() if name != "b"} == {
        name: tag for name, tag in known.items() if name != "b"
    }


async def test_a_new_image_is_read_by_its_tag_and_a_known_one_is_only_asked_for(
    plain: Upstream, connect: Connect
) -> None:
    plain.push("a/b", "1", build(1))
    client = await connect({})
    known = by_name(await look(client, repository(plain)))
    manifest = await client.get_manifest(repository(plain).pinned(build(1).digest))  # as the copy does
    assert manifest.body == build(1).manifest
    manifests = [line for line in plain.requests if "/manifests/" in line]
    assert manifests == ["GET /v2/a/b/manifests/1"]
    plain.push("a/b", "1", build(2))
    assert by_name(await look(client, repository(plain), known))["1"].digest == build(2).digest
    assert plain.asked(beginning="HEAD /v2/a/b/manifests/1") == 1


async def test_what_is_chosen_gets_a_time_whatever_the_order(plain: Upstream, connect: Connect) -> None:
    for name in ("1", "2", "3"):
        plain.push("a/b", name, build(int(name)))
    found = by_name(await look(await connect({}), repository(plain), by=selection(2, "version")))
    assert {name: tag.pushed_at is not None for name, tag in found.items()} == {"3": True, "2": True, "1": False}


# Trouble


@pytest.mark.parametrize("status", [400, 403, 500])
async def test_one_tags_trouble_is_its_own(plain: Upstream, connect: Connect, status: int) -> None:
    plain.fill("a/b", 20)
    plain.fail("HEAD /v2/a/b/manifests/1.7", status)
    plain.fail("GET /v2/a/b/manifests/1.7", status)
    known = {"1.7": UpstreamTag("1.7", made_up_digest("old"))}
    found = await look(await connect({}), repository(plain), known)
    assert [problem.tag for problem in found.problems] == ["1.7"]
    assert isinstance(found.problems[0].error, TransferError)
    assert by_name(found)["1.7"] == known["1.7"]
    assert sum(tag.digest is not None for tag in found.tags) == 20


@pytest.mark.parametrize(("status", "error"), [(503, Unreachable), (403, Denied)])
async def test_an_outage_is_everybodys(
    plain: Upstream, connect: Connect, status: int, error: type[TransferError]
) -> None:
    for name in plain.fill("a/b", 200):
        plain.fail(f"HEAD /v2/a/b/manifests/{name}", status)
    with pytest.raises(error):
        await look(await connect({}), repository(plain))
    assert len(asked_for(plain)) < 200


@pytest.mark.parametrize("status", [500, 403])
async def test_several_broken_tags_among_others_are_no_outage(plain: Upstream, connect: Connect, status: int) -> None:
    names = plain.fill("a/b", 40)
    broken = set(names[::6])
    for name in broken:
        for method in ("HEAD", "GET"):
            plain.fail(f"{method} /v2/a/b/manifests/{name}", status)
    client = await connect({})
    found = await look(client, repository(plain))
    assert {problem.tag for problem in found.problems} == broken
    plain.forget_requests()
    again = await survey(
        lister=None, client=client, repository=repository(plain), known=by_name(found), selector=selection(),
        unread=broken,
    )  # fmt: skip
    assert {problem.tag for problem in again.problems} == broken
    assert {line.rpartition("/")[2] for line in plain.requests} == broken


async def test_a_repository_that_is_missing_is_an_error_and_not_an_empty_one(plain: Upstream, connect: Connect) -> None:
    known = {"1": UpstreamTag("1", made_up_digest("1"))}
    with pytest.raises(NotFound):
        await look(await connect({}), repository(plain), known)


async def test_a_list_of_null_is_an_empty_one(plain: Upstream, connect: Connect) -> None:
    plain.answers["GET /v2/a/b/tags/list"] = lambda: web.json_response({"name": "a/b", "tags": None})
    known = {"1": UpstreamTag("1", made_up_digest("1"))}
    found = await look(await connect({}), repository(plain), known)
    assert (found.tags, found.gone) == ((), frozenset({"1"}))


# What belongs to images


async def test_only_signatures_of_what_is_wanted_are_asked_for(plain: Upstream, connect: Connect) -> None:
    amd64, arm64 = (images.image([], platform=f"linux/{name}") for name in ("amd64", "arm64"))
    plain.push("a/b", "2", images.index([amd64, arm64]))
    signatures = {name: plain.push("a/b", *signature(made)) for name, made in (("arm64", arm64), ("other", OTHER))}
    by = RuleSelector(Rules(referrers=True), None, Platform.parse("linux/amd64"))
    client, repository = await connect({plain.host: plain}), Repository.parse(f"{plain.host}/a/b")

    found = await look(client, repository, by=by)

    tags = by_name(found)
    assert tags[signatures["arm64"].name].digest == signatures["arm64"].digest
    assert tags[signatures["other"].name].digest is None
    assert found.seen == set(tags)
    plain.forget_requests()
    await look(client, repository, by_name(found), by=by)
    assert plain.asked(beginning="GET /v2/a/b/manifests/") == 0
    assert plain.asked(beginning="HEAD ") == 2


async def test_an_index_that_cannot_be_read_is_one_tags_own_trouble(plain: Upstream, connect: Connect) -> None:
    plain.put("a/b", "2")  # nothing stands behind it
    plain.push("a/b", *signature(OTHER))
    by = RuleSelector(Rules(order="name", referrers=True), None, Platform.parse("linux/amd64"))

    found = await look(await connect({plain.host: plain}), Repository.parse(f"{plain.host}/a/b"), by=by)

    assert [problem.tag for problem in found.problems] == ["2"]
    assert by_name(found)["2"].digest is not None
