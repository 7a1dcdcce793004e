"""A copy between two real registries, as somebody sees it who looks at the page meanwhile."""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable

import pytest
from playwright.async_api import expect

from ferryman.tasks import cancel_and_wait
from ferryman.web.pages import overview
from tests.support.images import image, layer, push
from tests.support.processes import RegistryServer
from tests.support.proxy import FaultyProxy
from tests.web.browser.conftest import OpenTab
from tests.web.support import Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_its_bar_moves_until_the_tag_is_synced(
    start_site: Callable[..., Awaitable[Site]],
    start_registry: Callable[..., RegistryServer],
    visit: Callable[[Site], OpenTab],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overview, "_INTERVAL", 0.0)
    source, target = start_registry(), start_registry()
    pushed = image([layer({"file": os.urandom(60_000)}), layer({"other": os.urandom(40_000)})])
    push(source.url, "acme/app", "1.0", pushed)
    last = sorted(pushed.blobs, key=lambda digest: len(pushed.blobs[digest]))[-2]  # the smaller layer
    proxy = await FaultyProxy(source.url).start()
    gate = proxy.hold(f"GET .*{last}")
    items = f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]"
    site = await start_site(items=items, FERRYMAN_TRANSPORT="direct")
    app, pool = site.app, site.app.pool()
    copying = asyncio.create_task(pool.run())
    try:
        async with visit(site)() as tab:
            page = tab.page
            await page.goto("/items/app")
            await page.get_by_text("What would a look do now?").click()
            await expect(page.locator("#plan").get_by_role("row", name="1.0")).to_contain_text("new")
            await expect(page.locator("#plan")).to_contain_text("To copy")
            await page.goto("/")
            bar = page.get_by_role("progressbar", name="app:1.0")
            await expect(bar).to_have_count(0)

            await app.scheduler().cycle(app.configuration, app.configuration.items)
            await proxy.stalls(copying)
            await expect(bar).to_have_attribute("value", re.compile(r"0\.[5-9]\d\d"))
            await expect(page.get_by_role("region", name="Verdict")).to_contain_text("1 tag is copied now")

            gate.set()
            await expect(bar).to_have_count(0)
            await expect(page.get_by_role("region", name="Verdict")).to_contain_text("The mirror is complete: 1 tag")
            await page.goto("/items/app/tags/1.0")
            await expect(page.get_by_text("identical", exact=True)).to_be_visible()
            await page.get_by_text("Show the platforms and their sizes").click()
            await expect(page.locator("#platforms").get_by_role("row", name="linux/amd64")).to_contain_text("KiB")
    finally:
        await cancel_and_wait([copying])
        await proxy.stop()
