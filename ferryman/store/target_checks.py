"""When a target itself was last asked what a mirrored tag names, and what came of that."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, or_, select, update

from ferryman.clock import Clock
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database
from ferryman.store.database.tables import marks, status_is, tags
from ferryman.store.queue.pauses import hold_back
from ferryman.store.queue.statements import new_round

BACKUP = "backup"  # the mark of a database that was restored: what is not checked since may be older than the target
DIFFERS = "target-differs"  # the reason of a queued tag


@dataclass(frozen=True, slots=True)
class MirroredTag:
    """A mirrored tag, as the record has it."""

    id: int
    tag: str
    digest: str | None  # what the target answered after the copy; None: taken over from the old history
    checked_at: datetime | None  # None: never asked since that was recorded, or since the database was restored


class TargetChecks:
    """The mirrored tags and their last checks. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    async def restored(self) -> bool:
        """Whether the database is a backup that was restored: it may know less than the targets."""
        async with self._database.read() as connection:
            return await connection.scalar(select(marks.c.value).where(marks.c.name == BACKUP)) is not None

    async def unchecked(self, target: str, *, before: datetime) -> list[MirroredTag]:
        """The synced tags of a target repository that were not checked since `before`; longest ago first.

        A check in the future was noted by a clock that was wrong: it counts as none.
        """
        checked_at = tags.c.target_checked_at
        overdue = or_(checked_at.is_(None), checked_at < before, checked_at > self._clock.now())
        query = (
            select(tags.c.id, tags.c.tag, tags.c.target_digest, checked_at)
            .where(tags.c.target == target, status_is("synced"), overdue)
            .order_by(checked_at.asc().nulls_first(), tags.c.id)
        )
        async with self._database.read() as connection:
            return [MirroredTag(*row) for row in await connection.execute(query)]

    async def record(self, *, matching: Sequence[MirroredTag], differing: Sequence[MirroredTag]) -> int:
        """Remember that the target names what is recorded; queue the wrong ones again. The number of those.

        A tag that was copied or queued while the target was asked is left alone.
        """
        now = self._clock.now()
        async with self._database.write(exclusive=bool(differing)) as connection:
            for chunk in chunks(matching):
                await connection.execute(_MARK_CHECKED, [{**_key(each), "now": now} for each in chunk])
            queued = 0
            for each in differing:
                again = _UNCHANGED.values(new_round(DIFFERS, now))
                queued += (await connection.execute(again, _key(each))).rowcount
            if queued:
                await hold_back(connection, now)
        return queued


_UNCHANGED = update(tags).where(
    tags.c.id == bindparam("tag_id"),
    status_is("synced"),
    tags.c.target_digest.is_not_distinct_from(bindparam("expected_digest", type_=tags.c.target_digest.type)),
    tags.c.target_checked_at.is_not_distinct_from(bindparam("last_checked_at", type_=tags.c.target_checked_at.type)),
)
_MARK_CHECKED = _UNCHANGED.values(target_checked_at=bindparam("now", type_=tags.c.target_checked_at.type))


def _key(each: MirroredTag) -> dict[str, object]:
    return {"tag_id": each.id, "expected_digest": each.digest, "last_checked_at": each.checked_at}
