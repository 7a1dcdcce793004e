"""Merge the result of a walk and its plan into the rows of the item."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Insert, and_, bindparam, literal, or_, select, update

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import digests, item_columns, name_columns, tags
from ferryman.store.queue.state_machine import COLUMNS, TagState
from ferryman.store.records import ItemKey, PlannedTag, SeenTag


async def rename(connection: Transaction, item: ItemKey) -> None:
    """Update the item's columns: items.yml may have given the target another name, source or platforms."""
    here = tags.c.target == item.target
    columns = item_columns(item)
    differs = or_(*(tags.c[name].is_distinct_from(columns[name]) for name in ("item", "source", "platforms")))
    if await connection.scalar(select(tags.c.id).where(here, differs).limit(1)) is None:
        return
    await connection.execute(update(tags).where(here, differs).values(columns))


class Merge:
    """Writes one walk inside the transaction of `Queue.apply`, a chunk of names at a time."""

    def __init__(
        self,
        item: ItemKey,
        seen: Mapping[str, SeenTag],
        gone: frozenset[str],
        planned: Mapping[str, PlannedTag],
        now: datetime,
        *,
        walked_at: datetime,
    ) -> None:
        self.names = list(dict.fromkeys([*seen, *planned, *gone]))
        self.enqueued = self.withdrawn = 0
        self._item = item_columns(item)
        self._seen = seen
        self._gone = gone
        self._planned = planned
        self._now = now
        self._walked_at = walked_at  # earlier than any question of that walk

    async def write(self, connection: Transaction, names: Sequence[str]) -> None:
        """Write the changed rows of these names."""
        here = self._rows_of(names)
        rows = await connection.execute(select(tags.c.tag, tags.c.id, *(tags.c[name] for name in COLUMNS)).where(here))
        known = {tag: (key, state) for tag, key, *state in rows}
        new: list[dict[str, Any]] = []
        changed: list[dict[str, Any]] = []
        moved: list[str] = []  # upstream's tag names another digest
        for name in names:
            key, state = known.get(name, (None, ()))
            before, after = TagState(*state), TagState(*state)
            self._merge(name, after)
            if key is None and (
                name in self._seen or after.status == "failed"
            ):  # a pinned tag may be absent from the list
                new.append({**self._item, **name_columns(name), **_columns_of(after), "last_seen_at": self._now})
            elif key is not None and after != before:
                changed.append({"key": key, **_columns_of(after)})
            if after.source_digest is not None and after.source_digest != before.source_digest:
                moved.append(name)
        if new:
            await connection.execute(tags.insert(), new)
        if changed:
            await connection.execute(_CHANGE, changed)
        if moved:
            await connection.execute(self._digests_of(moved))
        seen_again = [name for name in names if name in known and name in self._seen]
        if seen_again:
            listed = here if len(seen_again) == len(known) else self._rows_of(seen_again)
            await connection.execute(update(tags).where(listed).values(last_seen_at=self._now))
        probed = [name for name in names if name in self._seen and self._seen[name].probed]
        if probed:
            here = and_(tags.c.target == self._item["target"], tags.c.tag.in_(probed))
            await connection.execute(update(tags).where(here).values(probed_at=self._walked_at))

    def _rows_of(self, names: Sequence[str]) -> ColumnElement[bool]:
        """All rows of the item, if these are all names: that is quicker than to look for each, and usually the same."""
        here = tags.c.target == self._item["target"]
        return here if len(names) == len(self.names) else and_(here, tags.c.tag.in_(names))

    def _digests_of(self, names: Sequence[str]) -> Insert:
        """Record upstream's digests. In one statement: the ids of new rows are not known here."""
        columns = (tags.c.id, literal("source"), tags.c.source_digest, literal(self._now, digests.c.at.type))
        rows = select(*columns).where(
            tags.c.target == self._item["target"], tags.c.tag.in_(names), tags.c.source_digest.is_not(None)
        )
        return digests.insert().from_select(["tag_id", "side", "digest", "at"], rows)

    def _merge(self, name: str, state: TagState) -> None:
        before = state.status
        if (seen := self._seen.get(name)) is not None:
            state.mark_listed(seen, self._now)
        if (planned := self._planned.get(name)) is not None:
            state.apply_plan(planned, self._now)
        if name in self._gone:
            state.mark_gone(self._now)
        self.enqueued += state.status == "queued" != before
        self.withdrawn += before == "queued" != state.status


_CHANGE = update(tags).where(tags.c.id == bindparam("key")).values({name: bindparam(name) for name in COLUMNS})


def _columns_of(state: TagState) -> dict[str, Any]:
    return {name: getattr(state, name) for name in COLUMNS}
