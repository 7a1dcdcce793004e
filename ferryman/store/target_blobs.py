"""Cache of what target registries hold, and of their missing capabilities. It saves requests, and may be outdated."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import ColumnElement, Connection, Executable, String, and_, bindparam, delete, or_, select, update

from ferryman.clock import Clock
from ferryman.kinds import ContentKind
from ferryman.reference import Repository
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database
from ferryman.store.database.tables import blobs, missing_capabilities
from ferryman.store.database.upserts import insert_missing

_CAPABILITY_MAX_AGE = timedelta(days=30)  # a missing capability is tried again after this: registries are upgraded
_USE_PRECISION = timedelta(days=30)  # precision of `used_at`, which saves writes
_UNUSED_MAX_AGE = timedelta(days=365)
_CLOCK_SKEW = timedelta(hours=1)  # at most, between machines that share a database

# The statements of every job are built once: building one takes longer than running it.
_of_kind = and_(
    blobs.c.registry == bindparam("of_registry", type_=String), blobs.c.kind == bindparam("of_kind", type_=String)
)
_HOLDERS = select(blobs.c.digest, blobs.c.repository, blobs.c.used_at).where(
    _of_kind, blobs.c.digest.in_(bindparam("digests", expanding=True))
)
_USE = (
    update(blobs)
    .where(_of_kind, blobs.c.digest == bindparam("used", type_=String))
    .values(used_at=bindparam("now", type_=blobs.c.used_at.type))
)


class TargetBlobs:
    """Blobs, manifests and missing capabilities of every target registry. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def holders(self, registry: str, digests: Collection[str], *, kind: ContentKind) -> dict[str, set[str]]:
        """The names of the repositories that hold each digest; a digest without any is left out.

        The use of these rows is recorded, once a month.
        """
        uses = await self._database.read_at_once(partial(_uses, registry=registry, kind=kind, digests=list(digests)))
        found: dict[str, set[str]] = {}
        for digest, repository, _ in uses:
            found.setdefault(digest, set()).add(repository)
        now = self._clock.now()
        # Sorted, as in `remember`.
        if outdated := sorted({digest for digest, _, used_at in uses if _is_outdated(used_at, now)}):
            rows = [{"of_registry": registry, "of_kind": kind, "used": digest, "now": now} for digest in outdated]
            await self._database.write_at_once(partial(_execute, statement=_USE, rows=rows))
        return found

    async def remember(self, registry: str, repository: str, held: Mapping[ContentKind, Collection[str]]) -> None:
        """Record that the repository holds these digests. Idempotent."""
        now = self._clock.now()
        rows = [
            {"registry": registry, "digest": digest, "kind": kind, "repository": repository, "used_at": now}
            for kind, digests in held.items()
            for digest in sorted(digests)  # sorted: otherwise two writers of the same rows could deadlock on PostgreSQL
        ]
        await self._database.write_at_once(
            lambda connection: _execute(connection, insert_missing(connection.dialect.name, blobs), rows)
        )

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
        """The registry's missing capabilities of the last 30 days, by name, with their limits, if any."""
        query = select(missing_capabilities.c.name, missing_capabilities.c.value).where(
            missing_capabilities.c.registry == registry, known_now(self._clock.now())
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


def refusal_names(target: Repository) -> tuple[str, str]:
    """The names of the missing capabilities of the registry: it deletes nothing; it does not in this repository."""
    return "deletes", f"deletes in {target.name}"


def known_now(now: datetime) -> ColumnElement[bool]:
    """Whether a missing capability was found in the last 30 days.

    Findings in the future were recorded under a wrong clock: their age is unknown, so they do not count.
    """
    return missing_capabilities.c.found_at.between(now - _CAPABILITY_MAX_AGE, now + _CLOCK_SKEW)


def _uses(
    connection: Connection, *, registry: str, kind: ContentKind, digests: Sequence[str]
) -> list[tuple[str, str, datetime | None]]:
    """Which repository holds which of these digests, and when that was last made use of."""
    return [
        (row.digest, row.repository, row.used_at)
        for chunk in chunks(digests)
        for row in connection.execute(_HOLDERS, {"of_registry": registry, "of_kind": kind, "digests": chunk})
    ]


def _is_outdated(used_at: datetime | None, now: datetime) -> bool:
    """Whether the last use was long ago, or is not known, or was recorded under a wrong clock."""
    return used_at is None or not now - _USE_PRECISION <= used_at <= now + _CLOCK_SKEW


def _execute(connection: Connection, statement: Executable, rows: Sequence[Mapping[str, object]]) -> None:
    for chunk in chunks(rows):
        connection.execute(statement, chunk)
