"""Downloads of blobs: verified by digest while they arrive, resumed by range requests after a broken connection.

Source: distribution specification, "Pulling blobs"; RFC 9110, 14 (ranges).
"""

import hashlib
import re
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from ferryman.clock import Clock
from ferryman.errors import TooSlow, TransferError, Unreachable, WrongContent
from ferryman.registry.http.least_rate import LeastRate
from ferryman.registry.http.messages import Content, Response
from ferryman.registry.http.requests import RequestBuilder
from ferryman.registry.sender import Sender

_RESUMES = 5  # broken connections in a row before the download fails; the queue retries
_PROGRESS = 1024 * 1024  # bytes of progress after which the count starts again
_WAIT = 0.5  # seconds of backoff before the first resumption; doubles each time
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/(?:[0-9]{1,18}|\*)")


class Download:
    """One blob, read in order, in a slot that the caller holds. Uploads accept it as a Blob. The owner closes it."""

    def __init__(
        self,
        *,
        sender: Sender,
        requests: RequestBuilder,
        clock: Clock,
        name: str,
        digest: str,
        size: int,
        on_progress: Callable[[int], None],
        window: float,
    ) -> None:
        """`size`: by the manifest; `on_progress` gets the bytes received so far; `window`: of the LeastRate."""
        self.size = size
        self.failure: Exception | None = None
        self._sender = sender
        self._requests = requests
        self._clock = clock
        self._name = name
        self._digest = digest
        self._on_progress = on_progress
        self._content: Content | None = None
        self._early_error: TransferError | None = None  # of `begin`
        self._position = 0  # in the source
        self._ahead: bytes | memoryview = b""  # received, not yet processed
        self._rest: bytes | memoryview = b""  # processed, not yet returned
        self._pace = LeastRate(rate=requests.host.least_rate, window=window)  # one for all resumptions
        self._honours_ranges = True
        self._cuts = 0
        self._cut_at = 0
        self._hash = hashlib.new(digest.partition(":")[0])
        self._hashed = 0  # bytes that the hash covers

    async def begin(self) -> None:
        """Ask for it, so that it comes while the upload begins. `pieces` raises the error, if there is one."""
        if self._content is None:
            try:
                self._content = await self._open()
            except TransferError as error:
                self._early_error = error

    async def pieces(self, start: int, size: int) -> AsyncIterator[bytes | memoryview]:
        """`size` bytes from `start` on; `start` is at most where the last call ended.

        The last piece is returned only after the whole blob was verified. Raises WrongContent and other TransferErrors.
        """
        self.failure = None
        try:
            if start != self._position - len(self._rest) or (start == 0 and self._position):
                self._rewind(start)
            left = size
            if not self.size:
                self._verify()
            while left:
                piece = self._rest or await self._next_piece()
                piece, self._rest = piece[:left], piece[left:]
                left -= len(piece)
                yield piece
        except TransferError as error:
            self.close()
            self.failure = error
            raise

    def close(self) -> None:
        """Release the connection. Idempotent."""
        if self._content is not None:
            self._content.close()
            self._content, self._ahead = None, b""

    def _rewind(self, position: int) -> None:
        self.close()
        self._position, self._rest = position, b""
        if position == 0:
            self._hash, self._hashed = hashlib.new(self._hash.name), 0

    async def _next_piece(self) -> bytes | memoryview:
        """The next piece; resumes with backoff after a broken connection."""
        while True:
            try:
                if self._early_error is not None:
                    error, self._early_error = self._early_error, None
                    raise error
                if self._content is None:
                    self._content = await self._open()
                piece, self._ahead = self._ahead or await self._receive(self._content), b""
            except TooSlow:
                raise
            except Unreachable:
                self.close()
                self._cuts = 1 if self._position - self._cut_at >= _PROGRESS else self._cuts + 1
                self._cut_at = self._position
                if self._cuts > _RESUMES:
                    raise
                await self._clock.sleep(_WAIT * 2 ** (self._cuts - 1))
            else:
                await self._process(piece)
                return piece

    async def _open(self) -> Content:
        """The body from the position on."""
        begin = self._position if self._honours_ranges else 0
        response = await self._sender.send(
            self._requests.download(self._name, self._digest, offset=begin, pace=self._pace)
        )
        content = response.content
        if begin and not _begins_at(response, begin):
            # Some servers ignore Range, or misread it: download all of it, and skip what was received before.
            if content is not None:
                content.close()
            self._honours_ranges = False
            return await self._open()
        if content is None:
            raise self._wrong(f"was answered {response.status}")
        try:
            self._check_length(response, self.size - begin)
            await self._skip(content, self._position - begin)
        except BaseException:
            content.close()
            raise
        return content

    def _check_length(self, response: Response, expected: int) -> None:
        length = response.headers.get("Content-Length")
        if length is not None and length != str(expected):
            raise self._wrong(f"should have {expected} bytes, and its Content-Length is {length[:20]}")

    async def _skip(self, content: Content, count: int) -> None:
        while count > 0:
            piece = await self._receive(content)
            self._ahead = piece[count:]
            count -= len(piece)

    async def _receive(self, content: Content) -> bytes | memoryview:
        piece = await content.read()
        if not piece:
            raise Unreachable(f"{self._about} ended early", registry=self._requests.host.name)
        return piece

    async def _process(self, piece: bytes | memoryview) -> None:
        begin, self._position = self._position, self._position + len(piece)
        if self._position > self.size:
            raise self._wrong(f"should have {self.size} bytes, and has more")
        fresh = piece[max(self._hashed - begin, 0) :]  # after a rewind, a part is in the hash already
        self._hashed += len(fresh)
        self._hash.update(fresh)  # not in a thread: for at most 512 KiB, the handover would cost as much
        self._on_progress(self._position)
        await self._sender.limits.throttle(self._requests.host.name, len(piece))
        if self._position == self.size:
            self._verify()

    def _verify(self) -> None:
        self.close()
        found = f"{self._hash.name}:{self._hash.hexdigest()}"
        if found != self._digest:
            raise self._wrong(f"should be {self._digest}, and what arrived is {found}")

    def _wrong(self, what: str) -> WrongContent:
        return WrongContent(f"{self._about} {what}", registry=self._requests.host.name)

    @property
    def _about(self) -> str:
        host = self._requests.host
        return f"{host.name}: blob {self._name}@{self._digest}"


def _begins_at(response: Response, position: int) -> bool:
    """Whether the answer is the requested range."""
    found = _RANGE.fullmatch(response.headers.get("Content-Range", "").strip().lower())
    return response.status == HTTPStatus.PARTIAL_CONTENT and found is not None and int(found[1]) == position
