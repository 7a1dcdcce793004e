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
from ferryman.errors import TransferError, Unreachable, Unsupported, WrongContent
from ferryman.registry.abilities import Abilities
from ferryman.registry.answers import error_codes, refusal
from ferryman.registry.errands import Errands
from ferryman.registry.links import forbid_inward, resolve
from ferryman.registry.messages import Answer, Body
from ferryman.registry.sender import Sender

_TRIES = 3  # uploads begun for one blob
_WAIT = 0.5  # seconds before the second; it doubles
_CHUNK = 8 * 1024 * 1024  # bytes; Azure takes 20 MB at most
_PATIENCE = 5.0  # seconds for a registry to take note that an upload is given up
_RANGE = re.compile(r"(?:bytes[ =])?0-([0-9]{1,18})")
_LEAST = re.compile(r"[0-9]{1,9}")
_TOO_LARGE = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
_LOST = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE})
_NO_PATCH = frozenset({HTTPStatus.BAD_REQUEST, HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.NOT_IMPLEMENTED})
_DAMAGED = frozenset({"DIGEST_INVALID", "SIZE_INVALID", "BLOB_UPLOAD_INVALID"})


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
        errands: Errands,
        clock: Clock,
        abilities: Abilities,
        name: str,
        digest: str,
        placed: bool,
    ) -> None:
        """`placed`: the caller holds a place for requests at the registry."""
        self._sender = sender
        self._errands = errands
        self._clock = clock
        self._abilities = abilities
        self._name = name
        self._digest = digest
        self._placed = placed
        self._session: Session | None = None

    async def run(self, blob: Blob, session: Session | None) -> None:
        """Upload it, in the `session` of a mount that was not made or in one of its own. Raises TransferError.

        A session that comes to nothing is given up at the registry, also when this is cancelled.
        """
        for number in range(1, _TRIES + 1):
            try:
                self._session, session = session or await self._started(), None
                await self._attempt(blob, last=number == _TRIES)
            except (Unreachable, WrongContent):
                if blob.failure is not None or number == _TRIES:
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
        in_chunks = blob.size > _CHUNK and (last or not self._abilities.takes_large_bodies)
        try:
            if in_chunks and self._abilities.takes_chunks:
                await self._send_chunks(blob, 0)
            else:
                await self._send_whole(blob)
        except BaseException:
            await self._abort()
            raise

    async def _send_whole(self, blob: Blob) -> None:
        try:
            answer = await self._put(self._part(blob, 0, blob.size), accepts=frozenset({_TOO_LARGE}))
        except Unreachable:
            arrived = None if blob.failure is not None else await self._arrived()
            if not arrived:
                raise
            await self._send_chunks(blob, arrived)
            return
        if answer.status == _TOO_LARGE:
            self._abilities.takes_large_bodies = False
            await self._abort()
            self._session = await self._started()
            await self._send_chunks(blob, 0)

    async def _send_chunks(self, blob: Blob, offset: int) -> None:
        steps_back = 0
        while offset < blob.size:
            size = min(max(_CHUNK, self._at.least_chunk), blob.size - offset)
            try:
                offset = await self._send_chunk(blob, offset, size)
            except Unreachable:
                arrived = None if blob.failure is not None else await self._arrived()
                steps_back += 1
                if arrived is None or arrived > offset + size or steps_back > _TRIES:
                    raise
                offset = arrived
        await self._put(b"")

    async def _send_chunk(self, blob: Blob, offset: int, size: int) -> int:
        """Where the next one begins."""
        headers = {"Content-Range": f"{offset}-{offset + size - 1}"}  # without "bytes": it is not RFC 9110's
        answer = await self._send(
            "PATCH", self._at.location, self._part(blob, offset, size), headers, _LOST | _NO_PATCH
        )
        if answer.status in _LOST:
            raise Unreachable(f"{self._about} broke off: answered {answer.status}", registry=self._errands.host.name)
        if not answer.ok:
            self._abilities.takes_chunks = False
            if self._abilities.takes_large_bodies:
                raise Unreachable(f"{self._about} cannot be gone on with", registry=self._errands.host.name)
            raise Unsupported(f"{self._about}: neither whole nor in chunks", registry=self._errands.host.name)
        told = _end_of(answer)
        return offset + size if told is None else min(told, offset + size)

    async def _put(self, body: bytes | Body, accepts: frozenset[int] = frozenset()) -> Answer:
        """The request that ends the upload."""
        location = self._at.location
        separator = "&" if location.raw_query_string else "?"
        url = URL(f"{location}{separator}digest={quote(self._digest, safe='')}", encoded=True)
        answer = await self._send("PUT", url, body, {}, accepts | _LOST | {HTTPStatus.BAD_REQUEST})
        if answer.status in _LOST:
            raise Unreachable(f"{self._about} was lost: answered {answer.status}", registry=self._errands.host.name)
        if answer.status == HTTPStatus.BAD_REQUEST:
            if error_codes(answer) & _DAMAGED:
                raise WrongContent(f"{self._about} arrived damaged, it says", registry=self._errands.host.name)
            errand = self._errands.upload("PUT", url, self._name, self._digest)
            raise refusal(errand, answer, now=self._clock.now())
        return answer

    async def _started(self) -> Session:
        errand = self._errands.start_upload(self._name, self._digest, placed=self._placed)
        return session_of(await self._sender.send(errand), self._errands.host.name)

    async def _arrived(self) -> int | None:
        """How much of it the registry says to have; None: it cannot be gone on with."""
        with suppress(TransferError):
            if self._abilities.takes_chunks:
                answer = await self._send("GET", self._at.location, None, {}, _LOST | _NO_PATCH)
                if answer.ok:
                    return _end_of(answer) or 0
        return None

    async def _abort(self) -> None:
        with suppress(TransferError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                await self._send("DELETE", self._at.location, None, {}, _LOST | _NO_PATCH)

    async def _send(
        self, method: str, url: URL, body: bytes | Body | None, headers: Mapping[str, str], accepts: frozenset[int]
    ) -> Answer:
        errand = self._errands.upload(
            method, url, self._name, self._digest, headers=headers, body=body, placed=self._placed
        )
        answer = await self._sender.send(replace(errand, accepts=accepts))
        if answer.ok and method in {"PATCH", "GET"} and "Location" in answer.headers:
            location = _location_of(answer, self._errands.host.name)
            self._session = replace(self._at, location=location)
        return answer

    def _part(self, blob: Blob, start: int, size: int) -> Body:
        registry, limits = self._errands.host.name, self._sender.limits
        return _Part(blob, start, size, lambda count: limits.throttle(registry, count, up=True))

    @property
    def _at(self) -> Session:
        if self._session is None:
            raise RuntimeError("no upload was begun")
        return self._session

    @property
    def _about(self) -> str:
        return f"{self._errands.host.name}: the upload of blob {self._name}@{self._digest}"


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
        forbid_inward(answer.url, location, what="an upload")
    except Unsupported as error:
        error.registry = registry
        raise
    return location


def _end_of(answer: Answer) -> int | None:
    """How many bytes `Range: 0-999` tells of. `0-0` is how an empty upload is written."""
    found = _RANGE.fullmatch(answer.headers.get("Range", "").strip())
    if found is None:
        return None
    return int(found[1]) + 1 if found[1] != "0" else 0
