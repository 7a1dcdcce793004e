"""List tags in reading order, a page at a time.

Items are sorted by name. Within an item tags are sorted by status, then newest first: queued ones by their place in
the queue, others by push time, and after those the ones without a push time, highest version first. The order is
total: two tags of an item that were pushed in the same second keep the order in which they were first recorded.

First the ids of an item are read, in order, then its records by these ids, page by page. Between two pages no
transaction is open, so the caller may be slow. A tag that changes in the meantime is not listed twice, though its
place in the order may be outdated; every unchanged tag is listed. Memory holds the ids of one item (8 bytes each, and
the names of its tags without a push time) and the records of one page.
"""

import heapq
from array import array
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime

from sqlalchemy import ColumnElement, Subquery, and_, case, func, not_, or_, select, union_all

from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database
from ferryman.store.database.tables import HELD_BACK, UNREAD, findings, status_is, tags
from ferryman.store.queue.last_seen import LAST_SEEN_AT
from ferryman.store.queue.manual_pauses import read_pauses
from ferryman.store.queue.pauses import as_shown, read_paused
from ferryman.store.records import Status, TagRecord
from ferryman.versions import version_key

STATUSES: tuple[Status, ...] = ("synced", "queued", "running", "failed", "skipped")  # in reading order
_finding = select(findings.c.finding).where(findings.c.tag_id == tags.c.id).scalar_subquery().label("finding")
_ELSEWHERE = {"last_seen_at": LAST_SEEN_AT, "finding": _finding}
RECORD_COLUMNS = [_ELSEWHERE[each.name] if each.name in _ELSEWHERE else tags.c[each.name] for each in fields(TagRecord)]

_place = case({status: place for place, status in enumerate(STATUSES)}, value=tags.c.status)
_rank = case((status_is("queued"), tags.c.rank), else_=0)  # for other tags the rank may be outdated
_ORDER = (_place, _rank, tags.c.pushed_at.desc().nulls_last(), tags.c.id)  # within an item
_by_version = and_(tags.c.pushed_at.is_(None), not_(status_is("queued")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A filter of tags. To add a criterion, add a field and a line in `conditions`."""

    targets: Collection[str] | None = None  # None: all
    failed: bool = False  # only tags that failed, or were mirrored before and cannot be read now
    held: bool = False  # only tags that were put back, or have changed upstream, and wait for a person
    excluded_reasons: Collection[str] = ()  # without tags that are skipped for one of these reasons

    def conditions(self) -> list[ColumnElement[bool]]:
        """The conditions for a row, without that for its target."""
        found: list[ColumnElement[bool]] = []
        if self.failed:
            found.append(or_(status_is("failed"), UNREAD))
        if self.held:
            found.append(HELD_BACK)
        if self.excluded_reasons:
            for_another_reason = or_(tags.c.reason.is_(None), tags.c.reason.not_in(self.excluded_reasons))
            found.append(or_(not_(status_is("skipped")), for_another_reason))
        return found


async def list_tags(
    database: Database, selection: Selection, *, now: datetime, most: int | None = None
) -> AsyncIterator[TagRecord]:
    """The selected tags in order: the first `most`; None: all. Raises StoreError."""
    async with database.read() as connection:
        paused, persons = await read_paused(connection, now), await read_pauses(connection)
    for target in await _targets(database, selection):
        ids = await _ids(database, target, selection)
        for chunk in chunks(ids[:most]):
            for record in as_shown(await _records(database, target, chunk, selection), paused, persons):
                yield record
        if most is not None:
            most -= len(ids)
            if most <= 0:
                return


def failed(*within: ColumnElement[bool]) -> Subquery:
    """Id and target of the tags that failed, or were mirrored before and cannot be read now, restricted to `within`.

    A UNION ALL, because each of the two has its own index; for an OR, SQLite would scan whole items.
    """
    parts = (select(tags.c.id, tags.c.target).where(one, *within) for one in (status_is("failed"), UNREAD))
    return union_all(*parts).subquery()


def held(*within: ColumnElement[bool]) -> Subquery:
    """Likewise the tags that were put back, or have changed upstream, and wait for a person."""
    return select(tags.c.id, tags.c.target).where(HELD_BACK, *within).subquery()


def _few(selection: Selection, *within: ColumnElement[bool]) -> Subquery | None:
    """The few tags that an index has for this selection; None: it may be all of them."""
    if selection.failed:
        return failed(*within)
    return held(*within) if selection.held else None


async def _targets(database: Database, selection: Selection) -> Sequence[str]:
    """The targets that may have selected tags, by item name. Reads one row of each; an index finds these rows."""
    within = [] if selection.targets is None else [tags.c.target.in_(selection.targets)]
    first = select(func.min(tags.c.id)).where(*within).group_by(tags.c.target)
    if (few := _few(selection, *within)) is not None:
        first = select(func.min(few.c.id)).group_by(few.c.target)
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
    few = _few(selection, here)
    among = here if few is None else tags.c.id.in_(select(few.c.id))
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
    """Sort by version, in chunks: a sort key takes many times the memory of a name."""
    pieces = (sorted(chunk, key=version_key, reverse=True) for chunk in chunks(list(names)))
    return heapq.merge(*pieces, key=version_key, reverse=True)


async def _records(database: Database, target: str, ids: Sequence[int], selection: Selection) -> list[TagRecord]:
    """The records that are still selected."""
    # Without a condition for the target: SQLite would scan the whole item.
    query = select(*RECORD_COLUMNS).where(tags.c.id.in_(ids), *selection.conditions())
    async with database.read() as connection:
        found = {row.id: TagRecord(*row) for row in await connection.execute(query)}
    return [found[key] for key in ids if key in found and found[key].target == target]
