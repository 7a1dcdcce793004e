"""Which HTTP proxy a request goes through, as Go's tools and curl read the environment; what a proxy says itself."""

import re
import urllib.request
from http import HTTPStatus

import aiohttp
from yarl import URL

from ferryman.addresses import HostList, is_loopback
from ferryman.errors import TransferError, Unreachable, Unsupported
from ferryman.registry.hosts import Host
from ferryman.registry.http.messages import place

_SEPARATORS = re.compile(r"[\s,]+")
# What proxies put into an answer of their own, and registries do not.
_OWN_HEADERS = ("Proxy-Authenticate", "Proxy-Status", "X-Squid-Error")


def proxy_for(url: URL, host: Host | None = None) -> URL | None:
    """The proxy that the registry's entry names, or the environment: HTTP_PROXY, HTTPS_PROXY, NO_PROXY.

    The environment's is never used to this machine. Raises Unsupported for a proxy of another kind.
    """
    if host is not None and host.proxy is not None:
        return URL(host.proxy) if isinstance(host.proxy, str) else None
    known = urllib.request.getproxies_environment()
    proxy = known.get(url.scheme)
    if not proxy or is_loopback(url.host):
        return None
    if HostList.parse(filter(None, _SEPARATORS.split(known.get("no", ""))), strict=False).matches(url.host, url.port):
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
    """The error for what a proxy answered itself. The registry did not say it, and its login is not to blame."""
    who = f"{about}: the proxy {place(proxy)}"
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        mend = "put it into the proxy's URL, http://user:password@host"
        return Unsupported(f"{who} wants another login (407): {mend}", registry=registry, status=status)
    if status < HTTPStatus.INTERNAL_SERVER_ERROR:
        mend = "it has to allow this host, or NO_PROXY to name it"
        return Unsupported(f"{who} refused ({status}): {mend}", registry=registry, status=status)
    return Unreachable(f"{who} answered {status}", registry=registry)


def is_own(response: aiohttp.ClientResponse) -> bool:
    """Whether an answer to plain HTTP through a proxy is the proxy's own, as far as that can be told."""
    if response.status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        return True
    refused = response.status >= HTTPStatus.BAD_REQUEST
    return refused and any(header in response.headers for header in _OWN_HEADERS)
