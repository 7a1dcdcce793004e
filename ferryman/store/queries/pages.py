"""Pages of long lists by keyset: a page begins after the last row of the one before, however far that is."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

_Row = TypeVar("_Row")
Key = tuple[str | int | datetime | None, ...]  # what the last row of a page is sorted by
_MOST = 200  # rows of a page
_GREATEST = 2**63  # no database has greater integers


class InvalidCursor(ValueError):
    """A cursor that no page has given."""


@dataclass(frozen=True, slots=True)
class Page(Generic[_Row]):
    """Some rows of a list."""

    rows: tuple[_Row, ...]
    next: str | None  # the cursor of the next page; None: this is the last one


def bounded(size: int) -> int:
    """The size of a page that somebody asks for, within 1 to 200."""
    return max(1, min(size, _MOST))


def encode_cursor(key: Key) -> str:
    """An opaque text for a URL."""
    values = [{"at": value.isoformat()} if isinstance(value, datetime) else value for value in key]
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *types: type) -> Key:
    """The key of a cursor. Raises InvalidCursor, also if its values are of other types than these."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        key = tuple(_moment(value["at"]) if isinstance(value, dict) else value for value in values)
    except (ValueError, KeyError, TypeError, RecursionError, binascii.Error):
        raise InvalidCursor("no page has given this cursor") from None
    if len(key) != len(types) or not all(_is(value, kind) for value, kind in zip(key, types, strict=True)):
        raise InvalidCursor("no page has given this cursor")
    return key


def _is(value: object, kind: type) -> bool:
    return type(value) is kind and not (isinstance(value, int) and abs(value) >= _GREATEST)


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def page_of(rows: Sequence[_Row], size: int, keys: Sequence[Key]) -> Page[_Row]:
    """A page of the first `size` of these rows; of one more row than that, so that it is known whether it is the last.

    `keys`: of the rows.
    """
    shown = tuple(rows[:size])
    return Page(shown, encode_cursor(keys[size - 1]) if len(rows) > size else None)
