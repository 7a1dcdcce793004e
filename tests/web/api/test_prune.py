"""What the rules no longer want at a target, and its removal, in the API and on the pages."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ferryman.clock import SystemClock
from ferryman.items.model import PruneRules
from ferryman.planner import rules_fingerprint
from ferryman.store.records import ItemKey, Look, PlannedTag, SeenTag, Walk
from tests.e2e.support import tiny
from tests.support import images
from tests.support.marking import mark
from tests.support.processes import RegistryServer
from tests.support.upstreams import made_up_digest
from tests.web.api.filled import TOKENS
from tests.web.api.test_actions import act, audit, done
from tests.web.conftest import StartSite
from tests.web.reading import texts
from tests.web.support import READ_TOKEN, TOKEN, Answer, Site, bearer

PATH = "/items/app/prune"
NAMES = ("1.2", "1.1", "1.0")


@pytest.fixture
def target(start_registry: Callable[..., RegistryServer]) -> RegistryServer:
    return start_registry()


@pytest.fixture
async def site(start_site: StartSite, target: RegistryServer) -> Site:
    """All of NAMES were mirrored, and the last look went by a limit of 1."""
    item = f"{{source: 127.0.0.1:9/acme/app, target: {target.host}/m/, order: version, limit: 1}}"
    site = await start_site(items=f"items: [{item}]\n", FERRYMAN_TRANSPORT="direct", **TOKENS)
    await mirror(site, target)
    return site


async def mirror(site: Site, target: RegistryServer) -> None:
    [item] = site.app.configuration.items
    now, queue = SystemClock().now(), site.app.record.queue
    await queue.apply(
        ItemKey(item.name, str(item.source), str(item.target), None),
        [SeenTag(name, made_up_digest(name), now) for name in NAMES],
        gone=(),
        planned=[PlannedTag(name, "copy", "new", rank) for rank, name in enumerate(NAMES)],
        walk=Walk(now, now, rules_fingerprint(item.rules, item.platforms, str(item.source), item.signatures)),
        look=Look(len(NAMES), True),
    )  # fmt: skip
    while job := await queue.claim():
        digest = images.push(target.url, "m/app", job.tag, tiny(job.tag))
        await queue.succeed(job, started_at=now, target_digest=digest, identical=True, bytes_moved=7, bytes_reused=0)


async def unwanted(site: Site) -> Any:
    async with site.http.get(f"/api/v1{PATH}", headers=bearer(READ_TOKEN)) as answer:
        assert answer.status == 200
        return await answer.json()


async def test_what_may_go_is_shown_and_removed_a_part_a_day(site: Site, target: RegistryServer) -> None:
    found = await unwanted(site)
    assert found["blocked"] is None
    shown = [(each["tag"], each["stays"], each["now"], each["due_at"]) for each in found["entries"]]
    assert sorted(shown) == [("1.0", None, True, None), ("1.1", None, False, None)]

    assert await done(site, PATH) == {"removed": ["1.0"], "stayed": 0}

    assert "1.0" not in images.tags_of(target.url, "m/app")
    assert {"1.1", "1.2"} <= {*images.tags_of(target.url, "m/app")}
    assert [each["tag"] for each in (await unwanted(site))["entries"]] == ["1.1"]
    assert await done(site, PATH) == {"removed": [], "stayed": 0}
    assert [each[1] for each in await audit(site)] == ["prune"]


async def test_nothing_is_removed_while_a_person_has_paused_the_item(site: Site, target: RegistryServer) -> None:
    await done(site, "/pause", {"items": ["app"]})
    assert (await unwanted(site))["blocked"] == "paused"
    assert "nothing is removed" in (await done(site, PATH, status=409))["detail"]
    assert {*images.tags_of(target.url, "m/app")} == {*NAMES}


async def test_only_who_may_act_prunes(site: Site, target: RegistryServer) -> None:
    assert (await act(site, PATH, **bearer(READ_TOKEN))).status == 403
    assert (await act(site, "/items/nothing/prune")).status == 404
    assert {*images.tags_of(target.url, "m/app")} == {*NAMES}


async def test_a_target_that_fails_loses_nothing(site: Site, target: RegistryServer) -> None:
    target.stop()
    answer = await done(site, PATH, status=502)
    assert answer["detail"].startswith("0 removed, then: ")
    assert [each["tag"] for each in (await unwanted(site))["entries"] if each["now"]] == ["1.0"]


async def press(site: Site, **form: str) -> Answer:
    """The button of the item's page."""
    [item] = site.app.configuration.items
    page = f"/items/{item.target}"
    return await site.post(
        "/actions/prune", {"form_token": await site.form_token(page), "next": page, "item": str(item.target), **form}
    )


