"""Uploads of blobs: in one request if the registry accepts that, else as a chunked upload.

A small blob goes in the POST itself where the registry takes it (`single_posts.py`). Otherwise an upload session is
opened (POST), filled (PATCH, PUT) and, after an error, cancelled (DELETE). After a broken connection the session is
asked for its position and resumed; a lost or damaged one starts again, at most three times. A 429 during an upload is
not retried here: RateLimited is raised with its `Retry-After`, which holds the registry (limits/host_limits.py), and
the job is retried later (ferryman/retry.py). The DELETE would have to wait for that hold: the session is left to the
registry to expire.

Source: distribution specification, "Pushing blobs"; deviations of registries are noted where they are handled.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Protocol

from yarl import URL

from ferryman.clock import Clock
from ferryman.errors import TooSlow, TransferError, Unreachable, Unsupported, WrongContent
from ferryman.registry.blobs.chunk_plan import SMALLEST, ChunkPlan
from ferryman.registry.blobs.single_posts import SinglePosts
from ferryman.registry.capabilities import Capabilities
from ferryman.registry.http.error_responses import error_codes, refusal
from ferryman.registry.http.links import forbid_downgrade, in_query, resolve
from ferryman.registry.http.messages import Body, Response
from ferryman.registry.http.requests import RequestBuilder
from ferryman.registry.sender import Sender
from ferryman.tasks import gather_or_raise

_SMALL = 1024 * 1024  # bytes; up to here, a blob goes in the POST where the registry takes that
_TRIAL = 64 * 1024  # bytes; up to here, one that is refused is cheap to send again
_TRIES = 3  # upload sessions for one blob
_WAIT = 0.5  # seconds of backoff before the second; doubles
_ABORT_TIMEOUT = 5.0  # seconds for cancelling a session
_RANGE = re.compile(r"(?:bytes[ =])?([0-9]{1,18})-([0-9]{1,18})")
_LEAST = re.compile(r"[0-9]{1,9}")
_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
_OUT_OF_STEP = HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE  # also for a chunk above 4 MiB at ghcr.io
_LOST = frozenset({HTTPStatus.NOT_FOUND, _OUT_OF_STEP})
_NO_PATCH = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
_NO_SINGLE_POST = _NO_PATCH | {  # answers to a POST with a body of registries that take none
    HTTPStatus.NOT_FOUND, HTTPStatus.LENGTH_REQUIRED, _TOO_LARGE, HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
}  # fmt: skip
_DAMAGED = frozenset({"DIGEST_INVALID", "SIZE_INVALID", "BLOB_UPLOAD_INVALID"})
_KNOWS_PATCH = _DAMAGED | {"BLOB_UPLOAD_UNKNOWN"}  # a 400 with one of these is about this session only


class Blob(Protocol):
    """Content to upload, any part of which can be read again."""

    @property
    def size(self) -> int: ...

    @property
    def failure(self) -> Exception | None:
        """The error of its source in the last part; None: there was none."""
        ...

    async def begin(self) -> None:
        """Ask its source for it already. Raises nothing: `pieces` raises the error."""
        ...

    def pieces(self, start: int, size: int) -> AsyncIterator[bytes | memoryview]:
        """`size` bytes from `start` on."""
        ...


@dataclass(frozen=True, slots=True)
class InMemory:
    """A Blob in memory."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    @property
    def failure(self) -> None:
        return None

    async def begin(self) -> None:
        pass

    async def pieces(self, start: int, size: int) -> AsyncIterator[bytes]:
        yield self.data[start : start + size]


@dataclass(frozen=True, slots=True)
class _Part:
    """A part of a blob, as a request body."""

    blob: Blob
    start: int
    size: int
    throttle: Callable[[int], Awaitable[None]]

    @property
    def failure(self) -> Exception | None:
        return self.blob.failure

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        async for piece in self.blob.pieces(self.start, self.size):
            await self.throttle(len(piece))
            yield piece


@dataclass(frozen=True, slots=True)
class Session:
    """An upload session."""

    location: URL  # for the next request; every answer may name another
    least_chunk: int  # bytes


