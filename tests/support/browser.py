"""A real browser: Debian's chromium, one for all tests of a process. Its pages run on the loop of the whole session."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

CHROMIUM = "/usr/bin/chromium"
# The name stands for a machine without TLS: browsers trust loopback addresses more.
_OPTIONS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--host-resolver-rules=MAP mirror.test 127.0.0.1",
]
Theme = Literal["light", "dark"]
PHONE, DESKTOP = 390, 1280  # pixels
_LONGEST_WAIT = 60_000  # milliseconds; only a hang takes longer, even on a busy machine


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=_OPTIONS)
        try:
            yield browser
        finally:
            await browser.close()


class Tab:
    """A window of a reader of its own: no cookies, and everything that the page complains of is kept."""

    def __init__(self, context: BrowserContext, page: Page) -> None:
        self.context = context
        self.page = page
        self.complaints: list[str] = []
        page.on("console", lambda message: self._note(message.type, message.text))
        page.on("pageerror", lambda error: self._note("error", str(error)))

    async def serious_findings(self) -> list[str]:
        """What axe-core finds that keeps somebody from using the page."""
        found = (await Axe().run(self.page)).response["violations"]
        return [
            f"{each['id']}: {node['html']}: {node['failureSummary']}"
            for each in found
            if each["impact"] in {"serious", "critical"}
            for node in each["nodes"]
        ]

    async def what_is_too_wide(self) -> list[str]:
        """The elements that make the whole page scroll sideways; what scrolls in a frame of its own does not count."""
        found: list[str] = await self.page.evaluate(
            """() => {
                const width = document.documentElement.clientWidth;
                if (document.documentElement.scrollWidth <= width) return [];
                const wide = [...document.body.querySelectorAll("*")].filter(
                    each => each.getBoundingClientRect().right > width && !each.closest(".scroll"));
                return ["page", ...wide.map(each => each.outerHTML.slice(0, 120))];
            }"""
        )
        return found

    def _note(self, kind: str, text: str) -> None:
        if kind in {"error", "warning"}:
            self.complaints.append(text)


@asynccontextmanager
async def open_tab(
    browser: Browser,
    *,
    url: str,
    width: int = DESKTOP,
    theme: Theme = "light",
    language: str = "en",
    scripts: bool = True,
) -> AsyncIterator[Tab]:
    """Open a window. `language`: as the browser's Accept-Language has it."""
    context = await browser.new_context(
        base_url=url, viewport={"width": width, "height": 844}, color_scheme=theme, locale=language,
        java_script_enabled=scripts, reduced_motion="reduce",
    )  # fmt: skip
    context.set_default_timeout(_LONGEST_WAIT)
    try:
        yield Tab(context, await context.new_page())
    finally:
        await context.close()
