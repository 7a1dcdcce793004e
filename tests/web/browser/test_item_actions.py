"""What a person removes and releases on the page of an item, in a real browser."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio
from playwright.async_api import expect

from ferryman.clock import SystemClock
from ferryman.page_links import item_path
from ferryman.store.records import ItemKey
from tests.support import images
from tests.support.browser import Tab
from tests.support.freezing import freeze
from tests.support.processes import RegistryServer
from tests.web.api.test_prune import mirror
from tests.web.browser.conftest import OpenTab
from tests.web.support import TOKEN, Site

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.fixture
def target(start_registry: Callable[..., RegistryServer]) -> RegistryServer:
    return start_registry()


@pytest_asyncio.fixture(loop_scope="session")
async def site(start_site: Callable[..., Awaitable[Site]], target: RegistryServer) -> Site:
    """The target has three tags, and the rules want one of them."""
    rules = "order: version, limit: 1, prune: {most: 100%}"
    items = f"items: [{{source: 127.0.0.1:9/acme/app, target: {target.host}/m/, {rules}}}]\n"
    site = await start_site(items=items, FERRYMAN_TRANSPORT="direct", FERRYMAN_TOKEN=TOKEN)
    await mirror(site, target)
    return site


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def scripts(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@pytest_asyncio.fixture(loop_scope="session")
async def tab(site: Site, visit: Callable[[Site], OpenTab], scripts: bool) -> AsyncIterator[Tab]:
    """Somebody who may act, at the item's page."""
    [item] = site.app.configuration.items
    path = item_path(str(item.target))
    async with visit(site)(scripts=scripts) as opened:
        await opened.page.goto(f"/login?next={path}")
        await opened.page.locator("#token").fill(TOKEN)
        await opened.page.locator("main button").click()
        await opened.page.wait_for_url(f"{site.url}{path}")
        yield opened
        assert opened.complaints == []


async def test_what_is_not_wanted_is_shown_and_removed_after_a_question(
    tab: Tab, site: Site, target: RegistryServer, scripts: bool
) -> None:
    page = tab.page
    question = "Remove 2 tags of app from its target? 1.1, 1.0"

    async def ask() -> None:
        await page.get_by_text("What is not wanted any more?").click()
        if not scripts:
            await page.get_by_role("link", name="Show it, and remove nothing").click()
        await expect(page.locator("#prune").get_by_role("row", name="1.0")).to_contain_text("may remove it now")
        assert not scripts or await tab.serious_findings() == []
        await page.get_by_role("button", name="Remove 2 tags now").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text(question)

    await ask()
    await page.get_by_role("link", name="Cancel").click()
    assert {"1.0", "1.1", "1.2"} == {*images.tags_of(target.url, "m/app")}

    await ask()
    await page.get_by_role("button", name="Remove 2 tags").click()

    await expect(page.locator(".notice")).to_have_text("2 tags removed.")
    assert {"1.2"} == {each for each in images.tags_of(target.url, "m/app") if "keep" not in each}
    assert [each.action for each in await site.app.record.actions.list()] == ["prune", "prune"]


async def test_a_frozen_item_is_released_after_a_question(tab: Tab, site: Site) -> None:
    [item] = site.app.configuration.items
    key = ItemKey(item.name, str(item.source), str(item.target), None)
    await freeze(site.app.record.ledger, key, "1.1", "1.2", now=SystemClock().now())
    page = tab.page
    await page.reload()
    await expect(page.get_by_text("Only your target has these as they were").first).to_be_visible()

    await page.get_by_role("button", name="Accept what upstream has now").click()
    await page.get_by_role("link", name="Cancel").click()
    assert await site.app.record.freezes.frozen()
    await page.get_by_role("button", name="Accept what upstream has now").click()
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Accept what upstream of app has now?")
    await page.get_by_role("button", name="Accept it").click()

    await expect(page.locator(".notice")).to_have_text("app is released: the next look takes what upstream has.")
    assert await site.app.record.freezes.frozen() == {}
    assert [each.action for each in await site.app.record.actions.list()][-1:] == ["release"]
