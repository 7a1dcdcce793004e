"""Marks of tags that leave their target: recorded before the target is asked to remove them, and ended after that.

A removal that its process did not end is found in the record: see `ferryman/pruning/`.
"""

from collections.abc import Collection, Sequence
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, delete, select, update

from ferryman.clock import Clock
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database, Transaction
from ferryman.store.database.tables import digests, findings, freezes, lookup_failures, prunes, tags, walks
from ferryman.store.queue.audit import note_action
from ferryman.store.queue.statements import REMOVED
from ferryman.store.records import Intent, PruneMark, TagRecord

_DAY = timedelta(days=1)
_COLUMNS = [(prunes if each.name in prunes.c else tags).c[each.name] for each in fields(PruneMark)]
_MARKS: Select[Any] = select(*_COLUMNS).join_from(prunes, tags)
_UNHELD = {"hold": None, "held_at": None}


class Prunes:
    """The marks of all items. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def marks(self, targets: Collection[str] | None = None, *, tag: str | None = None) -> list[PruneMark]:
        """The marks of these items (None: of all), those that are due first at the head. `tag`: only this one's."""
        query = _MARKS if targets is None else _MARKS.where(prunes.c.target.in_(targets))
        if tag is not None:
            query = query.where(tags.c.tag == tag)
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(prunes.c.due_at, prunes.c.tag_id))
            return [PruneMark(*row) for row in rows]

    async def leaving(self) -> list[PruneMark]:
        """The removals that have begun, and have not ended."""
        async with self._database.read() as connection:
            rows = await connection.execute(_MARKS.where(prunes.c.state == "leaving").order_by(prunes.c.tag_id))
            return [PruneMark(*row) for row in rows]

    async def settle(self, target: str, wanted: Sequence[PruneMark]) -> None:
        """Record that these are the item's marks, beside removals that have begun."""
        async with self._database.write() as connection:
            rows = await connection.execute(_MARKS.where(prunes.c.target == target))
            known = {mark.id: mark for mark in (PruneMark(*row) for row in rows)}
            ids = {mark.id for mark in wanted}
            await _delete(connection, [key for key, mark in known.items() if key not in ids and mark.state == "marked"])
            changed = [mark for mark in wanted if known.get(mark.id) != mark]
            for mark in changed:
                await _put(connection, mark)

    async def forget_items(self, *, but: Collection[str]) -> None:
        """Drop the marks of all items but these: nothing is to be removed there any more."""
        others = and_(prunes.c.target.not_in(but), prunes.c.state == "marked")
        async with self._database.write() as connection:
            await connection.execute(delete(prunes).where(others))

    async def removed_within_a_day(self, target: str) -> list[str]:
        """The names of the tags that were removed in the last 24 hours.

        Also of those that a clock that was ahead by up to a day has recorded: the limit of a day holds for them, too.
        """
        now = self._clock.now()
        recent = and_(digests.c.side == "removed", digests.c.at > now - _DAY, digests.c.at < now + _DAY)
        query = select(tags.c.tag).join_from(digests, tags).where(recent, tags.c.target == target)
        async with self._database.read() as connection:
            return list((await connection.execute(query)).scalars())

    async def begin(
        self, record: TagRecord, mark: PruneMark, *, walked_at: datetime, owner: str, actor: str | None
    ) -> PruneMark | None:
        """Let the tag leave: nothing copies it from now on. None: it, or its item, is not as it was judged any more.

        `walked_at`: of the look by which it was judged.
        """
        now = self._clock.now()
        # Exclusive: on PostgreSQL claims run concurrently, and none may take the tag after this.
        async with self._database.write(exclusive=True) as connection:
            if not await _is_last_look(connection, record.target, walked_at):
                return None
            row = (await connection.execute(select(tags).where(tags.c.id == record.id).with_for_update())).one_or_none()
            if row is None or any(getattr(row, name) != getattr(record, name) for name in _JUDGED):
                return None
            leaving = PruneMark(
                record.id, record.target, record.tag, mark.reason, mark.marked_at, mark.due_at,
                state="leaving", owner=owner, actor=actor, began_at=now,
            )  # fmt: skip
            await _put(connection, leaving)
            await connection.execute(update(tags).where(tags.c.id == row.id).values(hold="prune", held_at=now))
        return leaving

    async def take_over(self, mark: PruneMark, *, owner: str) -> PruneMark | None:
        """Go on with a removal that a dead process has begun. None: another process does."""
        now = self._clock.now()
        async with self._database.write() as connection:
            change = update(prunes).where(_same(mark)).values(owner=owner, began_at=now)
            if not (await connection.execute(change)).rowcount:
                return None
        values = {each.name: getattr(mark, each.name) for each in fields(mark)}
        return PruneMark(**{**values, "owner": owner, "began_at": now})

    async def undo(
        self, mark: PruneMark, *, changed: str | None = None, is_foreign: bool = False, postponed: bool = False
    ) -> None:
        """The target has the tag, as before: it is marked as it was.

        `changed`: the digest that somebody else has put there, which is recorded as a verification would, unless the
        tag `is_foreign`: then its time begins anew. `postponed`: so it does.
        """
        now = self._clock.now()
        again = {"marked_at": now, "due_at": now + (mark.due_at - mark.marked_at)} if postponed or is_foreign else {}
        free = {"state": "marked", "owner": None, "actor": None, "began_at": None}
        async with self._database.write(exclusive=True) as connection:
            if not (await connection.execute(update(prunes).where(_same(mark)).values(**free, **again))).rowcount:
                return
            here = and_(tags.c.id == mark.id, tags.c.hold == "prune")
            await connection.execute(update(tags).where(here).values(_UNHELD))
            if changed is not None and is_foreign:
                await connection.execute(update(tags).where(tags.c.id == mark.id).values(target_digest=changed))
            elif changed is not None:
                await _note_changed(connection, mark, changed, now)

    async def end(self, mark: PruneMark, digest: str | None) -> None:
        """Record that the target has the tag no more. `digest`: that it named there; None: not known."""
        now = self._clock.now()
        async with self._database.write(exclusive=True) as connection:
            if not (await connection.execute(delete(prunes).where(_same(mark)))).rowcount:
                return
            row = (await connection.execute(select(tags).where(tags.c.id == mark.id).with_for_update())).one()
            if (named := digest or row.target_digest or row.mirrored_digest) is not None:
                life = {"tag_id": mark.id, "side": "removed", "digest": named, "at": now}
                of = {"copy_of": row.mirrored_digest, "platforms": row.mirrored_platforms}
                await connection.execute(digests.insert(), [life | of])
            await connection.execute(update(tags).where(tags.c.id == mark.id).values(reason=mark.reason, **REMOVED))
            await connection.execute(delete(findings).where(findings.c.tag_id == mark.id))
            if mark.actor is not None:
                intent = Intent(mark.actor, "prune", f"{mark.target}:{mark.tag}", named)
                await note_action(connection, intent, now, 1)


