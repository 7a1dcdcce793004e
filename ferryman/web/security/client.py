"""Who is at the other end: the connection itself, or what a trusted reverse proxy says of it."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass

from aiohttp import web

from ferryman.web_address import Network

_USUAL_PORTS = {"http": ":80", "https": ":443"}  # browsers leave them out of Origin


@dataclass(frozen=True, slots=True)
class Client:
    """The other end of a request."""

    address: str  # "" if unknown
    scheme: str  # http or https, as the browser sees it
    host: str  # name and port, as the browser's Host header named them; lower case
    forwarded: bool  # some proxy has passed it on, trusted or not

    @property
    def origin(self) -> str:
        """Our own origin, as this client's browser writes it."""
        return f"{self.scheme}://{self.host.removesuffix(_USUAL_PORTS[self.scheme])}"


def client_of(request: web.Request, trusted: Sequence[Network]) -> Client:
    """The client; X-Forwarded-* count only if the connection comes from a trusted proxy."""
    peer = request.remote or ""
    host, scheme = request.headers.get("Host", ""), "http"
    forwarded = any(name in request.headers for name in ("X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via"))
    if _is_trusted(peer, trusted):
        scheme = _last(request, "X-Forwarded-Proto") or scheme
        host = _last(request, "X-Forwarded-Host") or host
        peer = _first_untrusted(request, trusted) or peer
    return Client(peer, "https" if scheme.lower() == "https" else "http", host.lower(), forwarded)


def _last(request: web.Request, name: str) -> str:
    """What the proxy next to us has written: earlier entries may be the client's own."""
    return ",".join(request.headers.getall(name, ())).rpartition(",")[2].strip()


def _first_untrusted(request: web.Request, trusted: Sequence[Network]) -> str | None:
    """The address before our proxies, from the right: what stands further left, the client may have made up."""
    hops = [_without_port(hop.strip()) for hop in ",".join(request.headers.getall("X-Forwarded-For", ())).split(",")]
    return next((hop for hop in reversed(hops) if hop and not _is_trusted(hop, trusted)), None)


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(parsed, "ipv4_mapped", None)  # an IPv4 client of a socket that listens on [::]
    return any((mapped or parsed) in network for network in trusted)


def _without_port(hop: str) -> str:
    """`203.0.113.7:4711` and `[2001:db8::1]:4711` are how some proxies write them."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop
