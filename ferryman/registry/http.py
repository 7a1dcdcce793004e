"""One request, one answer: the only place that knows aiohttp. No redirect, no login, no second try."""

import asyncio
import urllib.request
from collections.abc import AsyncIterator
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeGuard

import aiohttp
from yarl import URL

from ferryman.errors import TlsFailed, TransferError, Unreachable, Unsupported, WrongContent
from ferryman.registry.connections import meaning
from ferryman.registry.links import is_loopback
from ferryman.registry.messages import Answer, Body, Errand, Flow, Request, place

_ERROR_BODY = 64 * 1024  # bytes of an unsuccessful answer that are read
_CHUNK = 64 * 1024


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each part of a request may take, in seconds."""

    connect: float = 10
    read: float = 30  # without a byte, either way
    total: float = 120  # of a small one: a server that sends a byte now and then is cut by this
    commit: float = 300  # from the last byte of an upload to its answer: storage puts large blobs together first


class Http:
    """An aiohttp session whose exceptions stay here."""

    def __init__(self, *, timeouts: Timeouts, user_agent: str) -> None:
        self._timeouts = timeouts
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def exchange(self, errand: Errand, request: Request) -> Answer:
        """Send one request on behalf of an errand.

        Raises Unreachable, TlsFailed, and WrongContent for a body over the limit.
        Where the request's own body cannot be made, its failure is raised.
        """
        send = {Flow.SMALL: self._small, Flow.DOWNLOAD: self._download, Flow.UPLOAD: self._upload}[errand.flow]
        try:
            return await send(errand, request)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            if _is_made(request.body) and request.body.failure is not None:
                raise request.body.failure from None
            raise failed(errand, request.url, error) from None

    async def _small(self, errand: Errand, request: Request) -> Answer:
        async with (
            asyncio.timeout(self._timeouts.total),
            self._request(errand, request, data=request.body, read=self._timeouts.read) as response,
        ):
            return Answer(response.status, request.url, response.headers, await _read(response, errand))

    async def _download(self, errand: Errand, request: Request) -> Answer:
        response = await self._request(errand, request, data=None, read=self._timeouts.read)
        content = Incoming(response, errand, request.url)
        try:
            if response.status < HTTPStatus.MULTIPLE_CHOICES:
                return Answer(response.status, request.url, response.headers, content=content)
            answer = Answer(response.status, request.url, response.headers, await _read(response, errand))
        except BaseException:
            content.close()
            raise
        content.close()
        return answer

    async def _upload(self, errand: Errand, request: Request) -> Answer:
        async with asyncio.timeout(None) as silence:
            body = self._watched(request.body, silence) if _is_made(request.body) else request.body
            async with self._request(errand, request, data=body, read=self._timeouts.commit) as response:
                return Answer(response.status, request.url, response.headers, await _read(response, errand))

    async def _watched(self, body: Body, silence: asyncio.Timeout) -> AsyncIterator[bytes]:
        """aiohttp's read timeout begins after the body: a server that stops taking it would be waited for for ever."""
        loop = asyncio.get_running_loop()
        async for piece in body.pieces():
            silence.reschedule(loop.time() + self._timeouts.read)
            yield piece
            silence.reschedule(None)  # the next piece is waited for at its source
        silence.reschedule(None)  # from here on it is aiohttp's: two limits that end at once confuse each other

    def _request(
        self, errand: Errand, request: Request, *, data: object, read: float
    ) -> "aiohttp.client._RequestContextManager":
        return self._opened().request(
            request.method,
            request.url,
            headers=request.headers,
            data=data,
            allow_redirects=False,
            ssl=errand.host.tls,
            proxy=proxy_for(request.url),
            timeout=aiohttp.ClientTimeout(connect=self._timeouts.connect, sock_read=read),
        )

    def _opened(self) -> aiohttp.ClientSession:
        """The session; made at the first request, because it belongs to the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # `limits` counts
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

    def __init__(self, response: aiohttp.ClientResponse, errand: Errand, url: URL) -> None:
        self._response = response
        self._errand = errand
        self._url = url

    async def read(self) -> bytes:
        """As it was received: pieces are not joined, which would copy them."""
        try:
            ends_chunk = True
            while ends_chunk:
                piece, ends_chunk = await self._response.content.readchunk()
                if piece:
                    return piece
        except (aiohttp.ClientError, OSError) as error:
            raise failed(self._errand, self._url, error) from None
        return b""

    def close(self) -> None:
        self._response.close()  # one that was read to its end has given its connection back already


def failed(errand: Errand, url: URL, error: Exception) -> Unreachable | TlsFailed:
    """No cause goes with it: aiohttp's errors quote URLs, and a signed one is a secret."""
    kind, text = meaning(error)
    return kind(f"{errand.speaker(url)}: {errand.thing}: {text}", registry=errand.host.name)


def _is_made(body: bytes | Body | None) -> TypeGuard[Body]:
    return body is not None and not isinstance(body, bytes)


def proxy_for(url: URL) -> str | None:
    """The proxy that the environment wants for a URL (HTTP_PROXY, HTTPS_PROXY, NO_PROXY); never one to this machine."""
    if is_loopback(url.host) or urllib.request.proxy_bypass(place(url)):
        return None
    proxy = urllib.request.getproxies().get(url.scheme)
    if proxy is None:
        return None
    address = proxy if "://" in proxy else f"http://{proxy}"
    if not address.startswith(("http://", "https://")):
        raise Unsupported(f"{url.scheme.upper()}_PROXY names no HTTP proxy: only http:// and https:// ones can be used")
    return address


async def _read(response: aiohttp.ClientResponse, errand: Errand) -> bytes:
    """The body, counted while it comes: Content-Length may be missing, or a lie."""
    ok = response.status < HTTPStatus.MULTIPLE_CHOICES
    limit = errand.limit if ok else _ERROR_BODY
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > limit:
            if ok:
                raise _too_large(errand, response.url)
            response.close()
            break
    return bytes(body[:limit])


def _too_large(errand: Errand, url: URL) -> TransferError:
    return WrongContent(
        f"{errand.speaker(url)}: {errand.thing}: more than {errand.limit} bytes: refused", registry=errand.host.name
    )
