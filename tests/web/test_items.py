"""The page of an item, as it comes over HTTP: its tags, its filter, its rules, and what it asks the database."""

import random
from typing import get_args

import pytest
from yarl import URL

from ferryman.page_links import item_path, tag_path
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Intent, Status
from tests.signatures.conftest import RECORDED
from tests.store.queries.plans import captured
from tests.store.queries.random_events import ITEMS, all_rows
from tests.support.damage import damage
from tests.support.upstreams import made_up_digest
from tests.web.conftest import StartSite
from tests.web.reading import texts
from tests.web.support import TOKEN, Site
from tests.web.test_overview import THREE, counted, happening, refuse_login
from tests.web.test_pages import ITEM, enqueue

RULED = """\
items:
  - source: quay.io/coreos/etcd
    target: registry.example.com/m/
    limit: 20
    order: version
    tags: {include: ['v3<.*', 'x'], exclude: ['.*-rc'], pin: [latest]}
    platforms: [linux/amd64, linux/arm64]
    transport: direct
    referrers: true
"""


def rows(page: str) -> list[str]:
    """The names of the tags in the table, in its order."""
    cells = page.partition('id="tags"')[2].split('<th scope="row">')[1:]
    return [cell.partition('">')[2].partition("<")[0] for cell in cells]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_its_numbers_are_those_of_the_database(start_site: StartSite, seed: int) -> None:
    site = await start_site(items=THREE)
    refusing = await refuse_login(await happening(site, 80, seed=seed))
    known = await all_rows(site.app.record.database)
    for item in ITEMS:
        page = (await site.get(item_path(item.target))).text
        own = [row for row in known if row.target == item.target]
        shown = [int(each.partition("<")[0]) for each in page.partition("</dl>")[0].split("<dd>")[1:]]
        skipped = sum(row.status == "skipped" for row in own)
        assert shown == [*counted(known, refusing, item.target).values(), skipped]
        for status in get_args(Status):
            found = rows((await site.get(f"{item_path(item.target)}?status={status}")).text)
            assert sorted(found) == sorted(row.tag for row in own if row.status == status)


async def test_it_reads_no_whole_table(start_site: StartSite) -> None:
    site = await start_site(items=THREE)
    await happening(site, 60)
    address = item_path(ITEMS[0].target)
    with captured(site.app.record.database) as statements:
        for query in ("", "?status=failed&text=1&sort=-pushed", "?reason=excluded&sort=attempts", "?kind=denied"):
            assert (await site.get(address + query)).status == 200

    plans = await statements.plans(site.app.record.database)
    assert [step for step in plans if step.startswith(("SCAN tags", "SCAN attempts"))] == []


async def test_the_filter_and_the_order_stand_in_the_address(site: Site) -> None:
    names = [f"1.{number}.0" for number in range(130)]
    await enqueue(site, *random.Random(5).sample(names, len(names)))

    first = (await site.get("/items/etcd?status=queued&text=1.&sort=version")).text
    assert rows(first) == names[:100]
    following = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    assert {"status", "text", "sort", "after"} == set(URL(following).query)
    second = (await site.get(f"/items/etcd{following}")).text
    assert rows(second) == names[100:]
    assert "To the first page" in second
    assert '<option value="queued" selected>' in first
    assert rows((await site.get("/items/etcd?text=1.12")).text) == [f"1.12{n}.0" for n in range(9, -1, -1)] + ["1.12.0"]
    assert "No tag is like that." in (await site.get("/items/etcd?reason=nothing")).text
    assert rows((await site.get("/items/etcd?reason=excluded")).text) == ["left-out"]
    assert (await site.get("/items/etcd?after=%00")).status == 400


async def test_held_tags_are_found_by_the_link_of_their_number_and_queued_again(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_TOKEN=TOKEN)
    await site.log_in(TOKEN)
    await enqueue(site, "1", "2")
    await site.app.record.queue.pause("quay.io", until=None, error="401")

    overview, held = (await site.get("/")).text, (await site.get("/items/etcd?status=held")).text
    assert '<a href="/items/etcd?status=held">2</a>' in overview
    assert rows(held) == ["2", "1"]
    assert '<option value="held" selected>held (2)</option>' in held
    assert '<option value="queued">queued (2)</option>' in held
    assert "waits for the end of a pause (2)" in held
    assert rows((await site.get("/items/etcd?reason=paused")).text) == ["2", "1"]
    assert rows((await site.get("/items/etcd?reason=new")).text) == []

    form = {"form_token": await site.form_token("/items/etcd"), "item": "etcd", "status": "held", "confirmed": "yes"}
    assert (await site.post("/actions/requeue", form)).status == 303
    assert (await site.app.record.actions.list())[0].number == 2
    assert rows((await site.get("/items/etcd?status=held")).text) == []


