"""A proxy in front of a real registry that injects faults."""

import asyncio
import io
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import ClientSession, ClientTimeout, web
from multidict import CIMultiDict
from yarl import URL

from tests.support.serving import clean_up

Fault = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FaultyProxy:
    """Forwards everything to the registry at `upstream`, except requests for which a fault is set."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self._faults: list[tuple[re.Pattern[str], Fault]] = []
        self._runner: web.AppRunner | None = None
        self._session: ClientSession | None = None
        self._stalled: list[asyncio.BaseTransport] = []
        self.requests: list[str] = []  # "GET /v2/a/manifests/1"
        self.stalled = asyncio.Event()  # a request met a stall
        self.abandoned = asyncio.Event()  # and its client went away
        self.host = ""

    @property
    def url(self) -> str:
        return f"http://{self.host}"

    def fail(self, pattern: str, fault: Fault) -> None:
        """Answer the requests whose "METHOD path" the pattern matches with the fault. The last one set wins."""
        self._faults.insert(0, (re.compile(pattern), fault))

    def mend(self) -> None:
        """Remove all faults; requests that have met a fault already are not changed."""
        self._faults.clear()

    def hang_up(self) -> None:
        """Close the connections of the requests that have met a stall; from any thread."""
        for connection in self._stalled:
            self._loop.call_soon_threadsafe(connection.close)

    def answer(self, pattern: str, status: int, body: str = "", headers: Mapping[str, str] | None = None) -> None:
        """Answer with something else, JSON if the headers do not say what it is."""

        async def respond(_: web.Request) -> web.StreamResponse:
            return web.Response(
                status=status, body=body.encode(), headers={"Content-Type": "application/json", **(headers or {})}
            )

        self.fail(pattern, respond)

    def stall(self, pattern: str) -> None:
        """Begin a large answer, and never continue it."""
        self._trickle(pattern, pieces=1)

    def drip(self, pattern: str) -> None:
        """Send a large answer so slowly that it never ends."""
        self._trickle(pattern, pieces=1_000_000)

    def _trickle(self, pattern: str, *, pieces: int) -> None:
        async def respond(request: web.Request) -> web.StreamResponse:
            response = web.StreamResponse(headers={"Content-Length": "100000000"})
            await response.prepare(request)
            assert request.transport is not None
            self._stalled.append(request.transport)
            self.stalled.set()
            try:
                for _ in range(pieces):
                    await response.write(b"\0" * 64)
                    await asyncio.sleep(0.02)
                await asyncio.Event().wait()
            finally:
                self.abandoned.set()
            raise AssertionError

        self.fail(pattern, respond)

    def hold(self, pattern: str) -> asyncio.Event:
        """Hold requests until the event is set, then forward them."""
        gate = asyncio.Event()

        async def respond(request: web.Request) -> web.StreamResponse:
            self.stalled.set()
            await gate.wait()
            return await self.pass_on(request)

        self.fail(pattern, respond)
        return gate

    async def stalls(self, copying: asyncio.Future[Any]) -> None:
        """Until a request of `copying` is held up. Raises what `copying` raises if it ends before."""
        waiting = asyncio.ensure_future(self.stalled.wait())
        await asyncio.wait({waiting, copying}, return_when=asyncio.FIRST_COMPLETED)
        if not self.stalled.is_set():
            waiting.cancel()
            raise AssertionError("the copy ended before it met the fault") from copying.exception()

    async def start(self) -> "FaultyProxy":
        self._loop = asyncio.get_running_loop()
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._session = ClientSession(auto_decompress=False, timeout=ClientTimeout())
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.host = f"127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def stop(self) -> None:
        if self._runner is not None:
            await clean_up(self._runner)
        if self._session is not None:
            await self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        line = f"{request.method} {request.path}"
        self.requests.append(line)
        for pattern, fault in self._faults:
            if pattern.search(line):
                return await fault(request)
        return await self.pass_on(request)

    async def pass_on(self, request: web.Request) -> web.StreamResponse:
        assert self._session is not None
        url, body = URL(self._upstream + request.raw_path, encoded=True), io.BytesIO(await request.read())
        async with self._session.request(
            request.method, url, headers=_end_to_end(request.headers), data=body, allow_redirects=False
        ) as answer:
            if request.method == "HEAD":
                return web.Response(status=answer.status, headers=answer.headers)
            headers = _end_to_end(answer.headers)
            return web.Response(status=answer.status, headers=headers, body=await answer.read())


def _end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Without those that tell how the body is framed: it is framed anew. Engines send Accept several times."""
    framing = {"content-length", "transfer-encoding", "connection"}
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in framing)
