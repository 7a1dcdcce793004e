"""Where an answer points to: the next page, a redirect."""

from collections.abc import Iterable

from yarl import URL

from ferryman.addresses import NO_HOSTS, HostList
from ferryman.errors import Unsupported
from ferryman.registry.http import link_header
from ferryman.registry.http.messages import Answer, Request, origin, place

_FOLLOWED = frozenset({301, 302, 303, 307, 308})
_KEEPING_METHOD = frozenset({307, 308})


def next_page(links: Iterable[str], at: URL) -> URL | None:
    """Where the page after the one at `at` is; None: it was the last.

    A list that ends too soon would look like tags that are gone: what can be meant as a next page is followed. An
    address at another origin that has the path of this list is taken for the registry's own, as it knows itself
    behind a proxy, and read at `at`'s origin. Raises Unsupported for any other, and for a `Link` that cannot be read.
    """
    try:
        found = [link for header in links for link in link_header.parse(header)]
    except ValueError:
        raise Unsupported(f"{place(at)}: where the next page is cannot be read from its Link header") from None
    named = [target for target, relations in found if "next" in relations]
    # Written by those who know of one relation only. One with another relation leads elsewhere.
    unnamed = [target for target, relations in found if not relations]
    if not named and len(set(unnamed)) > 1:
        raise Unsupported(f"{place(at)}: which of its links leads to the next page cannot be told")
    target = next(iter(named or unnamed), None)
    return None if target is None else _at_home(resolve(at, target), at)


def _at_home(page: URL, at: URL) -> URL:
    if origin(page) == origin(at):
        return page
    if not page.raw_path.endswith(at.raw_path):  # a proxy may have taken away what stands before it
        raise Unsupported(f"{place(at)}: the next page is said to be at {place(page)}: not followed")
    query = f"?{page.raw_query_string}" if page.raw_query_string else ""
    return URL(f"{at.origin()}{at.raw_path}{query}", encoded=True)


def redirect(answer: Answer, request: Request, *, allowed: HostList = NO_HOSTS) -> URL | None:
    """Where a redirect leads; None: the answer is none. Raises Unsupported for one that must not be followed.

    To one of the `allowed` it may lead without TLS: what comes is checked by its digest.
    """
    location = answer.headers.get("Location")
    if answer.status not in _FOLLOWED or location is None:
        return None
    if request.method not in {"GET", "HEAD"} and answer.status not in _KEEPING_METHOD:
        return None
    target = resolve(request.url, location)
    if not allowed.matches(target.host, target.port):
        forbid_downgrade(request.url, target, what="a redirect")
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


def forbid_downgrade(source: URL, target: URL, *, what: str) -> None:
    """Raises Unsupported where `target` is less protected than `source`. Whose network it is in, `guard` judges."""
    if source.scheme == "https" and target.scheme == "http":
        raise Unsupported(f"{place(source)}: {what} leads from https to http ({place(target)}): not followed")
