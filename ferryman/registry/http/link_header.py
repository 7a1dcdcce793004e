"""The Link header as registries write it, which is not always as RFC 8288 does."""

import re
from collections.abc import Iterator

_TARGET = re.compile(r"[\s,;]*(?:<(?P<bracketed>[^<>]+)>|(?P<bare>(?:[^\s<>;,\"]|,(?!\s))+))")
_ADDRESS = re.compile(r"[/?]|^[a-z]+://", re.IGNORECASE)  # what a bare target has that is no mere word
_PARAMETER = re.compile(r"\s*;\s*(?P<name>[^\s=;,]*)(?:\s*=\s*(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"?|(?P<bare>[^;,]*)))?")


def parse(header: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Each link's target, and its relations in lower case. Raises ValueError for what cannot be read."""
    position = 0
    while header[position:].strip(" \t,;"):
        target = _TARGET.match(header, position)
        if target is None or not (target["bracketed"] or _ADDRESS.search(target["bare"])):
            raise ValueError("no address where one was expected")
        position, relations = target.end(), set[str]()
        while (parameter := _PARAMETER.match(header, position)) is not None:
            position = parameter.end()
            if parameter["name"].lower() == "rel":
                value = parameter["quoted"] or parameter["bare"] or ""
                relations |= set(value.strip().strip("'").lower().split())
        yield target["bracketed"] or target["bare"], frozenset(relations)
