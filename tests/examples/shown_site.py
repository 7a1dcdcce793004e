"""The page of a Ferryman that has worked for months, at a moment that never passes: for pictures, and for who looks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from tests.examples import page_state
from tests.web.support import Site


class _Standing:
    """A clock whose hours stand still; who sleeps waits all the same."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return page_state.NOW

    def monotonic(self) -> float:
        return self.seconds

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def advance(self, seconds: float) -> None:
        self.seconds += seconds


@asynccontextmanager
async def shown_site(folder: Path, *, token: str | None = None) -> AsyncIterator[Site]:
    """The page, in this process."""
    clock = _Standing()
    settings = {"FERRYMAN_TOKEN": token} if token else {}
    async with Site(folder, role="run", items=page_state.ITEMS, clock=clock, **settings) as site:
        await page_state.fill(site.app.record.database)
        page_state.move(site.running, clock.advance)
        yield site
