"""Looks that need no row: what they have to know of an item, and their record.

Those of several items that end at the same time share a transaction.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, bindparam, delete, exists, not_, or_, select, update

from ferryman.clock import Clock
from ferryman.store.database.database import Database
from ferryman.store.database.tables import freezes, lookup_failures, walks
from ferryman.store.item_state import ItemState, state_of
from ferryman.store.queue.batcher import Batcher
from ferryman.store.queue.looks import note_quiet_looks
from ferryman.store.records import Look, Settled, Walk

_WALK = [walks.c[field.name] for field in fields(Walk)]
_SETTLED = [walks.c.settled, walks.c.settled_pages, walks.c.settled_complete, walks.c.settled_until]


@dataclass(frozen=True, slots=True)
class SettledItem:
    """An item whose last other look left all rows as they were, and its rows now."""

    walk: Walk
    settled: Settled
    state: ItemState


@dataclass(frozen=True, slots=True)
class QuietLook:
    """A look that found everything as it was."""

    target: str
    walked_at: datetime
    completed_at: datetime
    look: Look


class QuietLookLog:
    """Reads and writes them. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._records = Batcher(self._write, lock=asyncio.Lock())

    async def find(self, target: str) -> SettledItem | None:
        """None: no look at the item has left its rows as they were, or it is frozen, or was until a release."""
        return await self._database.read_at_once(partial(_find, target=target))

    async def settle(self, target: str, settled: Settled, *, walked_at: datetime, state: ItemState) -> None:
        """Record that the look of this time has left the item's rows in the state that it had read, if it has."""
        here = update(walks).where(walks.c.target == target, walks.c.walked_at == walked_at)
        changes = {column.name: value for column, value in zip(_SETTLED, astuple(settled), strict=True)}

        def write(connection: Connection) -> None:
            if state_of(connection, target) == state:
                connection.execute(here.values(changes))

        await self._database.write_at_once(write, exclusive=True)

    async def record(self, look: QuietLook) -> None:
        """Record it as `Queue.apply` records others, but for the tags. A later look's time stays."""
        await self._records.submit(look)

    async def _write(self, found: Sequence[QuietLook]) -> Sequence[None]:
        now = self._clock.now()
        found = sorted(found, key=lambda each: each.target)  # two processes must lock the rows in one order
        looks = {each.target: each.look for each in found}
        rows = [
            {"of_target": each.target, "at": each.walked_at, "complete_at": each.completed_at, "now": now}
            for each in found
        ]

        def write(connection: Connection) -> None:
            connection.execute(delete(lookup_failures).where(lookup_failures.c.target.in_(looks)))
            connection.execute(_WALKED, rows)
            note_quiet_looks(connection, looks, now)

        await self._database.write_at_once(write)
        return [None] * len(found)


def _find(connection: Connection, *, target: str) -> SettledItem | None:
    is_frozen = exists().where(freezes.c.target == target)
    query = select(*_WALK, *_SETTLED).where(walks.c.target == target, walks.c.settled.is_not(None), not_(is_frozen))
    found = connection.execute(query).one_or_none()
    if found is None:
        return None
    walk, settled = Walk(*found[: len(_WALK)]), Settled(*found[len(_WALK) :])
    return SettledItem(walk, settled, state_of(connection, target))


_WALKED = (
    update(walks)
    .where(
        walks.c.target == bindparam("of_target"),
        or_(
            walks.c.walked_at <= bindparam("at", type_=walks.c.walked_at.type),
            walks.c.walked_at > bindparam("now", type_=walks.c.walked_at.type),
        ),
    )
    .values(
        walked_at=bindparam("at", type_=walks.c.walked_at.type),
        completed_at=bindparam("complete_at", type_=walks.c.completed_at.type),
    )
)
