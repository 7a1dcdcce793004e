"""How the page is reached: the address it listens on, its names, its path, its URL, and the proxies in front of it."""

import ipaddress
import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_LISTEN = re.compile(r"(?:\[(?P<address>[^\[\]]+)\]|(?P<host>[^\[\]:]*)):(?P<port>[0-9]{1,5})")
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?")
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")  # inet_aton takes 127.1 and 0x0 for addresses
_PATH = re.compile(r"(?:/[A-Za-z0-9._~-]+)*")
_DOTS = re.compile(r"(?:^|.*/)\.{1,2}(?:/.*|$)")
_HIGHEST_PORT = 65535
_EXPECTED_LISTEN = (
    "expected an address with a port, such as 127.0.0.1:8080 or [::1]:8080, :8080 for all addresses, or off"
)
_EXPECTED_HOSTS = "expected host names and addresses without ports, such as ferryman.example.com,192.168.1.5"
_EXPECTED_PATH = "expected a path such as /ferryman"
_EXPECTED_PROXIES = "expected addresses and networks, such as 127.0.0.1,10.0.0.0/8"
_EXPECTED_URL = "expected the URL of the page, such as https://ferryman.example.com, without login, ? and #"


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """An address and a port to listen on."""

    host: str | None  # a name, or an address (IPv6 without brackets); None: all addresses of this machine
    port: int  # 0: a free one, which the system chooses

    @classmethod
    def parse(cls, text: str) -> "ListenAddress":
        """Parse `127.0.0.1:8080`, `[::1]:8080`, `localhost:8080`; `:8080` is all addresses. Raises ValueError."""
        found = _LISTEN.fullmatch(text.strip())
        if found is None or int(found["port"]) > _HIGHEST_PORT:
            raise ValueError(_EXPECTED_LISTEN)
        try:
            host = _literal(found["address"]) if found["address"] else _host(found["host"])
        except ValueError:
            raise ValueError(_EXPECTED_LISTEN) from None
        return cls(host, int(found["port"]))

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine reaches it. A name other than localhost may be any address."""
        try:
            return self.host is not None and ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    def __str__(self) -> str:
        host = self.host or ""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def parse_hosts(text: str) -> tuple[str, ...]:
    """Parse names for the Host header, separated by commas: lower case, IPv6 without brackets. Raises ValueError."""
    try:
        hosts = tuple(_name(entry) for entry in _entries(text))
    except ValueError:
        hosts = ()
    if not hosts:
        raise ValueError(_EXPECTED_HOSTS)
    return hosts


def parse_networks(text: str) -> tuple[Network, ...]:
    """Parse addresses and networks, separated by commas. Raises ValueError."""
    networks = tuple(_network(entry) for entry in _entries(text))
    if not networks:
        raise ValueError(_EXPECTED_PROXIES)
    return networks


def parse_base_path(text: str) -> str:
    """Parse the path below which the page is, without a slash at the end: `/ferryman`, or empty. Raises ValueError."""
    path = text.strip().rstrip("/")
    if path and not path.startswith("/"):
        path = f"/{path}"
    if not _PATH.fullmatch(path) or _DOTS.fullmatch(path):
        raise ValueError(_EXPECTED_PATH)
    return path


def parse_page_url(text: str) -> str:
    """Parse the URL of the page: `https://host[:port][/path]`, without a slash at the end. Raises ValueError.

    Errors do not quote it: people write passwords into URLs.
    """
    try:
        parts = urlsplit(text.strip())
        return f"{parts.scheme}://{_authority(parts)}{parse_base_path(parts.path)}"
    except ValueError:
        raise ValueError(_EXPECTED_URL) from None


def _authority(parts: SplitResult) -> str:
    if parts.scheme not in {"http", "https"} or "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError
    host = _name(parts.hostname or "")
    host = f"[{host}]" if ":" in host else host
    return host if parts.port is None else f"{host}:{parts.port}"


def _entries(text: str) -> list[str]:
    return [entry.strip() for entry in text.split(",") if entry.strip()]


def _host(text: str) -> str | None:
    return None if text in {"", "*"} else _literal(text) if _is_address(text) else _name(text)


def _literal(text: str) -> str | None:
    """The address in its usual form; None for the unspecified one (0.0.0.0, ::): all addresses."""
    address = ipaddress.ip_address(text)
    return None if address.is_unspecified else str(address)


def _name(text: str) -> str:
    """A host name in lower case, or an address in its usual form."""
    if _is_address(text.strip("[]")):
        return str(ipaddress.ip_address(text.strip("[]")))
    name = text.lower().removesuffix(".")
    if not _NAME.fullmatch(name) or ".." in name or _NUMERIC.fullmatch(name):
        raise ValueError(text)
    return name


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        pass
    try:
        meant = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise ValueError(_EXPECTED_PROXIES) from None
    raise ValueError(f"expected {meant}, or one address: {text} is an address within it")
