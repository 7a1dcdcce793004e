"""Every attempt of all items, newest first."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Select, select

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import attempts, tags
from ferryman.store.queries.pages import Page, bounded, decode_cursor, encode_cursor, page_of
from ferryman.store.queries.text_filter import contains
from ferryman.store.records import Outcome

_EXAMINED = 20_000  # attempts at most for one page: a filter that fits none would read a million
_END = 2**62  # greater than any id


@dataclass(frozen=True, slots=True)
class Activity:
    """One attempt, and the tag that it was about."""

    id: int
    item: str
    target: str
    tag: str
    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    digest: str | None
    bytes_moved: int
    bytes_reused: int
    error: str | None
    error_kind: str | None
    error_registry: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivityFilter:
    """Which attempts are shown: those for which all of this holds."""

    target: str | None = None  # of the item
    outcome: Outcome | None = None
    kind: str | None = None  # of the error
    text: str = ""  # somewhere in the tag's name, in upper or lower case


_EVERYTHING = ActivityFilter()


async def read_activity(
    connection: Transaction, shown: ActivityFilter = _EVERYTHING, *, size: int = 100, cursor: str | None = None
) -> Page[Activity]:
    """A page of attempts. It may have fewer rows than asked for, even none, and not be the last: then go on.

    Raises InvalidCursor.
    """
    size = bounded(size)
    before = _END if cursor is None else decode_cursor(cursor, int)[0]
    candidates = select(attempts).where(attempts.c.id < before).order_by(attempts.c.id.desc())
    if shown.target is not None:
        candidates = candidates.where(attempts.c.target == shown.target)
    if shown.outcome is not None:
        candidates = candidates.where(attempts.c.outcome == shown.outcome)
    is_searching = shown.kind is not None or bool(shown.text)
    examined = candidates.limit(_EXAMINED if is_searching else size + 1).subquery("examined")
    columns = [(tags if name in _OF_TAG else examined).c[name] for name in Activity.__slots__]
    query = select(*columns).join_from(examined, tags, examined.c.tag_id == tags.c.id).order_by(examined.c.id.desc())
    if shown.kind is not None:
        query = query.where(examined.c.error_kind == shown.kind)
    if shown.text:
        query = query.where(contains(tags.c.tag, shown.text))
    rows = [Activity(*row) for row in await connection.execute(query.limit(size + 1))]
    page = page_of(rows, size, [(row.id,) for row in rows])
    if is_searching and page.next is None and (last := await connection.scalar(_last_of(candidates))) is not None:
        return Page(page.rows, encode_cursor((last,)))
    return page


_OF_TAG = {"item", "target", "tag"}


def _last_of(candidates: Select[*tuple[object, ...]]) -> Select[tuple[int]]:
    """The last of the attempts that were examined, if there may be more."""
    return candidates.with_only_columns(attempts.c.id).offset(_EXAMINED - 1).limit(1)
