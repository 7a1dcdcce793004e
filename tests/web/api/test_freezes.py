"""A frozen item on its page and in the API: why, what only its target has any more, and the release."""

import json

import pytest

from ferryman.clock import SystemClock
from ferryman.store.records import ItemKey
from tests.support.freezing import freeze
from tests.support.upstreams import made_up_digest
from tests.web.api.test_actions import ETCD, audit, done
from tests.web.support import READ_TOKEN, TOKEN, Site, bearer

PAGE = f"/items/{ETCD}"
FOUND = made_up_digest("poison")


@pytest.fixture
async def frozen(api: Site) -> Site:
    [item, _] = api.app.configuration.items
    key = ItemKey(item.name, str(item.source), ETCD, None)
    lost = ("v3.6.0", "v3.6.4")
    await freeze(api.app.record.ledger, key, *lost, now=SystemClock().now(), reason="changed", found=FOUND)
    return api


async def read(site: Site, path: str) -> dict[str, object]:
    async with site.http.get(f"/api/v1{path}", headers=bearer(READ_TOKEN)) as answer:
        assert answer.status == 200
        found: dict[str, object] = json.loads(await answer.text())
        return found


async def test_the_api_tells_it_and_releases_it(frozen: Site) -> None:
    item = await read(frozen, "/items/etcd")
    assert isinstance(item["freeze"], dict)
    assert (item["freeze"]["reason"], item["freeze"]["wanted"], item["freeze"]["left"]) == ("changed", 2, 0)
    first = await read(frozen, "/items/etcd/lost?limit=1")
    second = await read(frozen, str(first["next"]).removeprefix("/api/v1"))
    assert [each["tag"] for page in (first, second) for each in page["entries"]] == ["v3.6.0", "v3.6.4"]  # type: ignore[attr-defined]
    assert {each["found_digest"] for page in (first, second) for each in page["entries"]} == {FOUND}  # type: ignore[attr-defined]
    waiting = await read(frozen, "/waiting?item=etcd")
    assert {each["waits_for"] for each in waiting["entries"]} == {"frozen"}  # type: ignore[attr-defined]
    overview = await read(frozen, "/overview")
    assert "etcd frozen: all of upstream changed at once" in json.dumps(overview["verdict"])

    assert await done(frozen, "/items/etcd/release") == {"released": True}
    assert await done(frozen, "/items/etcd/release") == {"released": False}
    assert (await read(frozen, "/items/etcd"))["freeze"] is None
    assert (await read(frozen, "/items/etcd/lost"))["entries"] == []
    assert ("token", "release", ETCD, None) in await audit(frozen)
    assert list(await frozen.app.record.look_requests.pending()) == [ETCD]


async def test_its_page_shows_it_and_asks_before_the_release(frozen: Site) -> None:
    await frozen.log_in(TOKEN)
    assert '<span class="badge frozen">frozen</span>' in (await frozen.get("/")).text
    page = (await frozen.get(PAGE)).text
    assert "Only your target has these as they were" in page
    assert page.count("v3.6.0</a>") >= 1
    form = {"form_token": await frozen.form_token(PAGE), "item": ETCD, "next": PAGE}
    asked = await frozen.post("/actions/release", form)
    assert "Accept what upstream of etcd has now?" in asked.text
    assert await frozen.app.record.freezes.frozen()
    assert (await frozen.post("/actions/release", {**form, "confirmed": "yes"})).location == PAGE
    page = (await frozen.get(PAGE)).text
    assert "etcd is released: the next look takes what upstream has." in page
    assert "Only your target has these" not in page
    await frozen.post("/actions/release", {**form, "confirmed": "yes"})
    assert "etcd is not frozen." in (await frozen.get(PAGE)).text


async def test_a_requeue_says_that_the_item_is_frozen(frozen: Site) -> None:
    await frozen.log_in(TOKEN)
    form = {"form_token": await frozen.form_token(PAGE), "item": ETCD, "next": PAGE, "confirmed": "yes"}
    await frozen.post("/actions/requeue", form)
    assert "An item of these is frozen, and nothing of it is copied." in (await frozen.get(PAGE)).text
