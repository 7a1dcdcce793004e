"""Whole items are verified in bounded steps, go on where they were interrupted, and never find what is not so."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from aiohttp import web
from sqlalchemy import update

from ferryman.errors import LoginRefused
from ferryman.kinds import Depth, Repair
from ferryman.reference import Repository
from ferryman.store.database.tables import tags
from ferryman.store.records import Checked, ItemKey, PlannedTag, SeenTag, Walk
from ferryman.store.verifications import Verifications, WantedVerification
from ferryman.verification.examination import Examination
from ferryman.verification.run import Run
from ferryman.verification.verifier import Tell, Verified
from tests.support.faulty import Faulty, says
from tests.support.images import OCI_MANIFEST, Image, Index, index, push
from tests.support.proxy import FaultyProxy
from tests.support.serving import clean_up
from tests.support.upstreams import made_up_digest
from tests.support.workplace import tiny
from tests.verification.faults import fail_at
from tests.verification.site import Site
from tests.verification.test_repair import layers_of

MOST = 40  # requests of a verification below; it takes about a dozen


class Stopped(Exception):
    """The process is killed."""


@pytest.fixture
def run_of(site: Site) -> Callable[..., Run]:
    """What a process would make at its start."""

    async def unpaused(_: str) -> None: ...

    def make(depth: Depth = "tags", repair: Repair = "nothing", check_pause: object = unpaused) -> Run:
        return Run(
            site.verifier, Examination(site.workplace.client, depth), repair,
            checks=site.checks, runs=Verifications(site.database, clock=site.workplace.clock),
            check_pause=check_pause, clock=site.workplace.clock, actor="cli:me@here",  # type: ignore[arg-type]
        )  # fmt: skip

    return make


def quiet(*_: object) -> None: ...


async def mirrored(site: Site, target: Repository, number: int) -> None:
    """So many tags on record, which no test has copied."""
    now, names = site.workplace.clock.now(), [f"v{each}" for each in range(number)]
    await site.workplace.queue.apply(
        ItemKey("app", str(site.source), str(target), None),
        [SeenTag(name, made_up_digest(name), now) for name in names], gone=(),
        planned=[PlannedTag(name, "adopt", "up-to-date") for name in names], walk=Walk(now, now, "rules"),
    )  # fmt: skip
    async with site.database.write() as connection:
        await connection.execute(update(tags).values(target_digest=tags.c.source_digest))


class Counting:
    """A target that has every tag on record, and counts its requests."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.flying = self.most = 0
        self.host = ""

    async def __aenter__(self) -> "Counting":
        self._runner = web.ServerRunner(web.Server(self._answer))
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.host = f"127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await clean_up(self._runner)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        self.flying += 1
        self.most = max(self.most, self.flying)
        await asyncio.sleep(0)  # the others come in between
        self.flying -= 1
        digest = made_up_digest(request.path.rpartition("/")[2])
        return web.Response(headers={"Docker-Content-Digest": digest, "Content-Type": OCI_MANIFEST})


@pytest.mark.slow
@pytest.mark.no_cover
async def test_ten_thousand_tags_take_one_request_each_eight_at_once(site: Site, run_of: Callable[..., Run]) -> None:
    async with Counting() as server:
        target, found = Repository(server.host, "m/app"), Verified()
        await mirrored(site, target, 10_000)

        await run_of().item(target, found, tell=quiet)

    assert (found.checked, found.damaged, found.unreadable) == (10_000, 0, 0)
    assert len(server.asked) == len(set(server.asked)) == 10_000
    assert server.most <= 8


async def test_a_run_that_was_killed_goes_on_where_it_stopped(site: Site, run_of: Callable[..., Run]) -> None:
    number, seen = 500, 0

    def killed(target: Repository, result: Checked) -> None:
        nonlocal seen
        seen += 1
        if seen == 300:
            raise Stopped

    async with Counting() as server:
        target = Repository(server.host, "m/app")
        await mirrored(site, target, number)
        with pytest.raises(Stopped):
            await run_of().item(target, Verified(), tell=killed)
        site.workplace.clock.advance(3600)
        found = Verified()

        since = await run_of().item(target, found, tell=quiet)

        assert len(server.asked) == len(set(server.asked)) == number
        assert found.checked < number
        assert since < site.workplace.clock.now()
        site.workplace.clock.advance(60)
        await run_of().item(target, Verified(), tell=quiet)  # ended: the next one begins anew
        assert len(server.asked) == 2 * number


