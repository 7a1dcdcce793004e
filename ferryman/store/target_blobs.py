"""What target registries hold and cannot do, as far as Ferryman knows: belief that saves requests, and may be wrong."""

from collections.abc import Collection, Mapping
from datetime import timedelta

from sqlalchemy import ColumnElement, bindparam, delete, or_, select, update

from ferryman.clock import Clock
from ferryman.kinds import ContentKind
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database
from ferryman.store.database.tables import blobs, missing_capabilities

_BELIEVED = timedelta(days=30)  # registries learn: what one could not do is tried again after this
_NOTED = timedelta(days=30)  # how exactly it is known when a row was used last
_UNUSED = timedelta(days=365)
_CLOCKS_DIFFER = timedelta(hours=1)  # at most, of machines that share a database


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
        unnoted: set[str] = set()
        of_kind = (blobs.c.registry == registry, blobs.c.kind == kind)
        asking = select(blobs.c.digest, blobs.c.repository, self._is_use_to_be_noted().label("unnoted")).where(*of_kind)
        async with self._database.read() as connection:
            for some in chunks(list(digests)):
                for row in await connection.execute(asking.where(blobs.c.digest.in_(some))):
                    found.setdefault(row.digest, set()).add(row.repository)
                    if row.unnoted:
                        unnoted.add(row.digest)
        if unnoted:
            await self._note_use(of_kind, unnoted)
        return found

    def _is_use_to_be_noted(self) -> ColumnElement[bool]:
        now = self._clock.now()
        ahead = blobs.c.used_at > now + _CLOCKS_DIFFER  # by a clock that was wrong
        return or_(blobs.c.used_at.is_(None), blobs.c.used_at < now - _NOTED, ahead)

    async def _note_use(self, of_kind: tuple[ColumnElement[bool], ...], digests: Collection[str]) -> None:
        noting = update(blobs).where(*of_kind, blobs.c.digest == bindparam("used")).values(used_at=self._clock.now())
        async with self._database.write() as connection:
            for some in chunks(sorted(digests)):  # in one order, as below
                await connection.execute(noting, [{"used": digest} for digest in some])

    async def remember(self, registry: str, repository: str, held: Mapping[ContentKind, Collection[str]]) -> None:
        """The repository holds these. Idempotent."""
        now = self._clock.now()
        rows = [
            {"registry": registry, "digest": digest, "kind": kind, "repository": repository, "used_at": now}
            for kind, digests in held.items()
            for digest in sorted(digests)  # in one order: on PostgreSQL two writers of the same rows would lock
        ]
        async with self._database.write() as connection:
            for some in chunks(rows):
                await connection.execute(connection.insert(blobs).on_conflict_do_nothing(), some)

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
            await connection.execute(delete(blobs).where(blobs.c.used_at < self._clock.now() - _UNUSED))
            # The year of what was written before this was recorded, or by a clock that was wrong, begins now.
            odd = or_(blobs.c.used_at.is_(None), blobs.c.used_at > self._clock.now() + _CLOCKS_DIFFER)
            await connection.execute(update(blobs).where(odd).values(used_at=self._clock.now()))

    async def forget(self, registry: str, repository: str, digests: Collection[str]) -> None:
        """The repository was found not to hold these. Idempotent."""
        forgetting = delete(blobs).where(blobs.c.registry == registry, blobs.c.repository == repository)
        async with self._database.write() as connection:
            for some in chunks(sorted(digests)):
                await connection.execute(forgetting.where(blobs.c.digest.in_(some)))

    async def missing_capabilities(self, registry: str) -> dict[str, str | None]:
        """What the registry was found not to be able to do within the last 30 days, by name; with a value if any.

        What was found in the future was found by a clock that was wrong, at a time that nobody knows.
        """
        now = self._clock.now()
        asking = select(missing_capabilities.c.name, missing_capabilities.c.value).where(
            missing_capabilities.c.registry == registry,
            missing_capabilities.c.found_at.between(now - _BELIEVED, now + _CLOCKS_DIFFER),
        )
        async with self._database.read() as connection:
            return {row.name: row.value for row in await connection.execute(asking)}

    async def note_missing_capability(self, registry: str, name: str, value: str | None = None) -> None:
        """The registry was found not to be able to do this (or no more than `value`), just now."""
        row = {"found_at": self._clock.now(), "value": value}
        async with self._database.write() as connection:
            adding = connection.insert(missing_capabilities).values(registry=registry, name=name, **row)
            await connection.execute(adding.on_conflict_do_update(index_elements=["registry", "name"], set_=row))

    async def forget_missing_capability(self, registry: str, name: str) -> None:
        """The registry was found to be able to do this after all. Idempotent."""
        forgetting = delete(missing_capabilities).where(
            missing_capabilities.c.registry == registry, missing_capabilities.c.name == name
        )
        async with self._database.write() as connection:
            await connection.execute(forgetting)