class Uploader:
    """Uploads one blob to one repository. Made for one `run`."""

    def __init__(
        self,
        *,
        sender: Sender,
        requests: RequestBuilder,
        clock: Clock,
        capabilities: Capabilities,
        single_posts: SinglePosts,
        name: str,
        digest: str,
        holds_slot: bool,
    ) -> None:
        """`holds_slot`: the caller holds a request slot at the registry."""
        self._sender = sender
        self._requests = requests
        self._clock = clock
        self._capabilities = capabilities
        self._single_posts = single_posts
        self._name = name
        self._digest = digest
        self._holds_slot = holds_slot
        self._session: Session | None = None
        self._refused: int | None = None  # bytes of the smallest request that was too large
        self._cut: Unreachable | None = None  # the error that cut the last chunk
        self._reports_chunks = False  # the registry reports the range of the last chunk, not of the blob

    async def run(self, blob: Blob, session: Session | None) -> None:
        """Upload it, in the `session` that a refused mount left, or in a new one. Raises TransferError.

        After an error, and when this is cancelled, the session is cancelled at the registry.
        """
        for number in range(1, _TRIES + 1):
            self._session, session = session, None
            try:
                if self._session is None and await self._sent_in_one(blob):
                    return
                if self._session is None:
                    await self._begin(blob)
                await self._attempt(blob, last=number == _TRIES)
            except (Unreachable, WrongContent) as error:
                if isinstance(error, TooSlow) or blob.failure is not None or number == _TRIES:
                    raise
                await self._clock.sleep(_WAIT * 2 ** (number - 1))
            else:
                return

    async def _sent_in_one(self, blob: Blob) -> bool:
        """Send a small blob in a POST. False: it was not taken; then a session may be open."""
        registry = self._requests.host.name
        proven = self._single_posts.known(registry)
        if blob.size > (_SMALL if proven else _TRIAL) or self._holds_slot:
            return False
        with self._single_posts.attempt(registry) as attempts:
            if not attempts:
                return False
            part = self._part(blob, 0, blob.size)
            spec = self._requests.upload_in_one(self._name, self._digest, part, accepts=_NO_SINGLE_POST)
            try:
                response = await self._sender.send(spec)
            except Unreachable as error:
                if proven or isinstance(error, TooSlow):
                    raise
                self._single_posts.learned(registry, taken=False)  # perhaps something on the way breaks it off
                return False
            taken = response.status == HTTPStatus.CREATED and (proven or await self._is_there())
            self._single_posts.learned(registry, taken=taken)
            if response.status == HTTPStatus.ACCEPTED:
                self._session = session_of(response, registry)
            return taken

    async def _is_there(self) -> bool:
        return (await self._sender.send(self._requests.head_blob(self._name, self._digest))).ok

    async def _begin(self, blob: Blob) -> None:
        """Open a session, and ask for the blob meanwhile."""

        async def start() -> None:
            self._session = await self.open()

        try:
            await gather_or_raise(start(), blob.begin())
        except BaseException:
            if self._session is not None:
                await self._abort()
            raise

    async def open(self) -> Session:
        """Open a session, for a later `run` or `cancel`."""
        spec = self._requests.start_upload(self._name, self._digest, holds_slot=self._holds_slot)
        return session_of(await self._sender.send(spec), self._requests.host.name)

    async def cancel(self, session: Session) -> None:
        """Cancel a session in which nothing was sent."""
        self._session = session
        await self._abort()

    async def _attempt(self, blob: Blob, *, last: bool) -> None:
        # A proxy may silently cut requests that are too large for it: so the last try is chunked.
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
            response = await self._put(self._part(blob, 0, blob.size), accepts=frozenset({_TOO_LARGE}))
        except Unreachable as error:
            cannot_resume = isinstance(error, TooSlow) or blob.failure is not None
            arrived = None if cannot_resume else await self._stored()
            if not arrived:
                raise
            await self._send_chunks(blob, arrived)
            return
        if response.status == _TOO_LARGE:
            self._refused = min(blob.size, self._refused or blob.size)
            await self._restart()
            await self._send_chunks(blob, 0, whole_refused=True)
            self._capabilities.takes_large_bodies = False  # only after success: an exceeded quota gives the same answer

    async def _send_chunks(self, blob: Blob, offset: int, *, whole_refused: bool = False) -> None:
        plan = self._plan()
        while offset < blob.size:
            size = min(plan.size, blob.size - offset)
            position = await self._send_chunk(blob, offset, size, plan, whole_refused=whole_refused)
            if position is None:
                continue  # too large: the next one is smaller, down to a minimum
            if position < offset:
                raise self._broken(f"went back from byte {offset} to byte {position}")
            if not plan.stepped(sent=size, taken=position - offset):
                raise self._cut or self._broken(
                    f"makes no progress at byte {position}: chunks are accepted and not stored"
                )
            if position == offset + size and plan.proven:
                self._capabilities.largest_chunk = plan.proven
            offset = position
        await self._put(b"")

    async def _send_chunk(
        self, blob: Blob, offset: int, size: int, plan: ChunkPlan, *, whole_refused: bool
    ) -> int | None:
        """The position of the registry after it; None: it was too large, and the plan has a smaller size."""
        headers = {"Content-Range": f"{offset}-{offset + size - 1}"}  # without "bytes": it is not RFC 9110's
        accepts = _LOST | _NO_PATCH | {_TOO_LARGE}
        try:
            response = await self._send("PATCH", self._at.location, self._part(blob, offset, size), headers, accepts)
        except Unreachable as error:
            cannot_resume = isinstance(error, TooSlow) or blob.failure is not None
            arrived = None if cannot_resume else await self._stored()
            if arrived is None or arrived > offset + size:
                raise
            self._cut = error
            plan.cut(taken=arrived - offset)
            return arrived
        self._cut = None
        if response.ok:
            return await self._position(response, offset, size)
        if response.status == _OUT_OF_STEP:
            arrived = await self._stored()
            position = _end_of(response) if arrived is None else arrived
            if position is not None and (position != offset or plan.settle()):
                return min(position, offset + size)
        if response.status in {_TOO_LARGE, _OUT_OF_STEP}:
            await self._make_smaller(plan, offset, size, response)
            return None
        if response.status == HTTPStatus.NOT_FOUND or error_codes(response) & _KNOWS_PATCH:
            raise self._broken(f"broke off: answered {response.status}")
        self._capabilities.takes_chunks = False
        if self._capabilities.takes_large_bodies and not whole_refused:
            raise self._broken("cannot be resumed")
        raise Unsupported(
            f"{self._about} was refused, both in one request and in chunks", registry=self._requests.host.name
        )

    async def _make_smaller(self, plan: ChunkPlan, offset: int, size: int, response: Response) -> None:
        """Treat a chunk as too large. Raises Unsupported if no smaller one can be tried."""
        self._refused = min(size, self._refused or size)
        if not plan.refused(size):
            wanted = f", and wants chunks of {plan.least} bytes at least" if plan.least >= size else ""
            message = f"{self._about}: a chunk of {size} bytes was refused as too large ({response.status}){wanted}"
            raise Unsupported(message, registry=self._requests.host.name)
        if not offset:
            await self._restart()  # the state of the session after a refused request is uncertain

    async def _position(self, response: Response, offset: int, size: int) -> int:
        """The position after an accepted chunk: `Range` in the answer is of the whole, of the chunk, or missing."""
        end, reported = offset + size, _range_of(response)
        if reported is None or (offset and reported[0] == offset):
            return end if reported is None else min(reported[1], end)
        if reported[1] >= end:
            return end
        is_chunk = offset > 0 and reported[1] == size
        if is_chunk and self._reports_chunks:
            return end
        arrived = await self._stored()
        if arrived is not None and arrived >= end:
            self._reports_chunks = is_chunk
            return end
        if is_chunk and arrived in {None, size}:  # the chunk's range, or no progress: the next answer decides
            return end
        return min(reported[1] if arrived is None else arrived, end)

    async def _put(self, body: bytes | Body, accepts: frozenset[int] = frozenset()) -> Response:
        """The request that completes the upload."""
        location = self._at.location
        separator = "&" if location.raw_query_string else "?"
        url = URL(f"{location}{separator}digest={in_query(self._digest)}", encoded=True)
        response = await self._send("PUT", url, body, {}, accepts | _LOST | {HTTPStatus.BAD_REQUEST})
        if response.status in _LOST:
            raise Unreachable(f"{self._about} was lost: answered {response.status}", registry=self._requests.host.name)
        if response.status == HTTPStatus.BAD_REQUEST:
            if error_codes(response) & _DAMAGED:
                raise WrongContent(
                    f"{self._about} arrived damaged, says the registry", registry=self._requests.host.name
                )
            spec = self._requests.upload("PUT", url, self._name, self._digest)
            raise refusal(spec, response, now=self._clock.now())
        return response

    async def _stored(self) -> int | None:
        """How many bytes of the blob the registry has; None: the session cannot be resumed."""
        with suppress(TransferError):
            if self._capabilities.takes_chunks:
                response = await self._send("GET", self._at.location, None, {}, _LOST | _NO_PATCH)
                if response.ok:
                    return _end_of(response)
        return None

    async def _restart(self) -> None:
        await self._abort()
        self._session = await self.open()

    def _plan(self) -> ChunkPlan:
        largest, least = self._capabilities.largest_chunk, self._at.least_chunk
        return ChunkPlan.of(largest=largest, least=least, refused=self._refused)

    async def _abort(self) -> None:
        with suppress(TransferError, TimeoutError):
            async with asyncio.timeout(_ABORT_TIMEOUT):
                await self._send("DELETE", self._at.location, None, {}, _LOST | _NO_PATCH)

    async def _send(
        self, method: str, url: URL, body: bytes | Body | None, headers: Mapping[str, str], accepts: frozenset[int]
    ) -> Response:
        spec = self._requests.upload(
            method, url, self._name, self._digest,
            headers=headers, body=body, accepts=accepts, holds_slot=self._holds_slot,
        )  # fmt: skip
        response = await self._sender.send(spec)
        if response.ok and method in {"PATCH", "GET"} and "Location" in response.headers:
            location = _location_of(response, self._requests.host.name)
            self._session = replace(self._at, location=location)
        return response

    def _part(self, blob: Blob, start: int, size: int) -> Body:
        registry, limits = self._requests.host.name, self._sender.limits
        return _Part(blob, start, size, lambda count: limits.throttle(registry, count, up=True))

    def _broken(self, what: str) -> Unreachable:
        return Unreachable(f"{self._about} {what}", registry=self._requests.host.name)

    @property
    def _at(self) -> Session:
        if self._session is None:
            raise RuntimeError("there is no upload session")
        return self._session

    @property
    def _about(self) -> str:
        return f"{self._requests.host.name}: the upload of blob {self._name}@{self._digest}"