async def notice(site: Site) -> str:
    [item] = site.app.configuration.items
    return texts((await site.get(f"/items/{item.target}")).text, "class")["notice"]


async def test_a_page_shows_what_may_go_and_removes_it(site: Site, target: RegistryServer) -> None:
    await site.log_in(TOKEN)
    page = (await site.get("/items/app/prune")).text
    assert "Remove 1 tag now" in page
    rows = {tag: "may remove it now" in row for tag in NAMES for row in page.split("<tr>") if f">{tag}</a>" in row}
    assert rows == {"1.0": True, "1.1": False}

    assert "Remove 1 tag of app from its target? 1.0" in (await press(site)).text
    assert {*images.tags_of(target.url, "m/app")} == {*NAMES}
    assert (await press(site, confirmed="yes")).status == 303
    assert await notice(site) == "1 tag removed."
    assert "1.0" not in images.tags_of(target.url, "m/app")
    assert [each[:2] for each in await audit(site)] == [("token", "prune")]
    await press(site)
    assert await notice(site) == "Nothing of app is to go now."
    assert "Remove 1" not in (await site.get("/items/app/prune")).text


async def test_the_page_says_why_nothing_is_removed(site: Site, target: RegistryServer) -> None:
    await done(site, "/pause", {"items": ["app"]})
    await site.log_in(TOKEN)
    page = texts((await site.get("/items/app/prune")).text, "class")
    assert page["alert warn"] == "Nothing is removed: it is paused: see ferryman status"
    for form in ({}, {"confirmed": "yes"}):
        await press(site, **form)
        assert await notice(site) == "Nothing is removed: it is paused: see ferryman status"
    await done(site, "/resume", {"items": ["app"]})
    target.stop()
    await press(site, confirmed="yes")
    assert (await notice(site)).startswith("0 tags removed. Then the target failed: ")


async def test_the_page_lets_only_those_remove_who_may_act(site: Site, target: RegistryServer) -> None:
    await site.log_in(READ_TOKEN)
    page = (await site.get("/items/app/prune")).text
    assert ">1.0</a>" in page
    assert "/actions/prune" not in page
    assert (await press(site, confirmed="yes", form_token="forged")).status == 403
    assert {*images.tags_of(target.url, "m/app")} == {*NAMES}


async def test_a_registry_that_refuses_to_delete_says_so_where_an_item_is_pruned(
    site: Site, target: RegistryServer
) -> None:
    [item] = site.app.configuration.items
    await mark(site.app.record.database, SystemClock(), str(item.target), "1.0", "1.1")
    await site.app.record.blobs.note_missing_capability(target.host, "deletes")
    assert (await card(site))["undeleted"] == 0

    site.app.configuration = replace(site.app.configuration, items=(replace(item, prune=PruneRules()),))

    assert ((await card(site))["undeleted"], (await card(site))["status"]) == (2, "fine")
    assert (await card(site))["deletes_refused_at"] is not None
    await site.log_in(READ_TOKEN)
    page = (await site.get("/")).text
    assert f"{target.host} refuses to delete 2 tags of 1 item that are to go" in page
    assert (
        "Refuses to delete: 2 tags stay that are to go. Allow deleting, then <code>ferryman prune --yes</code>." in page
    )


async def card(site: Site) -> Any:
    """That of the target, which is the first one if it has troubles."""
    async with site.http.get("/api/v1/registries", headers=bearer(READ_TOKEN)) as answer:
        first, second = (await answer.json())["entries"]
    return first if first["is_target"] else second


async def test_the_page_of_the_item_shows_the_marks(site: Site) -> None:
    [item] = site.app.configuration.items
    await site.log_in(READ_TOKEN)
    assert "Goes from the target" not in (await site.get(f"/items/{item.target}")).text
    due_at = await mark(site.app.record.database, SystemClock(), str(item.target), "1.0")
    marks = (await site.get(f"/items/{item.target}")).text.partition('id="marks"')[2].partition("</section>")[0]
    assert ">1.0</a>" in marks
    assert f"{due_at:%Y-%m-%d}" in marks
