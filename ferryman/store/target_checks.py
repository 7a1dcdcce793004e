"""Checks of mirrored tags at the target: when each was last verified, and requeueing those that differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, or_, select, update

from ferryman.clock import Clock
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database, Transaction
from ferryman.store.database.tables import marks, status_is, tags
from ferryman.store.queue.statements import new_round

BACKUP = "backup"  # the mark of a restored database: tags not checked since may be newer at the target
DIFFERS = "target-differs"  # the reason of a queued tag


@dataclass(frozen=True, slots=True)
class MirroredTag:
    """A mirrored tag, as recorded."""

    id: int
    tag: str
    digest: str | None  # the target's digest after the copy; None: imported from the old history
    checked_at: datetime | None  # None: never, or not since the database was restored


class TargetChecks:
    """The mirrored tags and their last checks. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def unchecked(self, target: str, *, before: datetime) -> tuple[list[MirroredTag], bool]:
        """The synced tags of a target repository that were not checked since `before`, the longest ago first.

        A check in the future was recorded under a wrong clock and does not count. And whether the database is a
        restored backup.
        """
        checked_at = tags.c.target_checked_at
        overdue = or_(checked_at.is_(None), checked_at < before, checked_at > self._clock.now())
        query = (
            select(tags.c.id, tags.c.tag, tags.c.target_digest, checked_at)
            .where(tags.c.target == target, status_is("synced"), overdue)
            .order_by(checked_at.asc().nulls_first(), tags.c.id)
        )
        async with self._database.read() as connection:
            found = [MirroredTag(*row) for row in await connection.execute(query)]
            return found, await _is_restored(connection)

    async def record(self, *, matching: Sequence[MirroredTag], differing: Sequence[MirroredTag]) -> int:
        """Record the tags that match at the target, and queue those that differ. Returns the number of queued ones.

        A tag that was copied or queued during the check is left unchanged.
        """
        now = self._clock.now()
        async with self._database.write(exclusive=bool(differing)) as connection:
            for chunk in chunks(matching):
                await connection.execute(_MARK_CHECKED, [{**_key(each), "now": now} for each in chunk])
            queued = 0
            for each in differing:
                again = _UNCHANGED.values(new_round(DIFFERS, now))
                queued += (await connection.execute(again, _key(each))).rowcount
        return queued


async def _is_restored(connection: Transaction) -> bool:
    return await connection.scalar(select(marks.c.value).where(marks.c.name == BACKUP)) is not None


_UNCHANGED = update(tags).where(
    tags.c.id == bindparam("tag_id"),
    status_is("synced"),
    tags.c.target_digest.is_not_distinct_from(bindparam("expected_digest", type_=tags.c.target_digest.type)),
    tags.c.target_checked_at.is_not_distinct_from(bindparam("last_checked_at", type_=tags.c.target_checked_at.type)),
)
_MARK_CHECKED = _UNCHANGED.values(target_checked_at=bindparam("now", type_=tags.c.target_checked_at.type))


def _key(each: MirroredTag) -> dict[str, object]:
    return {"tag_id": each.id, "expected_digest": each.digest, "last_checked_at": each.checked_at}
