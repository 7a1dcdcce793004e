"""Receives the body of an answer as the socket gives it, without aiohttp's parser in between.

The parser copies every piece, and wants a new object for each: a fifth of a large layer's processor time. A body of
known length needs no parser: after the headers its connection gets this protocol, and after the last byte it is
aiohttp's again.
"""

import asyncio

import aiohttp
from aiohttp.client_proto import ResponseHandler

_BUFFER = 512 * 1024  # bytes: what is received while the piece before it is hashed and sent


class ReceivedBody(asyncio.BufferedProtocol):
    """The body of an answer whose length is known."""

    def __init__(
        self, response: aiohttp.ClientResponse, transport: asyncio.Transport, handler: ResponseHandler, length: int
    ) -> None:
        """Take the connection over; `handler` is aiohttp's own protocol, `length` the body's, in bytes."""
        self._response = response
        self._transport = transport
        self._handler = handler
        self._beginning = b"".join(iter(response.content.read_nowait, b""))  # came with the headers
        self._left = length - len(self._beginning)
        self._buffer = bytearray(min(_BUFFER, self._left))  # is being filled
        self._filled = 0  # bytes of it
        self._read: list[bytearray] = []  # buffers that were read, the oldest first
        self._arrived: asyncio.Future[None] | None = None  # of a reader that waits
        if self._left:
            transport.set_protocol(self)

    @classmethod
    def of(cls, response: aiohttp.ClientResponse) -> "ReceivedBody | None":
        """Take over the connection of an answer that nothing was read of; None: leave it to aiohttp."""
        length, connection = response.headers.get("Content-Length", ""), response.connection
        handler = connection.protocol if connection is not None else None
        transport = handler.transport if handler is not None else None
        if handler is None or transport is None or response.content.exception() is not None:
            return None  # all of it was received, or the connection is broken
        return cls(response, transport, handler, int(length)) if length.isascii() and length.isdigit() else None

    def ready(self) -> bytes | memoryview:
        """The next piece; empty: `read` has to be awaited for it."""
        if self._beginning:
            beginning, self._beginning = self._beginning, b""
            return beginning
        piece, self._filled = memoryview(self._buffer)[: self._filled], 0
        if piece and self._left:  # otherwise the connection is not ours any more
            self._read.append(self._buffer)
            self._buffer = self._next_buffer()
            self._transport.resume_reading()
        return piece

    async def read(self) -> bytes | memoryview:
        """The next piece; empty at the end. Raises aiohttp.ClientError if the connection breaks."""
        while self._left and not (self._filled or self._beginning):
            if self._transport.is_closing():
                raise self._response.content.exception() or aiohttp.ClientPayloadError("the connection was closed")
            self._arrived = asyncio.get_running_loop().create_future()
            await self._arrived
        return self.ready()

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
        elif self._filled == len(self._buffer):
            self._transport.pause_reading()
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

    def _next_buffer(self) -> bytearray:
        """The oldest buffer that was read, if it is not needed any more; otherwise a new one.

        Since Python 3.12 a transport keeps views of what it could not send at once, and a reader may keep some.
        """
        oldest = self._read[0]
        try:
            oldest.append(oldest.pop())  # refused while there is a view of it
        except BufferError:
            return bytearray(_BUFFER)
        return self._read.pop(0)

    def _wake(self) -> None:
        if self._arrived is not None and not self._arrived.done():
            self._arrived.set_result(None)
