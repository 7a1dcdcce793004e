"""Merge the result of a walk and its plan into the rows of the item."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, and_, bindparam, delete, literal, or_, select, update

from ferryman.store.database import upserts
from ferryman.store.database.chunks import chunks
from ferryman.store.database.tables import digests, item_columns, lookup_failures, name_columns, tags, walks
from ferryman.store.queue.frozen import thaw
from ferryman.store.queue.last_seen import write_last_seen
from ferryman.store.queue.looks import note_look
from ferryman.store.queue.state_machine import COLUMNS, TagState
from ferryman.store.records import ItemKey, Look, PlannedTag, SeenTag, Walk

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite


class Merge:
    """The transaction of `Queue.apply`."""

    def __init__(
        self,
        item: ItemKey,
        seen: Mapping[str, SeenTag],
        gone: frozenset[str],
        planned: Mapping[str, PlannedTag],
        now: datetime,
        *,
        walk: Walk,
        look: Look | None,
    ) -> None:
        self._names = list(dict.fromkeys([*seen, *planned, *gone]))
        self.enqueued = self.withdrawn = 0
        self._item = item_columns(item)
        self._target = item.target
        self._seen = seen
        self._gone = gone
        self._planned = planned
        self._now = now
        self._walk = walk  # it began before any question was asked
        self._look = look

    def write(self, connection: Connection) -> None:
        """Write the walk, unless it is outdated."""
        target, now, began = {"of_target": self._target}, self._now, self._walk.walked_at
        if not thaw(connection, self._target, walked_at=began, now=now):
            return
        connection.execute(_LOOKED, target)
        walked_at, listed_at = connection.execute(_LAST_WALK, target).one_or_none() or (None, None)
        if walked_at is not None and began < walked_at <= now:
            return
        if walked_at is not None and listed_at is not None and listed_at < walked_at <= now:
            write_last_seen(connection, self._target, listed_at=listed_at, walked_at=walked_at)
        self._rename(connection)
        for names in chunks(self._names):
            self._write_rows(connection, names)
        if self._look is not None:
            note_look(connection, self._target, now, enqueued=self.enqueued, **asdict(self._look))
        connection.execute(_walked(connection.dialect.name), {"target": self._target, **asdict(self._walk)})

    def _rename(self, connection: Connection) -> None:
        """Update the item's columns: items.yml may have given the target another name, source or platforms."""
        columns = {"of_target": self._target, **{f"new_{name}": value for name, value in self._item.items()}}
        if connection.scalar(_DIFFERS, columns) is not None:
            connection.execute(_RENAME, columns)

    def _write_rows(self, connection: Connection, names: Sequence[str]) -> None:
        """Write the changed rows of these names."""
        # All rows of the item, if these are all names: that is quicker than to look for each, and usually the same.
        are_all = len(names) == len(self._names)
        rows = connection.execute(_ROWS if are_all else _ROWS_BY_NAME, self._named(names))
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
            connection.execute(tags.insert(), new)
        if changed:
            connection.execute(_CHANGE, changed)
        if moved:
            connection.execute(_DIGESTS, self._named(moved) | {"now": self._now})
        seen_again = [name for name in names if name in known and name in self._seen]
        if seen_again:
            listed = _LISTED if are_all and len(seen_again) == len(known) else _LISTED_BY_NAME
            connection.execute(listed, self._named(seen_again) | {"now": self._now})
        probed = [name for name in names if name in self._seen and self._seen[name].probed]
        if probed:
            connection.execute(_PROBED, self._named(probed) | {"began": self._walk.walked_at})

    def _named(self, names: Sequence[str]) -> dict[str, Any]:
        return {"of_target": self._target, "names": names}

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


# Built once: building a statement takes longer than running it for an item with few tags.
_OF_ITEM = tags.c.target == bindparam("of_target")
_BY_NAME = and_(_OF_ITEM, tags.c.tag.in_(bindparam("names", expanding=True)))
_ROWS = select(tags.c.tag, tags.c.id, *(tags.c[name] for name in COLUMNS)).where(_OF_ITEM)
_ROWS_BY_NAME = _ROWS.where(tags.c.tag.in_(bindparam("names", expanding=True)))
_NOW = bindparam("now", type_=tags.c.last_seen_at.type)
_LISTED = update(tags).where(_OF_ITEM).values(last_seen_at=_NOW)
_LISTED_BY_NAME = update(tags).where(_BY_NAME).values(last_seen_at=_NOW)
_PROBED = update(tags).where(_BY_NAME).values(probed_at=bindparam("began", type_=tags.c.probed_at.type))
# Upstream's digests. In one statement: the ids of new rows are not known.
_DIGESTS = digests.insert().from_select(
    ["tag_id", "side", "digest", "at"],
    select(tags.c.id, literal("source"), tags.c.source_digest, _NOW).where(_BY_NAME, tags.c.source_digest.is_not(None)),
)
_NEW = {name: bindparam(f"new_{name}", type_=tags.c[name].type) for name in item_columns(ItemKey("", "", "", None))}
_DIFFER = or_(*(tags.c[name].is_distinct_from(_NEW[name]) for name in ("item", "source", "platforms")))
_DIFFERS = select(tags.c.id).where(_OF_ITEM, _DIFFER).limit(1)
_RENAME = update(tags).where(_OF_ITEM, _DIFFER).values(_NEW)
_LAST_WALK = select(walks.c.walked_at, walks.c.listed_at).where(walks.c.target == bindparam("of_target"))
_LOOKED = delete(lookup_failures).where(lookup_failures.c.target == bindparam("of_target"))
_CHANGE = update(tags).where(tags.c.id == bindparam("key")).values({name: bindparam(name) for name in COLUMNS})


@cache
def _walked(dialect: str) -> "sqlite.Insert | postgresql.Insert":
    insert = upserts.insert(dialect, walks)
    changes = {each.name: insert.excluded[each.name] for each in fields(Walk)}
    return insert.on_conflict_do_update(index_elements=["target"], set_=changes)


def _columns_of(state: TagState) -> dict[str, Any]:
    return {name: getattr(state, name) for name in COLUMNS}
