"""The last looks at each item: one query for all items."""

from collections.abc import Collection
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Literal

from sqlalchemy import func, select

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import looks, walks
from ferryman.store.queries.targets import as_rows

_SHOWN = 30  # looks of an item


@dataclass(frozen=True, slots=True)
class LookAtItem:
    """One look at an item, and what came of it."""

    at: datetime
    outcome: Literal["looked", "failed", "paused"]
    error: str | None
    error_kind: str | None
    tags: int  # that upstream has
    enqueued: int
    complete: bool  # the list was read to its end
    copied: int  # jobs that ended well before the next look
    failed: int  # jobs that failed for good before the next look


async def read_look_strips(connection: Transaction, targets: Collection[str]) -> dict[str, tuple[LookAtItem, ...]]:
    """The last 30 looks at each of these items, oldest first, by target; none for an item without any."""
    if not targets:
        return {}
    items = as_rows(targets)
    here, newer = looks.c.target == items.c.target, looks.alias()
    newest = select(newer.c.id).where(newer.c.target == items.c.target).order_by(newer.c.id.desc())
    first = func.coalesce(newest.offset(_SHOWN - 1).limit(1).correlate(items).scalar_subquery(), 0)
    columns = [looks.c[each.name] for each in fields(LookAtItem)]
    query = select(looks.c.target, *columns).join_from(items, looks, here & (looks.c.id >= first)).order_by(looks.c.id)
    found: dict[str, list[LookAtItem]] = {}
    for target, *look in await connection.execute(query):
        found.setdefault(target, []).append(LookAtItem(*look))
    return {target: tuple(strip) for target, strip in found.items()}


async def read_last_walks(connection: Transaction, targets: Collection[str]) -> dict[str, datetime]:
    """When each item was last listed successfully, by target."""
    query = select(walks.c.target, walks.c.walked_at).where(walks.c.target.in_(targets))
    return {target: at for target, at in await connection.execute(query)}  # noqa: C416 - rows are typed Any
