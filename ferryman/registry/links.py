"""Where an answer points to: the next page, a redirect; and where it must not lead.

A registry is a stranger: what it names is followed only where it cannot reach into this machine's network.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable

from yarl import URL

from ferryman.errors import Unsupported
from ferryman.registry.messages import Answer, Request, origin, place

_LINK = re.compile(r"<([^>]*)>((?:\s*;\s*[^\s;=,]+(?:\s*=\s*(?:\"[^\"]*\"|[^\s;,\"]*))?)*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"([^\"]*)\"|([^\s;,\"]*))", re.IGNORECASE)
_FOLLOWED = frozenset({301, 302, 303, 307, 308})
_KEEPING_METHOD = frozenset({307, 308})


def next_page(links: Iterable[str], at: URL) -> URL | None:
    """Where `Link: <…>; rel="next"` leads from the page at `at`. Raises Unsupported for another origin."""
    for header in links:
        for target, parameters in _LINK.findall(header):
            relation = _REL.search(parameters)
            if relation and "next" in (relation[1] or relation[2]).lower().split():
                page = resolve(at, target)
                if origin(page) != origin(at):
                    raise Unsupported(f"{place(at)}: the next page is said to be at {place(page)}: not followed")
                return page
    return None


def redirect(answer: Answer, request: Request) -> URL | None:
    """Where a redirect leads; None: the answer is none. Raises Unsupported for one that must not be followed."""
    location = answer.headers.get("Location")
    if answer.status not in _FOLLOWED or location is None:
        return None
    if request.method not in {"GET", "HEAD"} and answer.status not in _KEEPING_METHOD:
        return None
    target = resolve(request.url, location)
    forbid_inward(request.url, target, what="a redirect")
    return target


def resolve(base: URL, target: str) -> URL:
    """`target`, relative or absolute, seen from `base`. Raises Unsupported for what is no web address."""
    target = target.strip()
    try:
        # Signed URLs must arrive as they were written: nothing is quoted again.
        resolved = base.join(URL(target, encoded=True))
        # A name in the address would make aiohttp send it as a login.
        known = resolved.scheme in {"http", "https"} and bool(resolved.host) and resolved.user is None
        known = known and target.isprintable() and " " not in target  # or it is no line of a request
    except ValueError:
        known = False
    if not known:
        raise Unsupported(f"{place(base)}: points to what is no web address")
    return resolved


def forbid_inward(source: URL, target: URL, *, what: str) -> None:
    """Raises Unsupported where `target` is less protected than `source`, or in a network that `source` is not in."""
    if source.scheme == "https" and target.scheme == "http":
        raise Unsupported(f"{place(source)}: {what} leads from https to http ({place(target)}): not followed")
    if target.host == source.host or not _is_inward(target.host):
        return
    if is_loopback(source.host) and is_loopback(target.host):
        return
    raise Unsupported(f"{place(source)}: {what} leads to a private address ({place(target)}): not followed")


def _is_inward(host: str | None) -> bool:
    address = _address(host or "")
    return is_loopback(host) or (address is not None and not address.is_global)


def is_loopback(host: str | None) -> bool:
    """Whether `host` is this machine, by name or by address."""
    name = (host or "").rstrip(".").lower()
    address = _address(name)
    return name == "localhost" or name.endswith(".localhost") or (address is not None and address.is_loopback)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that `host` literally is, in every spelling that connecting would take: 127.1, 0x7f000001 …"""
    try:
        return ipaddress.IPv4Address(socket.inet_aton(host))
    except (OSError, UnicodeError):
        pass
    try:
        address = ipaddress.IPv6Address(host)
    except ValueError:
        return None
    return address.ipv4_mapped or address
