"""The filter of an item's tags, as the address of its page and the form that acts on them have it."""

from collections.abc import Mapping
from typing import get_args

from ferryman.store.queries.item_tags import SORTS, Sort, TagFilter
from ferryman.store.records import Outcome, TagState

FIELDS = ("status", "reason", "kind", "outcome", "text")
_LONGEST = 200  # characters


def read_filter(fields: Mapping[str, str]) -> TagFilter:
    """What the fields ask for; what no tag can have is left out."""
    status = next((each for each in get_args(TagState) if each == fields.get("status")), None)
    return TagFilter(
        statuses=(status,) if status else (),
        reason=_text(fields, "reason") or None,
        kind=_text(fields, "kind") or None,
        outcome=next((each for each in get_args(Outcome) if each == fields.get("outcome")), None),
        text=_text(fields, "text"),
    )


def as_fields(wanted: TagFilter) -> dict[str, str]:
    """The fields that ask for this filter."""
    values = (next(iter(wanted.statuses), None), wanted.reason, wanted.kind, wanted.outcome, wanted.text)
    return {name: value for name, value in zip(FIELDS, values, strict=True) if value}


def read_sort(fields: Mapping[str, str]) -> tuple[Sort, bool]:
    """By what the table is sorted, and whether downwards; the highest version first unless the address says more."""
    text = fields.get("sort", "")
    by = next((each for each in SORTS if each == text.removeprefix("-")), None)
    return ("version", True) if by is None else (by, text.startswith("-"))


def _text(fields: Mapping[str, str], name: str) -> str:
    return fields.get(name, "").strip()[:_LONGEST]
