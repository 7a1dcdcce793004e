"""Cache of what target registries hold, and of their missing capabilities. It saves requests, and may be outdated."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, update

from ferryman.clock import Clock
from ferryman.kinds import ContentKind
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database
from ferryman.store.database.tables import blobs, missing_capabilities

_CAPABILITY_MAX_AGE = timedelta(days=30)  # a missing capability is tried again after this: registries are upgraded
_USE_PRECISION = timedelta(days=30)  # precision of `used_at`, which saves writes
_UNUSED_MAX_AGE = timedelta(days=365)
_CLOCK_SKEW = timedelta(hours=1)  # at most, between machines that share a database


class TargetBlobs:
    """Blobs, manifests and missing capabilities of every target registry. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def holders(self, registry: str, digests: Collection[str], *, kind: ContentKind) -> dict[str, set[str]]:
        """The names of the repositories that hold each digest; a digest without any is left out.

        The use of these rows is recorded, once a month.
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
        in_future = blobs.c.used_at > now + _CLOCK_SKEW  # recorded under a wrong clock
        return or_(blobs.c.used_at.is_(None), blobs.c.used_at < now - _USE_PRECISION, in_future)

    async def _record_use(self, of_kind: tuple[ColumnElement[bool], ...], digests: Collection[str]) -> None:
        statement = update(blobs).where(*of_kind, blobs.c.digest == bindparam("used")).values(used_at=self._clock.now())
        async with self._database.write() as connection:
            for chunk in chunks(sorted(digests)):  # sorted, as in `remember`
                await connection.execute(statement, [{"used": digest} for digest in chunk])

    async def remember(self, registry: str, repository: str, held: Mapping[ContentKind, Collection[str]]) -> None:
        """Record that the repository holds these digests. Idempotent."""
        now = self._clock.now()
        rows = [
            {"registry": registry, "digest": digest, "kind": kind, "repository": repository, "used_at": now}
            for kind, digests in held.items()
            for digest in sorted(digests)  # sorted: otherwise two writers of the same rows could deadlock on PostgreSQL
        ]
        async with self._database.write() as connection:
            for chunk in chunks(rows):
                await connection.execute(connection.insert(blobs).on_conflict_do_nothing(), chunk)

    async def forget_repositories(self, *, but: Collection[tuple[str, str]]) -> None:
        """Forget the content of all repositories but these (registry and name): the others are no targets any more."""
        async with self._database.read() as connection:
            known = await connection.execute(select(blobs.c.registry, blobs.c.repository).distinct())
            former = {(row.registry, row.repository) for row in known} - set(but)
        for registry, repository in sorted(former):
            await self.forget_repository(registry, repository)

    async def forget_repository(self, registry: str, repository: str) -> None:
        """Record that nothing is known of what the repository holds. Idempotent."""
        async with self._database.write() as connection:
            here = (blobs.c.registry == registry, blobs.c.repository == repository)
            await connection.execute(delete(blobs).where(*here))

    async def forget_unused(self) -> None:
        """Forget the rows that were not used for a year."""
        async with self._database.write() as connection:
            await connection.execute(delete(blobs).where(blobs.c.used_at < self._clock.now() - _UNUSED_MAX_AGE))
            # For rows without a time of use (older schema), or with one from a wrong clock, the year begins now.
            odd = or_(blobs.c.used_at.is_(None), blobs.c.used_at > self._clock.now() + _CLOCK_SKEW)
            await connection.execute(update(blobs).where(odd).values(used_at=self._clock.now()))

    async def forget(self, registry: str, repository: str, digests: Collection[str]) -> None:
        """Record that the repository does not hold these digests. Idempotent."""
        statement = delete(blobs).where(blobs.c.registry == registry, blobs.c.repository == repository)
        async with self._database.write() as connection:
            for chunk in chunks(sorted(digests)):
                await connection.execute(statement.where(blobs.c.digest.in_(chunk)))

    async def missing_capabilities(self, registry: str) -> dict[str, str | None]:
        """The registry's missing capabilities of the last 30 days, by name, with their limits, if any.

        Findings in the future were recorded under a wrong clock: their age is unknown, so they do not count.
        """
        now = self._clock.now()
        query = select(missing_capabilities.c.name, missing_capabilities.c.value).where(
            missing_capabilities.c.registry == registry,
            missing_capabilities.c.found_at.between(now - _CAPABILITY_MAX_AGE, now + _CLOCK_SKEW),
        )
        async with self._database.read() as connection:
            return {row.name: row.value for row in await connection.execute(query)}

    async def note_missing_capability(self, registry: str, name: str, value: str | None = None) -> None:
        """Record that the registry lacks a capability (or has it up to the limit `value`), as of now."""
        row = {"found_at": self._clock.now(), "value": value}
        async with self._database.write() as connection:
            upsert = connection.insert(missing_capabilities).values(registry=registry, name=name, **row)
            await connection.execute(upsert.on_conflict_do_update(index_elements=["registry", "name"], set_=row))

    async def forget_missing_capability(self, registry: str, name: str) -> None:
        """Record that the registry has the capability after all. Idempotent."""
        statement = delete(missing_capabilities).where(
            missing_capabilities.c.registry == registry, missing_capabilities.c.name == name
        )
        async with self._database.write() as connection:
            await connection.execute(statement)
