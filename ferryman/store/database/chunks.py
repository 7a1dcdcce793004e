"""Long lists, a piece at a time: a statement takes a bounded number of variables, and memory stays flat."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

_T = TypeVar("_T")
_SIZE = 500  # with some 30 columns a row, well below the 32,766 variables of SQLite


def chunks(things: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """`things` in order, in pieces; none for an empty list."""
    for start in range(0, len(things), _SIZE):
        yield things[start : start + _SIZE]
