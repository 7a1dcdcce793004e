"""Which Host headers are ours. A page of somebody else's whose name was pointed at us (DNS rebinding) is refused."""

import ipaddress
import re
from collections.abc import Collection

_HOST = re.compile(r"(?:\[(?P<address>[0-9a-f:.]+)\]|(?P<name>[^\[\]:]+))(?::[0-9]*)?")  # RFC 9110, 7.2
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Hosts:
    """The names that a Host header may hold; ports do not matter."""

    def __init__(self, *, listening_on: str | None, names: Collection[str]) -> None:
        """`listening_on`: a name or an address; None for all addresses: then every address is ours.

        Rebinding needs a name: an address in a Host header was typed by a person.
        """
        self._names = _LOOPBACK | {*names} | ({listening_on} if listening_on else set())
        self._any_address = listening_on is None

    def includes(self, header: str) -> bool:
        """Whether this is one of our names."""
        name = name_of(header)
        return name in self._names or (self._any_address and _is_address(name))


def name_of(header: str) -> str:
    """The host without its port: `[::1]:8080` is `::1`. Empty for what is neither."""
    found = _HOST.fullmatch(header.lower())
    return "" if found is None else (found["address"] or found["name"]).removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
