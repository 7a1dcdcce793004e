"""Tags in the order in which people read them, a page at a time.

Items stand by name; within an item tags stand by status, and then newest first: queued ones by their place in the
queue, others by the time of their push, and below those the ones of which no time is known, highest version first. The
order is total: two tags of an item that were pushed in the same second stand as they were first recorded.

An item's ids are read first, in order, and then its records by these ids, page by page. Between two pages nothing is
open in the database, so whoever reads may take their time. What changes meanwhile is not shown twice, though it may
have moved to another place in the order, and whatever stays as it is is shown. Memory holds the ids of one item (8
bytes each; also the names of its undated tags) and the records of one page.
"""

import heapq
from array import array
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from sqlalchemy import ColumnElement, Subquery, and_, case, func, not_, or_, select, union_all

from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database
from ferryman.store.database.tables import UNREAD, status_is, tags
from ferryman.store.records import Status, TagRecord
from ferryman.versions import version_key

STATUSES: tuple[Status, ...] = ("synced", "queued", "running", "failed", "skipped")  # as people read them
RECORD_COLUMNS = [tags.c[each.name] for each in fields(TagRecord)]

_place = case({status: place for place, status in enumerate(STATUSES)}, value=tags.c.status)
_rank = case((status_is("queued"), tags.c.rank), else_=0)  # of others it is as old as their last copy
_ORDER = (_place, _rank, tags.c.pushed_at.desc().nulls_last(), tags.c.id)  # within an item
_by_version = and_(tags.c.pushed_at.is_(None), not_(status_is("queued")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which tags are meant. A new filter is a field, and a line in `conditions`."""

    targets: Collection[str] | None = None  # None: all
    failed: bool = False  # only what failed, and what was mirrored before and cannot be read now
    excluded_reasons: Collection[str] = ()  # without what is skipped for one of these reasons

    def conditions(self) -> list[ColumnElement[bool]]:
        """What a row has to meet, its target aside."""
        found: list[ColumnElement[bool]] = []
        if self.failed:
            found.append(or_(status_is("failed"), UNREAD))
        if self.excluded_reasons:
            for_another_reason = or_(tags.c.reason.is_(None), tags.c.reason.not_in(self.excluded_reasons))
            found.append(or_(not_(status_is("skipped")), for_another_reason))
        return found


async def list_tags(database: Database, selection: Selection, *, most: int | None = None) -> AsyncIterator[TagRecord]:
    """The selected tags in order; None: all of them, else the first `most`. Raises StoreError."""
    for target in await _targets(database, selection):
        ids = await _ids(database, target, selection)
        for chunk in chunks(ids[:most]):
            for record in await _records(database, target, chunk, selection):
                yield record
        if most is not None:
            most -= len(ids)
            if most <= 0:
                return


def failed(*within: ColumnElement[bool]) -> Subquery:
    """Id and target of what failed, and of what was mirrored before and cannot be read now, `within` such rows.

    Each of the two has an index of its own; of an OR, SQLite would search whole items.
    """
    parts = (select(tags.c.id, tags.c.target).where(one, *within) for one in (status_is("failed"), UNREAD))
    return union_all(*parts).subquery()


async def _targets(database: Database, selection: Selection) -> Sequence[str]:
    """The items that may have such tags, by name. One row of each is read; which rows there are, an index tells."""
    within = [] if selection.targets is None else [tags.c.target.in_(selection.targets)]
    if selection.failed:
        found = failed(*within)
        first = select(func.min(found.c.id)).group_by(found.c.target)
    else:
        first = select(func.min(tags.c.id)).where(*within).group_by(tags.c.target)
    query = select(tags.c.target).where(tags.c.id.in_(first)).order_by(tags.c.item, tags.c.target)
    async with database.read() as connection:
        return (await connection.execute(query)).scalars().all()


@dataclass(slots=True)
class _Block:
    """An item's tags of one status."""

    dated: "array[int]" = field(default_factory=lambda: array("q"))
    undated: dict[str, int] = field(default_factory=dict)  # id by name


async def _ids(database: Database, target: str, selection: Selection) -> "array[int]":
    here = tags.c.target == target
    among = tags.c.id.in_(select(failed(here).c.id)) if selection.failed else here
    query = select(tags.c.id, tags.c.status, case((_by_version, tags.c.tag)))
    query = query.where(among, *selection.conditions()).order_by(*_ORDER)
    blocks: dict[Status, _Block] = {}
    async with database.read() as connection:
        async for key, status, undated_name in connection.stream(query):
            block = blocks.setdefault(status, _Block())
            if undated_name is None:
                block.dated.append(key)
            else:
                block.undated[undated_name] = key
    ids = array("q")
    for block in blocks.values():
        ids.extend(block.dated)
        ids.extend(block.undated[name] for name in _highest_first(block.undated))
    return ids


def _highest_first(names: Mapping[str, int]) -> Iterator[str]:
    """By version. A key weighs many times a name, so they are sorted in pieces, and no more keys than that exist."""
    pieces = (sorted(chunk, key=version_key, reverse=True) for chunk in chunks(list(names)))
    return heapq.merge(*pieces, key=version_key, reverse=True)


async def _records(database: Database, target: str, ids: Sequence[int], selection: Selection) -> list[TagRecord]:
    """Those of them that are still selected."""
    # Not by the target as well: SQLite would search the whole item for it.
    query = select(*RECORD_COLUMNS).where(tags.c.id.in_(ids), *selection.conditions())
    async with database.read() as connection:
        found = {row.id: TagRecord(*row) for row in await connection.execute(query)}
    return [found[key] for key in ids if key in found and found[key].target == target]
