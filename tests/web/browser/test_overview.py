"""The overview in a real browser: what a person sees, and what changes while they look."""

from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from ferryman.events import JobEnded, JobInfo, JobProgressed, JobStarted
from ferryman.web.pages import overview
from tests.web.browser.conftest import OpenTab
from tests.web.support import Site
from tests.web.test_pages import ITEM, enqueue

pytestmark = pytest.mark.asyncio(loop_scope="session")
JOB = JobInfo("key", ITEM.name, ITEM.source, ITEM.target, "1", 1)


async def test_it_follows_what_happens_without_a_reload(
    start_site: Callable[..., Awaitable[Site]],
    visit: Callable[[Site], OpenTab],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overview, "_INTERVAL", 0.0)
    site = await start_site()
    async with visit(site)() as tab:
        page = tab.page
        await page.goto("/")
        await expect(page.get_by_role("region", name="Verdict")).to_contain_text("Nothing is recorded yet")
        await expect(page.get_by_text("Nothing is copied or listed now.")).to_be_visible()
        await enqueue(site, "1", "2")
        row = page.get_by_role("row", name="etcd")
        await expect(row.get_by_role("cell").nth(2)).to_have_text("2")
        await expect(page.get_by_role("region", name="Verdict")).to_contain_text("2 tags are queued")

        site.app.events.emit(JobStarted(JOB))
        site.app.events.emit(JobProgressed(JOB, "copy:a", 40, 100))
        bar = page.get_by_role("progressbar", name="etcd:1")
        await expect(bar).to_have_attribute("value", "0.400")
        site.app.events.emit(JobProgressed(JOB, "copy:a", 90, 100))
        await expect(bar).to_have_attribute("value", "0.900")
        site.app.events.emit(JobEnded(JOB, "synced"))
        await expect(bar).to_have_count(0)

        await row.get_by_role("link", name="2").click()
        assert page.url == f"{site.url}/items/etcd?status=queued"


async def test_a_reader_finds_an_item_without_scripts(
    start_site: Callable[..., Awaitable[Site]], visit: Callable[[Site], OpenTab]
) -> None:
    site = await start_site(
        items="defaults: {target: r.example/m/}\nitems: [{source: quay.io/a/etcd}, {source: quay.io/b/redis}]"
    )
    async with visit(site)(scripts=False) as tab:
        page = tab.page
        await page.goto("/")
        await page.get_by_role("searchbox").fill("B/RED")
        await page.get_by_role("button", name="Find").click()
        assert await page.locator("table.items tbody").get_by_role("rowheader").all_inner_texts() == [
            "redis\nquay.io/b/redis"
        ]
        await page.get_by_role("link", name="All").click()
        assert await page.locator("table.items tbody tr").count() == 1, "the text stays"
