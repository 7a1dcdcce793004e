"""Read the history a page at a time, in the order of the exported files.

As in `listing.py`: first the ids of one source, in order, then the lines by these ids. Between two pages no transaction
is open. Memory holds the ids of one source (8 bytes each) and the lines of one page.
"""

from array import array
from collections.abc import AsyncIterator, Collection, Sequence

from sqlalchemy import select

from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database
from ferryman.store.database.tables import history, tags
from ferryman.store.records import HistoryLine

HistoryPage = tuple[str, list[HistoryLine]]  # a source, and some of its lines


async def history_pages(database: Database) -> AsyncIterator[HistoryPage]:
    """All lines: by source, newest push first (unknown last), then as first recorded. Raises StoreError."""
    for source, targets in (await _targets_by_source(database)).items():
        for chunk in chunks(await _ids(database, source, targets)):
            if lines := await _lines(database, source, chunk):
                yield source, lines


async def _targets_by_source(database: Database) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    async with database.read() as connection:
        pairs = select(tags.c.source, tags.c.target).distinct().order_by(tags.c.source, tags.c.target)
        for source, target in await connection.execute(pairs):
            found.setdefault(source, []).append(target)
    return found


async def _ids(database: Database, source: str, targets: Collection[str]) -> "array[int]":
    query = (
        select(history.c.id)
        .join_from(history, tags)
        .where(tags.c.target.in_(targets), tags.c.source == source)  # an index leads to the target
        .order_by(history.c.pushed_at.desc().nulls_last(), history.c.id)
    )
    async with database.read() as connection:
        return array("q", [row[0] async for row in connection.stream(query)])


async def _lines(database: Database, source: str, ids: Sequence[int]) -> list[HistoryLine]:
    """The lines that are still this source's."""
    query = select(history.c.id, tags.c.tag, history.c.digest, history.c.pushed_at).join_from(history, tags)
    async with database.read() as connection:
        rows = await connection.execute(query.where(history.c.id.in_(ids), tags.c.source == source))
        found = {key: HistoryLine(*line) for key, *line in rows}
    return [found[key] for key in ids if key in found]
