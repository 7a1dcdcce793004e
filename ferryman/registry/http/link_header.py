"""Parses the Link header (RFC 8288), leniently: registries deviate from it."""

import re
from collections.abc import Iterator

_TARGET = re.compile(r"[\s,;]*(?:<(?P<bracketed>[^<>]+)>|(?P<bare>(?:[^\s<>;,\"]|,(?!\s))+))")
_ADDRESS = re.compile(r"[/?]|^[a-z]+://", re.IGNORECASE)  # a bare target must look like an address
_PARAMETER = re.compile(r"\s*;\s*(?P<name>[^\s=;,]*)(?:\s*=\s*(?:\"(?P<quoted>(?:[^\"\\]|\\.)*)\"?|(?P<bare>[^;,]*)))?")


def parse(header: str) -> Iterator[tuple[str, frozenset[str]]]:
    """Each link's target, and its relations in lower case. Raises ValueError for a malformed header."""
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
