"""The page of activity: every attempt with filters, and what people did."""

import pytest

from ferryman.clock import SystemClock
from ferryman.store.records import Intent
from tests.support.upstreams import made_up_digest
from tests.web.conftest import StartSite
from tests.web.support import TOKEN, Site
from tests.web.test_actions import fail
from tests.web.test_pages import enqueue
from tests.web.test_waiting import names


@pytest.fixture
async def site(start_site: StartSite) -> Site:
    """Tags v0 to v2, of which v0 was copied, v1 failed, and v2 is tried again."""
    site = await start_site(FERRYMAN_TOKEN=TOKEN)
    await site.log_in(TOKEN)
    await enqueue(site, "v0", "v1", "v2")
    job = await site.app.record.queue.claim()
    assert job is not None
    await site.app.record.queue.succeed(
        job, started_at=SystemClock().now(), target_digest=made_up_digest("t"), identical=True,
        bytes_moved=3 * 1024, bytes_reused=2 * 1024,
    )  # fmt: skip
    await fail(site, kind="denied")
    await fail(site, kind="unreachable", retry=True)
    return site


async def test_attempts_are_listed_newest_first_and_paged(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ferryman.web.pages.activity._ROWS", 2)
    first = (await site.get("/activity")).text
    assert names(first) == ["etcd:v2", "etcd:v1"]
    following = first.partition('rel="next" href="')[2].partition('"')[0].replace("&amp;", "&")
    second = (await site.get(f"/activity{following}")).text
    assert names(second) == ["etcd:v0"]
    assert "3 KiB" in second
    assert "To the beginning" in second
    assert (await site.get("/activity?after=broken")).status == 400


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("outcome=synced", ["etcd:v0"]),
        ("outcome=failed", ["etcd:v2", "etcd:v1"]),
        ("kind=denied", ["etcd:v1"]),
        ("text=V2", ["etcd:v2"]),
        ("item=etcd&text=0", ["etcd:v0"]),
        ("item=unknown", []),
        ("text=%3Cscript%3E", []),
        ("outcome=nonsense", ["etcd:v2", "etcd:v1", "etcd:v0"]),
    ],
)
async def test_attempts_are_filtered(site: Site, query: str, found: list[str]) -> None:
    text = (await site.get(f"/activity?{query}")).text
    assert names(text) == found
    assert ("No attempt fits." in text) == (found == [])


async def test_what_people_did_is_listed_newest_first_and_paged(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = (await site.get("/activity/actions")).text
    assert "Nobody has done anything yet" in empty
    assert '<a href="/activity" aria-current="true">' in empty
    monkeypatch.setattr("ferryman.web.pages.activity._ROWS", 2)
    for number, subject in enumerate(("first", "everything", "quay.io")):
        await site.app.record.actions.note(Intent("cli:me@host", "resume", subject, "why <i>"), number=number)

    first = (await site.get("/activity/actions", headers={"Accept-Language": "zh"})).text
    assert [part in first for part in ("quay.io", "全部任务", "恢复", "cli:me@host", "why &lt;i&gt;", ">2</td>")] == [
        True
    ] * 6
    following = first.partition('rel="next" href="')[2].partition('"')[0]
    second = (await site.get(f"/activity/actions{following}")).text
    assert ">first</th>" in second
    assert "quay.io" not in second
    assert (await site.get("/activity/actions?before=x")).status == 400