async def test_what_a_person_has_paused_is_found_by_its_reason(site: Site) -> None:
    await enqueue(site, "1", "2")
    await site.app.record.manual_pauses.pause("item", ITEM.target, intent=Intent("me", "pause", ITEM.target))

    assert rows((await site.get("/items/etcd?reason=paused")).text) == ["2", "1"]
    assert rows((await site.get("/items/etcd?status=queued")).text) == ["2", "1"]
    assert rows((await site.get("/items/etcd?status=held")).text) == []


async def test_it_shows_what_is_damaged_at_the_target(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_TOKEN=TOKEN)
    await enqueue(site, "1")
    job = await site.app.record.queue.claim()
    assert job is not None
    now, ours, theirs = site.app.clock.now(), made_up_digest("ours"), made_up_digest("theirs")
    await site.app.record.queue.succeed(
        job, started_at=now, target_digest=ours, identical=True, bytes_moved=1, bytes_reused=0
    )
    await site.log_in(TOKEN)
    assert 'id="damage"' not in (await site.get("/items/etcd")).text
    await damage(site.app.record.database, site.app.clock, ITEM.target, "1", "changed", found=theirs)

    page, tag, overview = [(await site.get(path)).text for path in ("/items/etcd", "/items/etcd/tags/1", "/")]

    for text in (page, tag):
        assert "somebody else has overwritten it at the target" in text
        assert theirs in text
    assert "Also what somebody else has overwritten" in page
    assert "Somebody else has overwritten 1 tag of 1 item at the target" in overview


async def test_it_says_why_each_tag_is_where_it_is(site: Site) -> None:
    await enqueue(site, "1")
    job = await site.app.record.queue.claim()
    assert job is not None
    await site.app.record.queue.fail(
        job, started_at=site.app.clock.now(), kind="denied", error="<b>403", retry_at=None, registry="quay.io"
    )
    page = (await site.get("/items/etcd")).text

    assert '<span title="&lt;b&gt;403">not allowed by the registry</span>' in page
    assert "a pattern of <code>exclude</code> leaves it out" in page
    assert "exclude 中的模式排除" in (await site.get("/items/etcd", headers={"Accept-Language": "zh"})).text.replace(
        "<code>", ""
    ).replace("</code>", "")


async def test_it_has_its_rules_in_words(start_site: StartSite) -> None:
    site = await start_site(items=RULED)
    page = (await site.get("/items/etcd")).text

    rules = texts(page, "aria-labelledby")["rules"]
    for sentence in (
        "Includes tags whose whole name matches one of these v3<.* x",
        "Excludes but none whose whole name matches one of these .*-rc",
        "Of these the newest 20 by version",
        "Pinned always mirrored, and not counted latest",
        "Platforms linux/amd64",
        "Copied directly, from registry to registry",
        "With signatures, attestations and SBOMs",
    ):
        assert sentence in rules
    assert "v3&lt;.*" in page


@pytest.mark.parametrize(
    ("key", "sentence"),
    [
        (
            "tags: {immutable: v1.*}",
            "Asked once a week whether it has moved, if the whole name matches one of these v1.*",
        ),
        (
            "on_change: hold",
            "not copied until a person decides, if the whole name matches one of these v?\\d+\\.\\d+\\.\\d+.*",
        ),
        ("on_change: copy", "Changed whatever upstream changes is copied"),
        ("probe: always", "Asked whether it has moved: every tag in every cycle"),
        ("min_age: 72h", "Waits until upstream has a digest for 3 days"),
        ("verify: {every: 14d}", "Verified every tag at the target, once in 2 weeks"),
        ("history: 7d", "Kept what a tag named before, for 1 week"),
        ("prune: {after: 7d, most: 5%}", "Removed what these rules no longer want, after 1 week and at most 5% a day"),
        (
            "prune: {foreign: true}",
            "a day Removed likewise what others have put at the target",
        ),
        ("protect: .*-lts", "Protected never removed, if the whole name matches one of these .*-lts"),
    ],
)
async def test_each_rule_has_its_sentence(start_site: StartSite, key: str, sentence: str) -> None:
    item = f"items: [{{source: quay.io/coreos/etcd, target: registry.example.com/m/, {key}}}]"
    site = await start_site(items=item)
    assert sentence in texts((await site.get("/items/etcd")).text, "aria-labelledby")["rules"]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (
            "{issuer: 'https://i.example', subject: a<b}",
            "Signed by one of these, otherwise not copied a<b (https://i.example)",
        ),
        (f"{{key: '{RECORDED}/p256.pub'}}", f"Signed by one of these, otherwise not copied {RECORDED}/p256.pub"),
        (
            f"{{missing: warn, any: [{{notation: '{RECORDED}', subject: CN=me}}, {{notation: '{RECORDED}'}}]}}",
            f"Signed by one of these, or by nobody at all CN=me ({RECORDED}) {RECORDED}",
        ),
    ],
)
async def test_it_tells_who_has_to_have_signed(start_site: StartSite, rule: str, sentence: str) -> None:
    item = f"items: [{{source: quay.io/coreos/etcd, target: registry.example.com/m/, verify_signatures: {rule}}}]"
    page = (await (await start_site(items=item)).get("/items/etcd")).text
    assert sentence in texts(page, "aria-labelledby")["rules"]
    assert "a<b" not in page


