"""Checks of mirrored tags at the target: when each was last checked, what was found, and requeueing for a repair."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    Select,
    Update,
    bindparam,
    case,
    delete,
    func,
    not_,
    or_,
    select,
    update,
)

from ferryman.clock import Clock
from ferryman.kinds import Depth, FindingKind
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database, Transaction
from ferryman.store.database.tables import CHECKED_AT, HELD, findings, marks, status_is, tags
from ferryman.store.queue.statements import new_round
from ferryman.store.records import Checked, MirroredTag
from ferryman.wakeup import Wakeup

BACKUP = "backup"  # the mark of a restored database: tags not checked since may be newer at the target
# The reason of a queued tag, by what was found.
REASONS: dict[FindingKind, str] = {
    "missing": "target-missing", "changed": "target-differs", "incomplete": "target-incomplete",
}  # fmt: skip
_DEPTHS: tuple[Depth, ...] = ("tags", "contents", "bytes")  # each includes those before it

_Moment = datetime | BindParameter[datetime]


class TargetChecks:
    """The mirrored tags and their last checks. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock, queued: Wakeup) -> None:
        """`queued`: notified when a check has made tags due."""
        self._database = database
        self._clock = clock
        self._queued = queued

    async def unchecked(self, target: str, depth: Depth, *, before: datetime) -> tuple[list[MirroredTag], bool]:
        """The synced tags of a target repository that were not checked since `before`, the longest ago first.

        And those that are damaged. A check in the future was recorded under a wrong clock and does not count. And
        whether the database is a restored backup.
        """
        moments = {"of_target": target, "before": before, "now": self._clock.now()}

        def read(connection: Connection) -> tuple[list[MirroredTag], bool]:
            found = [MirroredTag(*row) for row in connection.execute(_overdue(depth), moments)]
            return found, _is_restored(connection)

        return await self._database.read_at_once(read)  # for each look

    async def page(
        self, target: str, depth: Depth, *, since: datetime, after: int, tag: str | None = None, most: int
    ) -> list[MirroredTag]:
        """The next synced tags that were not checked since then, by their ids. `tag`: only this one."""
        here = (tags.c.target == target, tags.c.id > after, self._unchecked_since(depth, since))
        named = () if tag is None else (tags.c.tag == tag,)
        query = _MIRRORED.where(*here, *named).order_by(tags.c.id).limit(most)
        async with self._database.read() as connection:
            return [MirroredTag(*row) for row in await connection.execute(query)]

    async def changed(self, target: str) -> frozenset[str]:
        """The tags of which the last check has found that somebody else has overwritten them."""
        query = select(tags.c.tag).join_from(findings, tags)
        here = (findings.c.target == target, findings.c.finding == "changed")
        async with self._database.read() as connection:
            return frozenset((await connection.execute(query.where(*here))).scalars())

    async def is_restored(self) -> bool:
        """Whether the database is a restored backup, and knows less than the targets."""
        async with self._database.read() as connection:
            return await connection.run_sync(_is_restored)

    async def first_check(self, target: str, depth: Depth, *, after: datetime) -> datetime | None:
        """The first of the checks of a target repository's synced tags that were not before `after`."""
        checked_at = tags.c[CHECKED_AT[depth]]
        query = select(func.min(checked_at)).where(tags.c.target == target, status_is("synced"), checked_at >= after)
        async with self._database.read() as connection:
            found: datetime | None = await connection.scalar(query)
            return found

    def _unchecked_since(self, depth: Depth, moment: datetime) -> ColumnElement[bool]:
        checked_at = tags.c[CHECKED_AT[depth]]
        return _is_unchecked(checked_at, moment, self._clock.now())

    async def record(self, results: Sequence[Checked], depth: Depth) -> int:
        """Record what was found, and queue what is to be repaired. Returns the number of queued tags.

        A tag that was copied or queued during the check is left unchanged.
        """
        now = self._clock.now()
        well = [each.held for each in results if each.is_well]
        damaged = [each for each in results if not each.is_well]
        async with self._database.write(exclusive=bool(damaged)) as connection:
            for chunk in chunks(well):
                await connection.execute(_marked(depth), [{**_key(each), "now": now} for each in chunk])
                await connection.execute(delete(findings).where(findings.c.tag_id.in_([each.id for each in chunk])))
            queued = sum([await _record_damage(connection, each, depth, now) for each in damaged])
        if queued:
            self._queued.notify()
        return queued


