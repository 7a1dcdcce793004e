"""Failures, the queue and activity follow what happens, and take nothing out of a reader's hand."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from ferryman.store.records import Intent
from ferryman.web import live
from ferryman.web.pages import activity, failures, waiting
from tests.support.browser import Tab
from tests.web.browser.conftest import OpenTab
from tests.web.browser.test_operating import log_in
from tests.web.support import TOKEN, Site
from tests.web.test_actions import fail, statuses
from tests.web.test_pages import enqueue

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_TICK", 0.05)
    for page in (activity, failures, waiting):
        monkeypatch.setattr(page, "_INTERVAL", 0.0)


@pytest_asyncio.fixture(loop_scope="session")
async def site(start_site: Callable[..., Awaitable[Site]]) -> Site:
    """Tag 1 is denied; 2 to 6 are due."""
    site = await start_site(FERRYMAN_TOKEN=TOKEN)
    await enqueue(site, "1", "2", "3", "4", "5", "6")
    await fail(site)
    return site


@pytest_asyncio.fixture(loop_scope="session", params=["en", "zh-CN"])
async def tab(site: Site, visit: Callable[[Site], OpenTab], request: pytest.FixtureRequest) -> AsyncIterator[Tab]:
    """Somebody who may act, and looks at the failures."""
    async with visit(site)(language=request.param) as opened:
        await log_in(opened, site)
        await is_live(opened.page)
        yield opened
        assert opened.complaints == []
        assert await opened.serious_findings() == []


async def is_live(page: Page) -> None:
    await expect(page.locator(".live-state")).to_have_attribute("data-state", "on")


async def test_every_page_shows_what_happens(tab: Tab, site: Site) -> None:
    page = tab.page
    denied = page.locator("[id='cause-denied-quay.io']")
    await expect(denied).to_contain_text("etcd:1")
    await fail(site, kind="not-found")
    await expect(page.locator("[id='cause-not-found-quay.io']")).to_contain_text("etcd:2")
    await site.app.record.queue.requeue(failed=True, intent=Intent("cli:me@here", "requeue", "all"))
    await expect(denied).to_have_count(0)
    await expect(page.locator("#all-failed button")).to_have_count(0)

    await page.goto("/waiting")
    await is_live(page)
    await expect(page.locator("#waiting-tags tbody tr")).to_have_count(6)
    await site.app.record.manual_pauses.pause("all", "", intent=Intent("cli:me@here", "pause", "everything"))
    await expect(page.locator("#pause-all-")).to_contain_text("cli:me@here")
    await site.app.record.manual_pauses.resume("all", "", intent=Intent("cli:me@here", "resume", "everything"))
    await fail(site)
    await expect(page.locator("#waiting-tags tbody tr")).to_have_count(5)

    await page.goto("/activity")
    await is_live(page)
    await expect(page.locator("#attempts tbody tr")).to_have_count(3)
    await fail(site)
    await expect(page.locator("#attempts tbody tr")).to_have_count(4)
    await page.goto("/activity/actions")
    await is_live(page)
    await site.app.record.manual_pauses.pause("all", "", intent=Intent("cli:me@here", "pause", "everything"))
    await expect(page.locator("#actions tbody tr")).to_have_count(4)


async def test_what_was_opened_or_closed_stays_so(tab: Tab, site: Site) -> None:
    """A group is open while there are few of them: here the reader has closed it."""
    page = tab.page
    details = page.locator("[id='cause-denied-quay.io-tags']")
    await details.locator("summary").click()
    await expect(details).not_to_have_attribute("open", "")
    await page.locator("h1").click()  # the focus goes
    await fail(site)
    await expect(page.locator("[id='cause-denied-quay.io']")).to_contain_text("2")
    await expect(details).not_to_have_attribute("open", "")
    await details.locator("summary").click()
    await page.locator("h1").click()
    await fail(site)
    await expect(details).to_contain_text("etcd:3")
    await expect(details).to_have_attribute("open", "")


async def test_what_has_the_focus_stays_until_it_is_left(tab: Tab, site: Site) -> None:
    page = tab.page
    await page.goto("/waiting")
    await is_live(page)
    link = page.get_by_role("link", name="etcd:2")
    await link.focus()
    await fail(site)  # etcd:2
    await expect(page.locator("#waiting-state dd").first).to_have_text("4")
    await expect(link).to_be_focused()
    await page.locator("#waiting-tags").get_by_role("link", name="etcd:4").focus()
    await expect(link).to_have_count(0)
    await expect(page.get_by_role("link", name="etcd:4")).to_be_focused()


async def test_a_selected_text_stays_selected(tab: Tab, site: Site) -> None:
    page = tab.page
    await page.goto("/waiting")
    await is_live(page)
    await page.evaluate(
        """() => {
            const range = document.createRange();
            range.selectNodeContents(document.querySelector("#waiting-tags tbody tr th"));
            getSelection().addRange(range);
        }"""
    )
    await fail(site)  # etcd:2, which is selected
    await expect(page.locator("#waiting-state dd").first).to_have_text("4")
    assert "etcd:2" in await page.evaluate("getSelection().toString()")
    await page.evaluate("getSelection().removeAllRanges()")
    await expect(page.get_by_role("link", name="etcd:2")).to_have_count(0)


async def test_the_form_of_a_part_that_came_by_the_stream_works(tab: Tab, site: Site) -> None:
    page = tab.page
    await fail(site, kind="not-found")
    group = page.locator("[id='cause-not-found-quay.io']")
    await group.locator("details button").click()
    await expect(page.locator(".notice")).to_contain_text("1")
    assert (await statuses(site))["2"] == "queued requeued"


async def test_a_question_is_about_what_was_asked(tab: Tab, site: Site) -> None:
    """The form whose question is open stays where it is, and is sent."""
    page = tab.page
    group = page.locator("[id='cause-denied-quay.io']")
    await group.locator(".row form[data-confirm] button").first.click()
    await expect(page.locator("dialog")).to_be_visible()
    await site.app.record.manual_pauses.pause("all", "", intent=Intent("cli:me@here", "pause", "everything"))
    await fail_other(site)
    await page.locator("dialog button[value=yes]").click()
    await expect(page.locator(".notice")).to_be_visible()
    assert (await statuses(site))["1"] == "queued requeued"


async def fail_other(site: Site) -> None:
    """A page that follows would show another cause now."""
    await site.app.record.manual_pauses.resume("all", "", intent=Intent("cli:me@here", "resume", "everything"))
    await fail(site, kind="not-found")


async def test_nothing_comes_while_it_is_paused_or_hidden(tab: Tab, site: Site) -> None:
    page = tab.page
    await page.locator(".live button").click()
    await expect(page.locator(".live-state")).to_have_attribute("data-state", "off")
    await fail(site, kind="not-found")
    await page.locator(".live button").click()
    await expect(page.locator("[id='cause-not-found-quay.io']")).to_have_count(1)


async def test_without_scripts_a_link_reads_again(site: Site, visit: Callable[[Site], OpenTab]) -> None:
    async with visit(site)(scripts=False) as tab:
        await log_in(tab, site)
        await fail(site, kind="not-found")
        await expect(tab.page.locator("section.cause")).to_have_count(1)
        await tab.page.get_by_role("link", name="Reload").click()
        await expect(tab.page.locator("section.cause")).to_have_count(2)
        await expect(tab.page.locator(".live")).to_be_hidden()


@pytest.mark.parametrize("language", ["en", "zh-CN"])
async def test_held_tags_are_found_without_scripts(site: Site, visit: Callable[[Site], OpenTab], language: str) -> None:
    """By the number on the overview, and by the form of the item's page."""
    await site.app.record.queue.pause("quay.io", until=None, error="401")
    async with visit(site)(scripts=False, language=language) as tab:
        await log_in(tab, site)
        page, rows = tab.page, tab.page.locator("section[aria-labelledby=tags] tbody tr")
        await page.goto("/")
        await page.locator("td.held a").click()
        await expect(rows).to_have_count(5)
        await page.locator("select[name=status]").select_option("")
        await page.locator("select[name=reason]").select_option("paused")
        await page.locator("form.filter button").click()
        await expect(rows).to_have_count(5)
        assert await tab.what_is_too_wide() == []
    async with visit(site)(language=language) as tab:
        await log_in(tab, site)
        await tab.page.goto("/items/etcd?status=held")
        assert await tab.serious_findings() == []