async def test_the_tags_that_it_shows_can_be_queued_again_together(start_site: StartSite) -> None:
    site = await start_site(FERRYMAN_TOKEN=TOKEN)
    await enqueue(site, "1.0", "1.1", "2.0")
    queue: Queue = site.app.record.queue
    for _ in range(3):
        job = await queue.claim()
        assert job is not None
        await queue.fail(job, started_at=site.app.clock.now(), kind="denied", error="no", retry_at=None)
    await site.log_in(TOKEN)
    fields = {"form_token": await site.form_token("/items/etcd"), "item": ITEM.target, "text": "1.", "status": "failed"}
    asked = await site.post("/actions/requeue", fields)
    done = await site.post("/actions/requeue", {**fields, "confirmed": "yes"})

    assert "Queue 2 tags again" in asked.text
    assert done.status == 303
    known = await all_rows(site.app.record.database)
    assert {row.tag: row.status for row in known if row.tag != "left-out"} == {
        "1.0": "queued", "1.1": "queued", "2.0": "failed",
    }  # fmt: skip


async def test_what_a_look_would_do_is_asked_of_the_source(start_site: StartSite) -> None:
    """Nothing listens there: that is told on the page that waits for it, and the item's page does not wait."""
    site = await start_site(items="items: [{source: 127.0.0.1:1/coreos/etcd, target: r.example/m/}]")
    answer = await site.get("/items/etcd/plan")

    assert 'data-part="plan"' in (await site.get("/items/etcd")).text
    assert answer.status == 200
    assert "127.0.0.1:1" in texts(answer.text, "class")["alert bad"]


@pytest.mark.parametrize("name", ["etcd", "registry.example.com/m/etcd", "quay.io/coreos/etcd"])
async def test_an_item_is_found_by_each_of_its_names(site: Site, name: str) -> None:
    for path in (item_path(name), f"/items/{name.replace('/', '%2F')}"):
        assert '<code class="name">quay.io/coreos/etcd</code>' in (await site.get(path)).text


async def test_what_is_not_there_is_told_with_what_may_be_meant(site: Site) -> None:
    await enqueue(site, "1.22.3", "1.22.4")
    item = await site.get("/items/etdc")
    tag = await site.get("/items/etcd/tags/1.22.9%3Cb%3E")

    assert (item.status, tag.status) == (404, 404)
    assert '<a class="name" href="/items/registry.example.com/m/etcd">etcd</a>' in item.text
    assert '<a class="name" href="/items/etcd/tags/1.22.4">etcd:1.22.4</a>' in tag.text
    assert "1.22.9&lt;b&gt;" in tag.text
    assert (await site.get("/items/etdc", headers={"Accept": "application/json"})).status == 404


async def test_items_of_one_name_are_told_apart_by_their_targets(start_site: StartSite) -> None:
    items = "items: [{source: quay.io/a/app, target: r.example/a/}, {source: quay.io/b/app, target: r.example/tags/}]"
    site = await start_site(items=items)
    both = await site.get("/items/app")

    assert both.status == 404
    for target in ("r.example/a/app", "r.example/tags/app"):
        path = item_path(target)
        assert f'href="{path}"' in both.text
        assert f'<code class="name">{target}</code>' in (await site.get(path)).text
    assert "r.example/tags/app</code>" in (await site.get("/items/r.example/tags/app")).text


def test_addresses_hold_any_name() -> None:
    assert item_path("r.example:5000/a/b") == "/items/r.example:5000/a/b"
    assert item_path("r/tags/b", {"text": "a&b"}) == "/items/r%2Ftags%2Fb?text=a%26b"
    assert tag_path("a?b", "v1+x") == "/items/a%3Fb/tags/v1%2Bx"
