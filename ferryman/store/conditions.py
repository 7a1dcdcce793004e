"""What may need a person, as the record has it: failed tags, refused logins, lookups, cycles, changed digests."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import and_, case, func, or_, select

from ferryman.store.database.database import Database
from ferryman.store.database.tables import (
    HELD_BACK,
    UNREAD,
    attempts,
    cycles,
    digests,
    looks,
    lookup_failures,
    manual_pauses,
    prunes,
    registries,
    status_is,
    tags,
)
from ferryman.store.freezes import read_freezes
from ferryman.store.queries.findings import DamagedTags, count_damaged
from ferryman.store.queue.item_queues import read_item_queues
from ferryman.store.queue.pauses import touches
from ferryman.store.records import HELD_CHANGED, Freeze

_NAMES = 3  # of tags, as examples
_WANTED = tags.c.status.in_(("synced", "queued", "running", "failed"))
_MOST_CHANGES = 10_000  # digests that are read at once: the rest is told of later


@dataclass(frozen=True, slots=True)
class FailedItem:
    """An item of which tags have failed for good, or fail again and again since."""

    target: str
    item: str
    since: datetime
    failed: int  # tags that failed for good and wait for a person; 0: all are tried again just now
    names: Sequence[str]  # of the first of them
    error: str | None  # of the first of them
    error_kind: str | None
    registry: str | None  # that caused it


@dataclass(frozen=True, slots=True)
class RefusedLogin:
    """A registry that is paused because it refuses the login."""

    registry: str
    since: datetime
    error: str
    waiting: int  # tags


@dataclass(frozen=True, slots=True)
class FailedLookup:
    """An item that could not be looked at, so many times in a row."""

    target: str
    item: str
    source: str
    since: datetime
    error: str
    error_kind: str | None
    registry: str | None
    looks: int


@dataclass(frozen=True, slots=True)
class HeldItem:
    """An item with version tags that have changed upstream, and are held until a person decides."""

    target: str
    since: datetime
    tags: int
    names: Sequence[str]  # of the first of them


@dataclass(frozen=True, slots=True)
class MarkedItem:
    """An item with tags that the rules no longer want, and that leave the target when they are due."""

    target: str
    since: datetime
    last_at: datetime  # the newest mark
    due_at: datetime  # of the tag that goes first
    tags: int
    names: Sequence[str]  # of those that were marked last


@dataclass(frozen=True, slots=True)
class Progress:
    """When what was last done well. None: never, as far as known."""

    cycle_at: datetime | None  # a cycle ended well: some item could be looked at
    first_cycle_at: datetime | None  # the first cycle that is recorded began
    copied_at: datetime | None  # a tag was copied
    due_since: datetime | None  # the oldest tag that may run, and does not
    paused_by_hand: bool


@dataclass(frozen=True, slots=True)
class Change:
    """Upstream's digest of a tag was another one before."""

    number: int  # grows with the time
    target: str
    item: str
    tag: str
    at: datetime


