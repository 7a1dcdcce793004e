"""What an operator clicks and sees on the pages of failures, the queue and activity, in a real browser."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import expect

from ferryman.store.records import Intent
from tests.support.browser import DESKTOP, PHONE, Tab, Theme
from tests.web.browser.conftest import OpenTab
from tests.web.hostile import ITEMS, NAME, fill
from tests.web.support import TOKEN, Site
from tests.web.test_actions import fail, statuses
from tests.web.test_pages import enqueue

pytestmark = pytest.mark.asyncio(loop_scope="session")

PATHS = ("/failures", "/waiting", "/activity", "/activity/actions")


async def log_in(tab: Tab, site: Site) -> None:
    await tab.page.goto("/login?next=/failures")
    await tab.page.locator("#token").fill(TOKEN)
    await tab.page.locator("main button").click()
    await tab.page.wait_for_url(f"{site.url}/failures")


@pytest.mark.parametrize(
    ("width", "theme", "language"), [(DESKTOP, "light", "en"), (PHONE, "dark", "zh-CN")], ids=["desktop", "phone"]
)
async def test_pages_are_usable_by_everybody_and_harmless_whatever_strangers_write(
    start_site: Callable[..., Awaitable[Site]],
    visit: Callable[[Site], OpenTab],
    width: int,
    theme: Theme,
    language: str,
) -> None:
    site = await start_site(FERRYMAN_TOKEN=TOKEN, items=ITEMS)
    await fill(site.app)
    async with visit(site)(width=width, theme=theme, language=language) as tab:
        await log_in(tab, site)
        for path in PATHS:
            await tab.page.goto(path)
            await tab.page.evaluate("document.querySelectorAll('details').forEach(each => (each.open = true))")
            assert await tab.serious_findings() == [], path
            assert await tab.what_is_too_wide() == [], path
            assert await tab.page.evaluate("window.harmed") is None
            shown = await tab.page.locator("main").inner_text()
            assert "<script>window.harmed=1</script>" in shown, path
            assert "{{7*7}}" in shown, path
        assert tab.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def site(start_site: Callable[..., Awaitable[Site]]) -> Site:
    """Tags 1 and 2 are denied, 3 is missing at quay.io, 4 is tried again later, 5 is due."""
    site = await start_site(FERRYMAN_TOKEN=TOKEN)
    await enqueue(site, "1", "2", "3", "4", "5")
    await fail(site)
    await fail(site)
    await fail(site, kind="not-found")
    await fail(site, kind="unreachable", retry=True)
    return site


@pytest_asyncio.fixture(loop_scope="session", params=[True, False], ids=["scripts", "no-scripts"])
async def tab(site: Site, visit: Callable[[Site], OpenTab], request: pytest.FixtureRequest) -> AsyncIterator[Tab]:
    """Somebody who may act."""
    async with visit(site)(scripts=request.param) as opened:
        await log_in(opened, site)
        yield opened
        assert opened.complaints == []


async def test_failures_are_queued_again_one_then_a_cause_then_all(tab: Tab, site: Site) -> None:
    page = tab.page
    denied = page.locator("section.cause", has_text="quay.io denies access")
    notice = page.locator(".notice")

    await denied.get_by_role("button", name="Queue again").first.click()
    await expect(notice).to_have_text("1 tag queued.")
    await page.goto("/failures")
    await expect(notice).to_have_count(0)

    await denied.get_by_role("button", name="Queue 1 tag again").click()
    await expect(page.get_by_text("Queue 1 tag again (quay.io denies access)?").first).to_be_visible()
    await page.get_by_text("Cancel").click()
    assert sorted((await statuses(site)).values()).count("failed denied") == 1
    await denied.get_by_role("button", name="Queue 1 tag again").click()
    await page.get_by_text("Cancel").wait_for()
    await page.locator("dialog, main").last.get_by_role("button", name="Queue").first.click()
    await expect(notice).to_have_text("1 tag queued.")
    await page.goto("/failures")
    await expect(notice).to_have_count(0)  # or the next one could not be told from it

    await page.get_by_role("button", name="Queue all that failed again").click()
    await expect(page.get_by_text("Queue 1 tag again (all that failed, and what waits").first).to_be_visible()
    await page.locator("dialog, main").last.get_by_role("button", name="Queue").first.click()
    await expect(notice).to_have_text("1 tag queued.")
    assert "failed" not in " ".join((await statuses(site)).values())
    assert [(each.action, each.number) for each in await site.app.record.actions.list()] == [("requeue", 1)] * 3


async def test_the_queue_is_released_and_resumed_and_it_is_recorded_who_did_it(tab: Tab, site: Site) -> None:
    page, notice = tab.page, tab.page.locator(".notice")
    await page.goto("/waiting")
    rows = page.get_by_role("row")
    await expect(rows.nth(1)).to_contain_text("etcd:5")
    await expect(rows.nth(2)).to_contain_text("tried again after a failure: quay.io cannot be reached")

    await page.get_by_role("button", name="Release now").click()
    await expect(notice).to_have_text("1 tag queued.")
    await expect(page.get_by_text("tried again after a failure")).to_have_count(0)

    await site.app.record.manual_pauses.pause("all", "", intent=pause())
    await page.reload()
    await expect(rows.nth(1)).to_contain_text("paused by cli:me@here: the move")
    await page.get_by_role("button", name="Resume").click()
    await expect(notice).to_have_text("Goes on: everything.")

    await page.get_by_role("link", name="Activity").click()
    await page.get_by_role("link", name="What people did").click()
    table = page.get_by_role("table")
    assert [await row.inner_text() for row in await table.get_by_role("cell").all()][1:3] == ["token", "resumed"]
    await expect(table).to_contain_text("the move")


def pause() -> Intent:
    return Intent("cli:me@here", "pause", "everything", "the move")


async def test_attempts_are_filtered_by_a_form(site: Site, visit: Callable[[Site], OpenTab]) -> None:
    async with visit(site)(scripts=False) as tab:
        await log_in(tab, site)
        page = tab.page
        await page.goto("/activity")
        await page.get_by_label("Error").select_option("not-found")
        await page.get_by_label("Outcome").select_option("failed")
        await page.get_by_role("button", name="Filter").click()
        await expect(page.get_by_role("row")).to_have_count(2)
        await expect(page.get_by_role("row").last).to_contain_text("etcd:3")
        assert "kind=not-found" in page.url

        await page.get_by_label("Tag contains").fill(NAME)
        await page.get_by_role("button", name="Filter").click()
        await expect(page.get_by_text("No attempt fits.")).to_be_visible()
        await page.get_by_role("link", name="Show all").click()
        await expect(page.get_by_role("row")).to_have_count(5)
