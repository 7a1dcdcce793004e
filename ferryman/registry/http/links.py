"""Links in answers: the next page, redirects, and which of them must not be followed."""

from collections.abc import Iterable
from urllib.parse import quote

from yarl import URL

from ferryman.addresses import NO_HOSTS, HostList
from ferryman.errors import Unsupported
from ferryman.registry.http import link_header
from ferryman.registry.http.messages import Request, Response, authority, origin

_FOLLOWED = frozenset({301, 302, 303, 307, 308})
_KEEPING_METHOD = frozenset({307, 308})


def next_page(links: Iterable[str], at: URL) -> URL | None:
    """The URL of the page after the one at `at`; None: it was the last.

    A list that ends too early would look like deleted tags: any link that may be a next page is followed. A URL at
    another origin with the path of this list is the registry's internal address behind a proxy: it is read at `at`'s
    origin. Raises Unsupported for any other origin, and for a `Link` header that cannot be parsed.
    """
    try:
        found = [link for header in links for link in link_header.parse(header)]
    except ValueError:
        raise Unsupported(f"{authority(at)}: where the next page is cannot be read from its Link header") from None
    named = [target for target, relations in found if "next" in relations]
    # Some registries write no relation for the next page. A link with another relation is not one.
    unnamed = [target for target, relations in found if not relations]
    if not named and len(set(unnamed)) > 1:
        raise Unsupported(f"{authority(at)}: which of its links leads to the next page cannot be told")
    target = next(iter(named or unnamed), None)
    return None if target is None else _at_home(resolve(at, target), at)


def _at_home(page: URL, at: URL) -> URL:
    if origin(page) == origin(at):
        return page
    if not page.raw_path.endswith(at.raw_path):  # a proxy may have stripped a prefix
        raise Unsupported(f"{authority(at)}: the next page is said to be at {authority(page)}: not followed")
    query = f"?{page.raw_query_string}" if page.raw_query_string else ""
    return URL(f"{at.origin()}{at.raw_path}{query}", encoded=True)


def redirect(response: Response, request: Request, *, allowed: HostList = NO_HOSTS) -> URL | None:
    """The target of a redirect; None: the answer is no redirect. Raises Unsupported for a forbidden one.

    A target in `allowed` may be without TLS: content is verified by digest.
    """
    location = response.headers.get("Location")
    if response.status not in _FOLLOWED or location is None:
        return None
    if request.method not in {"GET", "HEAD"} and response.status not in _KEEPING_METHOD:
        return None
    target = resolve(request.url, location)
    if not allowed.matches(target.host, target.port):
        forbid_downgrade(request.url, target, what="a redirect")
    return target


def resolve(base: URL, target: str) -> URL:
    """Resolve `target`, relative or absolute, against `base`. Raises Unsupported for anything but http(s) URLs."""
    target = target.strip()
    try:
        # Signed URLs must stay byte for byte: nothing is quoted again.
        resolved = base.join(URL(target, encoded=True))
        # aiohttp would send a user in the URL as a login.
        known = resolved.scheme in {"http", "https"} and bool(resolved.host) and resolved.user is None
        known = known and target.isprintable() and " " not in target  # it goes into the request line
    except ValueError:
        known = False
    if not known:
        raise Unsupported(f"{authority(base)}: points to what is no web address")
    return resolved


def in_query(value: str) -> str:
    """A digest, or the name of a repository, as the value of a query parameter."""
    # `quote` itself takes the long way, character by character, for a text with any that it has to escape.
    return quote(value, safe=":/").replace(":", "%3A").replace("/", "%2F")


def forbid_downgrade(source: URL, target: URL, *, what: str) -> None:
    """Raises Unsupported for a link from https to http. Its network zone is checked in `ssrf_guard.py`."""
    if source.scheme == "https" and target.scheme == "http":
        raise Unsupported(f"{authority(source)}: {what} leads from https to http ({authority(target)}): not followed")
