"""One request, one answer: the only place that knows aiohttp. No redirect, no login, no second try."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeGuard

import aiohttp
from yarl import URL

from ferryman.errors import TlsFailed, TooSlow, TransferError, Unreachable, WrongContent
from ferryman.manifests.manifest import digest_of
from ferryman.registry.hosts import Host
from ferryman.registry.http import content_encoding as packed
from ferryman.registry.http import proxies
from ferryman.registry.http.connection_errors import meaning
from ferryman.registry.http.least_rate import WINDOW, LeastRate
from ferryman.registry.http.messages import Answer, Body, Flow, Patience, Request, RequestSpec, place
from ferryman.registry.http.proxies import proxy_for
from ferryman.registry.http.ssrf_guard import GUARD, GuardedConnector, Zones

_ERROR_BODY = 64 * 1024  # bytes of an unsuccessful answer that are read
_CHUNK = 64 * 1024
_PIECE = 256 * 1024  # bytes that are handed over at once: larger ones would be long on their way even at a fair rate
_PAGES_IN_TIME = 4  # that each take all the time that `timeout:` allows


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each part of a request may take, in seconds."""

    connect: float = 30
    read: float = WINDOW  # without a byte, either way: the window of the least rate
    total: float = 120  # of a small answer's body: a server that sends a byte now and then is cut by this
    # From the request's last byte to the answer's complete headers, whatever comes in between; by Patience.
    answer: float = 60
    page: float = 300
    fetch: float = 300
    commit: float = 900
    listing: float = 600  # of waiting for a whole list, in all its pages

    def of_answer(self, spec: RequestSpec) -> float:
        """How long the answer may take to begin."""
        if spec.host.timeout is not None:
            return spec.host.timeout
        return {
            Patience.ANSWER: self.answer, Patience.LIST: self.page, Patience.FETCH: self.fetch,
            Patience.COMMIT: self.commit,
        }[spec.patience]  # fmt: skip

    def of_body(self, spec: RequestSpec) -> float:
        """How long the body of an answer may take that is kept in memory."""
        return max(self.total, self.of_answer(spec)) if spec.patience is Patience.LIST else self.total

    def of_list(self, host: Host) -> float:
        """How long a whole list may take."""
        return max(self.listing, _PAGES_IN_TIME * (host.timeout or 0))


