"""Putting tag names in order, as versions or as names; larger keys are newer. Source: PEP 440 through `packaging`."""

import re
from collections.abc import Iterator
from typing import Any

from packaging.version import InvalidVersion, Version

_PIECES = re.compile(r"[0-9]+|[A-Za-z]+|[^0-9A-Za-z]+")
_DIGITS = re.compile(r"([0-9]+)")
_NO_VERSION = Version("0")


def version_key(name: str) -> tuple[Any, ...]:
    """Sorts by the version that `name` begins with: 1.9 < 1.10-rc.1 < 1.10-alpine < 1.10 < v1.11.

    A leading v does not count, and what follows the version (a suffix) makes it smaller than the
    version alone. Names that begin with no version are the smallest, in the order of `name_key`.
    """
    for prefix in _prefixes(name):
        try:
            version = Version(prefix)
        except InvalidVersion:
            continue
        suffix = name[len(prefix) :]
        return (True, version, not suffix, name_key(suffix), name)
    return (False, _NO_VERSION, False, name_key(name), name)


def name_key(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Sorts as people do, numbers in a name by their value and before words: 7 < build-9 < build-10."""
    return tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in _DIGITS.split(name) if part)


def _prefixes(name: str) -> Iterator[str]:
    """Where a version may end, longest first: never inside a word, or 1.2-alpine would be 1.2a, an alpha."""
    ends = [piece.end() for piece in _PIECES.finditer(name)]
    return (name[:end] for end in reversed(ends))
