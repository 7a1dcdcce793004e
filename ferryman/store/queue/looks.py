"""The looks at items: what each found, and how many jobs ended until the next one."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from typing import Literal

from sqlalchemy import Connection, and_, bindparam, delete, func, select, update

from ferryman.store.database.tables import looks
from ferryman.store.records import Look

_KEPT = 60  # looks of an item

_of_item = looks.c.target == bindparam("of_target")
_oldest_kept = select(looks.c.id).where(_of_item).order_by(looks.c.id.desc()).limit(1).offset(_KEPT - 1)
_FORGET = delete(looks).where(and_(_of_item, looks.c.id < _oldest_kept.scalar_subquery()))
_newest = select(func.max(looks.c.id)).where(_of_item).scalar_subquery()
_COUNT = (
    update(looks)
    .where(looks.c.id == _newest)
    .values(copied=looks.c.copied + bindparam("more_copied"), failed=looks.c.failed + bindparam("more_failed"))
)


def note_look(
    connection: Connection,
    target: str,
    now: datetime,
    *,
    outcome: Literal["looked", "failed", "paused"] = "looked",
    error: str | None = None,
    error_kind: str | None = None,
    tags: int = 0,
    enqueued: int = 0,
    complete: bool = False,
) -> None:
    """Record a look at the item, and drop its oldest ones."""
    values = {
        "target": target, "at": now, "outcome": outcome, "error": error, "error_kind": error_kind,
        "tags": tags, "enqueued": enqueued, "complete": complete, "copied": 0, "failed": 0,
    }  # fmt: skip
    connection.execute(looks.insert(), values)
    connection.execute(_FORGET, {"of_target": target})


def note_quiet_looks(connection: Connection, found: Mapping[str, Look], now: datetime) -> None:
    """Record looks that enqueued nothing, by target, and drop the oldest ones of these items."""
    nothing = {"outcome": "looked", "error": None, "error_kind": None, "enqueued": 0, "copied": 0, "failed": 0}
    values = [{"target": target, "at": now, **asdict(look), **nothing} for target, look in found.items()]
    connection.execute(looks.insert(), values)
    connection.execute(_FORGET, [{"of_target": target} for target in found])


def count_ends(connection: Connection, *, copied: Iterable[str] = (), failed: Iterable[str] = ()) -> None:
    """Count ended jobs, by their targets, for the last look at each item."""
    copies, failures = Counter(copied), Counter(failed)
    ends = [  # sorted: two processes that write at once must lock the rows in one order
        {"of_target": target, "more_copied": copies[target], "more_failed": failures[target]}
        for target in sorted(copies | failures)
    ]
    if ends:
        connection.execute(_COUNT, ends)
