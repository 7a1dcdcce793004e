"""Where a request may go: judged by the address that is really dialled, since a stranger's name may resolve to any.

What the user named may be anywhere. What an answer points to may be no nearer to this machine than the answer's own
sender was, or than `redirects:` allows.
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
from ferryman.registry.http.messages import Request, origin, place

_KNOWN = 1000  # origins whose zone is remembered


@dataclass(slots=True)
class Guard:
    """Judges every address that one request is about to be sent to."""

    url: URL
    led_by: URL | None = None  # who pointed to `url`; None: the user did
    zone: Zone = Zone.PUBLIC  # of who pointed there
    allowed: HostList = field(default_factory=HostList)
    dialled: Zone | None = None  # where the connection leads that was made; None: to a proxy
    refused: str = ""  # the address that was not dialled

    def admit(self, address: Address) -> None:
        """Raises PermissionError for an address that the request must not be sent to."""
        zone = zone_of(address)
        if not self._may_reach(zone, address):
            self.refused = f"{zone.value} address {address}"
            raise PermissionError(errno.EACCES, "not dialled")
        self.dialled = zone

    def admit_by_name(self) -> None:
        """For who goes through a proxy, which alone knows the address. Raises Unsupported."""
        zone = zone_of_host(self.url.host)
        if zone is not None and not self._may_reach(zone, None):
            self.refused = f"{zone.value} address {self.url.host}"
            raise self.refusal(self.url.host or "")

    def refusal(self, registry: str) -> Unsupported:
        """The error for an address that was refused."""
        by = place(self.led_by) if self.led_by else registry
        message = (
            f"{by}: leads to {place(self.url)}, the {self.refused}: not followed; "
            f"`redirects:` under `registries:` may allow it"
        )
        return Unsupported(message, registry=registry)

    def _may_reach(self, zone: Zone, address: Address | None) -> bool:
        if self.led_by is None or self.zone.may_lead_to(zone):
            return True
        if self.zone is zone and self.led_by.host == self.url.host:
            return True  # itself, though that may be at a link-local address
        return self.allowed.matches(self.url.host, self.url.port, address)


class Zones:
    """Where the origins are that answered; makes the guards of what they point to."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str, int | None], Zone] = {}

    def guard(self, request: Request, host: Host) -> Guard:
        """The guard for one request on behalf of a registry."""
        named = {origin(host.endpoint), *([origin(host.api)] if host.api else [])}
        if request.led_by is None or {origin(request.led_by), origin(request.url)} <= named:
            return Guard(request.url)  # the registry points to itself
        # One that only a proxy reaches is taken for a public one.
        zone = self._known.get(origin(request.led_by)) or zone_of_host(request.led_by.host) or Zone.PUBLIC
        return Guard(request.url, request.led_by, zone, host.redirects)

    def learn(self, guard: Guard) -> None:
        """The request of this guard was answered."""
        key = origin(guard.url)
        self._known.pop(key, None)
        if guard.dialled is not None:
            self._known[key] = guard.dialled
        if len(self._known) > _KNOWN:
            del self._known[next(iter(self._known))]


GUARD: ContextVar[Guard | None] = ContextVar("guard", default=None)  # of the request that is being sent


class GuardedConnector(aiohttp.TCPConnector):
    """Asks the present guard before it dials, and before it uses a connection that was made for another request."""

    def __init__(self) -> None:
        super().__init__(limit=0, socket_factory=_socket)  # `limits` counts

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
