"""Event streams (SSE): how one is opened, kept alive, and closed when the server stops."""

import asyncio
import functools
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from aiohttp import web

from ferryman.i18n.texts import _
from ferryman.tasks import cancel_and_wait
from ferryman.web.failure_log import log_defect
from ferryman.web.refusals import Refused

_LINE_BREAK = re.compile(r"\r\n|\r|\n")
_MOST = 200  # open at once
_KEEP_ALIVE = 15.0  # seconds: proxies close what is silent for a minute
_LONGEST = 3600.0  # seconds; then the browser connects again, and shows again that it may read
_LONGEST_WRITE = 30.0  # seconds in which a reader takes some of what was sent, or is dropped
_RETRY = 3000  # milliseconds after which a browser connects again


@dataclass(frozen=True)
class Message:
    """One event of a stream, which may be that of many readers."""

    event: str
    data: str
    id: str | None = None  # what `Last-Event-ID` names later

    @functools.cached_property
    def encoded(self) -> bytes:
        """As the HTML standard writes it (9.2.5): a line break inside would begin another field."""
        lines = [f"event: {self.event}", *(f"data: {line}" for line in _LINE_BREAK.split(self.data))]
        if self.id is not None:
            lines.append(f"id: {self.id}")
        return ("\n".join(lines) + "\n\n").encode()


class Streams:
    """The streams that are open now."""

    def __init__(self) -> None:
        self._closing = asyncio.Event()
        self._open = 0

    def close(self) -> None:
        """End all of them."""
        self._closing.set()

    async def send(self, request: web.Request, messages: AsyncIterator[Message]) -> web.StreamResponse:
        """Answer with a stream of the messages, until they end, the reader leaves, or the server stops.

        Raises Refused if too many are open.
        """
        if self._open >= _MOST:
            raise Refused(503, _("Too many pages follow the events already."), headers={"Retry-After": "60"})
        path = request.path
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
        self._open += 1
        try:
            await response.prepare(request)
            if request.method == "HEAD":
                return response
            await response.write(f"retry: {_RETRY}\n\n".encode())
            async with asyncio.timeout(_LONGEST):
                await self._pass_on(messages, request, response)
        except (ConnectionResetError, TimeoutError):
            pass  # the reader has left, or comes again
        except Exception as error:  # noqa: BLE001 - the headers are sent: an error page would come too late
            log_defect(path, error)
        finally:
            self._open -= 1
        return response

    async def _pass_on(
        self, messages: AsyncIterator[Message], request: web.Request, response: web.StreamResponse
    ) -> None:
        closing = asyncio.ensure_future(self._closing.wait())
        sending = asyncio.ensure_future(_write_all(messages, request, response))
        try:
            while not closing.done():
                # One task for all messages of a reader: with one for each, a hundred readers slow the copies down.
                await asyncio.wait({closing, sending}, timeout=_KEEP_ALIVE, return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    return sending.result()
                if not closing.done():  # whether it was silent or not: that costs nothing
                    await _write(request, response, b": still here\n\n")
        finally:
            await cancel_and_wait([closing, sending])


async def _write_all(messages: AsyncIterator[Message], request: web.Request, response: web.StreamResponse) -> None:
    async for message in messages:
        await _write(request, response, message.encoded)


async def _write(request: web.Request, response: web.StreamResponse, content: bytes) -> None:
    """Raises ConnectionResetError for a reader that reads no more."""
    try:
        async with asyncio.timeout(_LONGEST_WRITE):
            await response.write(content)
    except TimeoutError:
        if request.transport is not None:  # to end the response in order would wait for the reader once more
            request.transport.abort()
        raise ConnectionResetError from None


STREAMS = web.AppKey("streams", Streams)
