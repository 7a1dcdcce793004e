"""What is queued, in the order in which it will run: what is due, what waits for a time, what waits for a login."""

import contextlib
from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, literal, select, tuple_

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import status_is, tags
from ferryman.store.queries.pages import InvalidCursor, Key, Page, bounded, decode_cursor, page_of


@dataclass(frozen=True, slots=True)
class WaitingTag:
    """A queued tag."""

    id: int
    item: str
    source: str
    target: str
    tag: str
    rank: int  # among its item's wanted tags: the newest of all items are copied first
    run_at: datetime | None  # not before; None: once the login at its registry is accepted
    reason: str | None  # what it waits for: a planner's reason, an error kind, or `paused`
    attempts: int
    error: str | None
    error_kind: str | None
    error_registry: str | None
    pushed_at: datetime | None


async def read_waiting(
    connection: Transaction,
    targets: Collection[str],
    now: datetime,
    *,
    size: int = 100,
    cursor: str | None = None,
) -> Page[WaitingTag]:
    """A page of the queue of these items. Raises InvalidCursor."""
    size = bounded(size)
    first, place = (0, None) if cursor is None else _place(cursor)
    rows: list[WaitingTag] = []
    keys: list[Key] = []
    for number in range(first, len(_SECTIONS)):
        here = and_(status_is("queued"), _is_in_section(number, targets, now))
        if place is not None:
            here = and_(here, _is_after(place, number))
        found = await _section(connection, number, here, size + 1 - len(rows))
        rows += found
        keys += [(number, *(getattr(row, name) for name in _SECTIONS[number])) for row in found]
        place = None
        if len(rows) > size:
            break
    return page_of(rows, size, keys)


# The order of each section, all of it in an index. Those that wait for a login are not sorted by their rank: that is in
# no index, and it is not known when they run anyway.
_DUE, _LATER, _HELD = 0, 1, 2
_SECTIONS = (("rank", "run_at", "id"), ("run_at", "rank", "id"), ("target", "id"))
_TYPES: tuple[tuple[type, ...], ...] = ((int, datetime, int), (datetime, int, int), (str, int))


def _place(cursor: str) -> tuple[int, Key]:
    """The section, and the last row of it that was shown."""
    for number, types in enumerate(_TYPES):
        with contextlib.suppress(InvalidCursor):
            section, *place = decode_cursor(cursor, int, *types)
            if section == number:
                return number, tuple(place)
    raise InvalidCursor("no page has given this cursor")


def _is_after(place: Key, number: int) -> ColumnElement[bool]:
    columns = [tags.c[name] for name in _SECTIONS[number]]
    return tuple_(*columns) > tuple_(
        *(literal(value, column.type) for value, column in zip(place, columns, strict=True))
    )


async def _section(connection: Transaction, number: int, here: ColumnElement[bool], most: int) -> list[WaitingTag]:
    order = [tags.c[name] for name in _SECTIONS[number]]
    ids = select(tags.c.id).where(here).order_by(*order).limit(most)
    query = select(*(tags.c[each.name] for each in fields(WaitingTag))).where(tags.c.id.in_(ids)).order_by(*order)
    return [WaitingTag(*row) for row in await connection.execute(query)]


def _is_in_section(number: int, targets: Collection[str], now: datetime) -> ColumnElement[bool]:
    run_at, of_items = tags.c.run_at, tags.c.target.in_(targets)
    if number == _HELD:
        return and_(run_at.is_(None), of_items)
    if number == _LATER:
        return and_(run_at.is_not(None), run_at > now, of_items)
    # Neither column as it is: so the order is taken from `ix_tags_due`, instead of all due tags being sorted.
    of_any = func.coalesce(tags.c.target, tags.c.target).in_(targets)
    return and_(run_at.is_not(None), func.coalesce(run_at, run_at) <= now, of_any)
