"""The ledger: read the record of every tag, attempts and failed lookups; import and export the old history."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from functools import partial
from typing import Any, Literal

from sqlalchemy import Connection, Select, Subquery, and_, bindparam, delete, func, not_, null, select, update

from ferryman.clock import Clock
from ferryman.store import listing
from ferryman.store.database.chunks import chunks
from ferryman.store.database.database import Database, Transaction
from ferryman.store.database.tables import (
    RELEASABLE,
    attempts,
    blobs,
    digests,
    freezes,
    history,
    item_columns,
    kept_digests,
    look_requests,
    looks,
    lookup_failures,
    name_columns,
    status_is,
    tags,
    walks,
)
from ferryman.store.freezes import freeze
from ferryman.store.history_pages import HistoryPage, history_pages
from ferryman.store.item_state import ItemState, state_of
from ferryman.store.listing import RECORD_COLUMNS, STATUSES, Selection, list_tags
from ferryman.store.queue.audit import note_action
from ferryman.store.queue.frozen import forget_freezes
from ferryman.store.queue.looks import note_look
from ferryman.store.queue.manual_pauses import forget_pauses, read_pauses
from ferryman.store.queue.pauses import as_shown, paused_at, read_paused
from ferryman.store.records import Attempt, Collapse, HistoryLine, Intent, ItemKey, Status, TagRecord, Walk

_UNKNOWN = "Unknown"  # the first Ferryman's word for an unknown digest


@dataclass(frozen=True, slots=True)
class ItemSummary:
    """The number of an item's tags by status."""

    name: str
    source: str
    target: str
    counts: Mapping[Status, int]  # every status, in reading order
    gone: int  # tags that upstream no longer lists, whatever their status
    last_synced_at: datetime | None


@dataclass(frozen=True, slots=True)
class LookupFailure:
    """An item whose source could not be looked up."""

    item: str
    source: str
    target: str
    since: datetime | None  # None: of a lookup that is not recorded
    error: str  # the last one
    error_kind: str | None = None
    registry: str | None = None  # that caused it


@dataclass(frozen=True, slots=True)
class RecordedItem:
    """All that is recorded of one item."""

    tags: dict[str, TagRecord]  # by name
    walk: Walk | None  # how its repository was last listed
    state: ItemState  # of the rows of these tags


