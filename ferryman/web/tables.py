"""What the macro `table` needs to know of a column."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Column:
    """One column."""

    title: str
    key: str = ""  # it can be sorted by: `?sort=key`, downwards `?sort=-key`
    number: bool = False  # aligned to the right
