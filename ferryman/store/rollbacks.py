"""Rollbacks and the holds that they leave: begun before the target is written, ended after it.

A rollback that its process did not end is found in the record: see `ferryman/rollback/`.
"""

from dataclasses import fields
from typing import Any, Literal

from sqlalchemy import ColumnElement, Row, and_, case, delete, literal, not_, or_, select, update

from ferryman.clock import Clock
from ferryman.store.database.database import Database, Transaction
from ferryman.store.database.tables import CHANGE_HELD, RELEASABLE, digests, findings, rollbacks, status_is, tags
from ferryman.store.queue.audit import note_action
from ferryman.store.queue.statements import SYNCED, new_round
from ferryman.store.records import KEPT, Intent, PendingRollback
from ferryman.wakeup import Wakeup

Refusal = Literal["running", "rolling back", "leaving", "never mirrored"]  # why a rollback cannot begin now
_COLUMNS = [(rollbacks if each.name in rollbacks.c else tags).c[each.name] for each in fields(PendingRollback)]
_PENDING = select(*_COLUMNS).join_from(rollbacks, tags)


class Rollbacks:
    """The tags that persons hold back from upstream. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock, queued: Wakeup) -> None:
        """`queued`: notified when a release has made a tag due."""
        self._database = database
        self._clock = clock
        self._queued = queued

    async def begin(self, target: str, tag: str, digest: str, *, actor: str, owner: str) -> PendingRollback | Refusal:
        """Hold the tag, take it out of the queue, and record what the target's tag is going to name."""
        now = self._clock.now()
        # Exclusive: on PostgreSQL claims run concurrently, and none may take the tag after this.
        async with self._database.write(exclusive=True) as connection:
            row = (await connection.execute(select(tags).where(_named(target, tag)).with_for_update())).one_or_none()
            if row is None or not await _was_mirrored(connection, row):
                return "never mirrored"
            if row.hold == "prune":
                return "leaving"
            if row.status == "running":
                return "running"
            pending = {"digest": digest, "actor": actor, "owner": owner, "began_at": now}
            insert = connection.insert(rollbacks).values(tag_id=row.id, held_before=row.hold is not None, **pending)
            if not (await connection.execute(insert.on_conflict_do_nothing())).rowcount:
                return "rolling back"
            held = update(tags).where(tags.c.id == row.id).values({**SYNCED, "hold": "rollback", "held_at": now})
            await connection.execute(held)
        return PendingRollback(row.id, target, tag, digest, actor, owner, now)

    async def end(self, pending: PendingRollback) -> bool:
        """Record that the target's tag names the digest. False: the tag was released meanwhile."""
        now = self._clock.now()
        async with self._database.write(exclusive=True) as connection:
            if not (await connection.execute(delete(rollbacks).where(_same(pending)))).rowcount:
                return False
            copy_of, platforms = await _copied(connection, pending)
            values = {
                "target_digest": pending.digest, "mirrored_digest": copy_of, "mirrored_platforms": platforms,
                "identical": copy_of == pending.digest if copy_of else None, "degraded": None, "referrers": None,
                "synced_at": now, "target_checked_at": now, "contents_checked_at": None, "bytes_checked_at": None,
            }  # fmt: skip
            await connection.execute(update(tags).where(tags.c.id == pending.id).values(values))
            life = {"tag_id": pending.id, "side": "target", "digest": pending.digest, "at": now}
            await connection.execute(digests.insert(), [{**life, "copy_of": copy_of, "platforms": platforms}])
            await connection.execute(delete(findings).where(findings.c.tag_id == pending.id))
            intent = Intent(pending.actor, "rollback", f"{pending.target}:{pending.tag}", pending.digest)
            await note_action(connection, intent, now, 1)
        return True

    async def undo(self, pending: PendingRollback) -> None:
        """The target's tag is as it was before: nothing holds it but an earlier rollback. The next look plans it."""
        async with self._database.write(exclusive=True) as connection:
            row = (await connection.execute(select(rollbacks).where(_same(pending)))).one_or_none()
            await connection.execute(delete(rollbacks).where(_same(pending)))
            if row is not None and not row.held_before:
                free = update(tags).where(tags.c.id == pending.id).values(hold=None, held_at=None)
                await connection.execute(free)

    async def pending(self) -> list[PendingRollback]:
        """Those that have begun, and have not ended."""
        async with self._database.read() as connection:
            return [PendingRollback(*row) for row in await connection.execute(_PENDING.order_by(rollbacks.c.tag_id))]

    async def release(self, target: str, tag: str, *, intent: Intent) -> bool:
        """End the hold of a tag: what upstream has now is copied, however young it is. False: nothing holds it."""
        now = self._clock.now()
        async with self._database.write(exclusive=True) as connection:
            held = and_(_named(target, tag), RELEASABLE)
            row = (await connection.execute(select(tags).where(held).with_for_update())).one_or_none()
            if row is None:
                return False
            unknown = (await connection.execute(delete(rollbacks).where(rollbacks.c.tag_id == row.id))).rowcount > 0
            free: dict[str, Any] = {
                "hold": None, "held_at": None, "kept_digest": None, "released_digest": tags.c.source_digest,
                "quarantined_until": None, "withdrawn": and_(tags.c.withdrawn, not_(CHANGE_HELD)),
            }  # fmt: skip
            await connection.execute(update(tags).where(tags.c.id == row.id).values(free))
            is_due = and_(tags.c.id == row.id, _may_be_copied(), or_(literal(unknown), _has_other_digest()))
            await connection.execute(update(tags).where(is_due).values(new_round("released", now)))
            await note_action(connection, intent, now, 1)
        self._queued.notify()
        return True

    async def keep(self, target: str, tag: str, *, intent: Intent) -> bool:
        """Keep what was mirrored: upstream's present digest is not wanted, a later one is told of again.

        False: it is not held because it has changed upstream.
        """
        held = and_(_named(target, tag), tags.c.hold.is_(None), CHANGE_HELD)
        settled = case((status_is("synced"), literal(KEPT)), else_=tags.c.reason)
        keep = update(tags).where(held).values(kept_digest=tags.c.source_digest, reason=settled)
        async with self._database.write(exclusive=True) as connection:
            if not (await connection.execute(keep)).rowcount:
                return False
            await note_action(connection, intent, self._clock.now(), 1)
        return True


