"""A browser, and web servers on the loop that it lives on: the session's."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.examples.shown_site import shown_site
from tests.support.browser import Tab, chromium, open_tab
from tests.web.support import Site

OpenTab = Callable[..., AbstractAsyncContextManager[Tab]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def start_site(tmp_path: Path) -> AsyncIterator[Callable[..., Awaitable[Site]]]:
    """As for the other tests of the page, for tests on the session's loop."""
    async with AsyncExitStack() as stack:

        async def start(**options: Any) -> Site:
            return await stack.enter_async_context(Site(tmp_path, **options))

        yield start


@pytest.fixture
def visit(browser: Browser) -> Callable[..., OpenTab]:
    """Open windows on a site: `async with visit(site)(theme="dark") as tab`."""
    return lambda site: partial(open_tab, browser, url=site.url)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def filled_site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """One that months of work have filled, for whoever only looks."""
    async with shown_site(tmp_path_factory.mktemp("filled")) as site:
        yield site