# What must not have changed since the tag was judged.
_JUDGED = ("status", "hold", "target_digest", "mirrored_digest", "source_digest", "gone_at", "synced_at", "reason")


async def _is_last_look(connection: Transaction, target: str, walked_at: datetime) -> bool:
    """Whether the item was looked at then, and no look has failed or found a collapse since."""
    for table in (lookup_failures, freezes):
        if await connection.scalar(select(table.c.target).where(table.c.target == target)) is not None:
            return False
    last = await connection.scalar(select(walks.c.walked_at).where(walks.c.target == target))
    return bool(last == walked_at)


async def _put(connection: Transaction, mark: PruneMark) -> None:
    values = {each.name: getattr(mark, each.name) for each in fields(mark) if each.name in prunes.c}
    upsert = connection.insert(prunes).values(tag_id=mark.id, **values)
    await connection.execute(
        upsert.on_conflict_do_update(
            index_elements=["tag_id"],
            set_=values,
            where=None if mark.state == "leaving" else prunes.c.state == "marked",
        )
    )


async def _note_changed(connection: Transaction, mark: PruneMark, found: str, now: datetime) -> None:
    row = (await connection.execute(select(tags).where(tags.c.id == mark.id))).one()
    facts = {
        "finding": "changed", "expected": row.target_digest, "found": found, "detail": None, "lost": False,
        "checked_at": now,
    }  # fmt: skip
    first = {"tag_id": mark.id, "target": mark.target, "intact_at": row.target_checked_at, "since": now}
    insert = connection.insert(findings).values(**first, **facts)
    await connection.execute(insert.on_conflict_do_update(index_elements=["tag_id"], set_=facts))


async def _delete(connection: Transaction, ids: Sequence[int]) -> None:
    for chunk in chunks(ids):
        await connection.execute(delete(prunes).where(prunes.c.tag_id.in_(chunk), prunes.c.state == "marked"))


def _same(mark: PruneMark) -> ColumnElement[bool]:
    return and_(prunes.c.tag_id == mark.id, prunes.c.state == "leaving", prunes.c.began_at == mark.began_at)