class Conditions:
    """Reads what may need a person. Every call raises StoreError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def failed_items(self) -> list[FailedItem]:
        """The items with failing tags. A login that is refused now is not among the reasons: its pause tells of it."""
        refusing = select(registries.c.registry).where(registries.c.until.is_(None))
        another = tags.c.error_kind.is_distinct_from("login")
        untold = or_(another, tags.c.error_registry.is_(None), tags.c.error_registry.not_in(refusing))
        for_good = and_(or_(status_is("failed"), UNREAD), untold)
        failing = (
            select(
                tags.c.target, func.min(tags.c.item), func.min(tags.c.failed_at), func.sum(case((for_good, 1), else_=0))
            )
            .where(tags.c.failed_at.is_not(None))
            .group_by(tags.c.target)
        )
        first = (
            select(tags.c.tag, tags.c.error, tags.c.error_kind, tags.c.error_registry)
            .where(for_good, tags.c.failed_at.is_not(None))
            .order_by(tags.c.rank, tags.c.id)
            .limit(_NAMES)
        )
        found = []
        async with self._database.read() as connection:
            for target, item, since, number in (await connection.execute(failing)).all():
                rows = (await connection.execute(first.where(tags.c.target == target))).all()
                error = rows[0][1:] if rows else (None, None, None)
                found.append(FailedItem(target, item, since, int(number), [row.tag for row in rows], *error))
        return found

    async def frozen(self) -> list[Freeze]:
        """The frozen items."""
        async with self._database.read() as connection:
            return list((await read_freezes(connection)).values())

    async def refused_logins(self) -> list[RefusedLogin]:
        """The registries whose login is refused."""
        query = select(registries.c.registry, registries.c.since, registries.c.error).where(
            registries.c.until.is_(None)
        )
        async with self._database.read() as connection:
            rows = (await connection.execute(query)).all()
            counted = [
                await connection.scalar(select(func.count()).where(status_is("queued"), touches([row.registry])))
                for row in rows
            ]
        return [
            RefusedLogin(row.registry, row.since, row.error, waiting)
            for row, waiting in zip(rows, counted, strict=True)
        ]

    async def failed_lookups(self) -> list[FailedLookup]:
        """The items that could not be looked at the last time."""
        failed, well = lookup_failures, looks.alias("well")
        last = select(func.max(well.c.id)).where(well.c.target == failed.c.target, well.c.outcome == "looked")
        times = select(func.count()).where(
            looks.c.target == failed.c.target,
            looks.c.outcome == "failed",
            looks.c.id > func.coalesce(last.scalar_subquery(), 0),
        )
        columns = [failed.c[name] for name in ("target", "item", "source", "since", "error", "error_kind", "registry")]
        async with self._database.read() as connection:
            rows = await connection.execute(select(*columns, times.scalar_subquery()))
            return [FailedLookup(*row) for row in rows]

    async def damaged_tags(self) -> list[DamagedTags]:
        """The mirrored tags that are damaged at their targets, and that nothing repairs."""
        async with self._database.read() as connection:
            return await count_damaged(connection)

    async def held_items(self) -> list[HeldItem]:
        """The items with such tags."""
        held = and_(HELD_BACK, tags.c.reason == HELD_CHANGED)
        since = func.coalesce(func.min(tags.c.moved_at), func.min(tags.c.synced_at))
        counted = select(tags.c.target, since, func.count()).where(held).group_by(tags.c.target)
        first = select(tags.c.tag).where(held).order_by(tags.c.rank, tags.c.id).limit(_NAMES)
        found = []
        async with self._database.read() as connection:
            for target, began_at, number in (await connection.execute(counted)).all():
                names = (await connection.execute(first.where(tags.c.target == target))).scalars()
                found.append(HeldItem(target, began_at, number, list(names)))
        return found

    async def marked_items(self) -> list[MarkedItem]:
        """The items with such tags, beside those that are being removed."""
        marked = prunes.c.state == "marked"
        first_and_last = (func.min(prunes.c.marked_at), func.max(prunes.c.marked_at), func.min(prunes.c.due_at))
        counted = select(prunes.c.target, *first_and_last, func.count()).where(marked).group_by(prunes.c.target)
        newest = select(tags.c.tag).join_from(prunes, tags).where(marked)
        newest = newest.order_by(prunes.c.marked_at.desc(), tags.c.rank, tags.c.id).limit(_NAMES)
        found = []
        async with self._database.read() as connection:
            for target, since, last_at, due_at, number in (await connection.execute(counted)).all():
                names = (await connection.execute(newest.where(prunes.c.target == target))).scalars()
                found.append(MarkedItem(target, since, last_at, due_at, number, list(names)))
        return found

    async def progress(self, now: datetime) -> Progress:
        """When what was last done well."""
        well = select(func.max(cycles.c.ended_at)).where(
            cycles.c.outcome == "done", cycles.c.items_failed < cycles.c["items"]
        )
        first = select(func.min(cycles.c.began_at))
        copied = (
            select(attempts.c.finished_at).where(attempts.c.outcome == "synced").order_by(attempts.c.id.desc()).limit(1)
        )
        by_hand = select(manual_pauses.c.scope).where(manual_pauses.c.scope == "all").limit(1)
        async with self._database.read() as connection:
            due = [each.due_since for each in await read_item_queues(connection, now) if each.due_since]
            return Progress(
                await connection.scalar(well),
                await connection.scalar(first),
                await connection.scalar(copied),
                min(due, default=None),
                await connection.scalar(by_hand) is not None,
            )

    async def changes(self, *, after: int, since: datetime) -> list[Change]:
        """The wanted tags whose digest changed upstream, recorded after the number `after`, and not before `since`.

        Those that are held are not among them.
        """
        earlier = digests.alias("earlier")
        newest_old = select(digests.c.id).where(or_(digests.c.at < since, digests.c.at.is_(None)))
        before = (
            select(earlier.c.digest)
            .where(earlier.c.tag_id == digests.c.tag_id, earlier.c.side == "source", earlier.c.id < digests.c.id)
            .order_by(earlier.c.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        # From the end, by the id: all digests that were ever recorded may be millions.
        start = func.coalesce(newest_old.order_by(digests.c.id.desc()).limit(1).scalar_subquery(), 0)
        query = (
            select(digests.c.id, tags.c.target, tags.c.item, tags.c.tag, digests.c.at)
            .join_from(digests, tags)
            .where(digests.c.id > after, digests.c.id > start, digests.c.side == "source", digests.c.at >= since)
            .where(before != digests.c.digest, tags.c.reason.is_distinct_from(HELD_CHANGED), _WANTED)
            .order_by(digests.c.id)
            .limit(_MOST_CHANGES)
        )
        async with self._database.read() as connection:
            return [Change(*row) for row in await connection.execute(query)]
