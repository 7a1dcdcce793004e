"""A fingerprint of an item's rows, of all columns that a look depends on or may change.

The database puts them into one text, which takes a twentieth of reading them as records. It needs no help from those
who write to rows: whatever they changed, the text is another one.
"""

from dataclasses import dataclass
from functools import cache
from hashlib import blake2b

from sqlalchemy import ColumnElement, Connection, Select, String, bindparam, cast, func, literal, select

from ferryman.store.database.tables import findings, marks, tags
from ferryman.store.queue.state_machine import COLUMNS
from ferryman.store.target_checks import BACKUP

# Not `last_seen_at`, which says that a look took place, nor what only copies and checks of the target depend on.
_COLUMNS = (*COLUMNS, "item", "source", "platforms", "mirrored_platforms", "referrers", "probed_at")
_NULL, _NEXT_COLUMN, _NEXT_ROW = "\x1d", "\x1e", "\x1f"  # no other value has these characters


@dataclass(frozen=True, slots=True)
class ItemState:
    """An item's rows, as one transaction sees them."""

    fingerprint: str
    listed: int  # tags that upstream has


def state_of(connection: Connection, target: str) -> ItemState:
    """The state of an item's rows."""
    rows, listed, restored, damaged = connection.execute(_query(), {"of_target": target}).one()
    return ItemState(blake2b(f"{restored} {damaged}\n{rows}".encode(), digest_size=16).hexdigest(), listed)


@cache
def _query() -> Select[str | None, int, str | None, int]:
    rows = (
        select(_text().label("row"), tags.c.gone_at)
        .where(tags.c.target == bindparam("of_target"))
        .order_by(tags.c.tag)
        .subquery()
    )
    # Both ask for checks at the target.
    restored = select(marks.c.value).where(marks.c.name == BACKUP).scalar_subquery()
    damaged = select(func.count()).select_from(findings.join(tags)).where(tags.c.target == bindparam("of_target"))
    listed = func.count() - func.count(rows.c.gone_at)
    return select(
        func.aggregate_strings(rows.c.row, _NEXT_ROW), listed, restored, damaged.scalar_subquery()
    ).select_from(rows)


def _text() -> ColumnElement[str]:
    """All columns of a row."""
    null, next_column = literal(_NULL), literal(_NEXT_COLUMN)
    text: ColumnElement[str] = tags.c.tag
    for name in _COLUMNS:
        text = text.concat(next_column).concat(func.coalesce(cast(tags.c[name], String), null))
    return text
