"""`make screenshots`: pictures of the page in both themes, of a record that is always the same."""

import asyncio
import tempfile
from pathlib import Path

from playwright.async_api import Browser, expect

from tests.examples.page_state import SHOWN_ITEM, SHOWN_TAG
from tests.examples.shown_site import shown_site
from tests.support.browser import Theme, chromium, open_tab
from tests.support.sources import CHECKOUT
from tests.web.support import TOKEN, Site

FOLDER = CHECKOUT / "docs/pictures"
_WIDTH, _HEIGHT = 1280, 1240  # pixels
_PAGES = {
    "overview": "/",
    "item": f"/items/{SHOWN_ITEM}?status=synced",
    "tag": f"/items/{SHOWN_ITEM}/tags/{SHOWN_TAG}",
}
THEMES: tuple[Theme, ...] = ("light", "dark")


async def take_all(folder: Path = FOLDER) -> None:
    """Take the pictures: `overview-light.png` and so on."""
    with tempfile.TemporaryDirectory(prefix="ferryman-pictures-") as state:
        async with shown_site(Path(state), token=TOKEN) as site, chromium() as browser:
            for theme in THEMES:
                await _take(browser, site, theme, folder)


async def _take(browser: Browser, site: Site, theme: Theme, folder: Path) -> None:
    async with open_tab(browser, url=site.url, width=_WIDTH, theme=theme) as tab:
        page = tab.page
        await page.set_viewport_size({"width": _WIDTH, "height": _HEIGHT})
        await page.goto("/login")
        await page.get_by_label("Token").fill(TOKEN)
        await page.locator("main button").click()
        await page.wait_for_url(f"{site.url}/")
        for name, path in _PAGES.items():
            await page.goto(path)
            if path == "/":
                await expect(page.locator(".live-state")).to_have_attribute("data-state", "on")
            await page.screenshot(path=folder / f"{name}-{theme}.png", scale="css")


if __name__ == "__main__":
    asyncio.run(take_all())
