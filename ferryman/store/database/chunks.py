"""Split a long list into chunks, to bound the variables of a statement and the memory that it needs."""

from collections.abc import Iterator, Sequence
from typing import TypeVar

_T = TypeVar("_T")
_SIZE = 500  # with about 30 columns a row, well below the 32,766 variables of SQLite


def chunks(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """`values` in order, in chunks; none for an empty list."""
    for start in range(0, len(values), _SIZE):
        yield values[start : start + _SIZE]
