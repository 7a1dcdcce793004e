"""SSRF guard: which addresses a request may connect to. Checked at connect time, since a name may resolve to anything.

URLs that the user configured may be anywhere. A URL from an answer (redirect, upload, token server) may not lead
further inward (public, private, loopback, link-local) than the server that sent it, unless `redirects:` allows it.
"""

import errno
import socket
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from ferryman.addresses import Address, HostList, Zone, literal, zone_of, zone_of_host
from ferryman.errors import Unsupported
from ferryman.registry.hosts import Host
from ferryman.registry.http.messages import Request, authority, origin

_KNOWN = 1000  # origins whose zone is remembered


@dataclass(slots=True)
class Guard:
    """Checks every address that one request connects to."""

    url: URL
    linked_from: URL | None = None  # the URL whose answer named `url`; None: the user did
    zone: Zone = Zone.PUBLIC  # of `linked_from`
    allowed: HostList = field(default_factory=HostList)
    connected: Zone | None = None  # the zone of the connection that was made; None: to a proxy
    refused: str = ""  # the address that was refused

    def admit(self, address: Address) -> None:
        """Raises PermissionError for an address that the request must not connect to."""
        zone = zone_of(address)
        if not self._may_reach(zone, address):
            self.refused = f"{zone.value} address {address}"
            raise PermissionError(errno.EACCES, "refused by the SSRF guard")
        self.connected = zone

    def admit_by_name(self) -> None:
        """For a request through a proxy, which resolves the name itself. Raises Unsupported."""
        zone = zone_of_host(self.url.host)
        if zone is not None and not self._may_reach(zone, None):
            self.refused = f"{zone.value} address {self.url.host}"
            raise self.refusal(self.url.host or "")

    def refusal(self, registry: str) -> Unsupported:
        """The error for an address that was refused."""
        by = authority(self.linked_from) if self.linked_from else registry
        message = (
            f"{by}: leads to {authority(self.url)}, the {self.refused}: not followed; "
            f"`redirects:` under `registries:` may allow it"
        )
        return Unsupported(message, registry=registry)

    def _may_reach(self, zone: Zone, address: Address | None) -> bool:
        if self.linked_from is None or self.zone.may_lead_to(zone):
            return True
        if self.zone is zone and self.linked_from.host == self.url.host:
            return True  # the same host, even at a link-local address
        return self.allowed.matches(self.url.host, self.url.port, address)


class Zones:
    """The zones of origins that have answered; makes the guards for URLs in their answers."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int | None], Zone] = {}

    def guard(self, request: Request, host: Host) -> Guard:
        """The guard for one request to, or on behalf of, a registry."""
        if request.linked_from is None:
            return Guard(request.url)
        named = {origin(host.endpoint), *([origin(host.api)] if host.api else [])}
        if {origin(request.linked_from), origin(request.url)} <= named:
            return Guard(request.url)  # the registry links to itself
        # An origin that is reached through a proxy counts as public.
        zone = self._known.get(origin(request.linked_from)) or zone_of_host(request.linked_from.host) or Zone.PUBLIC
        return Guard(request.url, request.linked_from, zone, host.redirects)

    def learn(self, guard: Guard) -> None:
        """Note that the request of this guard was answered."""
        key = origin(guard.url)
        self._known.pop(key, None)
        if guard.connected is not None:
            self._known[key] = guard.connected
        if len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]


GUARD: ContextVar[Guard | None] = ContextVar("guard", default=None)  # of the request that is being sent


class GuardedConnector(aiohttp.TCPConnector):
    """Checks the current guard before it connects, and before it reuses a pooled connection of another request."""

    def __init__(self) -> None:
        super().__init__(limit=0, socket_factory=_socket)  # limits/ limits the number of connections

    async def connect(self, req: Any, traces: Any, timeout: aiohttp.ClientTimeout) -> Any:  # noqa: ASYNC109
        connection = await super().connect(req, traces, timeout)
        guard = GUARD.get()
        peer = connection.transport.get_extra_info("peername") if guard and connection.transport else None
        address = literal(peer[0]) if peer else None
        if guard is not None and address is not None:
            try:
                guard.admit(address)
            except PermissionError as error:
                connection.release()
                raise aiohttp.ClientConnectorError(req.connection_key, error) from error
        return connection


def _socket(dialled: Any) -> socket.socket:
    family, kind, protocol, _, address = dialled
    guard, known = GUARD.get(), literal(address[0])
    if guard is not None and known is not None:
        guard.admit(known)
    return socket.socket(family, kind, protocol)
