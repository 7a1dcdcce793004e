"""A web server as the service starts it, in this process, on a real database."""

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from ferryman.application import Application, open_application
from ferryman.clock import Clock
from ferryman.settings import Settings
from ferryman.tasks import cancel_and_wait
from ferryman.views.running_jobs import RunningJobs
from ferryman.web.context import Role
from ferryman.web.server import Server
from tests.support.databases import copy_migrated

TOKEN, READ_TOKEN = "acting-0123456789abcdef", "reading-0123456789abcdef"
ITEMS = "defaults: {target: registry.example.com/m/}\nitems: [{source: quay.io/coreos/etcd}]\n"
HTML = {"Accept": "text/html"}


class Site:
    """A running server and one browser's worth of cookies. A context manager."""

    def __init__(
        self, folder: Path, *, role: Role = "run", items: str = ITEMS, clock: Clock | None = None, **settings: str
    ) -> None:
        """`clock`: in place of the system's."""
        self._folder = folder
        (folder / "items.yml").write_text(items)
        self._settings = Settings.load(
            {
                "FERRYMAN_ITEMS": str(folder / "items.yml"),
                "FERRYMAN_DATABASE_URL": f"sqlite+aiosqlite:///{folder}/ferryman.db",
                "FERRYMAN_LISTEN": "127.0.0.1:0",
                **settings,
            }
        )
        self._role = role
        self._clock = clock
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        stack = self._stack
        await copy_migrated(self._folder / "ferryman.db")
        self.app: Application = await stack.enter_async_context(open_application(self._settings, engine=False))
        if self._clock is not None:
            self.app.clock = self._clock
        self.running = RunningJobs(clock=self.app.clock.monotonic)
        self.app.events.subscribe(self.running.observe)
        assert self._settings.listen is not None
        self.server = Server.listen(self._settings.listen)
        stack.callback(self.server.close)
        self.serving = asyncio.create_task(self.server.serve(self.app, self._role, self.running))
        stack.push_async_callback(cancel_and_wait, [self.serving])
        self.host = self.server.addresses[0]
        self.url = f"http://{self.host}"
        self.http = await stack.enter_async_context(
            aiohttp.ClientSession(self.url, cookie_jar=aiohttp.CookieJar(unsafe=True))
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    async def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> "Answer":
        """What a browser gets, before it follows a redirect."""
        async with self.http.get(path, headers={**HTML, **(headers or {})}, allow_redirects=False) as response:
            return Answer(response, await response.text())

    async def post(self, path: str, form: Mapping[str, str], *, headers: Mapping[str, str] | None = None) -> "Answer":
        """Send a form, as a browser does from a page of ours."""
        headers = {**HTML, "Origin": self.url, **(headers or {})}
        async with self.http.post(path, data=dict(form), headers=headers, allow_redirects=False) as response:
            return Answer(response, await response.text())

    async def form_token(self, path: str) -> str:
        """The token of the page's forms."""
        return (await self.get(path)).text.partition('name="form_token" value="')[2].partition('"')[0]

    async def log_in(self, token: str, **form: str) -> "Answer":
        """Fill the login form in."""
        path = f"{self._settings.base_path}/login"
        shown = await self.form_token(path)
        return await self.post(path, {"form_token": shown, "token": token, **form})

    def cookie(self, name: str) -> str | None:
        """The value of a cookie that the server has set."""
        found = self.http.cookie_jar.filter_cookies(URL(self.url)).get(name)
        return found.value if found else None


class Answer:
    """A response, read to its end."""

    def __init__(self, response: aiohttp.ClientResponse, text: str) -> None:
        self.status = response.status
        self.headers = response.headers
        self.cookies = response.cookies
        self.text = text

    @property
    def location(self) -> str:
        return self.headers.get("Location", "")


def bearer(token: str) -> dict[str, str]:
    """The header with which a program shows its token."""
    return {"Authorization": f"Bearer {token}", "Accept": "application/json"}
