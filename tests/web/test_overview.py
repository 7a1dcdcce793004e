"""The overview, as it comes over HTTP: its numbers, its filter, its parts, and what it asks the database."""

import json
import random
from datetime import timedelta
from typing import Any

import pytest

from ferryman.item_names import named
from ferryman.operations.pauses import pause_work
from ferryman.operations.verdict import read_verdict
from ferryman.registry.limits.concurrency import ConcurrencyLimit
from ferryman.registry.limits.host_limits import PresentLimits
from ferryman.registry.limits.quota import Quota
from ferryman.store.ledger import Ledger
from ferryman.store.queue.queue import Queue
from ferryman.store.records import HistoryLine, ItemKey
from ferryman.views.verdict_sentences import in_words
from ferryman.web import live
from ferryman.web.item_rows import row_id
from ferryman.web.pages import overview
from tests.store.queries.plans import captured
from tests.store.queries.random_events import ITEMS, RandomEvents, all_rows
from tests.store.scene import LEASE, MAX_ATTEMPTS, ManualClock, Scene
from tests.web.conftest import StartSite
from tests.web.reading import element, item_row, texts
from tests.web.support import TOKEN, Site, bearer
from tests.web.test_pages import ITEM, enqueue
from tests.web.test_streams import event

THREE = "items:\n" + "".join(f"  - {{source: {each.source}, target: {each.target}}}\n" for each in ITEMS)


async def happening(site: Site, number: int, *, seed: int = 7) -> Scene:
    """Let so many random events happen to three items, at a time that only the test moves."""
    clock, database = ManualClock(), site.app.record.database
    site.app.clock = clock
    queue = Queue(database, owner="me", clock=clock, lease=LEASE, max_attempts=MAX_ATTEMPTS)
    scene = Scene(queue, Ledger(database, clock=clock), clock)
    await RandomEvents(scene, random.Random(seed)).happen(number)
    return scene


async def refuse_login(scene: Scene) -> str:
    """Let the source registry of the first item refuse the login. Returns its host."""
    registry = ITEMS[0].source.partition("/")[0]
    await scene.queue.pause(registry, until=None, error="the login is refused")
    return registry


def counted(rows: list[Any], refusing: str, target: str | None = None) -> dict[str, int]:
    """What the overview must say, counted row by row; `refusing`: the only registry that refuses the login."""
    own = [row for row in rows if target in {None, row.target}]
    held = sum(row.status == "queued" and refusing in {row.source_registry, row.target_registry} for row in own)
    numbers = {
        "Synced": sum(row.status == "synced" for row in own),
        "Queued": sum(row.status == "queued" for row in own) - held,
        "Running": sum(row.status == "running" for row in own),
        "Failed": sum(row.status == "failed" for row in own),
        "Held": held,
    }
    return {"Wanted": sum(numbers.values()), **numbers}


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
async def test_its_numbers_are_those_of_the_database(start_site: StartSite, seed: int) -> None:
    site = await start_site(items=THREE)
    scene = await happening(site, 80, seed=seed)
    refusing = await refuse_login(scene)
    page, rows = (await site.get("/")).text, await all_rows(site.app.record.database)

    of_all = counted(rows, refusing)
    assert of_all["Held"]
    for item in ITEMS:
        cells = item_row(page, row_id(item.target))
        assert {name: int(cells[name]) for name in of_all} == counted(rows, refusing, item.target)
    totals = element(page, "verdict").partition("</section>")[0]
    shown = dict(zip(of_all, [int(each.partition("<")[0]) for each in totals.split("<dd>")[1:]], strict=True))
    assert shown == of_all
    items = named(site.app.configuration.items)
    verdict = await read_verdict(site.app.record, items, now=scene.clock.now())
    assert in_words(verdict.worst).lower() in texts(page, "class")["verdict-headline"].lower()


async def test_it_reads_no_whole_table(start_site: StartSite) -> None:
    site = await start_site(items=THREE)
    await happening(site, 60)
    with captured(site.app.record.database) as statements:
        assert (await site.get("/?state=failing&text=e")).status == 200

    plans = await statements.plans(site.app.record.database)
    assert len(plans) > 10
    assert [step for step in plans if step.startswith(("SCAN tags", "SCAN attempts"))] == []


async def test_many_items_come_in_pages_and_are_found(start_site: StartSite) -> None:
    items = "defaults: {target: registry.example.com/m/}\nitems:\n" + "".join(
        f"  - {{source: quay.io/team{n % 7}/app{n}}}\n" for n in range(230)
    )
    site = await start_site(items=items)
    failing = ItemKey("app7", "quay.io/team0/app7", "registry.example.com/m/app7", None)
    await site.app.record.ledger.note_lookup_failure(failing, "<broken>", now=site.app.clock.now(), kind="denied")

    first, last = (await site.get("/")).text, (await site.get("/?page=3")).text
    assert [first.count('<tr id="item-'), last.count('<tr id="item-')] == [100, 30]
    assert "Page 1 of 3" in first
    assert (await site.get("/?page=99999")).text.count('<tr id="item-') == 30, "the last one"
    found = (await site.get("/?text=TEAM3/App10")).text
    assert found.count('<tr id="item-') == 3, "10, 101 and 108"
    broken = (await site.get("/?state=failing")).text
    assert broken.count('<tr id="item-') == 1
    assert "&lt;broken&gt;" in broken
    assert texts(broken, "class")["chip failing"] == "Failing 1"
    assert "No item is like that." in (await site.get("/?text=nowhere")).text
    assert (await site.get("/?page=x&state=y")).text.count('<tr id="item-') == 100


