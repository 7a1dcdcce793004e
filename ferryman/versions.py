"""Sort keys for tag names, as versions or as names; larger keys are newer. Source: PEP 440, by `packaging`."""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from packaging.version import InvalidVersion, Version

Key = tuple[Any, ...]

_PIECES = re.compile(r"[0-9]+|[A-Za-z]+|[^0-9A-Za-z]+")
_DIGITS = re.compile(r"([0-9]+)")
_NO_VERSION = Version("0")
_RELEASE = re.compile(r"v?([0-9]{1,9})\.[0-9]", re.IGNORECASE)  # also 2024.1.5: projects move on from 0.9 to it
_NUMBER = re.compile(r"v?([0-9]+)", re.IGNORECASE)  # 8, 8u202 and 11-jre, but also build numbers
_DATE = re.compile(
    r"v?(?P<year>(?:19|20)[0-9]{2})(?P<gap>[-_]?)(?P<month>0[1-9]|1[0-2])(?P=gap)(?P<day>0[1-9]|[12][0-9]|3[01])"
    r"(?:[-_T.]?(?P<time>[0-9]{6}|[0-9]{4})(?![0-9A-Za-z])|(?![0-9A-Za-z]))",
    re.IGNORECASE,
)
_HASH = re.compile(r"(?=[0-9]*[a-f])(?=[a-f]*[0-9])[0-9a-f]{7,64}(?![0-9A-Za-z])")  # an abbreviated commit: 1a2b3c4
_PARTS_OF_A_RELEASE = 3
_HABIT = 3  # so many releases are the usual form, however many builds there are of each


def version_order(names: Iterable[str]) -> Callable[[str], Key]:
    """The sort key for the tags of a repository: versions are the largest, ordered by `version_key`.

    Tags of another form than is usual among `names` are smaller: dates (20240101) and build numbers if there are
    releases (1.27.3), plain numbers if most tags are dates. Commits and words are the smallest.
    """
    names = list(names)
    majors = [int(found[1]) for name in names if not _DATE.match(name) and (found := _RELEASE.match(name))]
    dates = sum(_DATE.match(name) is not None for name in names)
    numbers = sum(_is_number(name) for name in names)
    are_dates = dates > len(majors) + numbers and len(majors) < _HABIT
    are_releases = len(majors) >= _HABIT or len(majors) > numbers
    largest = max(majors, default=0) if are_releases else None

    def key(name: str) -> Key:
        if _HASH.match(name) and not _DATE.match(name):
            return (0, *_no_version(name))
        if date := _DATE.match(name):
            return (2 if are_dates else 1, *version_key(_compact(name, date)))
        found = version_key(name)
        if not found[0]:
            return (0, *found)
        number = _NUMBER.match(name)
        is_build = largest is not None and number and not _RELEASE.match(name) and int(number[1]) > largest
        return (1 if are_dates or is_build else 2, *found)

    return key


def names_one_release(name: str) -> bool:
    """Whether it names one release or one day's build, which is not meant to change: 1.2.3, v1.2.3-alpine, 20240131.

    `latest`, `1.2` and `v1` follow new releases.
    """
    if _DATE.match(name):
        return True
    is_version, version, *_ = version_key(name)
    return bool(is_version) and len(version.release) >= _PARTS_OF_A_RELEASE


def version_key(name: str) -> Key:
    """Sorts by the version at the start of `name`: 1.9 < 1.10-rc.1 < 1.10-alpine < 1.10 < v1.11.

    A leading v is ignored. A version with a suffix is smaller than the version alone. Names that do not start with a
    version are the smallest, ordered by `name_key`.
    """
    for prefix in _prefixes(name):
        try:
            version = Version(prefix)
        except InvalidVersion:
            continue
        suffix = name[len(prefix) :]
        return (True, version, not suffix, name_key(suffix), name)
    return _no_version(name)


def name_key(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Natural order: numbers in a name by value, and before words: 7 < build-9 < build-10."""
    return tuple((not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in _DIGITS.split(name) if part)


def natural_order(name: str) -> str:
    """A text for databases to sort names by: numbers by value, each preceded by its number of digits."""
    return _DIGITS.sub(lambda number: f"{len(digits := number[0].lstrip('0') or '0'):03}{digits}", name)


def _no_version(name: str) -> Key:
    return (False, _NO_VERSION, False, name_key(name), name)


def _is_number(name: str) -> bool:
    """Whether it starts with a number that is not part of a release, a date or a commit."""
    shapes = (_RELEASE, _DATE, _HASH)
    return _NUMBER.match(name) is not None and not any(shape.match(name) for shape in shapes)


def _compact(name: str, date: re.Match[str]) -> str:
    """Dates in one form: 2024-01-31_0600-amd64 becomes 20240131.0600-amd64."""
    time = f".{date['time']}" if date["time"] else ""
    return f"{date['year']}{date['month']}{date['day']}{time}{name[date.end() :]}"


def _prefixes(name: str) -> Iterator[str]:
    """The prefixes that may be a version, longest first. Words stay whole: 1.2-alpine is not 1.2a, an alpha."""
    ends = [piece.end() for piece in _PIECES.finditer(name)]
    return (name[:end] for end in reversed(ends))
