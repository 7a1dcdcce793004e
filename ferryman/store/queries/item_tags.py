"""The tags of one item, filtered, sorted and paged.

First the ids are read, from the covering index `ix_tags_page`, then the records of one page.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, get_args

from sqlalchemy import ColumnElement, and_, func, literal, not_, or_, select, true, tuple_

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import TagCondition, tags
from ferryman.store.listing import RECORD_COLUMNS
from ferryman.store.queries.held_tags import HeldTags
from ferryman.store.queries.pages import Page, bounded, decode_cursor, page_of
from ferryman.store.queries.text_filter import contains
from ferryman.store.queue.pauses import PAUSED
from ferryman.store.records import Outcome, TagRecord, TagState

Sort = Literal["version", "name", "pushed", "synced", "status", "attempts"]
SORTS: tuple[Sort, ...] = get_args(Sort)
_NEVER = datetime(1, 1, 1, tzinfo=UTC)  # in the order of times, for a tag without one
_SORTED_BY: dict[Sort, ColumnElement[Any]] = {
    "version": tags.c.natural_order,
    "name": tags.c.tag,
    "pushed": func.coalesce(tags.c.pushed_at, literal(_NEVER, tags.c.pushed_at.type)),
    "synced": func.coalesce(tags.c.synced_at, literal(_NEVER, tags.c.synced_at.type)),
    "status": tags.c.status,
    "attempts": tags.c.attempts,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TagFilter:
    """Which tags of an item are shown: those for which all of this holds."""

    statuses: Collection[TagState] = ()  # any of these; none: any at all
    reason: str | None = None
    kind: str | None = None  # of the error
    outcome: Outcome | None = None  # of the last attempt
    text: str = ""  # somewhere in the name, in upper or lower case

    @property
    def is_empty(self) -> bool:
        """Whether every tag is shown."""
        return self == TagFilter()

    @property
    def is_of_names(self) -> bool:
        """Whether the names alone say what is shown."""
        return self == TagFilter(text=self.text)

    def count(self, facets: Collection["Facet"]) -> int:
        """How many of an item's tags are shown. `facets`: all of the item's, read with this filter's text."""
        return sum(
            each.named
            for each in facets
            if (not self.statuses or not each.states.isdisjoint(self.statuses))
            and self.reason in {None, each.reason}
            and self.kind in {None, each.kind}
            and self.outcome in {None, each.outcome}
        )

    def condition(self, held: HeldTags) -> TagCondition:
        """As one condition for a row."""
        return and_(true(), *self.conditions(held))

    def conditions(self, held: HeldTags) -> list[ColumnElement[bool]]:
        """As conditions for a row."""
        found: list[ColumnElement[bool]] = []
        if self.statuses:
            recorded = tags.c.status.in_([each for each in self.statuses if each != "held"])
            found.append(or_(recorded, held.held) if "held" in self.statuses else recorded)
        if self.reason is not None:
            own = and_(tags.c.reason == self.reason, not_(held.paused))
            found.append(held.paused if self.reason == PAUSED else own)
        for column, value in ((tags.c.error_kind, self.kind), (tags.c.last_outcome, self.outcome)):
            if value is not None:
                found.append(column == value)
        if self.text:
            found.append(contains(tags.c.tag, self.text))
        return found


async def read_item_tags(
    connection: Transaction,
    target: str,
    shown: TagFilter,
    held: HeldTags,
    *,
    sort: Sort = "version",
    descending: bool = True,
    size: int = 100,
    cursor: str | None = None,
) -> Page[TagRecord]:
    """A page of the item's tags, the queued ones with the pauses that hold them back (`held`). Raises InvalidCursor."""
    size, by = bounded(size), _SORTED_BY[sort]
    # SQLite must not walk along another index that has this order, and read the table for each row that it passes.
    by = by if shown.is_of_names and sort in {"version", "name"} else func.coalesce(by, by)
    here = [tags.c.target == target, *shown.conditions(held)]
    if cursor is not None:
        last = _after(cursor, sort, by)
        here.append(tuple_(by, tags.c.id) < last if descending else tuple_(by, tags.c.id) > last)
    order = (by.desc(), tags.c.id.desc()) if descending else (by, tags.c.id)
    keys = (await connection.execute(select(by, tags.c.id).where(*here).order_by(*order).limit(size + 1))).all()
    ids = [key for _, key in keys]
    records = await connection.execute(select(*RECORD_COLUMNS).where(tags.c.id.in_(ids)))
    found = {row.id: TagRecord(*row) for row in records}
    rows = held.as_shown(found[each] for each in ids)
    return page_of(rows, size, [tuple(key) for key in keys])


def _after(cursor: str, sort: Sort, by: ColumnElement[Any]) -> ColumnElement[Any]:
    """The place in the order after which a page begins."""
    value, key = decode_cursor(cursor, _TYPES.get(sort, str), int)
    return tuple_(literal(value, by.type), literal(key, tags.c.id.type))


_TYPES: dict[Sort, type] = {"pushed": datetime, "synced": datetime, "attempts": int}


@dataclass(frozen=True, slots=True)
class Facet:
    """Tags of an item that have this in common: what a person can filter by."""

    status: TagState
    reason: str | None
    kind: str | None
    outcome: Outcome | None
    tags: int
    named: int  # those of them whose names contain the text

    @property
    def states(self) -> frozenset[TagState]:
        """The states by which they are found: what is held is queued, too."""
        return frozenset({self.status, "queued"}) if self.status == "held" else frozenset({self.status})


async def read_facets(connection: Transaction, target: str, held: HeldTags, text: str = "") -> list[Facet]:
    """What the item's tags can be filtered by, how many tags that gives, and how many whose names contain the text.

    One query, because each has to read all of the item's entries in the index. It groups by columns alone, along the
    index, and counts what is held back within each group: a key of another form would have every entry sorted.
    """
    keys = (tags.c.status, tags.c.reason, tags.c.error_kind, tags.c.last_outcome)
    named = [contains(tags.c.tag, text)] if text else []
    parts = ([], [held.paused], [held.held]) if held.has_any else ([],)
    numbers = [_number(*part, *more) for part in parts for more in ([], named)]
    query = select(*keys, *numbers).where(tags.c.target == target).group_by(*keys).order_by(*keys)
    found: dict[tuple[TagState, str | None, str | None, Outcome | None], tuple[int, int]] = {}
    for status, reason, kind, outcome, *counted in await connection.execute(query):
        for state, why, number, of_name in _split(status, reason, counted):
            before = found.get((state, why, kind, outcome), (0, 0))
            found[state, why, kind, outcome] = (before[0] + number, before[1] + of_name)
    return [Facet(*key, *number) for key, number in found.items()]


def _number(*conditions: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count().filter(*conditions) if conditions else func.count()


def _split(
    status: TagState, reason: str | None, counted: Sequence[int]
) -> Iterator[tuple[TagState, str | None, int, int]]:
    """A group apart by how its tags are shown. `counted`: all, the paused ones, the held ones among these; twice each.

    Yields status, reason, the number of tags, and of those whose names contain the text.
    """
    tags_, named, paused, paused_named, held, held_named = (*counted, 0, 0, 0, 0)[:6]
    for state, why, number, of_name in (
        ("held", PAUSED, held, held_named),
        (status, PAUSED, paused - held, paused_named - held_named),
        (status, reason, tags_ - paused, named - paused_named),
    ):
        if number:
            yield state, why, number, of_name
