"""A blob on its way out of a registry: checked while it comes, and gone on with where it was cut.

Source: distribution specification, "Pulling blobs"; RFC 9110, 14 (ranges).
"""

import hashlib
import re
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

from ferryman.clock import Clock
from ferryman.errors import TooSlow, TransferError, Unreachable, WrongContent
from ferryman.registry.http.least_rate import LeastRate
from ferryman.registry.http.messages import Answer, Content
from ferryman.registry.http.requests import RequestBuilder
from ferryman.registry.sender import Sender

_RESUMES = 5  # cuts in a row after which a blob is given up; the queue tries again
_PROGRESS = 1024 * 1024  # bytes between two cuts that are not in a row
_WAIT = 0.5  # seconds before the first resumption; it doubles
_RANGE = re.compile(r"bytes ([0-9]{1,18})-[0-9]{1,18}/(?:[0-9]{1,18}|\*)")


class Download:
    """One blob, taken in order, in a place that the caller holds. What an upload takes; close it."""

    def __init__(
        self,
        *,
        sender: Sender,
        requests: RequestBuilder,
        clock: Clock,
        name: str,
        digest: str,
        size: int,
        tell: Callable[[int], None],
        window: float,
    ) -> None:
        """`size` is what the manifest promises; `tell` is told how many bytes have come; `window`: LeastRate's."""
        self.size = size
        self.failure: Exception | None = None
        self._sender = sender
        self._requests = requests
        self._clock = clock
        self._name = name
        self._digest = digest
        self._tell = tell
        self._content: Content | None = None
        self._position = 0  # in the source
        self._ahead = b""  # came with what was passed over
        self._rest = b""  # was taken, and not given out yet
        self._pace = LeastRate(rate=requests.host.least_rate, window=window)  # one for all cuts
        self._keeps_to_ranges = True
        self._cuts = 0
        self._cut_at = 0
        self._sum = hashlib.new(digest.partition(":")[0])
        self._summed = 0  # bytes that the sum is over

    async def pieces(self, start: int, size: int) -> AsyncIterator[bytes]:
        """So many bytes from `start` on, which is at most where the last call ended.

        The blob's last piece is given out only when all of it was right. Raises WrongContent and other TransferErrors.
        """
        self.failure = None
        try:
            if start != self._position - len(self._rest) or start == 0:
                self._go_back(start)
            left = size
            if not self.size:
                self._check()
            while left:
                piece = self._rest or await self._arrived()
                piece, self._rest = piece[:left], piece[left:]
                left -= len(piece)
                yield piece
        except TransferError as error:
            self.close()
            self.failure = error
            raise

    def close(self) -> None:
        """Give the connection back. Idempotent."""
        if self._content is not None:
            self._content.close()
            self._content, self._ahead = None, b""

    def _go_back(self, position: int) -> None:
        self.close()
        self._position, self._rest = position, b""
        if position == 0:
            self._sum, self._summed = hashlib.new(self._sum.name), 0

    async def _arrived(self) -> bytes:
        """The next piece; cuts are mended on the way."""
        while True:
            try:
                if self._content is None:
                    self._content = await self._opened()
                piece, self._ahead = self._ahead or await self._more(self._content), b""
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
                await self._take(piece)
                return piece

    async def _opened(self) -> Content:
        """The body from the position on."""
        begin = self._position if self._keeps_to_ranges else 0
        answer = await self._sender.send(
            self._requests.download(self._name, self._digest, offset=begin, pace=self._pace)
        )
        content = answer.content
        if begin and not _begins_at(answer, begin):
            # Some servers ignore Range, or mean something else by it: take it all, and pass over what is known.
            if content is not None:
                content.close()
            self._keeps_to_ranges = False
            return await self._opened()
        if content is None:
            raise self._wrong(f"was answered {answer.status}")
        try:
            self._demand_length(answer, self.size - begin)
            await self._pass_over(content, self._position - begin)
        except BaseException:
            content.close()
            raise
        return content

    def _demand_length(self, answer: Answer, expected: int) -> None:
        told = answer.headers.get("Content-Length")
        if told is not None and told != str(expected):
            raise self._wrong(f"should have {expected} bytes, and is said to have {told[:20]}")

    async def _pass_over(self, content: Content, count: int) -> None:
        while count > 0:
            piece = await self._more(content)
            self._ahead = piece[count:]
            count -= len(piece)

    async def _more(self, content: Content) -> bytes:
        piece = await content.read()
        if not piece:
            raise Unreachable(f"{self._about} ended early", registry=self._requests.host.name)
        return piece

    async def _take(self, piece: bytes) -> None:
        begin, self._position = self._position, self._position + len(piece)
        if self._position > self.size:
            raise self._wrong(f"should have {self.size} bytes, and has more")
        fresh = piece[max(self._summed - begin, 0) :]  # after a step back, some of it was counted in already
        self._summed += len(fresh)
        self._sum.update(fresh)  # not in a thread: a piece has 256 KiB at most, and handing it over costs as much
        self._tell(self._position)
        await self._sender.limits.throttle(self._requests.host.name, len(piece))
        if self._position == self.size:
            self._check()

    def _check(self) -> None:
        self.close()
        found = f"{self._sum.name}:{self._sum.hexdigest()}"
        if found != self._digest:
            raise self._wrong(f"should be {self._digest}, and what arrived is {found}")

    def _wrong(self, what: str) -> WrongContent:
        return WrongContent(f"{self._about} {what}", registry=self._requests.host.name)

    @property
    def _about(self) -> str:
        host = self._requests.host
        return f"{host.name}: blob {self._name}@{self._digest}"


def _begins_at(answer: Answer, position: int) -> bool:
    """Whether the answer is the part that was asked for."""
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", "").strip().lower())
    return answer.status == HTTPStatus.PARTIAL_CONTENT and found is not None and int(found[1]) == position
