"""Frozen items: their upstream collapsed, so nothing of theirs is copied, marked gone or overwritten.

A look that finds a collapse writes no tag: the record stays as it was before, and so does what the next look compares
with. The freeze ends with a look that finds upstream as it was (see `store/queue/frozen.py`), or a person releases it:
then the row stays until the next look that succeeds, so that this one accepts what the person has seen, and no more.

Claims read `freezes` as they read the pauses by persons (`store/queue/barred.py`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial

from sqlalchemy import Connection, bindparam, delete, select, update

from ferryman.clock import Clock
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database, Transaction
from ferryman.store.database.tables import freezes, lost_tags, tags, walks
from ferryman.store.queue.audit import note_action
from ferryman.store.queue.frozen import FROZEN
from ferryman.store.records import Collapse, Freeze, Intent, ItemKey, LostTag
from ferryman.wakeup import Wakeup

_COLUMNS = [freezes.c[each.name] for each in fields(Freeze)]
_FREEZE = select(*_COLUMNS).where(freezes.c.target == bindparam("of_target"))
_LOST_COLUMNS = [(lost_tags if each.name == "found" else tags).c[each.name] for each in fields(LostTag)]
_LOST = select(*_LOST_COLUMNS).join_from(lost_tags, tags)


@dataclass(frozen=True, slots=True)
class KnownFreeze:
    """A freeze, or one that was released and that no look has accepted yet, and what it is about."""

    freeze: Freeze
    lost: Mapping[str, str | None]  # as in a Collapse


class Freezes:
    """Reads and releases freezes; looks record them with their failure. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock, released: Wakeup) -> None:
        """`released`: notified when an item is not frozen any more."""
        self._database = database
        self._clock = clock
        self._released = released

    async def frozen(self, targets: Collection[str] | None = None) -> dict[str, Freeze]:
        """The frozen ones of these items (None: of all), by target."""
        async with self._database.read() as connection:
            found = await read_freezes(connection)
        return {target: each for target, each in found.items() if targets is None or target in targets}

    async def find(self, target: str) -> KnownFreeze | None:
        """The freeze of an item, in force or released."""
        return await self._database.read_at_once(partial(_find, target=target))  # for each look

    async def lost(self, target: str, *, most: int, after: int = 0) -> list[LostTag]:
        """What nobody but this target has any more, of a frozen item: so many of the tags after this id."""
        async with self._database.read() as connection:
            return await read_lost(connection, target, most=most, after=after)

    async def release(self, target: str, *, intent: Intent) -> bool:
        """Accept what upstream has now; the next look takes it. False: the item is not frozen."""
        now = self._clock.now()
        released = update(freezes).where(freezes.c.target == target, FROZEN).values(released_at=now)
        async with self._database.write() as connection:
            if not (await connection.execute(released)).rowcount:
                return False
            await note_action(connection, intent, now)
        self._released.notify()
        return True


async def read_freezes(connection: Transaction) -> dict[str, Freeze]:
    """All frozen items, by target."""
    rows = await connection.execute(select(*_COLUMNS).where(FROZEN).order_by(freezes.c.item, freezes.c.target))
    return {row.target: Freeze(*row) for row in rows}


async def read_lost(connection: Transaction, target: str, *, most: int, after: int = 0) -> list[LostTag]:
    """A page of the lost tags of an item."""
    here = lost_tags.c.target == target, lost_tags.c.tag_id > after
    rows = await connection.execute(_LOST.where(*here).order_by(lost_tags.c.tag_id).limit(most))
    return [LostTag(*row) for row in rows]


async def freeze(
    connection: Transaction, item: ItemKey, collapse: Collapse, *, looked_at: datetime, now: datetime
) -> None:
    """Freeze the item, or record what is lost now. Nothing, if a later look, or a release, has come in between."""
    before = (await connection.execute(select(*_COLUMNS).where(freezes.c.target == item.target))).one_or_none()
    walked_at = await connection.scalar(select(walks.c.walked_at).where(walks.c.target == item.target))
    released_at = before.released_at if before else None
    if any(moment is not None and looked_at < moment <= now for moment in (walked_at, released_at)):
        return
    since = before.since if before and released_at is None and before.since <= now else now
    values = {
        "item": item.name, "source": item.source, "reason": collapse.reason, "since": since, "looked_at": looked_at,
        "wanted": collapse.wanted, "left": collapse.left, "detail": collapse.detail, "released_at": None,
    }  # fmt: skip
    upsert = connection.insert(freezes).values(target=item.target, **values)
    await connection.execute(upsert.on_conflict_do_update(index_elements=["target"], set_=values))
    if await connection.run_sync(partial(_read_lost, target=item.target)) != collapse.lost:
        await _write_lost(connection, item.target, collapse.lost)


def _find(connection: Connection, *, target: str) -> KnownFreeze | None:
    row = connection.execute(_FREEZE, {"of_target": target}).one_or_none()
    return KnownFreeze(Freeze(*row), _read_lost(connection, target)) if row else None


def _read_lost(connection: Connection, target: str) -> dict[str, str | None]:
    query = select(tags.c.tag, lost_tags.c.found).join_from(lost_tags, tags).where(lost_tags.c.target == target)
    return {row.tag: row.found for row in connection.execute(query)}


async def _write_lost(connection: Transaction, target: str, lost: Mapping[str, str | None]) -> None:
    await connection.execute(delete(lost_tags).where(lost_tags.c.target == target))
    for names in chunks(sorted(lost)):
        query = select(tags.c.id, tags.c.tag).where(tags.c.target == target, tags.c.tag.in_(names))
        rows = [{"tag_id": key, "target": target, "found": lost[tag]} for key, tag in await connection.execute(query)]
        if rows:
            await connection.execute(lost_tags.insert(), rows)
