"""Digests that have a tag of Ferryman's own at their target: recorded before that tag is put, so none is forgotten."""

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, or_, select, update

from ferryman.clock import Clock
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database
from ferryman.store.database.tables import findings, kept_digests, status_is, tags
from ferryman.store.records import KeptDigest

_LONGEST_REMOVAL = timedelta(hours=1)  # after that its process counts as dead
_COLUMNS = [kept_digests.c[each.name] for each in fields(KeptDigest)]


class KeptDigests:
    """The record of kept digests. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def is_held(self, target: str, digest: str, *, besides: str) -> bool:
        """Whether another tag there is on record with this digest. One that is being overwritten does not count."""
        query = (
            select(tags.c.id)
            .join_from(tags, findings, isouter=True)
            .where(status_is("synced"), tags.c.target == target, tags.c.target_digest == digest, tags.c.tag != besides)
            .where(tags.c.hold.is_distinct_from("prune"))  # it is about to leave
            .where(findings.c.tag_id.is_(None))
            .limit(1)
        )
        async with self._database.read() as connection:
            return await connection.scalar(query) is not None

    async def held(self, target: str) -> frozenset[str]:
        """The digests that a tag holds there, or is about to."""
        query = select(kept_digests.c.digest).where(kept_digests.c.target == target)
        async with self._database.read() as connection:
            return frozenset((await connection.execute(query)).scalars())

    async def begin(self, target: str, digest: str) -> bool:
        """Record that the digest is going to be kept, from now on. False: its tag is just being removed."""
        now = self._clock.now()
        state = {"kept_at": now, "state": "pending", "changed_at": now}
        is_free = or_(kept_digests.c.state != "leaving", kept_digests.c.changed_at < now - _LONGEST_REMOVAL)
        async with self._database.write() as connection:
            upsert = connection.insert(kept_digests).values(target=target, digest=digest, **state)
            keys = ["target", "digest"]
            written = await connection.execute(
                upsert.on_conflict_do_update(index_elements=keys, set_=state, where=is_free)
            )
            return written.rowcount > 0

    async def confirm(self, target: str, digest: str) -> None:
        """Record that the target has the tag now."""
        pending = and_(_is(target, digest), kept_digests.c.state == "pending")
        async with self._database.write() as connection:
            await connection.execute(
                update(kept_digests).where(pending).values(state="kept", changed_at=self._clock.now())
            )

    async def unsettled(self, *, before: datetime) -> list[KeptDigest]:
        """Those that were kept before then, and those whose tag a process was about to put or to remove."""
        query = select(*_COLUMNS).where(or_(kept_digests.c.kept_at <= before, kept_digests.c.state != "kept"))
        async with self._database.read() as connection:
            rows = await connection.execute(query.order_by(kept_digests.c.target, kept_digests.c.kept_at))
            return [KeptDigest(*row) for row in rows]

    async def begin_removal(self, kept: KeptDigest) -> bool:
        """Record that its tag is going to be removed. False: it was kept anew, or another process removes it."""
        now = self._clock.now()
        unchanged = and_(kept_digests.c.state == kept.state, kept_digests.c.kept_at == kept.kept_at)
        if kept.state == "leaving":
            unchanged = and_(unchanged, kept_digests.c.changed_at < now - _LONGEST_REMOVAL)
        statement = update(kept_digests).where(_is(kept.target, kept.digest), unchanged)
        async with self._database.write() as connection:
            return (await connection.execute(statement.values(state="leaving", changed_at=now))).rowcount > 0

    async def drop(self, target: str, digest: str) -> None:
        """Record that nothing is kept."""
        async with self._database.write() as connection:
            await connection.execute(delete(kept_digests).where(_is(target, digest)))

    async def forget(self, targets: Collection[str]) -> None:
        """Forget what is kept at these repositories: they are no targets any more."""
        async with self._database.write() as connection:
            for chunk in chunks(sorted(targets)):
                await connection.execute(delete(kept_digests).where(kept_digests.c.target.in_(chunk)))


def _is(target: str, digest: str) -> ColumnElement[bool]:
    return and_(kept_digests.c.target == target, kept_digests.c.digest == digest)