class Ledger:
    """Reads the record of tags; writes failed lookups and the imported history. Every call raises StoreError."""

    def __init__(self, database: Database, *, clock: Clock) -> None:
        self._database = database
        self._clock = clock  # for the pauses in force, which a queued tag is shown with

    async def known(self, target: str) -> dict[str, TagRecord]:
        """Every tag of one item, by name."""
        return (await self.recorded(target)).tags

    async def recorded(self, target: str) -> RecordedItem:
        """All that is recorded of one item."""
        now = self._clock.now()
        return await self._database.read_at_once(partial(_recorded, target=target, now=now))

    def tags(
        self,
        *,
        targets: Collection[str] | None = None,
        failed: bool = False,
        held: bool = False,
        excluded_reasons: Collection[str] = (),
        most: int | None = None,
    ) -> AsyncIterator[TagRecord]:
        """The tags for `status`: by item, by status, newest first, read page by page. See `listing.py`.

        targets None: all. `failed`: only tags that failed, or were mirrored before and cannot be read now.
        `held`: only tags that were put back, or have changed upstream, and wait for a person.
        `excluded_reasons`: without tags that are skipped for one of these reasons. `most`: only the first ones.
        """
        selection = Selection(targets=targets, failed=failed, held=held, excluded_reasons=excluded_reasons)
        return list_tags(self._database, selection, now=self._clock.now(), most=most)

    async def count_failed(self, targets: Collection[str]) -> int:
        """The number of tags that `tags(failed=True)` yields."""
        return await self._count(listing.failed(tags.c.target.in_(targets)))

    async def count_waiting_for_persons(self, targets: Collection[str]) -> int:
        """The number of tags that `tags(held=True)` yields."""
        return await self._count(listing.held(tags.c.target.in_(targets)))

    async def count_unreadable(self, targets: Collection[str], tag: str | None = None) -> int:
        """The number of failed tags (of this name) without a digest: only another lookup can retry them."""
        named = [] if tag is None else [tags.c.tag == tag]
        return await self._count(listing.failed(tags.c.target.in_(targets), tags.c.source_digest.is_(None), *named))

    async def count_held(self, targets: Collection[str], tag: str) -> int:
        """The number of tags of this name that were put back, or have changed upstream, and wait for a release."""
        named = (tags.c.target.in_(targets), tags.c.tag == tag, RELEASABLE)
        return await self._count(select(tags.c.id).where(*named).subquery())

    async def tag(self, target: str, tag: str) -> TagRecord | None:
        """The record of one tag."""
        found = await self._records(select(*RECORD_COLUMNS).where(tags.c.target == target, tags.c.tag == tag))
        return found[0] if found else None

    async def summary(self, targets: Collection[str] | None = None) -> list[ItemSummary]:
        """A summary per item that has tags, sorted by name. targets None: all."""
        query = select(
            tags.c.target,
            tags.c.status,
            func.count(),
            func.count(tags.c.gone_at),
            func.max(tags.c.synced_at),
            func.min(tags.c.id),
        ).group_by(tags.c.target, tags.c.status)
        if targets is not None:
            query = query.where(tags.c.target.in_(targets))
        async with self._database.read() as connection:
            groups = (await connection.execute(query)).all()
            names: dict[str, tuple[str, str]] = {}
            for chunk in chunks([group[-1] for group in groups]):
                names_query = select(tags.c.target, tags.c.item, tags.c.source).where(tags.c.id.in_(chunk))
                names |= {target: (item, source) for target, item, source in await connection.execute(names_query)}
        return sorted(_summaries(groups, names), key=lambda each: (each.name, each.target))

    async def targets_lacking_platforms(self, targets: Collection[str], *, since: datetime) -> set[str]:
        """The targets where a copy since the last lookup found that a tag has none of the wanted platforms.

        The next older tag may take its place under `limit`. `since`: consider only later copies.
        """
        found: set[str] = set()
        planned_before = walks.c.walked_at < attempts.c.finished_at
        joined = attempts.join(tags, attempts.c.tag_id == tags.c.id).join(walks, walks.c.target == tags.c.target)
        query = (
            select(tags.c.target)
            .select_from(joined)
            .where(attempts.c.outcome == "skipped", attempts.c.finished_at >= since, planned_before)
            .distinct()
        )
        async with self._database.read() as connection:
            for chunk in chunks(list(targets)):
                found |= set((await connection.execute(query.where(tags.c.target.in_(chunk)))).scalars())
        return found

    async def note_lookup_failure(
        self,
        item: ItemKey,
        error: str,
        *,
        now: datetime,
        kind: str | None = None,
        registry: str | None = None,
        paused: bool = False,
        collapse: Collapse | None = None,
        looked_at: datetime | None = None,
    ) -> None:
        """Record that the item's source could not be looked up: the time of the first failure, and the last error.

        `registry`: the one that caused the error. `paused`: it is paused, so it was not asked. `collapse`: what the
        look, which began `looked_at`, has found to freeze the item for.
        """
        values = {
            "target": item.target, "item": item.name, "source": item.source, "since": now,
            "error": error, "error_kind": kind, "registry": registry,
        }  # fmt: skip
        changes = {name: value for name, value in values.items() if name not in {"target", "since"}}
        outcome: Literal["failed", "paused"] = "paused" if paused else "failed"
        async with self._database.write() as connection:
            upsert = connection.insert(lookup_failures).values(**values)
            await connection.execute(upsert.on_conflict_do_update(index_elements=["target"], set_=changes))
            noting = partial(note_look, target=item.target, now=now, outcome=outcome, error=error, error_kind=kind)
            await connection.run_sync(noting)
            if collapse is not None:
                await freeze(connection, item, collapse, looked_at=min(looked_at or now, now), now=now)

    async def note_paused_look(self, target: str, reason: str, *, now: datetime) -> None:
        """Record that the item was not looked at, because a person has paused it."""
        noting = partial(note_look, target=target, now=now, outcome="paused", error=reason, error_kind="paused")
        await self._database.write_at_once(noting)

    async def lookup_failures(self) -> list[LookupFailure]:
        """The items whose source could not be looked up."""
        query = select(*(lookup_failures.c[field.name] for field in fields(LookupFailure))).order_by(
            lookup_failures.c.item
        )
        async with self._database.read() as connection:
            return [LookupFailure(*row) for row in await connection.execute(query)]

    async def attempts(self, tag_id: int) -> list[Attempt]:
        """Every attempt of the last 30 days, oldest first."""
        query = select(*(attempts.c[field.name] for field in fields(Attempt)))
        async with self._database.read() as connection:
            rows = await connection.execute(query.where(attempts.c.tag_id == tag_id).order_by(attempts.c.id))
            return [Attempt(*row) for row in rows]

    async def forget_attempts(self, before: datetime) -> int:
        """Delete the attempts that ended before. Returns their number."""
        async with self._database.write(exclusive=True) as connection:
            return (await connection.execute(delete(attempts).where(attempts.c.finished_at < before))).rowcount

    async def forget_items(self, targets: Collection[str], *, now: datetime, intent: Intent) -> int:
        """Drop all records of these target repositories, except running tags, because a person asks for that.

        Returns the number of dropped tags.
        """
        number = 0
        async with self._database.write(exclusive=True) as connection:
            for chunk in chunks(sorted(targets)):
                gone = delete(tags).where(tags.c.target.in_(chunk), not_(status_is("running")))
                number += (await connection.execute(gone)).rowcount
                for table in (walks, lookup_failures, looks, kept_digests):
                    await connection.execute(delete(table).where(table.c.target.in_(chunk)))
                for registry, _, name in (target.partition("/") for target in chunk):
                    held = and_(blobs.c.registry == registry, blobs.c.repository == name)
                    await connection.execute(delete(blobs).where(held))
                await connection.execute(delete(look_requests).where(look_requests.c.target.in_(chunk)))
                await forget_pauses(connection, chunk)
                await connection.run_sync(partial(forget_freezes, which=freezes.c.target.in_(chunk)))
            await note_action(connection, intent, now, number)
        return number

    def history(self) -> AsyncIterator[HistoryPage]:
        """All lines of the old files, read page by page: by source, newest push first. See `history_pages.py`."""
        return history_pages(self._database)

    async def import_history(self, item: ItemKey, lines: Sequence[HistoryLine], *, now: datetime) -> int:
        """Import one file: its tags count as synced, unless the record knows more already. Idempotent.

        A tag's first line in the file is its newest, and has the mirrored digest. Returns the number of new tags.
        """
        newest = {line.tag: line for line in reversed(lines)}
        new = 0
        async with self._database.write(exclusive=True) as connection:
            for chunk in chunks([newest[tag] for tag in dict.fromkeys(line.tag for line in lines)]):
                new += await _take_over(connection, item, chunk, now)
            for chunk in chunks(lines):
                keys = {
                    tag: key
                    for tag, (key, _, _) in (await _known(connection, item, [line.tag for line in chunk])).items()
                }
                adding = [
                    {"tag_id": keys[line.tag], "digest": line.digest, "pushed_at": line.pushed_at} for line in chunk
                ]
                await connection.execute(connection.insert(history).on_conflict_do_nothing(), adding)
        return new

    async def _count(self, rows: Subquery) -> int:
        async with self._database.read() as connection:
            number: int = await connection.scalar(select(func.count()).select_from(rows))
            return number

    async def _records(self, query: Select[Any]) -> list[TagRecord]:
        async with self._database.read() as connection:
            records = [TagRecord(*row) async for row in connection.stream(query)]
            paused, persons = await read_paused(connection, self._clock.now()), await read_pauses(connection)
            return as_shown(records, paused, persons)


