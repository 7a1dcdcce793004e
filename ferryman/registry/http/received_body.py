"""Receives the body of an answer as the socket gives it, without aiohttp's parser in between.

The parser copies every piece, and wants a new object for each: a fifth of a large layer's processor time. A body of
known length needs no parser: after the headers its connection gets this protocol, and after the last byte it is
aiohttp's again.
"""

import asyncio

import aiohttp
from aiohttp.client_proto import ResponseHandler

from ferryman.registry.http.buffers import SIZE, Buffers

_PATIENCE = 0.01  # seconds from one piece to the next that is smaller than a buffer: each is hashed and sent by itself
_SMALL = 64 * 1024  # bytes of a piece that is copied, so that a slow line does not occupy a buffer for each


class ReceivedBody(asyncio.BufferedProtocol):
    """The body of an answer whose length is known."""

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        transport: asyncio.Transport,
        handler: ResponseHandler,
        length: int,
        buffers: Buffers,
    ) -> None:
        """Take the connection over; `handler` is aiohttp's own protocol, `length` the body's, in bytes."""
        beginning = b"".join(iter(response.content.read_nowait, b""))  # came with the headers
        self._response = response
        self._transport = transport
        self._handler = handler
        self._buffers = buffers
        self._left = length - len(beginning)
        self._buffer = buffers.take()  # is being filled
        self._buffer[: len(beginning)] = beginning
        self._filled = len(beginning)  # bytes of it
        self._loop = asyncio.get_running_loop()
        self._arrived: asyncio.Future[None] | None = None  # of a reader that waits
        self._patient_until = self._loop.time() + _PATIENCE
        if self._left:
            transport.set_protocol(self)

    @classmethod
    def of(cls, response: aiohttp.ClientResponse, buffers: Buffers) -> "ReceivedBody | None":
        """Take over the connection of an answer that nothing was read of; None: leave it to aiohttp."""
        length, connection = response.headers.get("Content-Length", ""), response.connection
        handler = connection.protocol if connection is not None else None
        transport = handler.transport if handler is not None else None
        if handler is None or transport is None or response.content.exception() is not None:
            return None  # all of it was received, or the connection is broken
        if not (length.isascii() and length.isdigit()) or response.content.total_bytes >= SIZE:
            return None
        return cls(response, transport, handler, int(length), buffers)

    def ready(self) -> bytes | memoryview:
        """The next piece, if it is worth passing on; empty: `read` has to be awaited for it."""
        return self._piece() if self._has_enough() else b""

    async def read(self) -> bytes | memoryview:
        """The next piece; empty at the end. Raises aiohttp.ClientError if the connection breaks."""
        while not self._has_enough() and not self._transport.is_closing():
            self._arrived = self._loop.create_future()
            await self._arrived
        if self._left and not self._filled:
            raise self._response.content.exception() or aiohttp.ClientPayloadError("the connection was closed")
        return self._piece()

    def get_buffer(self, sizehint: int) -> memoryview:
        """See asyncio.BufferedProtocol. Not more than is left: what follows is not the body's."""
        return memoryview(self._buffer)[self._filled : self._filled + self._left]

    def buffer_updated(self, nbytes: int) -> None:
        """See asyncio.BufferedProtocol."""
        self._filled += nbytes
        self._left -= nbytes
        if not self._left:
            self._transport.set_protocol(self._handler)
            self._response.content.feed_eof()  # aiohttp puts the connection into its pool
        elif self._filled == SIZE:
            self._transport.pause_reading()
        if self._has_enough():
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.BufferedProtocol. aiohttp makes of it the error that `read` raises."""
        self._handler.connection_lost(exc)
        self._wake()

    def pause_writing(self) -> None:
        """See asyncio.BufferedProtocol."""
        self._handler.pause_writing()

    def resume_writing(self) -> None:
        """See asyncio.BufferedProtocol."""
        self._handler.resume_writing()

    def _has_enough(self) -> bool:
        """Whether what was received is to be passed on: the last of it, a full buffer, or what came slowly."""
        if not self._left or self._filled == SIZE:
            return True
        return self._filled > 0 and self._loop.time() >= self._patient_until

    def _piece(self) -> bytes | memoryview:
        self._patient_until = self._loop.time() + _PATIENCE
        piece, self._filled = memoryview(self._buffer)[: self._filled], 0
        if len(piece) <= _SMALL and self._left:
            return bytes(piece)
        if piece and self._left:  # otherwise the connection is not ours any more
            read, self._buffer = self._buffer, self._buffers.take()
            self._buffers.give_back(read)
            self._transport.resume_reading()
        elif piece:
            self._buffers.give_back(self._buffer)
        return piece

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
