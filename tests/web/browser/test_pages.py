"""Every page in a real browser: readable and usable by everybody, in both themes and languages, on a phone."""

from collections.abc import Awaitable, Callable

import pytest

from tests.support.browser import DESKTOP, PHONE, Theme
from tests.web.browser.conftest import OpenTab
from tests.web.support import TOKEN, Site
from tests.web.test_pages import enqueue

pytestmark = pytest.mark.asyncio(loop_scope="session")

LOOKS = [(DESKTOP, "light", "en"), (PHONE, "dark", "zh-CN"), (PHONE, "light", "en"), (DESKTOP, "dark", "zh-CN")]


@pytest.mark.parametrize(("width", "theme", "language"), LOOKS)
async def test_pages_are_usable_by_everybody(
    start_site: Callable[..., Awaitable[Site]],
    visit: Callable[[Site], OpenTab],
    width: int,
    theme: Theme,
    language: str,
) -> None:
    site = await start_site(FERRYMAN_TOKEN=TOKEN)
    await enqueue(site, "1")
    async with visit(site)(width=width, theme=theme, language=language) as tab:
        for path in ("/login", "/", "/nowhere"):
            await tab.page.goto(path)
            assert await tab.serious_findings() == [], path
            assert await tab.what_is_too_wide() == [], path
            if path == "/login":
                await tab.page.locator("#token").fill(TOKEN)
                await tab.page.locator("main button").click()
                await tab.page.wait_for_url(f"{site.url}/")
        assert await tab.page.locator("html").get_attribute("lang") == ("zh-Hans" if language == "zh-CN" else "en")
        assert [each for each in tab.complaints if "404" not in each] == []


async def test_login_and_logout(start_site: Callable[..., Awaitable[Site]], visit: Callable[[Site], OpenTab]) -> None:
    site = await start_site(FERRYMAN_TOKEN=TOKEN)
    await enqueue(site, "1")
    async with visit(site)(scripts=False) as tab:
        page = tab.page
        await page.goto("/?sort=name")
        await page.get_by_label("Token").fill("wrong")
        await page.get_by_role("button", name="Log in").click()
        assert await page.get_by_role("alert").inner_text() == "This token is wrong."
        await page.get_by_label("Token").fill(TOKEN)
        await page.get_by_role("button", name="Log in").click()
        await page.wait_for_url("**/?sort=name")
        row = page.get_by_role("row", name="etcd")
        assert (await row.get_by_role("cell").all_inner_texts())[:6] == ["1", "0", "1", "0", "0", "0"]

        await page.get_by_role("button", name="Log out").click()
        await page.wait_for_url("**/login")
        await page.goto("/")
        assert page.url.startswith(f"{site.url}/login")


async def test_a_link_from_elsewhere_finds_the_session(
    start_site: Callable[..., Awaitable[Site]], visit: Callable[[Site], OpenTab]
) -> None:
    site = await start_site(FERRYMAN_TOKEN=TOKEN)
    async with visit(site)() as tab:
        page = tab.page
        await page.goto("/login")
        await page.get_by_label("Token").fill(TOKEN)
        await page.get_by_role("button", name="Log in").click()
        await page.wait_for_url(f"{site.url}/")
        elsewhere = site.url.replace("127.0.0.1", "localhost")  # another site, for a browser
        await page.route(
            "**/message",
            lambda route: route.fulfill(content_type="text/html", body=f'<a href="{site.url}/?sort=name">see</a>'),
        )
        await page.goto(f"{elsewhere}/message")
        await page.get_by_text("see").click()

        await page.get_by_role("heading", name="Overview").wait_for()
        assert page.url == f"{site.url}/?sort=name"


async def test_the_language_is_switched_by_a_link(
    start_site: Callable[..., Awaitable[Site]], visit: Callable[[Site], OpenTab]
) -> None:
    site = await start_site()
    async with visit(site)(scripts=False) as tab:
        await tab.page.goto("/")
        await tab.page.get_by_role("link", name="简体中文").click()
        assert await tab.page.get_by_role("heading", level=1).inner_text() == "总览"
        await tab.page.get_by_role("link", name="English").click()
        assert await tab.page.get_by_role("heading", level=1).inner_text() == "Overview"


async def test_the_keyboard_reaches_the_content_first(
    start_site: Callable[..., Awaitable[Site]], visit: Callable[[Site], OpenTab]
) -> None:
    site = await start_site()
    async with visit(site)() as tab:
        await tab.page.goto("/")
        await tab.page.keyboard.press("Tab")
        assert await tab.page.evaluate("document.activeElement.className") == "skip"
        await tab.page.keyboard.press("Enter")
        assert await tab.page.evaluate("document.activeElement.id") == "content"
