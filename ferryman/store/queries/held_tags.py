"""Which queued tags are held back: no tag says so itself, because a pause changes none."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, false, func, or_, select

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import status_is, tags
from ferryman.store.queue.manual_pauses import read_pauses
from ferryman.store.queue.pauses import as_shown, read_paused, touches
from ferryman.store.records import Paused, PausedRegistries, TagRecord

_QUEUED, _NO_TAG = status_is("queued"), false()


@dataclass(frozen=True, slots=True)
class HeldTags:
    """Conditions on the rows of `tags`, and the pauses that they come from."""

    registries: PausedRegistries
    persons: Paused
    held: ColumnElement[bool] = _NO_TAG  # until a login is accepted: what every count calls held
    paused: ColumnElement[bool] = _NO_TAG  # by any pause, or frozen: these have the reason `paused`

    @property
    def has_any(self) -> bool:
        """Whether there may be such tags."""
        return self.paused is not _NO_TAG

    def as_shown(self, records: Iterable[TagRecord]) -> list[TagRecord]:
        """The records, with what the queued ones wait for."""
        return as_shown(records, self.registries, self.persons)


async def read_held_tags(connection: Transaction, now: datetime, target: str | None = None) -> HeldTags:
    """The held tags of one item, in columns that the index of its page covers; None: of all items."""
    registries, persons = await read_paused(connection, now), await read_pauses(connection)
    if not registries.states and not persons:
        return HeldTags(registries, persons)
    if target is None:
        return _of_all(registries, persons)
    source = await connection.scalar(select(tags.c.source_registry).where(_QUEUED, tags.c.target == target).limit(1))
    return HeldTags(registries, persons) if source is None else _of_item(target, source, registries, persons)


def _of_all(registries: PausedRegistries, persons: Paused) -> HeldTags:
    states = registries.states.values()
    held = and_(_QUEUED, touches([each.registry for each in states if each.until is None]))
    limited = [and_(touches([each.registry]), tags.c.run_at <= each.until) for each in states if each.until is not None]
    by_persons = or_(touches(list(persons.registries)), tags.c.target.in_([*persons.items, *persons.frozen]))
    paused = _QUEUED if persons.everything else and_(_QUEUED, or_(by_persons, *limited))
    return HeldTags(registries, persons, held, or_(held, paused))


def _of_item(target: str, source: str, registries: PausedRegistries, persons: Paused) -> HeldTags:
    """All queued tags of an item have the same registries."""
    pause = registries.of_item(target, source)
    awaits_login = pause is not None and pause.until is None
    held = _QUEUED if awaits_login else _NO_TAG
    if awaits_login or persons.holds(target, source):
        return HeldTags(registries, persons, held, _QUEUED)
    # Not the bare column: SQLite would take the index that has the tags in the order of their times, and nothing else.
    run_at = func.coalesce(tags.c.run_at, tags.c.run_at)
    paused = _NO_TAG if pause is None else and_(_QUEUED, run_at <= pause.until)
    return HeldTags(registries, persons, held, paused)
