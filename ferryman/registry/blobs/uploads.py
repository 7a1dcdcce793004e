"""A blob on its way into a registry: as one request where that is taken, in chunks where it isn't.

Source: distribution specification, "Pushing blobs"; what registries do instead stands where it is met.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Protocol
from urllib.parse import quote

from yarl import URL

from ferryman.clock import Clock
from ferryman.errors import TooSlow, TransferError, Unreachable, Unsupported, WrongContent
from ferryman.registry.blobs.chunk_plan import SMALLEST, ChunkPlan
from ferryman.registry.capabilities import Capabilities
from ferryman.registry.http.error_responses import error_codes, refusal
from ferryman.registry.http.links import forbid_downgrade, resolve
from ferryman.registry.http.messages import Answer, Body
from ferryman.registry.http.requests import RequestBuilder
from ferryman.registry.sender import Sender

_TRIES = 3  # uploads begun for one blob
_WAIT = 0.5  # seconds before the second; it doubles
_PATIENCE = 5.0  # seconds for a registry to take note that an upload is given up
_RANGE = re.compile(r"(?:bytes[ =])?([0-9]{1,18})-([0-9]{1,18})")
_LEAST = re.compile(r"[0-9]{1,9}")
_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
_OUT_OF_STEP = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE  # or too large: ghcr.io says this to a chunk above 4 MiB
_LOST = frozenset({HTTPStatus.NOT_FOUND, _OUT_OF_STEP})
_NO_PATCH = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
_DAMAGED = frozenset({"DIGEST_INVALID", "SIZE_INVALID", "BLOB_UPLOAD_INVALID"})
_KNOWS_PATCH = _DAMAGED | {"BLOB_UPLOAD_UNKNOWN"}  # a 400 with one of these is about this upload alone


class Blob(Protocol):
    """What is uploaded, of which any part can be had again."""

    @property
    def size(self) -> int: ...

    @property
    def failure(self) -> Exception | None:
        """Why the last part could not be had."""
        ...

    def pieces(self, start: int, size: int) -> AsyncIterator[bytes]:
        """So many bytes from `start` on."""
        ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """A Blob of bytes that are here."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def failure(self) -> None:
        return None

    async def pieces(self, start: int, size: int) -> AsyncIterator[bytes]:
        yield self.data[start : start + size]


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a blob, as the body of a request."""

    blob: Blob
    start: int
    size: int
    throttle: Callable[[int], Awaitable[None]]

    @property
    def failure(self) -> Exception | None:
        return self.blob.failure

    async def pieces(self) -> AsyncIterator[bytes]:
        async for piece in self.blob.pieces(self.start, self.size):
            await self.throttle(len(piece))
            yield piece


@dataclass(frozen=True, slots=True)
class Session:
    """An upload that a registry has begun."""

    location: URL  # where to go on; answers name another each time
    least_chunk: int  # bytes


class Uploader:
    """Brings one blob into one repository. Made for one `run`."""

    def __init__(
        self,
        *,
        sender: Sender,
        requests: RequestBuilder,
        clock: Clock,
        capabilities: Capabilities,
        name: str,
        digest: str,
        placed: bool,
    ) -> None:
        """`placed`: the caller holds a place for requests at the registry."""
        self._sender = sender
        self._requests = requests
        self._clock = clock
        self._capabilities = capabilities
        self._name = name
        self._digest = digest
        self._placed = placed
        self._session: Session | None = None
        self._refused: int | None = None  # bytes of the smallest request that was refused as too large
        self._cut: Unreachable | None = None  # why the last chunk broke off
        self._tells_chunks = False  # the registry tells how much of the last chunk it has, not of the blob

    async def run(self, blob: Blob, session: Session | None) -> None:
        """Upload it, in the `session` of a mount that was not made or in one of its own. Raises TransferError.

        A session that comes to nothing is given up at the registry, also when this is cancelled.
        """
        for number in range(1, _TRIES + 1):
            try:
                self._session, session = session or await self._started(), None
                await self._attempt(blob, last=number == _TRIES)
            except (Unreachable, WrongContent) as error:
                if isinstance(error, TooSlow) or blob.failure is not None or number == _TRIES:
                    raise
                await self._clock.sleep(_WAIT * 2 ** (number - 1))
            else:
                return

    async def give_up(self, session: Session) -> None:
        """End a session in which nothing was sent."""
        self._session = session
        await self._abort()

    async def _attempt(self, blob: Blob, *, last: bool) -> None:
        # A proxy may cut what is too large for it without a word: so the last try goes in chunks.
        largest = SMALLEST if last else self._plan().size
        in_chunks = blob.size > largest and (last or not self._capabilities.takes_large_bodies)
        try:
            if in_chunks and self._capabilities.takes_chunks:
                if last:
                    self._refused = self._refused or blob.size
                await self._send_chunks(blob, 0)
            else:
                await self._send_whole(blob)
        except BaseException:
            await self._abort()
            raise

    async def _send_whole(self, blob: Blob) -> None:
        try:
            answer = await self._put(self._part(blob, 0, blob.size), accepts=frozenset({_TOO_LARGE}))
        except Unreachable as error:
            cannot_go_on = isinstance(error, TooSlow) or blob.failure is not None
            arrived = None if cannot_go_on else await self._arrived()
            if not arrived:
                raise
            await self._send_chunks(blob, arrived)
            return
        if answer.status == _TOO_LARGE:
            self._refused = min(blob.size, self._refused or blob.size)
            await self._begin_again()
            await self._send_chunks(blob, 0, whole_refused=True)
            self._capabilities.takes_large_bodies = False  # only now: a quota is answered in the same way

    async def _send_chunks(self, blob: Blob, offset: int, *, whole_refused: bool = False) -> None:
        plan = self._plan()
        while offset < blob.size:
            size = min(plan.size, blob.size - offset)
            position = await self._send_chunk(blob, offset, size, plan, whole_refused=whole_refused)
            if position is None:
                continue  # too large: the next one is smaller, down to a limit
            if position < offset:
                raise self._broken(f"was at byte {offset}, and is said to be at {position} now")
            if not plan.stepped(sent=size, taken=position - offset):
                raise self._cut or self._broken(f"stands still at byte {position}: chunks are taken, and not kept")
            if position == offset + size and plan.proven:
                self._capabilities.largest_chunk = plan.proven
            offset = position
        await self._put(b"")

    async def _send_chunk(
        self, blob: Blob, offset: int, size: int, plan: ChunkPlan, *, whole_refused: bool
    ) -> int | None:
        """Where the registry is after it; None: it was too large, and the plan has a smaller one."""
        headers = {"Content-Range": f"{offset}-{offset + size - 1}"}  # without "bytes": it is not RFC 9110's
        accepts = _LOST | _NO_PATCH | {_TOO_LARGE}
        try:
            answer = await self._send("PATCH", self._at.location, self._part(blob, offset, size), headers, accepts)
        except Unreachable as error:
            cannot_go_on = isinstance(error, TooSlow) or blob.failure is not None
            arrived = None if cannot_go_on else await self._arrived()
            if arrived is None or arrived > offset + size:
                raise
            self._cut = error
            plan.cut(taken=arrived - offset)
            return arrived
        self._cut = None
        if answer.ok:
            return await self._position(answer, offset, size)
        if answer.status == _OUT_OF_STEP:
            arrived = await self._arrived()
            position = _end_of(answer) if arrived is None else arrived
            if position is not None and (position != offset or plan.settle()):
                return min(position, offset + size)
        if answer.status in {_TOO_LARGE, _OUT_OF_STEP}:
            await self._make_smaller(plan, offset, size, answer)
            return None
        if answer.status == HTTPStatus.NOT_FOUND or error_codes(answer) & _KNOWS_PATCH:
            raise self._broken(f"broke off: answered {answer.status}")
        self._capabilities.takes_chunks = False
        if self._capabilities.takes_large_bodies and not whole_refused:
            raise self._broken("cannot be gone on with")
        raise Unsupported(f"{self._about}: neither whole nor in chunks", registry=self._requests.host.name)

    async def _make_smaller(self, plan: ChunkPlan, offset: int, size: int, answer: Answer) -> None:
        """Take it that a chunk is too large. Raises Unsupported where no smaller one can be tried."""
        self._refused = min(size, self._refused or size)
        if not plan.refused(size):
            wanted = f", and wants chunks of {plan.least} bytes at least" if plan.least >= size else ""
            message = f"{self._about}: a chunk of {size} bytes was refused as too large ({answer.status}){wanted}"
            raise Unsupported(message, registry=self._requests.host.name)
        if not offset:
            await self._begin_again()  # what a refused request leaves of an upload is uncertain

    async def _position(self, answer: Answer, offset: int, size: int) -> int:
        """Where the registry is after a chunk that it took: it tells the whole's range, the chunk's, or none."""
        end, told = offset + size, _range_of(answer)
        if told is None or (offset and told[0] == offset):
            return end if told is None else min(told[1], end)
        if told[1] >= end:
            return end
        is_chunk = offset > 0 and told[1] == size
        if is_chunk and self._tells_chunks:
            return end
        arrived = await self._arrived()
        if arrived is not None and arrived >= end:
            self._tells_chunks = is_chunk
            return end
        if is_chunk and arrived in {None, size}:  # a chunk's range, or one that stands still: what comes next shows it
            return end
        return min(told[1] if arrived is None else arrived, end)

    async def _put(self, body: bytes | Body, accepts: frozenset[int] = frozenset()) -> Answer:
        """The request that ends the upload."""
        location = self._at.location
        separator = "&" if location.raw_query_string else "?"
        url = URL(f"{location}{separator}digest={quote(self._digest, safe='')}", encoded=True)
        answer = await self._send("PUT", url, body, {}, accepts | _LOST | {HTTPStatus.BAD_REQUEST})
        if answer.status in _LOST:
            raise Unreachable(f"{self._about} was lost: answered {answer.status}", registry=self._requests.host.name)
        if answer.status == HTTPStatus.BAD_REQUEST:
            if error_codes(answer) & _DAMAGED:
                raise WrongContent(f"{self._about} arrived damaged, it says", registry=self._requests.host.name)
            spec = self._requests.upload("PUT", url, self._name, self._digest)
            raise refusal(spec, answer, now=self._clock.now())
        return answer

    async def _started(self) -> Session:
        spec = self._requests.start_upload(self._name, self._digest, placed=self._placed)
        return session_of(await self._sender.send(spec), self._requests.host.name)

    async def _arrived(self) -> int | None:
        """How much of it the registry says to have; None: it cannot be gone on with."""
        with suppress(TransferError):
            if self._capabilities.takes_chunks:
                answer = await self._send("GET", self._at.location, None, {}, _LOST | _NO_PATCH)
                if answer.ok:
                    return _end_of(answer)
        return None

    async def _begin_again(self) -> None:
        await self._abort()
        self._session = await self._started()

    def _plan(self) -> ChunkPlan:
        largest, least = self._capabilities.largest_chunk, self._at.least_chunk
        return ChunkPlan.of(largest=largest, least=least, refused=self._refused)

    async def _abort(self) -> None:
        with suppress(TransferError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._send("DELETE", self._at.location, None, {}, _LOST | _NO_PATCH)

    async def _send(
        self, method: str, url: URL, body: bytes | Body | None, headers: Mapping[str, str], accepts: frozenset[int]
    ) -> Answer:
        spec = self._requests.upload(
            method, url, self._name, self._digest, headers=headers, body=body, placed=self._placed
        )
        answer = await self._sender.send(replace(spec, accepts=accepts))
        if answer.ok and method in {"PATCH", "GET"} and "Location" in answer.headers:
            location = _location_of(answer, self._requests.host.name)
            self._session = replace(self._at, location=location)
        return answer

    def _part(self, blob: Blob, start: int, size: int) -> Body:
        registry, limits = self._requests.host.name, self._sender.limits
        return _Part(blob, start, size, lambda count: limits.throttle(registry, count, up=True))

    def _broken(self, what: str) -> Unreachable:
        return Unreachable(f"{self._about} {what}", registry=self._requests.host.name)

    @property
    def _at(self) -> Session:
        if self._session is None:
            raise RuntimeError("no upload was begun")
        return self._session

    @property
    def _about(self) -> str:
        return f"{self._requests.host.name}: the upload of blob {self._name}@{self._digest}"


def session_of(answer: Answer, registry: str) -> Session:
    """The upload that an answer says was begun. Raises WrongContent, and Unsupported for where it must not lead."""
    least = _LEAST.fullmatch(answer.headers.get("OCI-Chunk-Min-Length", ""))
    return Session(_location_of(answer, registry), int(least[0]) if least else 0)


def _location_of(answer: Answer, registry: str) -> URL:
    """Where an upload goes on: relative or absolute, perhaps at another host, and its query is vital."""
    written = answer.headers.get("Location")
    if written is None:
        raise WrongContent(f"{registry} began an upload without saying where it goes on", registry=registry)
    try:
        location = resolve(answer.url, written)
        if (answer.url.scheme, location.scheme) == ("https", "http") and location.host == answer.url.host:
            location = location.with_scheme("https").with_port(answer.url.explicit_port)  # it is behind a proxy
        forbid_downgrade(answer.url, location, what="an upload")
    except Unsupported as error:
        error.registry = registry
        raise
    return location


def _range_of(answer: Answer) -> tuple[int, int] | None:
    """`Range: 0-999` as where it begins and where the next byte goes. `0-0` is how an empty upload is written."""
    found = _RANGE.fullmatch(answer.headers.get("Range", "").strip())
    if found is None:
        return None
    begin, last = int(found[1]), int(found[2])
    return (0, 0) if (begin, last) == (0, 0) else (begin, last + 1)


def _end_of(answer: Answer) -> int | None:
    """How many bytes of the blob an answer tells of; None: it tells nothing that can be understood."""
    told = _range_of(answer)
    return told[1] if told is not None and told[0] == 0 else None
