"""Sends one HTTP request by aiohttp, with its timeouts. No redirects, no login, no retry.

The only module with an aiohttp session: its exceptions become errors of ours here.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TypeGuard, TypeVar

import aiohttp
from yarl import URL

from ferryman.errors import TlsFailed, TooSlow, TransferError, Unreachable, WrongContent
from ferryman.manifests.manifest import digest_of
from ferryman.registry.hosts import Host
from ferryman.registry.http import content_encoding as packed
from ferryman.registry.http import proxies
from ferryman.registry.http.buffers import Buffers
from ferryman.registry.http.connection_errors import meaning
from ferryman.registry.http.least_rate import WINDOW, LeastRate
from ferryman.registry.http.messages import Body, Flow, Request, RequestSpec, Response, TimeoutClass, authority
from ferryman.registry.http.proxies import Proxies
from ferryman.registry.http.received_body import ReceivedBody
from ferryman.registry.http.ssrf_guard import GUARD, GuardedConnector, Zones

_ERROR_BODY = 64 * 1024  # bytes that are read of an unsuccessful answer
_PIECE = 256 * 1024  # bytes passed to aiohttp at once: larger pieces would take long even at a normal rate
_Result = TypeVar("_Result")
_PAGES_IN_TIME = 4  # pages of a list that may each take the whole `timeout:`


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The timeouts of a request, in seconds."""

    connect: float = 30
    read: float = WINDOW  # without a byte, in either direction: the window of the least rate
    total: float = 120  # of a small answer's body, however slowly bytes arrive
    # From the request's last byte to the answer's complete headers, whatever comes in between; by TimeoutClass.
    answer: float = 60
    page: float = 300
    fetch: float = 300
    commit: float = 900
    listing: float = 600  # of waiting for a whole list, all pages together

    def of_answer(self, spec: RequestSpec) -> float:
        """Seconds until the answer has to begin."""
        if spec.host.timeout is not None:
            return spec.host.timeout
        match spec.timeout_class:
            case TimeoutClass.ANSWER:
                return self.answer
            case TimeoutClass.LIST:
                return self.page
            case TimeoutClass.FETCH:
                return self.fetch
            case TimeoutClass.COMMIT:
                return self.commit

    def of_body(self, spec: RequestSpec) -> float:
        """Seconds for the body of an answer that is read into memory."""
        return max(self.total, self.of_answer(spec)) if spec.timeout_class is TimeoutClass.LIST else self.total

    def of_list(self, host: Host) -> float:
        """Seconds of waiting for a whole list."""
        return max(self.listing, _PAGES_IN_TIME * (host.timeout or 0))


