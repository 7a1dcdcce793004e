"""Network zones of IP addresses (public, private, loopback, link-local), and host lists (`NO_PROXY`, `redirects:`)."""

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address is its last 32 bits
# Cloud metadata services, which hand out credentials, besides the link-local 169.254.169.254.
_METADATA = frozenset(map(ipaddress.ip_address, ("fd00:ec2::254", "100.100.100.200", "192.0.0.192", "168.63.129.16")))
_NAME = re.compile(r"(?:\*\.|\.)?[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?\.?")
_HIGHEST_PORT = 65535
_REMEMBERED = 1024  # hosts and addresses: each request asks about the same few, and the answers never change


class Zone(Enum):
    """The kind of network that an address is in."""

    PUBLIC = "public"
    PRIVATE = "private"
    LOOPBACK = "loopback"
    LINK_LOCAL = "link-local"

    def may_lead_to(self, other: "Zone") -> bool:
        """Whether a server in this zone may redirect to `other`: only outward, or within the same zone."""
        return other in _OUTWARD[self]


_OUTWARD = {
    Zone.PUBLIC: {Zone.PUBLIC},
    Zone.PRIVATE: {Zone.PUBLIC, Zone.PRIVATE},
    Zone.LOOPBACK: {Zone.PUBLIC, Zone.PRIVATE, Zone.LOOPBACK},
    Zone.LINK_LOCAL: {Zone.PUBLIC, Zone.PRIVATE},
}


@lru_cache(_REMEMBERED)
def literal(host: str | None) -> Address | None:
    """The address that `host` spells out, in any form that a socket accepts (127.1, 0x7f000001 …); None for a name."""
    name = (host or "").strip("[]").partition("%")[0]
    try:
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except (OSError, UnicodeError, ValueError):
        pass
    try:
        return _unwrapped(ipaddress.IPv6Address(name))
    except ValueError:
        return None


@lru_cache(_REMEMBERED)
def zone_of(address: Address) -> Zone:
    """The zone of an address to connect to."""
    address = _unwrapped(address)
    if address.is_loopback or address.is_unspecified:  # the unspecified address reaches this machine
        return Zone.LOOPBACK
    if address.is_link_local or address in _METADATA:
        return Zone.LINK_LOCAL
    return Zone.PUBLIC if address.is_global else Zone.PRIVATE


def zone_of_host(host: str | None) -> Zone | None:
    """The zone of a host, without looking it up; None for a name, which may resolve to any zone."""
    name = (host or "").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return Zone.LOOPBACK
    address = literal(name)
    return None if address is None else zone_of(address)


def is_loopback(host: str | None) -> bool:
    """Whether `host` (without a port) is this machine, by name or by address."""
    return zone_of_host(host) is Zone.LOOPBACK


def _unwrapped(address: Address) -> Address:
    """The IPv4 address that is embedded in an IPv6 address (NAT64, mapped, 6to4); any other address unchanged."""
    if not isinstance(address, ipaddress.IPv6Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(address.packed[-4:])
    return address.ipv4_mapped or address.sixtofour or address


@dataclass(frozen=True, slots=True)
class _Pattern:
    name: str = ""  # a host and its subdomains; empty: any
    network: ipaddress.IPv4Network | ipaddress.IPv6Network | None = None
    only_below: bool = False
    port: int | None = None

    def matches(self, host: str, port: int | None, address: Address | None) -> bool:
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return address is not None and address.version == self.network.version and address in self.network
        return not self.name or host.endswith(f".{self.name}") or (host == self.name and not self.only_below)


@dataclass(frozen=True, slots=True)
class HostList:
    """Hosts as in NO_PROXY: names (with their subdomains), `*.name`, `.name`, addresses, networks, ports, `*`."""

    patterns: tuple[_Pattern, ...] = ()

    @classmethod
    def parse(cls, written: Iterable[str], *, strict: bool = True) -> "HostList":
        """Parse each entry. Raises ValueError, with a sentence, for an invalid one; if not `strict`, skips it."""
        found = []
        for text in written:
            try:
                found.append(_pattern(text.strip().lower()))
            except ValueError:
                if strict:
                    expected = "expected a host name, *.name, an address or a network such as 10.0.0.0/8"
                    raise ValueError(f"{text!r} names no hosts: {expected}") from None
        return cls(tuple(found))

    def matches(self, host: str | None, port: int | None, address: Address | None = None) -> bool:
        """Whether a host is listed, by name or by address: `address`, or else the one that `host` spells out."""
        name = (host or "").strip("[]").rstrip(".").lower()
        known = literal(name) if address is None else _unwrapped(address)
        return any(pattern.matches(name, port, known) for pattern in self.patterns)


def _pattern(text: str) -> _Pattern:
    if text == "*":
        return _Pattern()
    try:
        return _Pattern(network=ipaddress.ip_network(text.strip("[]"), strict=False))
    except ValueError:
        pass
    host, colon, digits = text.rpartition(":")
    port = None
    if colon:
        if not (digits.isascii() and digits.isdecimal() and int(digits) <= _HIGHEST_PORT):
            raise ValueError(text)
        text, port = host, int(digits)
    address = literal(text)
    if address is not None:
        return _Pattern(network=ipaddress.ip_network(address), port=port)
    if not _NAME.fullmatch(text):
        raise ValueError(text)
    name = text.rstrip(".")
    return _Pattern(name=name.removeprefix("*").removeprefix("."), only_below=name.startswith("*."), port=port)


NO_HOSTS = HostList()
