"""What target registries hold and cannot do, as far as Ferryman knows: belief that saves requests, and may be wrong."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, update

from ferryman.clock import Clock
from ferryman.kinds import ContentKind
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database
from ferryman.store.database.tables import blobs, missing_capabilities

_CAPABILITY_MAX_AGE = timedelta(days=30)  # registries learn: what one could not do is tried again after this
_USE_PRECISION = timedelta(days=30)  # how exactly it is known when a row was used last
_UNUSED_MAX_AGE = timedelta(days=365)
_CLOCK_SKEW = timedelta(hours=1)  # at most, of machines that share a database


class TargetBlobs:
    """The record of every target registry. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def holders(self, registry: str, digests: Collection[str], *, kind: ContentKind) -> dict[str, set[str]]:
        """The names of the repositories that hold each of these; digests that nobody holds are left out.

        What is asked for is in use, which is written down once a month.
        """
        found: dict[str, set[str]] = {}
        outdated: set[str] = set()
        of_kind = (blobs.c.registry == registry, blobs.c.kind == kind)
        query = select(blobs.c.digest, blobs.c.repository, self._use_is_outdated().label("outdated")).where(*of_kind)
        async with self._database.read() as connection:
            for chunk in chunks(list(digests)):
                for row in await connection.execute(query.where(blobs.c.digest.in_(chunk))):
                    found.setdefault(row.digest, set()).add(row.repository)
                    if row.outdated:
                        outdated.add(row.digest)
        if outdated:
            await self._record_use(of_kind, outdated)
        return found

    def _use_is_outdated(self) -> ColumnElement[bool]:
        now = self._clock.now()
        in_future = blobs.c.used_at > now + _CLOCK_SKEW  # by a clock that was wrong
        return or_(blobs.c.used_at.is_(None), blobs.c.used_at < now - _USE_PRECISION, in_future)

    async def _record_use(self, of_kind: tuple[ColumnElement[bool], ...], digests: Collection[str]) -> None:
        statement = update(blobs).where(*of_kind, blobs.c.digest == bindparam("used")).values(used_at=self._clock.now())
        async with self._database.write() as connection:
            for chunk in chunks(sorted(digests)):  # in one order, as below
                await connection.execute(statement, [{"used": digest} for digest in chunk])

    async def remember(self, registry: str, repository: str, held: Mapping[ContentKind, Collection[str]]) -> None:
        """The repository holds these. Idempotent."""
        now = self._clock.now()
        rows = [
            {"registry": registry, "digest": digest, "kind": kind, "repository": repository, "used_at": now}
            for kind, digests in held.items()
            for digest in sorted(digests)  # in one order: on PostgreSQL two writers of the same rows would lock
        ]
        async with self._database.write() as connection:
            for chunk in chunks(rows):
                await connection.execute(connection.insert(blobs).on_conflict_do_nothing(), chunk)

    async def forget_repositories(self, *, but: Collection[tuple[str, str]]) -> None:
        """Forget what all repositories hold but these (registry and name): nothing is copied to the others."""
        async with self._database.read() as connection:
            known = await connection.execute(select(blobs.c.registry, blobs.c.repository).distinct())
            former = {(row.registry, row.repository) for row in known} - set(but)
        for registry, repository in sorted(former):
            async with self._database.write() as connection:
                gone = (blobs.c.registry == registry, blobs.c.repository == repository)
                await connection.execute(delete(blobs).where(*gone))

    async def forget_unused(self) -> None:
        """Forget what nobody has asked for in a year."""
        async with self._database.write() as connection:
            await connection.execute(delete(blobs).where(blobs.c.used_at < self._clock.now() - _UNUSED_MAX_AGE))
            # The year of what was written before this was recorded, or by a clock that was wrong, begins now.
            odd = or_(blobs.c.used_at.is_(None), blobs.c.used_at > self._clock.now() + _CLOCK_SKEW)
            await connection.execute(update(blobs).where(odd).values(used_at=self._clock.now()))

    async def forget(self, registry: str, repository: str, digests: Collection[str]) -> None:
        """The repository was found not to hold these. Idempotent."""
        statement = delete(blobs).where(blobs.c.registry == registry, blobs.c.repository == repository)
        async with self._database.write() as connection:
            for chunk in chunks(sorted(digests)):
                await connection.execute(statement.where(blobs.c.digest.in_(chunk)))

    async def missing_capabilities(self, registry: str) -> dict[str, str | None]:
        """What the registry was found not to be able to do within the last 30 days, by name; with a value if any.

        What was found in the future was found by a clock that was wrong, at a time that nobody knows.
        """
        now = self._clock.now()
        query = select(missing_capabilities.c.name, missing_capabilities.c.value).where(
            missing_capabilities.c.registry == registry,
            missing_capabilities.c.found_at.between(now - _CAPABILITY_MAX_AGE, now + _CLOCK_SKEW),
        )
        async with self._database.read() as connection:
            return {row.name: row.value for row in await connection.execute(query)}

    async def note_missing_capability(self, registry: str, name: str, value: str | None = None) -> None:
        """The registry was found not to be able to do this (or no more than `value`), just now."""
        row = {"found_at": self._clock.now(), "value": value}
        async with self._database.write() as connection:
            upsert = connection.insert(missing_capabilities).values(registry=registry, name=name, **row)
            await connection.execute(upsert.on_conflict_do_update(index_elements=["registry", "name"], set_=row))

    async def forget_missing_capability(self, registry: str, name: str) -> None:
        """The registry was found to be able to do this after all. Idempotent."""
        statement = delete(missing_capabilities).where(
            missing_capabilities.c.registry == registry, missing_capabilities.c.name == name
        )
        async with self._database.write() as connection:
            await connection.execute(statement)
