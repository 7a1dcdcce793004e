"""Where the next page of a list is: `Link` as registries write it, which is not always as RFC 8288 does.

A list that ends too soon would look like tags that are gone. So what can be meant as a next page is followed,
and what cannot be read is an error.
"""

import re
from collections.abc import Iterable, Iterator

from yarl import URL

from ferryman.errors import Unsupported, WrongContent
from ferryman.registry.links import resolve
from ferryman.registry.messages import origin, place

_TARGET = re.compile(r"[\s,;]*(?:<(?P<bracketed>[^>]*)>|(?P<bare>[^\s<>;,\"=]+(?:=(?:[^\s<>;,\"]|,(?!\s))*)?))")
_PARAMETER = re.compile(r"\s*;\s*(?P<name>[^\s=;,]*)(?:\s*=\s*(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"?|(?P<bare>[^;,]*)))?")


def next_page(links: Iterable[str], at: URL) -> URL | None:
    """Where the page after the one at `at` is; None: it was the last.

    An address at another origin is taken for the registry's own, as a proxy before it does not know it, where it has
    the path of this list: it is read at `at`'s origin. Raises Unsupported for any other, and WrongContent where a
    `Link` cannot be read.
    """
    found = [link for header in links if header.strip() for link in _parsed(header, at)]
    named = [target for target, relations in found if "next" in relations]
    # Written by those who know of one relation only. One with another relation leads elsewhere.
    unnamed = [target for target, relations in found if not relations]
    if not named and len(set(unnamed)) > 1:
        raise WrongContent(f"{place(at)}: which of its links leads to the next page cannot be told")
    target = next(iter(named or unnamed), None)
    return None if target is None else _at_home(resolve(at, target), at)


def _at_home(page: URL, at: URL) -> URL:
    if origin(page) == origin(at):
        return page
    if page.raw_path != at.raw_path or page.user is not None:
        raise Unsupported(f"{place(at)}: the next page is said to be at {place(page)}: not followed")
    return URL(f"{at.origin()}{page.raw_path_qs}", encoded=True)


def _parsed(header: str, at: URL) -> Iterator[tuple[str, frozenset[str]]]:
    """Each link's target, and its relations in lower case."""
    position = 0
    while header[position:].strip(" \t,;"):
        target = _TARGET.match(header, position)
        if target is None:
            raise WrongContent(f"{place(at)}: where the next page is cannot be read from its Link header")
        position, relations = target.end(), set[str]()
        while (parameter := _PARAMETER.match(header, position)) is not None:
            position = parameter.end()
            if parameter["name"].lower() == "rel":
                value = parameter["quoted"] or parameter["bare"] or ""
                relations |= set(value.strip().strip("'").lower().split())
        yield target["bracketed"] or target["bare"] or "", frozenset(relations)
