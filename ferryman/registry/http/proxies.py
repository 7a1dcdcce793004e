"""HTTP proxies: which one a request uses (HTTP_PROXY, HTTPS_PROXY, NO_PROXY), and errors of the proxy itself.

The environment is read as curl and Go programs read it.
"""

import re
import urllib.request
from http import HTTPStatus

import aiohttp
from yarl import URL

from ferryman.addresses import HostList, is_loopback
from ferryman.errors import TransferError, Unreachable, Unsupported
from ferryman.registry.hosts import Host
from ferryman.registry.http.messages import authority

_SEPARATORS = re.compile(r"[\s,]+")
# Headers of answers that come from a proxy, not from a registry.
_OWN_HEADERS = ("Proxy-Authenticate", "Proxy-Status", "X-Squid-Error")


class Proxies:
    """The proxies in the environment, which is read once: scanning it takes longer than all else before a request."""

    def __init__(self) -> None:
        self._known = urllib.request.getproxies_environment()
        without = filter(None, _SEPARATORS.split(self._known.get("no", "")))
        self._without = HostList.parse(without, strict=False)

    def proxy_for(self, url: URL, host: Host | None = None) -> URL | None:
        """The proxy in the registry's options, or in the environment: HTTP_PROXY, HTTPS_PROXY, NO_PROXY.

        The environment's proxy is never used for loopback. Raises Unsupported for other kinds, such as SOCKS.
        """
        if host is not None and host.proxy is not None:
            return URL(host.proxy) if isinstance(host.proxy, str) else None
        proxy = self._known.get(url.scheme)
        if not proxy or is_loopback(url.host) or self._without.matches(url.host, url.port):
            return None
        named = f"{url.scheme.upper()}_PROXY"
        try:
            address = URL(proxy if "://" in proxy else f"http://{proxy}")
            usable = address.scheme in {"http", "https"} and bool(address.host)
        except ValueError:
            usable = False
        if not usable:
            raise Unsupported(f"{named} names no HTTP proxy: only http:// and https:// ones can be used")
        return address


def refusal(proxy: URL, about: str, *, status: int, registry: str) -> TransferError:
    """The error for an answer of the proxy itself. It says nothing about the registry or its login."""
    who = f"{about}: the proxy {authority(proxy)}"
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        hint = "put it into the proxy's URL, http://user:password@host"
        return Unsupported(f"{who} wants another login (407): {hint}", registry=registry, status=status)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        hint = "it has to allow this host, or NO_PROXY to name it"
        return Unsupported(f"{who} refused ({status}): {hint}", registry=registry, status=status)
    return Unreachable(f"{who} answered {status}", registry=registry)


def is_own(response: aiohttp.ClientResponse) -> bool:
    """Whether an answer to plain HTTP through a proxy comes from the proxy itself, as far as headers show."""
    if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return True
    refused = response.status >= HTTPStatus.BAD_REQUEST
    return refused and any(header in response.headers for header in _OWN_HEADERS)
