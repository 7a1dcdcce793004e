"""How many tags of each item are in which state: five queries for all items, each on a covering index."""

from collections.abc import Collection
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, ScalarSelect, func, select

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import HELD_BACK, OUTDATED, UNREAD, status_is, tags
from ferryman.store.listing import STATUSES
from ferryman.store.queries.targets import as_rows
from ferryman.store.queue.item_queues import read_item_queues
from ferryman.store.records import Status


@dataclass(frozen=True, slots=True)
class TagCounts:
    """Numbers of tags, of one item or of several."""

    synced: int = 0
    due: int = 0  # queued, and may run now
    waiting: int = 0  # queued for later: for a retry, or the end of a rate limit
    held: int = 0  # queued until the login at their registry is accepted
    quarantined: int = 0  # queued until their digests are old enough
    running: int = 0
    failed: int = 0  # for good
    skipped: int = 0  # by a rule, or because there is nothing to copy
    gone: int = 0  # upstream no longer lists them, whatever their status
    unread: int = 0  # synced, and upstream's tag cannot be read now
    put_back: int = 0  # a person has put them back, and nothing is copied over them
    changed: int = 0  # synced; upstream has changed them, and nothing is copied until a person decides
    # Not synced, though the target has an earlier copy.
    outdated_queued: int = 0
    outdated_running: int = 0
    outdated_failed: int = 0
    due_since: datetime | None = None  # since when the oldest of the due ones might run
    newest_at: datetime | None = None  # when upstream pushed the newest of the synced ones
    synced_at: datetime | None = None  # the last copy

    @property
    def queued(self) -> int:
        """All that wait for a worker, whatever they wait for."""
        return self.due + self.waiting + self.held + self.quarantined

    @property
    def wanted(self) -> int:
        """All that are mirrored, or shall be."""
        return self.synced + self.queued + self.running + self.failed

    @property
    def outdated(self) -> int:
        """Wanted, and the target has an earlier copy only, or one that is to be made again."""
        return self.outdated_queued + self.outdated_running + self.outdated_failed

    @property
    def missing(self) -> int:
        """Wanted, and the target has none."""
        return self.wanted - self.synced - self.outdated


def total(counts: Collection[TagCounts]) -> TagCounts:
    """The counts of several items together."""
    numbers = {name: sum(getattr(each, name) for each in counts) for name in _NUMBERS}
    return TagCounts(
        **numbers,
        due_since=min((each.due_since for each in counts if each.due_since), default=None),
        newest_at=max((each.newest_at for each in counts if each.newest_at), default=None),
        synced_at=max((each.synced_at for each in counts if each.synced_at), default=None),
    )


_NUMBERS = [each.name for each in fields(TagCounts) if each.type is int]


async def read_counts(connection: Transaction, targets: Collection[str], now: datetime) -> dict[str, TagCounts]:
    """The counts of every item, also of those without tags, by target."""
    found = dict.fromkeys(targets, TagCounts())
    if not found:
        return found
    for target, changes in [
        *await _of_items(connection, targets),
        *await _queue(connection, targets, now),
        *await _outdated(connection, targets),
        *await _unread(connection, targets),
        *await _held_back(connection, targets),
    ]:
        found[target] = replace(found[target], **changes)
    return found


_Changes = list[tuple[str, dict[str, Any]]]  # new values of the counts of a target


async def _of_items(connection: Transaction, targets: Collection[str]) -> _Changes:
    """What a step into an index for each item tells: with GROUP BY both databases compare every entry with the next."""
    items = as_rows(targets)

    def of_item(value: ColumnElement[Any], *conditions: ColumnElement[bool]) -> ScalarSelect[Any]:
        return select(value).where(tags.c.target == items.c.target, *conditions).scalar_subquery()

    def newest(moment: ColumnElement[datetime], status: Status) -> ScalarSelect[Any]:
        # NOT NULL, with which SQLite takes the index that has the time.
        return of_item(func.max(moment), status_is(status), moment.is_not(None))

    counted = [status for status in STATUSES if status != "queued"]  # those are counted by when they may run
    numbers = [of_item(func.count(), status_is(status)).label(status) for status in counted]
    gone = of_item(func.count(), tags.c.gone_at.is_not(None)).label("gone")
    synced_at = [newest(tags.c.synced_at, status) for status in STATUSES]
    query = select(items.c.target, newest(tags.c.pushed_at, "synced"), gone, *numbers, *synced_at)
    found = []
    for target, newest_at, *more in await connection.execute(query):
        named = dict(zip(("gone", *counted), more, strict=False))
        moments = filter(None, more[len(named) :])
        found.append((target, {**named, "newest_at": newest_at, "synced_at": max(moments, default=None)}))
    return found


async def _queue(connection: Transaction, targets: Collection[str], now: datetime) -> _Changes:
    names = ("due", "waiting", "held", "quarantined", "due_since")
    queues = await read_item_queues(connection, now, targets)
    return [(each.target, {name: getattr(each, name) for name in names}) for each in queues]


async def _outdated(connection: Transaction, targets: Collection[str]) -> _Changes:
    query = (
        select(tags.c.target, tags.c.status, func.count().label("number"))
        .where(OUTDATED, tags.c.target.in_(targets))
        .group_by(tags.c.target, tags.c.status)
    )
    return [(row.target, {f"outdated_{row.status}": row.number}) for row in await connection.execute(query)]


async def _unread(connection: Transaction, targets: Collection[str]) -> _Changes:
    query = select(tags.c.target, func.count().label("unread")).where(UNREAD, tags.c.target.in_(targets))
    return [_named(row) for row in await connection.execute(query.group_by(tags.c.target))]


async def _held_back(connection: Transaction, targets: Collection[str]) -> _Changes:
    """Of both, the person's own decision counts."""
    put_back = func.count().filter(tags.c.hold == "rollback")
    numbers = [put_back.label("put_back"), (func.count() - put_back).label("changed")]
    query = select(tags.c.target, *numbers).where(HELD_BACK, tags.c.target.in_(targets))
    return [_named(row) for row in await connection.execute(query.group_by(tags.c.target))]


def _named(row: Row[Any]) -> tuple[str, dict[str, Any]]:
    changes = dict(row._mapping)  # noqa: SLF001 - public, in spite of its name
    return changes.pop("target"), changes
