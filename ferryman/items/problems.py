"""Collects everything that is wrong with one file, so that a person can mend it in one go."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from ferryman.errors import ConfigurationError, Problem


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """Where something stands in the file; both count from 1."""

    line: int
    column: int

    @classmethod
    def after(cls, text: str) -> "Place":
        """The place where `text`, the file's beginning, ends."""
        return cls(text.count("\n") + 1, len(text) - text.rfind("\n"))


class Problems:
    """The mistakes found so far in `file`."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._found: dict[tuple[Place, str], Problem] = {}

    def add(self, place: Place, message: str, *, once: bool = False) -> None:
        """`once`: every item that inherits the mistake says it in words of its own; the first is enough."""
        self._found.setdefault((place, "" if once else message), Problem(message, self._file, place.line, place.column))

    def fatal(self, place: Place, message: str) -> ConfigurationError:
        """The error to raise when nothing after this mistake can be read."""
        self.add(place, message)
        return self.error()

    def error(self) -> ConfigurationError:
        """Everything found, in the order of the file."""
        return ConfigurationError([problem for _, problem in sorted(self._found.items(), key=lambda found: found[0])])

    def __bool__(self) -> bool:
        return bool(self._found)


def suggestion(word: str, known: Iterable[str]) -> str:
    """` (did you mean 'limit'?)` where `word` is nearly one of `known`; empty otherwise."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""
