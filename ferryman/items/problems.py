"""Collects all mistakes in one file, so that all of them can be fixed at once."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from ferryman.errors import ConfigurationError, Problem


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in the file; both numbers count from 1."""

    line: int
    column: int

    @classmethod
    def after(cls, text: str) -> "Place":
        """The position after `text`, the beginning of the file."""
        return cls(text.count("\n") + 1, len(text) - text.rfind("\n"))


class Problems:
    """The mistakes found so far in `file`."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: dict[tuple[Place, str], Problem] = {}

    def add(self, place: Place, message: str, *, once: bool = False) -> None:
        """Add a mistake. `once`: keep only the first one at this place; items that inherit it phrase it differently."""
        self._found.setdefault((place, "" if once else message), Problem(message, self._file, place.line, place.column))

    def fatal(self, place: Place, message: str) -> ConfigurationError:
        """Add a mistake after which nothing can be read, and return the error to raise."""
        self.add(place, message)
        return self.error()

    def error(self) -> ConfigurationError:
        """All mistakes, in the order of the file."""
        return ConfigurationError([problem for _, problem in sorted(self._found.items(), key=lambda found: found[0])])

    def __bool__(self) -> bool:
        return bool(self._found)


def suggestion(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'limit'?)` if `word` is similar to one of `known`; otherwise empty."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