async def _record_damage(connection: Transaction, checked: Checked, depth: Depth, now: datetime) -> int:
    """The number of queued tags: one, or none."""
    assert checked.damage is not None  # noqa: S101 - the caller's part
    is_queued = checked.repair == "queued"
    again = new_round(REASONS[checked.damage.finding], now)
    if checked.moved:
        again["probed_at"] = None  # the next look asks upstream
    change = _UNCHANGED.where(not_(HELD)).values(again) if is_queued else _marked(depth)
    parameters = _key(checked.held) if is_queued else {**_key(checked.held), "now": now}
    if not (await connection.execute(change, parameters)).rowcount:
        return 0
    facts = {
        "finding": checked.damage.finding, "expected": checked.held.digest, "found": checked.damage.found,
        "detail": checked.damage.detail, "lost": checked.repair == "lost", "checked_at": now,
    }  # fmt: skip
    same = (findings.c.finding == facts["finding"]) & findings.c.found.is_not_distinct_from(facts["found"])
    since = case((same, findings.c.since), else_=now)
    row = {
        "tag_id": checked.held.id,
        "target": checked.held.target,
        "intact_at": checked.held.intact_at,
        "since": now,
        **facts,
    }
    insert = connection.insert(findings).values(row)
    await connection.execute(insert.on_conflict_do_update(index_elements=["tag_id"], set_={**facts, "since": since}))
    return int(is_queued)


def _is_restored(connection: Connection) -> bool:
    return connection.scalar(_RESTORED) is not None


def _is_unchecked(checked_at: Column[datetime], since: _Moment, now: _Moment) -> ColumnElement[bool]:
    return or_(checked_at.is_(None), checked_at < since, checked_at > now)


@cache
def _overdue(depth: Depth) -> Select[Any]:
    """Of a target repository, what was not checked `before`, or is damaged: the longest ago first."""
    checked_at = tags.c[CHECKED_AT[depth]]
    before, now = (bindparam(name, type_=checked_at.type) for name in ("before", "now"))
    overdue = or_(_is_unchecked(checked_at, before, now), _is_damaged)
    here = _MIRRORED.where(tags.c.target == bindparam("of_target"), overdue)
    return here.order_by(checked_at.asc().nulls_first(), tags.c.id)


_RESTORED = select(marks.c.value).where(marks.c.name == BACKUP)


_is_damaged = findings.c.tag_id.is_not(None)
_MIRRORED: Select[tuple[object, ...]] = (
    select(
        tags.c.id, tags.c.tag, tags.c.source, tags.c.target, tags.c.target_digest, tags.c.source_digest,
        tags.c.gone_at.is_not(None), tags.c.target_checked_at,
        case((_is_damaged, findings.c.intact_at), else_=tags.c.target_checked_at),
        _is_damaged,
        HELD,
    )
    .join_from(tags, findings, isouter=True)
    .where(status_is("synced"), tags.c.hold.is_distinct_from("prune"))  # what leaves need not be there
)  # fmt: skip
_UNCHANGED = update(tags).where(
    tags.c.id == bindparam("tag_id"),
    status_is("synced"),
    tags.c.target_digest.is_not_distinct_from(bindparam("expected_digest", type_=tags.c.target_digest.type)),
    tags.c.target_checked_at.is_not_distinct_from(bindparam("last_checked_at", type_=tags.c.target_checked_at.type)),
)


def _marked(depth: Depth) -> Update:
    """The tag was checked now: this deep, and so less deep, too."""
    columns = [CHECKED_AT[each] for each in _DEPTHS[: _DEPTHS.index(depth) + 1]]
    return _UNCHANGED.values({name: bindparam("now", type_=tags.c[name].type) for name in columns})


def _key(each: MirroredTag) -> dict[str, object]:
    return {"tag_id": each.id, "expected_digest": each.digest, "last_checked_at": each.checked_at}