def _recorded(connection: Connection, *, target: str, now: datetime) -> RecordedItem:
    of_target = {"of_target": target}
    state = state_of(connection, target)
    walk = connection.execute(_WALK, of_target).one_or_none()
    rows = connection.execute(_OF_ITEM, of_target)
    paused = paused_at(connection, now=now)
    known = {record.tag: record for record in as_shown((TagRecord(*row) for row in rows), paused)}
    return RecordedItem(known, Walk(*walk) if walk else None, state)


_WALK = select(*(walks.c[field.name] for field in fields(Walk))).where(walks.c.target == bindparam("of_target"))
_OF_ITEM = select(*RECORD_COLUMNS).where(tags.c.target == bindparam("of_target"))


def _summaries(groups: Sequence[Any], names: Mapping[str, tuple[str, str]]) -> list[ItemSummary]:
    """`groups`: target, status, number, gone ones, last synced_at, any id."""
    counts: dict[str, dict[Status, int]] = {}
    gone: dict[str, int] = dict.fromkeys(names, 0)
    synced_at: dict[str, datetime] = {}
    for target, status, number, lost, last, _ in groups:
        counts.setdefault(target, dict.fromkeys(STATUSES, 0))[status] = number
        gone[target] += lost
        if last is not None:
            synced_at[target] = max(last, synced_at.get(target, last))
    return [
        ItemSummary(*names[target], target, counts[target], gone[target], synced_at.get(target)) for target in counts
    ]