async def _was_mirrored(connection: Transaction, row: Row[Any]) -> bool:
    """Whether the target has the tag, or had it before it was removed."""
    if row.target_digest is not None or row.mirrored_digest is not None:
        return True
    removed = select(digests.c.id).where(digests.c.tag_id == row.id, digests.c.side == "removed").limit(1)
    return await connection.scalar(removed) is not None


async def _copied(connection: Transaction, pending: PendingRollback) -> tuple[str | None, str | None]:
    """Upstream's digest whose copy it is, and the platforms that were asked for, where that is known."""
    columns = (digests.c.copy_of, digests.c.platforms)
    query = select(*columns).where(
        digests.c.tag_id == pending.id, digests.c.side != "source", digests.c.digest == pending.digest
    )
    row = (await connection.execute(query.order_by(digests.c.id.desc()).limit(1))).one_or_none()
    return (None, None) if row is None else (row.copy_of, row.platforms)


def _named(target: str, tag: str) -> ColumnElement[bool]:
    return and_(tags.c.target == target, tags.c.tag == tag)


def _same(pending: PendingRollback) -> ColumnElement[bool]:
    return and_(rollbacks.c.tag_id == pending.id, rollbacks.c.began_at == pending.began_at)


def _may_be_copied() -> ColumnElement[bool]:
    return and_(not_(status_is("running")), tags.c.source_digest.is_not(None), tags.c.gone_at.is_(None))


def _has_other_digest() -> ColumnElement[bool]:
    return tags.c.mirrored_digest.is_distinct_from(tags.c.source_digest)