class Http:
    """The aiohttp session, and with it the connection pool."""

    def __init__(self, *, timeouts: Timeouts, user_agent: str) -> None:
        self._timeouts = timeouts
        self._connecting = aiohttp.ClientTimeout(connect=timeouts.connect)  # the other timeouts are in this module
        self._user_agent = user_agent
        self._zones = Zones()
        self._buffers = Buffers()
        self._proxies = Proxies()
        self._session: aiohttp.ClientSession | None = None
        self._by_flow = {Flow.SMALL: self._small, Flow.DOWNLOAD: self._download, Flow.UPLOAD: self._upload}

    async def exchange(self, spec: RequestSpec, request: Request) -> Response:
        """Send `request`, which belongs to `spec`, and return the answer.

        Raises Unreachable, TlsFailed, and WrongContent for a body over the limit. If the source of the request's body
        fails, its error is raised unchanged.
        """
        try:
            return await self._by_flow[spec.flow](spec, request)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            if _is_streamed(request.body) and request.body.failure is not None:
                raise request.body.failure from None
            raise failed(spec, request.url, error) from None

    async def _small(self, spec: RequestSpec, request: Request) -> Response:
        async with await self._answered(spec, request) as response:
            return await self._whole(response, spec, request.url)

    async def _download(self, spec: RequestSpec, request: Request) -> Response:
        response = await self._answered(spec, request)
        if response.status < HTTPStatus.MULTIPLE_CHOICES:
            content = Incoming(response, spec, request.url, self._timeouts.read, self._buffers)
            return Response(response.status, request.url, response.headers, content=content)
        async with response:
            return await self._whole(response, spec, request.url)

    async def _upload(self, spec: RequestSpec, request: Request) -> Response:
        if not _is_streamed(request.body):
            return await self._small(spec, request)
        limit = asyncio.timeout(None)
        pace = LeastRate(rate=spec.host.least_rate, window=self._timeouts.read)
        outgoing = _Outgoing(request.body, limit, pace, then=self._timeouts.of_answer(spec))
        async with _limited(limit, lambda: outgoing.too_slow(spec, request.url)):
            response = await self._request(spec, request, data=outgoing.pieces())
            outgoing.is_answered = True
        async with response:
            return await self._whole(response, spec, request.url)

    async def _answered(self, spec: RequestSpec, request: Request) -> aiohttp.ClientResponse:
        """The answer, once its headers are complete: endless `100 Continue`, or a trickle of headers, time out too."""
        seconds = self._timeouts.of_answer(spec)
        asking = self._request(spec, request, data=request.body)
        return await _within(asking, seconds, spec, lambda: _no_answer(spec, request.url, seconds))

    async def _whole(self, response: aiohttp.ClientResponse, spec: RequestSpec, url: URL) -> Response:
        """Read the body into memory."""
        if response.content.at_eof():
            body = b""
        elif response.content.is_eof():  # it came with the headers: nothing to wait for
            body = await _read(response, spec)
        else:
            seconds = self._timeouts.of_body(spec)
            message = f"{_about(spec, url)}: its answer does not arrive in time ({seconds:g} s)"
            late = partial(TooSlow, message, registry=spec.host.name)
            body = await _within(_read(response, spec), seconds, spec, late)
        return Response(response.status, url, response.headers, await _unpacked(response, spec, body))

    async def _request(self, spec: RequestSpec, request: Request, *, data: object) -> aiohttp.ClientResponse:
        proxy = self._proxies.proxy_for(request.url, spec.host)
        guard = self._zones.guard(request, spec.host)
        if proxy is not None:
            guard.admit_by_name()
        token = GUARD.set(guard if proxy is None else None)
        try:
            response = await self._send(spec, request, data, proxy)
        except aiohttp.ClientConnectorError:
            if guard.refused and guard.connected is None:
                raise guard.refusal(spec.host.name) from None
            raise
        finally:
            GUARD.reset(token)
        self._zones.learn(guard)
        return response

    async def _send(
        self, spec: RequestSpec, request: Request, data: object, proxy: URL | None
    ) -> aiohttp.ClientResponse:
        try:
            response = await self._opened().request(
                request.method,
                request.url,
                headers=request.headers,
                data=data,
                allow_redirects=False,
                ssl=spec.host.tls,
                proxy=proxy,
                timeout=self._connecting,
            )
        except aiohttp.ClientHttpProxyError as error:
            if proxy is None:
                raise
            raise proxies.refusal(
                proxy, _about(spec, request.url), status=error.status, registry=spec.host.name
            ) from None
        except aiohttp.ClientProxyConnectionError as error:
            about = f"{_about(spec, request.url)}: the proxy {authority(proxy or request.url)}"
            raise Unreachable(f"{about}: cannot connect: {error.strerror}", registry=spec.host.name) from None
        if proxy is not None and request.url.scheme == "http" and proxies.is_own(response):
            response.close()
            raise proxies.refusal(proxy, _about(spec, request.url), status=response.status, registry=spec.host.name)
        return response

    def _opened(self) -> aiohttp.ClientSession:
        """The session, created at the first request: it belongs to the running event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=GuardedConnector(),
                # Digests are of the bytes as they are sent.
                headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
                auto_decompress=False,
                requote_redirect_url=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                # Not trust_env: it would also send logins of ~/.netrc. See proxies.py for the environment's proxies.
                trust_env=False,
            )
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


class Incoming:
    """A streamed body of an answer (Content), by aiohttp."""

    def __init__(
        self, response: aiohttp.ClientResponse, spec: RequestSpec, url: URL, window: float, buffers: Buffers
    ) -> None:
        self._response = response
        self._spec = spec
        self._url = url
        self._pace = spec.pace or LeastRate(rate=spec.host.least_rate, window=window)
        self._received = ReceivedBody.of(response, buffers)

    async def read(self) -> bytes | memoryview:
        """A piece as it was received: joining them would copy. Raises TooSlow below the least rate."""
        if self._received is not None and (piece := self._received.ready()):
            self._pace.waited(0, len(piece))
            return piece
        return await self._wait()

    async def _wait(self) -> bytes | memoryview:
        loop = asyncio.get_running_loop()
        piece: bytes | memoryview = b""
        began = loop.time()
        limit = asyncio.timeout(self._pace.left)
        try:
            async with limit:
                piece = await self._piece()
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            if limit.expired():
                raise self._too_slow() from None
            raise failed(self._spec, self._url, error) from None
        finally:
            self._pace.waited(loop.time() - began, len(piece))
        return piece

    async def _piece(self) -> bytes | memoryview:
        if self._received is not None:
            return await self._received.read()
        ends_chunk = True
        while ends_chunk:
            piece, ends_chunk = await self._response.content.readchunk()
            if piece:
                return piece
        return b""

    def _too_slow(self) -> TooSlow:
        return _below_least_rate(f"{_about(self._spec, self._url)}: sends {self._pace}", self._spec)

    def close(self) -> None:
        self._response.close()  # a response that was read completely has released its connection already


class _Outgoing:
    """A streamed request body, whose timeout is adapted to what is waited for."""

    def __init__(self, body: Body, limit: asyncio.Timeout, pace: LeastRate, *, then: float) -> None:
        """`then`: the timeout from the last byte to the answer."""
        self.is_answered = False
        self._body = body
        self._limit = limit
        self._pace = pace
        self._then = then
        self._is_sent = False

    async def pieces(self) -> AsyncIterator[memoryview]:
        loop = asyncio.get_running_loop()
        async for whole in self._body.pieces():
            for piece in _parts(whole):
                began = loop.time()
                self._set_timeout(self._pace.left)
                yield piece
                self._pace.waited(loop.time() - began, len(piece))
            self._set_timeout(None)  # its source has timeouts of its own
        self._is_sent = True
        self._set_timeout(self._then)

    def too_slow(self, spec: RequestSpec, url: URL) -> TooSlow:
        if self._is_sent:
            return TooSlow(str(_no_answer(spec, url, self._then)), registry=spec.host.name)
        return _below_least_rate(f"{_about(spec, url)}: takes {self._pace}", spec)

    def _set_timeout(self, seconds: float | None) -> None:
        if not self.is_answered:  # a server may answer before it has read everything
            self._limit.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)


def _parts(whole: bytes | memoryview) -> Iterable[memoryview]:
    view = memoryview(whole)  # of what cannot be sent at once, the transport slices off the rest
    return (view[start : start + _PIECE] for start in range(0, len(view), _PIECE))


async def _within(
    doing: Awaitable[_Result], seconds: float, spec: RequestSpec, late: Callable[[], Exception]
) -> _Result:
    """Await this with a timeout, or the remaining time of the list (`spec.bounds`) if that is shorter; raises `late()`.

    No context manager: see ConcurrencySlot.
    """
    bounds, loop = spec.bounds, asyncio.get_running_loop()
    began = loop.time()
    if bounds is not None and bounds.seconds < seconds:
        seconds, late = bounds.seconds, bounds.too_slow
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            return await doing
    except TimeoutError:
        if limit.expired():
            raise late() from None
        raise
    finally:
        if bounds is not None:
            bounds.spend(loop.time() - began)


@asynccontextmanager
async def _limited(limit: asyncio.Timeout, late: Callable[[], Exception]) -> AsyncIterator[None]:
    """Raise `late()` if this timeout expires; a TimeoutError of another origin is raised unchanged."""
    try:
        async with limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise late() from None
        raise


def _no_answer(spec: RequestSpec, url: URL, seconds: float) -> Unreachable:
    """Unreachable, which is retried at once, only for a mere look-up: its pooled connection may be dead."""
    kind = Unreachable if spec.timeout_class is TimeoutClass.ANSWER else TooSlow
    hint = "`timeout:` under `registries:` allows more"
    return kind(f"{_about(spec, url)}: no answer in time ({seconds:g} s); {hint}", registry=spec.host.name)


def _below_least_rate(message: str, spec: RequestSpec) -> TooSlow:
    hint = "tried again later; `least_rate:` under `registries:` allows less"
    return TooSlow(f"{message}: {hint}", registry=spec.host.name)


def _about(spec: RequestSpec, url: URL) -> str:
    return f"{spec.answered_by(url)}: {spec.subject}"


def failed(spec: RequestSpec, url: URL, error: Exception) -> Unreachable | TlsFailed:
    """The error for an exception of aiohttp. It gets no cause: aiohttp quotes URLs, and a signed URL is a secret."""
    kind, text = meaning(error)
    return kind(f"{_about(spec, url)}: {text}", registry=spec.host.name)


def _is_streamed(body: bytes | Body | None) -> TypeGuard[Body]:
    return body is not None and not isinstance(body, bytes)


async def _read(response: aiohttp.ClientResponse, spec: RequestSpec) -> bytes:
    """The body, limited while it arrives: Content-Length may be missing or wrong."""
    ok = response.status < HTTPStatus.MULTIPLE_CHOICES
    limit = spec.limit if ok else _ERROR_BODY
    body = bytearray()  # not a list of pieces: of a trickle, each would take more memory than its bytes
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > limit:
            if ok:
                raise _too_large(spec, response.url)
            response.close()
            break
    return bytes(memoryview(body)[:limit])


async def _unpacked(response: aiohttp.ClientResponse, spec: RequestSpec, body: bytes) -> bytes:
    """Undo Content-Encoding: digests are of the content. A blob that matches its digest is a compressed file itself."""
    if not body or "Content-Encoding" not in response.headers:
        return body
    encodings = packed.encodings(response.headers.get("Content-Encoding"))
    if not encodings or (spec.digest and digest_of(body, spec.digest.partition(":")[0]) == spec.digest):
        return body
    ok = response.status < HTTPStatus.MULTIPLE_CHOICES
    limit = spec.limit if ok else _ERROR_BODY
    try:
        for encoding in reversed(encodings):
            body = await asyncio.to_thread(packed.unpack, body, encoding, limit=limit)
            if ok and len(body) > limit:
                raise _too_large(spec, response.url)
    except ValueError as error:
        if ok:
            message = f"{_about(spec, response.url)}: its answer {error}"
            raise WrongContent(message, registry=spec.host.name) from None
    return body[:limit]


def _too_large(spec: RequestSpec, url: URL) -> TransferError:
    return WrongContent(f"{_about(spec, url)}: more than {spec.limit} bytes: refused", registry=spec.host.name)