def session_of(response: Response, registry: str) -> Session:
    """The session that an answer opened. Raises WrongContent, and Unsupported for a forbidden `Location`."""
    least = _LEAST.fullmatch(response.headers.get("OCI-Chunk-Min-Length", ""))
    return Session(_location_of(response, registry), int(least[0]) if least else 0)


def _location_of(response: Response, registry: str) -> URL:
    """The URL for the next request: relative or absolute, perhaps at another host; its query must be kept."""
    written = response.headers.get("Location")
    if written is None:
        raise WrongContent(f"{registry} opened an upload session without a Location", registry=registry)
    try:
        location = resolve(response.url, written)
        if (response.url.scheme, location.scheme) == ("https", "http") and location.host == response.url.host:
            location = location.with_scheme("https").with_port(response.url.explicit_port)  # behind a TLS proxy
        forbid_downgrade(response.url, location, what="an upload")
    except Unsupported as error:
        error.registry = registry
        raise
    return location


def _range_of(response: Response) -> tuple[int, int] | None:
    """`Range: 0-999` as (start, end), end exclusive. `0-0` means an empty upload."""
    found = _RANGE.fullmatch(response.headers.get("Range", "").strip())
    if found is None:
        return None
    begin, last = int(found[1]), int(found[2])
    return (0, 0) if (begin, last) == (0, 0) else (begin, last + 1)


def _end_of(response: Response) -> int | None:
    """How many bytes of the blob the registry reports; None: nothing usable."""
    reported = _range_of(response)
    return reported[1] if reported is not None and reported[0] == 0 else None
