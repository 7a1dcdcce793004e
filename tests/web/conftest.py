"""Web servers for tests, in this process."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.web.support import Site

StartSite = Callable[..., Awaitable[Site]]


@pytest.fixture
async def start_site(tmp_path: Path) -> AsyncIterator[StartSite]:
    """Start web servers: `await start_site(role="worker", FERRYMAN_TOKEN="…")`."""
    async with AsyncExitStack() as stack:
        started = 0

        async def start(**options: Any) -> Site:
            nonlocal started
            folder = tmp_path / f"site{started}"
            folder.mkdir()
            started += 1
            return await stack.enter_async_context(Site(folder, **options))

        yield start


@pytest.fixture
async def site(start_site: StartSite) -> Site:
    """One without tokens: whoever reaches it reads."""
    return await start_site()
