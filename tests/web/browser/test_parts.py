"""What pages are made of, in a real browser: readable, harmless whatever is in it, and alive."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from ferryman.web import live
from tests.support.browser import DESKTOP, PHONE, Tab, Theme
from tests.support.upstreams import made_up_digest
from tests.web.browser.conftest import OpenTab
from tests.web.gallery import HOSTILE, Gallery
from tests.web.support import TOKEN, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")

SEEN = HOSTILE.replace("\n", " ")  # as HTML shows white space


@pytest.fixture
def gallery(monkeypatch: pytest.MonkeyPatch) -> Gallery:
    monkeypatch.setattr(live, "_TICK", 0.05)
    return Gallery(monkeypatch)


@pytest_asyncio.fixture(loop_scope="session")
async def site(gallery: Gallery, start_site: Callable[..., Awaitable[Site]]) -> Site:
    return await start_site(FERRYMAN_TOKEN=TOKEN, FERRYMAN_READ_TOKEN="public", FERRYMAN_HOSTS="mirror.test")


@pytest.mark.parametrize(("width", "theme"), [(DESKTOP, "light"), (PHONE, "dark")])
async def test_every_part_is_usable_and_harmless(
    site: Site, visit: Callable[[Site], OpenTab], width: int, theme: Theme
) -> None:
    async with visit(site)(width=width, theme=theme) as tab:
        await tab.page.goto("/gallery")
        await open_all_details(tab.page)
        assert await tab.serious_findings() == []
        assert await tab.what_is_too_wide() == []
        await expect(tab.page.locator(".live-state")).to_have_text("Live")  # the part has come by the stream as well
        assert await tab.page.evaluate("window.harmed") is None
        assert tab.complaints == []
        assert "49" not in await tab.page.locator("main").inner_text()


async def open_all_details(page: Page) -> None:
    await page.evaluate("document.querySelectorAll('details').forEach(each => (each.open = true))")


async def test_live_parts_follow_until_paused(site: Site, gallery: Gallery, visit: Callable[[Site], OpenTab]) -> None:
    async with visit(site)() as tab:
        count, button = tab.page.locator("#counter b"), tab.page.locator(".live button")
        await tab.page.goto("/gallery")
        await expect(tab.page.locator(".live-state")).to_have_text("Live")
        gallery.count = 1
        await expect(count).to_have_text("1")

        await button.click()
        await expect(tab.page.locator(".live-state")).to_have_text("Paused")
        await expect(button).to_have_attribute("aria-pressed", "true")
        gallery.count = 2
        await tab.page.reload()  # a page that is asked for is never old
        await expect(count).to_have_text("2")
        gallery.count = 3
        await expect(count).to_have_text("3")


async def test_a_hidden_tab_follows_nothing(site: Site, gallery: Gallery, visit: Callable[[Site], OpenTab]) -> None:
    async with visit(site)() as tab:
        await tab.page.goto("/gallery")
        await expect(tab.page.locator(".live-state")).to_have_text("Live")
        await pretend_visibility(tab.page, hidden=True)
        await expect(tab.page.locator(".live-state")).to_have_text("Paused")

        gallery.count = 1
        await pretend_visibility(tab.page, hidden=False)
        await expect(tab.page.locator("#counter b")).to_have_text("1")


async def pretend_visibility(page: Page, *, hidden: bool) -> None:
    """Chromium without a screen shows every tab."""
    await page.evaluate(
        """hidden => {
            Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }""",
        hidden,
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "mirror.test"], ids=["secure", "plain-http"])
async def test_a_digest_is_copied_whole_by_one_click(site: Site, visit: Callable[[Site], OpenTab], host: str) -> None:
    async with visit(site)() as tab:
        await tab.context.grant_permissions(["clipboard-read", "clipboard-write"])
        url = site.url.replace("127.0.0.1", host)
        await tab.page.goto(f"{url}/gallery")
        assert await tab.page.evaluate("window.isSecureContext") == (host == "127.0.0.1")
        await tab.page.locator("#digest button").first.click()

        await expect(tab.page.locator("#digest button").first).to_have_attribute("data-copied", "yes")
        assert await pasted(tab) == made_up_digest("a")


async def pasted(tab: Tab) -> str:
    """What Ctrl-V inserts."""
    await tab.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<input id=paste>')")
    await tab.page.locator("#paste").press("Control+v")
    return await tab.page.locator("#paste").input_value()


@pytest_asyncio.fixture(loop_scope="session", params=[True, False], ids=["scripts", "no-scripts"])
async def tab(site: Site, visit: Callable[[Site], OpenTab], request: pytest.FixtureRequest) -> AsyncIterator[Tab]:
    """A reader who is logged in."""
    async with visit(site)(scripts=request.param) as opened:
        await opened.page.goto("/login")
        await opened.page.get_by_label("Token").fill(TOKEN)
        await opened.page.locator("main button").click()
        await opened.page.wait_for_url(f"{site.url}/")
        yield opened


async def test_an_action_asks_first_with_and_without_scripts(tab: Tab, gallery: Gallery) -> None:
    page = tab.page
    await page.goto("/gallery")
    await page.get_by_role("button", name="Requeue").click()
    await expect(page.get_by_text("Requeue 3 tags of")).to_contain_text("{{ 7*7 }}?")
    await page.get_by_text("Cancel").click()
    assert gallery.done == []

    await page.get_by_role("button", name="Requeue").click()
    await page.get_by_text("Cancel").wait_for()
    await page.get_by_role("button", name="Requeue").last.click()
    await expect(page.locator("#done")).to_contain_text("{{ 7*7 }}")
    assert [each.replace("\r\n", "\n") for each in gallery.done] == [HOSTILE]
