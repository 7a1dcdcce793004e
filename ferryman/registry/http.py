"""One request, one answer: the only place that knows aiohttp. No redirect, no login, no second try."""

import asyncio
import urllib.request
from dataclasses import dataclass
from http import HTTPStatus

import aiohttp
from yarl import URL

from ferryman.errors import TransferError, Unreachable, Unsupported, WrongContent
from ferryman.registry.links import is_loopback
from ferryman.registry.messages import Answer, Errand, Request, place

_ERROR_BODY = 64 * 1024  # bytes of an unsuccessful answer that are read
_CHUNK = 64 * 1024
_REASONS: tuple[tuple[type[Exception], str], ...] = (  # the first that fits
    (TimeoutError, "no answer in time"),
    (
        aiohttp.ClientConnectorCertificateError,
        "its certificate is refused: {0.certificate_error}; `tls:` under `registries:` may name a CA file",
    ),
    (
        aiohttp.ClientConnectorSSLError,
        "no TLS there; if it speaks plain HTTP, set `tls: false` for it under `registries:`",
    ),
    (aiohttp.ClientConnectorDNSError, "no such host"),
    (aiohttp.ClientHttpProxyError, "the proxy answered {0.status}"),
    (aiohttp.ClientConnectorError, "cannot connect: {0.strerror}"),
    (aiohttp.ServerDisconnectedError, "the connection was closed without an answer"),
    (aiohttp.ClientPayloadError, "the answer was cut off"),
    (aiohttp.ClientResponseError, "what it answers is no HTTP"),
    (Exception, "the connection failed ({0.__class__.__name__})"),
)


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each part of a small request may take, in seconds."""

    connect: float = 10
    read: float = 30  # without a byte
    total: float = 120  # a server that sends a byte now and then is cut by this one


class Http:
    """An aiohttp session whose exceptions stay here."""

    def __init__(self, *, timeouts: Timeouts, user_agent: str) -> None:
        self._timeouts = timeouts
        self._user_agent = user_agent
        self._session: aiohttp.ClientSession | None = None

    async def exchange(self, errand: Errand, request: Request) -> Answer:
        """Send one request on behalf of an errand. Raises Unreachable, and WrongContent for a body over the limit."""
        try:
            async with (
                asyncio.timeout(self._timeouts.total),
                self._opened().request(
                    request.method,
                    request.url,
                    headers=request.headers,
                    data=request.body,
                    allow_redirects=False,
                    ssl=errand.host.tls,
                    proxy=proxy_for(request.url),
                ) as response,
            ):
                body = await _read(response, errand)
                return Answer(response.status, request.url, response.headers, body)
        except (aiohttp.ClientError, OSError) as error:  # TimeoutError is an OSError
            # No cause: aiohttp's errors quote URLs, and a signed one is a secret.
            about = f"{errand.speaker(request.url)}: {errand.thing}"
            raise Unreachable(f"{about}: {_reason(error)}", registry=errand.host.name) from None

    def _opened(self) -> aiohttp.ClientSession:
        """The session; made at the first request, because it belongs to the running loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0),  # `limits` counts
                timeout=aiohttp.ClientTimeout(connect=self._timeouts.connect, sock_read=self._timeouts.read),
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


def _reason(error: Exception) -> str:
    """What went wrong, in words of our own."""
    return next(text for kind, text in _REASONS if isinstance(error, kind)).format(error)