async def _take_over(connection: Transaction, item: ItemKey, lines: Sequence[HistoryLine], now: datetime) -> int:
    """Import one line per tag. A mirrored or running tag is left unchanged; a queued or failed one becomes synced.

    What was removed from the target is not there, whatever an old file says.
    """
    known = await _known(connection, item, [line.tag for line in lines])
    removed = await _removed(connection, [key for key, _, _ in known.values()])
    new, changed, number = [], [], 0
    for line in lines:
        digest = None if line.digest == _UNKNOWN else line.digest
        _, status, mirrored = known.get(line.tag, (None, None, None))
        if status is None:
            new.append(_imported(item, line, digest, now))
        elif status != "running" and mirrored is None and known[line.tag][0] not in removed:
            changed.append({"key": known[line.tag][0], "imported": digest})
            number += status != "synced"
    if new:
        await connection.execute(tags.insert(), new)
    if changed:
        await connection.execute(_ADOPT, changed)
    return number + len(new)


_ADOPT = (
    update(tags)
    .where(tags.c.id == bindparam("key"))
    .values(
        status="synced",
        reason=null(),
        mirrored_digest=bindparam("imported"),
        run_at=null(),
        error=null(),
        error_kind=null(),
        error_registry=null(),
        failed_at=null(),
    )
)


async def _known(
    connection: Transaction, item: ItemKey, names: Sequence[str]
) -> dict[str, tuple[int, Status, str | None]]:
    query = select(tags.c.tag, tags.c.id, tags.c.status, tags.c.mirrored_digest)
    rows = await connection.execute(query.where(tags.c.target == item.target, tags.c.tag.in_(names)))
    return {tag: (key, status, mirrored) for tag, key, status, mirrored in rows}


async def _removed(connection: Transaction, ids: Sequence[int]) -> set[int]:
    query = select(digests.c.tag_id).where(digests.c.side == "removed", digests.c.tag_id.in_(ids))
    return set((await connection.execute(query)).scalars())


def _imported(item: ItemKey, line: HistoryLine, digest: str | None, now: datetime) -> dict[str, Any]:
    return {
        **item_columns(item), **name_columns(line.tag),
        "status": "synced", "rank": 0, "withdrawn": False, "attempts": 0,
        "pushed_at": line.pushed_at, "mirrored_digest": digest, "first_seen_at": now,
    }  # fmt: skip