async def test_an_item_tells_its_looks_to_a_screen_reader_too(site: Site) -> None:
    await enqueue(site, "1")
    await site.app.record.ledger.note_lookup_failure(ITEM, "no route", now=site.app.clock.now(), kind="unreachable")

    cell = item_row((await site.get("/")).text, row_id(ITEM.target))["Last looks"]

    assert cell.endswith("not looked at: no route")


async def test_a_paused_item_and_registry_say_so(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_TOKEN=TOKEN)
    await pause_work(site.app.record, [("item", ITEM.target), ("registry", "quay.io")], actor="cli:me@here")
    page = (await site.get("/", headers={**bearer(TOKEN), "Accept": "text/html"})).text

    assert item_row(page, row_id(ITEM.target))["Next look"] == "not while it is paused"
    assert "quay.io paused" in texts(page, "class")["card registry paused"]
    assert texts(page, "class")["chip paused"] == "Paused 1"
    assert "Pause everything" in page


async def test_a_refused_login_can_be_tried_by_those_who_may_act(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_TOKEN=TOKEN, FERRYMAN_READ_TOKEN="public")
    await site.app.record.queue.pause("quay.io", until=None, error="401 <i>")
    public = (await site.get("/")).text
    acting = (await site.get("/", headers={**bearer(TOKEN), "Accept": "text/html"})).text

    for page in (public, acting):
        assert "refuses the login" in texts(page, "class")["card registry refused"]
        assert "401 &lt;i&gt;" in page
    assert 'formaction="/actions/try-login" name="registry" value="quay.io"' in acting
    assert "/actions/" not in public
    assert 'name="form_token"' not in public.partition("<main")[2]


async def test_quotas_and_slots_of_every_process_are_on_the_card(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    now = site.app.clock.now()
    quota = Quota(200, 6, timedelta(hours=6), seen_at=now, since=now)
    limits = [PresentLimits("quay.io", 4, 2, quota)]
    monkeypatch.setattr(site.app.registry, "present_limits", lambda: limits)
    await enqueue(site, "1", "2", "3")

    card = texts((await site.get("/")).text, "class")["card registry fine"]

    assert "At once now: 4 requests, 2 copies" in card
    assert "6 of 200 pulls are left" in card
    assert "Enough for 1 of the 3 queued tags; for all of them in 7 minutes." in card


async def test_only_what_has_changed_is_sent(start_site: StartSite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_TICK", 0.01)
    monkeypatch.setattr(overview, "_INTERVAL", 0.0)
    site = await start_site(items=THREE)
    await happening(site, 30)
    etcd = ITEMS[0]
    async with site.http.get("/live/overview", headers={"Accept-Language": "zh"}) as response:
        await event(response)
        first = [(await event(response))["data"] for _ in range(8)]
        assert [next(iter(texts(each, "id"))) for each in first[:3]] == ["moving", "verdict", "items-found"]
        assert "正在进行" in first[0]
        line = HistoryLine("imported", "Unknown", None)
        await site.app.record.ledger.import_history(etcd, [line], now=site.app.clock.now())
        changed = [(await event(response))["data"] for _ in range(2)]

    assert {next(iter(texts(each, "id"))) for each in changed} == {"verdict", row_id(etcd.target)}
    assert "form_token" not in "".join(first), "it would be another reader's"


async def test_how_many_copies_each_process_allows_itself(site: Site) -> None:
    """Of this process as it is, of others as they said in their last heartbeats; one without workers says nothing."""
    app = site.app
    app.window = ConcurrencyLimit(6)
    await app.record.services.heartbeat(app.owner.name, "run")
    await app.record.services.heartbeat("far@elsewhere", "worker", details={"copies_limit": 12, "jobs": []})
    await app.record.services.heartbeat("other@elsewhere", "scheduler", details={"copies_limit": None})

    page = (await site.get("/")).text

    assert texts(page, "id")["moving"].startswith("Moving now Copies: 0 of at most 18")
    services = element(page, "services")
    assert [services.count(f"0 of at most {number}") for number in (6, 12)] == [1, 1]
    documents = json.loads((await site.get("/api/v1/services", headers={"Accept": "application/json"})).text)["entries"]
    found = {each["role"]: (each["copies"], each["copies_limit"]) for each in documents}
    assert found == {"run": (0, 6), "worker": (0, 12), "scheduler": (None, None)}
