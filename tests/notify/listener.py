"""A real HTTP listener that stands for the services to which messages go."""

import asyncio
import json
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.support.loop_thread import LoopThread
from tests.support.serving import clean_up

_PATIENCE = 30.0  # seconds


@dataclass(frozen=True)
class Received:
    """One request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Listener:
    """Takes every request, in a thread; a context manager. `answers` come first, each once, as status and body."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: list[tuple[int, object]] = []
        self.otherwise: tuple[int, object] = (200, {})
        self.port = 0
        self._news = threading.Condition()
        self._thread = LoopThread()
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def count(self, number: int) -> None:
        """Wait until so many requests have come."""

        def wait() -> bool:
            with self._news:
                return self._news.wait_for(lambda: len(self.received) >= number, timeout=_PATIENCE)

        assert await asyncio.to_thread(wait), f"{len(self.received)} requests"

    def __enter__(self) -> Self:
        self._thread.start()
        self._thread.run(self._start())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        assert self._runner is not None
        self._thread.run(clean_up(self._runner))
        self._thread.stop()

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def _take(self, request: web.Request) -> web.Response:
        body = await request.read()
        received = Received(request.method, request.path, dict(request.query), dict(request.headers), body)
        status, answer = self.answers.pop(0) if self.answers else self.otherwise
        with self._news:
            self.received.append(received)
            self._news.notify_all()
        return web.json_response(answer, status=status)