class Http:
    """An aiohttp session whose exceptions stay here."""

    def __init__(self, *, timeouts: Timeouts, user_agent: str) -> None:
        self._timeouts = timeouts
        self._user_agent = user_agent
        self._zones = Zones()
        self._session: aiohttp.ClientSession | None = None

    async def exchange(self, spec: RequestSpec, request: Request) -> Answer:
        """Send one request on behalf of a request.

        Raises Unreachable, TlsFailed, and WrongContent for a body over the limit.
        Where the request's own body cannot be made, its failure is raised.
        """
        send = {Flow.SMALL: self._small, Flow.DOWNLOAD: self._download, Flow.UPLOAD: self._upload}[spec.flow]
        try:
            return await send(spec, request)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            if _is_made(request.body) and request.body.failure is not None:
                raise request.body.failure from None
            raise failed(spec, request.url, error) from None

    async def _small(self, spec: RequestSpec, request: Request) -> Answer:
        async with await self._answered(spec, request) as response:
            return await self._whole(response, spec, request.url)

    async def _download(self, spec: RequestSpec, request: Request) -> Answer:
        response = await self._answered(spec, request)
        content = Incoming(response, spec, request.url, self._timeouts.read)
        try:
            if response.status < HTTPStatus.MULTIPLE_CHOICES:
                return Answer(response.status, request.url, response.headers, content=content)
            answer = await self._whole(response, spec, request.url)
        except BaseException:
            content.close()
            raise
        content.close()
        return answer

    async def _upload(self, spec: RequestSpec, request: Request) -> Answer:
        if not _is_made(request.body):
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
        """The answer, once its headers are complete: `100 Continue` without end, or a header now and then, is none."""
        seconds = self._timeouts.of_answer(spec)
        async with _within(seconds, spec, lambda: _no_answer(spec, request.url, seconds)):
            return await self._request(spec, request, data=request.body)

    async def _whole(self, response: aiohttp.ClientResponse, spec: RequestSpec, url: URL) -> Answer:
        """The answer with its body."""
        seconds = self._timeouts.of_body(spec)
        message = f"{_about(spec, url)}: what it answers does not arrive in time ({seconds:g} s)"
        async with _within(seconds, spec, lambda: TooSlow(message, registry=spec.host.name)):
            body = await _read(response, spec)
            return Answer(response.status, url, response.headers, await _unpacked(response, spec, body))

    async def _request(self, spec: RequestSpec, request: Request, *, data: object) -> aiohttp.ClientResponse:
        proxy = proxy_for(request.url, spec.host)
        guard = self._zones.guard(request, spec.host)
        if proxy is not None:
            guard.admit_by_name()
        token = GUARD.set(guard if proxy is None else None)
        try:
            response = await self._send(spec, request, data, proxy)
        except aiohttp.ClientConnectorError:
            if guard.refused and guard.dialled is None:
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
                timeout=aiohttp.ClientTimeout(connect=self._timeouts.connect),  # the rest is limited here
            )
        except aiohttp.ClientHttpProxyError as error:
            if proxy is None:
                raise
            raise proxies.refusal(
                proxy, _about(spec, request.url), status=error.status, registry=spec.host.name
            ) from None
        except aiohttp.ClientProxyConnectionError as error:
            about = f"{_about(spec, request.url)}: the proxy {place(proxy or request.url)}"
            raise Unreachable(f"{about}: cannot connect: {error.strerror}", registry=spec.host.name) from None
        if proxy is not None and request.url.scheme == "http" and proxies.is_own(response):
            response.close()
            raise proxies.refusal(proxy, _about(spec, request.url), status=response.status, registry=spec.host.name)
        return response

    def _opened(self) -> aiohttp.ClientSession:
        """The session; made at the first request, because it belongs to the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=GuardedConnector(),
                # Digests are over the bytes as they are sent.
                headers={"User-Agent": self._user_agent, "Accept-Encoding": "identity"},
                auto_decompress=False,
                requote_redirect_url=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                # Not trust_env: it also sends what stands in ~/.netrc. Proxies are looked up here.
                trust_env=False,
            )
        return self._session

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()


class Incoming:
    """A Content of aiohttp's."""

    def __init__(self, response: aiohttp.ClientResponse, spec: RequestSpec, url: URL, window: float) -> None:
        self._response = response
        self._errand = spec
        self._url = url
        self._pace = spec.pace or LeastRate(rate=spec.host.least_rate, window=window)

    async def read(self) -> bytes:
        """As it was received: pieces are not joined, which would copy them. Raises TooSlow below the least rate."""
        loop, piece = asyncio.get_running_loop(), b""
        began = loop.time()
        limit = asyncio.timeout(self._pace.left)
        try:
            async with limit:
                piece = await self._piece()
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            if limit.expired():
                raise self._too_slow() from None
            raise failed(self._errand, self._url, error) from None
        finally:
            self._pace.waited(loop.time() - began, len(piece))
        return piece

    async def _piece(self) -> bytes:
        ends_chunk = True
        while ends_chunk:
            piece, ends_chunk = await self._response.content.readchunk()
            if piece:
                return piece
        return b""

    def _too_slow(self) -> TooSlow:
        return _below_least_rate(f"{_about(self._errand, self._url)}: sends {self._pace}", self._errand)

    def close(self) -> None:
        self._response.close()  # one that was read to its end has given its connection back already


class _Outgoing:
    """A body on its way out, against a limit of time that fits what is waited for."""

    def __init__(self, body: Body, limit: asyncio.Timeout, pace: LeastRate, *, then: float) -> None:
        """`then`: seconds from the last byte to the answer."""
        self.is_answered = False
        self._body = body
        self._limit = limit
        self._pace = pace
        self._then = then
        self._is_sent = False

    async def pieces(self) -> AsyncIterator[bytes | memoryview]:
        loop = asyncio.get_running_loop()
        async for whole in self._body.pieces():
            for piece in _parts(whole):
                began = loop.time()
                self._wait(self._pace.left)
                yield piece
                self._pace.waited(loop.time() - began, len(piece))
            self._wait(None)  # the next piece is waited for at its source
        self._is_sent = True
        self._wait(self._then)

    def too_slow(self, spec: RequestSpec, url: URL) -> TooSlow:
        if self._is_sent:
            return TooSlow(str(_no_answer(spec, url, self._then)), registry=spec.host.name)
        return _below_least_rate(f"{_about(spec, url)}: takes {self._pace}", spec)

    def _wait(self, seconds: float | None) -> None:
        if not self.is_answered:  # a server may answer before it has read everything
            self._limit.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)


