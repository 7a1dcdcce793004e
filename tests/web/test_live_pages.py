"""The pages of failures, the queue and activity keep themselves up to date."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp
import pytest

from ferryman.clock import SystemClock
from ferryman.store.database.database import Database
from ferryman.store.queries.change_stamp import read_change_stamp
from ferryman.store.records import Intent, Look, Walk
from ferryman.web import live
from ferryman.web.pages import activity, failures, waiting
from tests.store.queries.plans import captured
from tests.support.upstreams import NOON
from tests.web.conftest import StartSite
from tests.web.reading import texts
from tests.web.support import TOKEN, Site, bearer
from tests.web.test_actions import fail
from tests.web.test_pages import ITEM, enqueue
from tests.web.test_streams import event

PAUSE = Intent("cli:me@here", "pause", "everything", "the move")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_TICK", 0.01)
    for page in (activity, failures, waiting):
        monkeypatch.setattr(page, "_INTERVAL", 0.0)


@asynccontextmanager
async def following(site: Site, path: str, token: str = "") -> AsyncIterator[aiohttp.ClientResponse]:
    headers = {**bearer(token), "Accept": "text/event-stream"} if token else {}
    async with site.http.get(path, headers=headers) as response:
        await event(response)
        yield response


async def part(response: aiohttp.ClientResponse, key: str, *, saying: str) -> str:
    """The next version of this element that says so."""
    while True:
        html = (await event(response)).get("data", "")
        if next(iter(texts(html, "id")), None) == key and saying in html:
            return html


async def test_failures_come_and_go(site: Site) -> None:
    await enqueue(site, "1", "2")
    async with following(site, "/live/failures") as response:
        await part(response, "failures", saying="Nothing fails")
        await fail(site)
        html = await part(response, "failures", saying="quay.io denies access")
        await site.app.record.queue.requeue(failed=True, intent=Intent("cli:me@here", "requeue", "all"))
        await part(response, "failures", saying="Nothing fails")

    assert 'id="cause-denied-quay.io"' in html


async def test_the_queue_moves_and_keeps_its_filter(site: Site) -> None:
    await enqueue(site, "1", "2")
    async with following(site, "/live/waiting?item=etcd&lang=en") as response:
        first = await part(response, "waiting-tags", saying="etcd:1")
        await site.app.record.queue.claim()
        moved = await part(response, "waiting-tags", saying="etcd:2")
        await site.app.record.manual_pauses.pause("all", "", intent=PAUSE)
        paused = await part(response, "waiting-state", saying="Everything is paused")

    assert "etcd:2" in first
    assert "etcd:1" not in moved
    assert "the move" in paused


async def test_attempts_and_actions_appear(site: Site) -> None:
    await enqueue(site, "1")
    async with following(site, "/live/activity?outcome=failed") as response:
        await part(response, "attempts", saying="No attempt fits.")
        await fail(site)
        await part(response, "attempts", saying="etcd:1")
    async with following(site, "/live/actions") as response:
        await part(response, "actions", saying="Nobody has done anything yet")
        await site.app.record.manual_pauses.pause("all", "", intent=PAUSE)
        await part(response, "actions", saying="cli:me@here")


async def test_only_who_may_act_has_buttons_and_none_has_another_reader_s_token(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_TOKEN=TOKEN, FERRYMAN_READ_TOKEN="public")
    await enqueue(site, "1")
    await fail(site)
    async with following(site, "/live/failures", TOKEN) as response:
        acting = await part(response, "failures", saying="etcd:1")
    async with following(site, "/live/failures") as response:
        reading = await part(response, "failures", saying="etcd:1")

    assert 'action="/actions/requeue"' in acting
    assert '<input type="hidden" name="form_token" value="">' in acting
    assert '<input type="hidden" name="next" value="/failures">' in acting
    assert "<form" not in reading


@pytest.mark.parametrize("path", ["/live/waiting?after=x", "/live/activity?after=x", "/live/actions?before=x"])
async def test_a_broken_address_opens_no_stream(site: Site, path: str) -> None:
    assert (await site.get(path)).status == 400


async def test_nothing_is_read_again_while_nothing_happens(site: Site) -> None:
    """Readers of a page cost one small query for each interval."""
    await enqueue(site, "1")
    async with following(site, "/live/waiting") as response:
        await part(response, "waiting-tags", saying="etcd:1")
        with captured(site.app.record.database) as statements:
            while len(statements.seen) < 10:
                await site.app.clock.sleep(0.01)

    assert len({text for text, _ in statements.seen}) == 1, "the stamp"


async def test_a_stream_begins_with_what_is_recorded_now(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the page after an action would go back to what was before it."""
    monkeypatch.setattr(failures, "_INTERVAL", 60.0)
    await enqueue(site, "1")
    async with following(site, "/live/failures") as response:
        await part(response, "failures", saying="Nothing fails")
    await fail(site)
    async with following(site, "/live/failures") as response:
        html = (await event(response))["data"] + (await event(response))["data"]

    assert "quay.io denies access" in html


async def test_whatever_happens_changes_the_stamp(site: Site) -> None:
    """What does not would be shown half a minute late."""
    record, now = site.app.record, SystemClock().now()
    seen = [await stamp(record.database)]

    async def changes(what: str) -> None:
        seen.append(await stamp(record.database))
        assert seen[-1] not in seen[:-1], what

    await enqueue(site, "1", "2")
    walk = Walk(NOON, NOON, "rules")
    await record.queue.apply(ITEM, [], gone=(), planned=(), walk=walk, look=Look(2, complete=True))
    await changes("a look")
    await fail(site, retry=True)
    await changes("an attempt")
    job = await record.queue.claim()
    await changes("a claim")
    assert job is not None
    await record.queue.return_to_queue(job)
    await changes("a copy that was stopped")
    await record.queue.pause("quay.io", until=now + timedelta(hours=1), error="429")
    await changes("a rate limit")
    await record.queue.pause("quay.io", until=None, error="401")
    await changes("a refused login")
    await record.queue.resume("quay.io")
    await changes("its end")
    await record.manual_pauses.pause("all", "", intent=PAUSE)
    await changes("an action")
    await record.ledger.note_lookup_failure(ITEM, "no route", now=now, kind="unreachable")
    await changes("a failed look")
    await record.services.heartbeat("host 1", "worker")
    await changes("a process")
    assert await stamp(record.database) == seen[-1]


async def stamp(database: Database) -> object:
    async with database.read() as connection:
        return await read_change_stamp(connection)