async def test_a_run_that_was_interrupted_long_ago_begins_anew(site: Site) -> None:
    runs, clock = Verifications(site.database, clock=site.workplace.clock), site.workplace.clock
    wanted = WantedVerification("r.io/a", "tags", "nothing", "me")
    began = await runs.begin(wanted)
    clock.advance(3600)
    assert await runs.begin(wanted) == began
    assert await runs.begin(replace(wanted, depth="bytes")) == clock.now()
    clock.advance(timedelta(days=1).total_seconds())
    assert await runs.begin(wanted) == clock.now()
    await runs.forget_items(but={"r.io/b"})
    clock.advance(1)
    assert await runs.begin(wanted) == clock.now()


async def test_a_target_that_refuses_the_login_is_left_alone(site: Site, run_of: Callable[..., Run]) -> None:
    await site.mirror({"1": tiny("1")})

    async def paused(registry: str) -> None:
        raise LoginRefused("refused", registry=registry)

    found = Verified()
    await run_of(check_pause=paused).item(site.repository(), found, tell=quiet)

    assert (found.checked, str(found.error)) == (0, "refused")


async def test_a_target_that_answers_nothing_is_asked_ten_times(site: Site, run_of: Callable[..., Run]) -> None:
    async with Faulty() as server:
        target, found = Repository(server.host, "m/app"), Verified()
        await mirrored(site, target, 60)
        for number in range(60):
            server.on(f"HEAD /v2/m/app/manifests/v{number}", says(403))

        await run_of().item(target, found, tell=quiet)

    assert 10 <= found.unreadable < 10 + 8
    assert not await site.findings()


@pytest.mark.slow
@pytest.mark.parametrize(("depth", "status"), [("contents", 403), ("contents", 500), ("bytes", 403)])
async def test_a_fault_at_any_request_finds_nothing_that_is_not_so(
    site: Site, proxy: FaultyProxy, run_of: Callable[..., Run], depth: Depth, status: int
) -> None:
    """Two tags are whole, one is overwritten, one lacks a blob: whatever fails, each is found so, or not read."""
    damaged = tiny(f"damaged {depth} {status}")
    images: dict[str, Image | Index] = {
        "whole": tiny("whole"), "index": index([tiny("one"), tiny("two")]), "theirs": tiny("x"), "cut": damaged,
    }  # fmt: skip
    for tag, made in images.items():
        await asyncio.to_thread(push, site.target.url, site.name, tag, made)
    await asyncio.to_thread(push, site.target.url, site.name, "theirs", tiny("a stranger's"))
    site.lose_blob(layers_of(damaged)[0])
    target, expected = Repository(proxy.host, site.name), {"theirs": "changed", "cut": "incomplete"}
    now = site.workplace.clock.now()
    await site.workplace.queue.apply(
        ItemKey("app", str(site.source), str(target), None),
        [SeenTag(tag, made.digest, now) for tag, made in images.items()], gone=(),
        planned=[PlannedTag(tag, "adopt", "up-to-date") for tag in images], walk=Walk(now, now, "rules"),
    )  # fmt: skip
    async with site.database.write() as connection:
        await connection.execute(update(tags).values(target_digest=tags.c.source_digest))
    faults = 0
    for number in range(MOST):
        site.workplace.clock.advance(1)
        came = fail_at(proxy, number, status)
        found, results = Verified(), dict[str, str]()
        await run_of(depth).item(target, found, tell=noting(results))
        proxy.mend()
        faults += bool(came)
        assert results.items() <= (expected | dict.fromkeys(("whole", "index"), "intact")).items()
        assert len(results) + found.unreadable == len(images)
        assert bool(found.unreadable) <= bool(came)
        if not came:
            break
    assert faults > 10
    assert {each.tag: each.finding for each in await site.findings()} == expected


def noting(results: dict[str, str]) -> Tell:
    def note(_: Repository, each: Checked) -> None:
        results[each.held.tag] = each.damage.finding if each.damage else "intact"

    return note
