"""What is queued, in the order in which it will run: what is due, what waits for a time, what waits for a login.

A pause changes no tag, so this order is in no index. It is merged from strands, each of which is: the tags of one pair
of registries, apart by whether they wait for a pause or for a time of their own.
"""

import contextlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, literal, select, tuple_

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import status_is, tags
from ferryman.store.queries.pages import InvalidCursor, Key, Page, bounded, decode_cursor, page_of
from ferryman.store.queue.first_due import ROUTES
from ferryman.store.queue.pauses import held_back, read_paused
from ferryman.store.records import PausedRegistries, WaitingTag

_DUE, _LATER, _HELD = 0, 1, 2
_IN_ORDER = (tags.c.rank, tags.c.run_at, tags.c.id)
_BY_TIME = (tags.c.run_at, tags.c.rank, tags.c.id)
# What each section is sorted by; for _LATER, first by when a tag may run.
_TYPES: tuple[tuple[type, ...], ...] = (
    (int, datetime, int),
    (datetime, int, datetime, int),
    (int, datetime, int),
)


@dataclass(frozen=True, slots=True)
class _Strand:
    """Queued tags in the order of an index, or, if they wait for times of their own, sorted by these."""

    section: int
    where: ColumnElement[bool]
    until: datetime | None = None  # in _LATER: the end of the pause that they wait for; None: their own times

    @property
    def order(self) -> tuple[ColumnElement[object], ...]:
        return _BY_TIME if self.section == _LATER and self.until is None else _IN_ORDER

    def key(self, rank: int, run_at: datetime, tag_id: int) -> Key:
        """The place of a tag among all."""
        by_time = (self.until or run_at,) if self.section == _LATER else ()
        return (self.section, *by_time, rank, run_at, tag_id)

    def after(self, section: int, place: Key) -> ColumnElement[bool] | None:
        """The tags of it that come after this place; None: there are none."""
        if section != self.section:
            return self.where if section < self.section else None
        columns = (tags.c.run_at, *_IN_ORDER) if section == _LATER else _IN_ORDER
        if self.until is not None:
            at, *place_at_that_time = place
            if at != self.until:
                return self.where if isinstance(at, datetime) and at < self.until else None
            columns, place = _IN_ORDER, tuple(place_at_that_time)
        values = (literal(value, column.type) for value, column in zip(place, columns, strict=True))
        return and_(self.where, tuple_(*columns) > tuple_(*values))


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
    section, place = (-1, ()) if cursor is None else _place(cursor)
    paused = await read_paused(connection, now)
    found: list[tuple[Key, int]] = []
    for source, target in (await connection.execute(ROUTES)).all():
        for strand in _strands(source, target, paused, targets, now):
            if (where := strand.after(section, place)) is not None:
                query = select(*_IN_ORDER).where(status_is("queued"), where).order_by(*strand.order).limit(size + 1)
                found += [(strand.key(*row), row.id) for row in await connection.execute(query)]
    first = sorted(found)[: size + 1]
    tags_by_id = await _read(connection, [each for _, each in first], paused)
    return page_of([tags_by_id[each] for _, each in first], size, [key for key, _ in first])


def _strands(
    source: str, target: str, paused: PausedRegistries, targets: Collection[str], now: datetime
) -> Iterator[_Strand]:
    """The strands of a route. Each has an index; the columns of the other one are hidden, or SQLite would take that."""
    run_at, in_any_order = tags.c.run_at, func.coalesce(tags.c.run_at, tags.c.run_at)
    by_route = and_(
        tags.c.source_registry == source,
        tags.c.target_registry == target,
        run_at.is_not(None),
        func.coalesce(tags.c.target, tags.c.target).in_(targets),
    )
    by_item = and_(
        tags.c.target.in_(targets),
        func.coalesce(tags.c.source_registry, tags.c.source_registry) == source,
        func.coalesce(tags.c.target_registry, tags.c.target_registry) == target,
    )
    pause = paused.of_item(target, source)
    if pause is None:
        yield _Strand(_DUE, and_(by_route, in_any_order <= now))
        yield _Strand(_LATER, and_(by_item, run_at > now))
    elif pause.until is None:
        yield _Strand(_HELD, by_route)
    else:
        yield _Strand(_LATER, and_(by_route, in_any_order <= pause.until), pause.until)
        yield _Strand(_LATER, and_(by_item, run_at > pause.until))


def _place(cursor: str) -> tuple[int, Key]:
    """The section, and the last row of it that was shown."""
    for number, types in enumerate(_TYPES):
        with contextlib.suppress(InvalidCursor):
            section, *place = decode_cursor(cursor, int, *types)
            if section == number:
                return number, tuple(place)
    raise InvalidCursor("no page has given this cursor")


async def _read(connection: Transaction, ids: Collection[int], paused: PausedRegistries) -> dict[int, WaitingTag]:
    query = select(*(tags.c[each.name] for each in fields(WaitingTag))).where(tags.c.id.in_(ids))
    return {row.id: held_back(WaitingTag(*row), paused) for row in await connection.execute(query)}