def _parts(whole: bytes) -> Iterable[bytes | memoryview]:
    if len(whole) <= _PIECE:
        return (whole,)
    view = memoryview(whole)
    return (view[start : start + _PIECE] for start in range(0, len(view), _PIECE))


@asynccontextmanager
async def _within(seconds: float, spec: RequestSpec, late: Callable[[], Exception]) -> AsyncIterator[None]:
    """Limit what is done in it, also by what is left of the list that it is a part of. Raises what `late` makes."""
    bounds, loop = spec.bounds, asyncio.get_running_loop()
    by_list = bounds is not None and bounds.seconds < seconds
    began = loop.time()
    try:
        if bounds is not None and by_list:
            seconds, late = bounds.seconds, bounds.too_slow
        async with _limited(asyncio.timeout(seconds), late):
            yield
    finally:
        if bounds is not None:
            bounds.spend(loop.time() - began)


@asynccontextmanager
async def _limited(limit: asyncio.Timeout, late: Callable[[], Exception]) -> AsyncIterator[None]:
    """Raise what `late` makes where this limit is met: a TimeoutError may have come from elsewhere too."""
    try:
        async with limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise late() from None
        raise


def _no_answer(spec: RequestSpec, url: URL, seconds: float) -> Unreachable:
    """Only where it had merely to look something up is another try at once worth it: that connection may be dead."""
    kind = Unreachable if spec.patience is Patience.ANSWER else TooSlow
    mend = "`timeout:` under `registries:` allows more"
    return kind(f"{_about(spec, url)}: no answer in time ({seconds:g} s); {mend}", registry=spec.host.name)


def _below_least_rate(message: str, spec: RequestSpec) -> TooSlow:
    mend = "tried again later; `least_rate:` under `registries:` allows less"
    return TooSlow(f"{message}: {mend}", registry=spec.host.name)


def _about(spec: RequestSpec, url: URL) -> str:
    return f"{spec.speaker(url)}: {spec.thing}"


def failed(spec: RequestSpec, url: URL, error: Exception) -> Unreachable | TlsFailed:
    """No cause goes with it: aiohttp's errors quote URLs, and a signed one is a secret."""
    kind, text = meaning(error)
    return kind(f"{_about(spec, url)}: {text}", registry=spec.host.name)


def _is_made(body: bytes | Body | None) -> TypeGuard[Body]:
    return body is not None and not isinstance(body, bytes)


async def _read(response: aiohttp.ClientResponse, spec: RequestSpec) -> bytes:
    """The body, counted while it comes: Content-Length may be missing, or a lie."""
    ok = response.status < HTTPStatus.MULTIPLE_CHOICES
    limit = spec.limit if ok else _ERROR_BODY
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > limit:
            if ok:
                raise _too_large(spec, response.url)
            response.close()
            break
    return bytes(body[:limit])


async def _unpacked(response: aiohttp.ClientResponse, spec: RequestSpec, body: bytes) -> bytes:
    """The body as it was before it was packed on its way; digests are over that. A blob may be a packed file itself."""
    encodings = packed.encodings(response.headers.get("Content-Encoding"))
    if not (encodings and body) or (spec.digest and digest_of(body, spec.digest.partition(":")[0]) == spec.digest):
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
            message = f"{_about(spec, response.url)}: what it answers {error}"
            raise WrongContent(message, registry=spec.host.name) from None
    return body[:limit]


def _too_large(spec: RequestSpec, url: URL) -> TransferError:
    return WrongContent(f"{_about(spec, url)}: more than {spec.limit} bytes: refused", registry=spec.host.name)
