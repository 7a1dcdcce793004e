"""A scripted web server on loopback that records the requests it gets."""

import asyncio
import json
import ssl
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.support.serving import clean_up

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Asked:
    """One received request."""

    method: str
    path: str  # without the query
    query: Mapping[str, str]
    authorization: str | None
    headers: Mapping[str, str]
    body: bytes


def says(status: int = 200, body: Any = b"", **headers: str) -> Handler:
    """Always the same answer; a body that is not bytes is sent as JSON. `Content_Type="…"` is a header."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()

    async def answer(_: web.Request) -> web.StreamResponse:
        return web.Response(
            status=status, body=raw, headers={key.replace("_", "-"): value for key, value in headers.items()}
        )

    return answer


def cuts(promised: int = 1000) -> Handler:
    """Closes the connection in the middle of a body."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(promised)})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.abort()
        return response

    return answer


def stalls() -> Handler:
    """Reads the request and never answers."""

    async def answer(_: web.Request) -> web.StreamResponse:
        await asyncio.Event().wait()
        raise AssertionError

    return answer


def trickles() -> Handler:
    """Sends a body of single bytes, slowly and without end."""

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.01)

    return answer


class Faulty:
    """Listens on its own port, with TLS if it gets a context. Use `async with Faulty() as server`."""

    def __init__(self, address: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None) -> None:
        self.host = ""
        self._address = address
        self._tls = tls
        self.asked: list[Asked] = []
        self._answers: dict[str, list[Handler]] = defaultdict(list)
        self._interruptions: dict[str, list[Handler]] = defaultdict(list)

    @property
    def url(self) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}"

    def on(self, request: str, *answers: Handler) -> None:
        """Answer "METHOD /path" with these in turn; the last one repeats."""
        self._answers[request] = list(answers)

    def interrupt(self, request: str, *answers: Handler) -> None:
        """Answer the next ones with these, before their bodies are read."""
        self._interruptions[request] += answers

    def times(self, method: str, path: str) -> int:
        return sum(asked.method == method and asked.path == path for asked in self.asked)

    async def __aenter__(self) -> Self:
        # A test that ends does not wait for a stalled answer.
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._address, 0, ssl_context=self._tls)
        await site.start()
        _, port = self._runner.addresses[0][:2]
        self.host = f"{self._address}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await clean_up(self._runner)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = Asked(
            request.method, request.path, dict(request.query), request.headers.get("Authorization"),
            dict(request.headers), b"",
        )  # fmt: skip
        self.asked.append(asked)
        if interruptions := self._interruptions[f"{request.method} {request.path}"]:
            return await interruptions.pop(0)(request)  # type: ignore[arg-type]
        request._read_bytes = await request.content.read()  # `read` itself stops at 1 MiB
        self.asked[self.asked.index(asked)] = replace(asked, body=request._read_bytes)
        answers = self._answers.get(f"{request.method} {request.path}")
        if not answers:
            return web.Response(status=404)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return await answer(request)  # type: ignore[arg-type]  # web.Server makes BaseRequests; no handler needs more
