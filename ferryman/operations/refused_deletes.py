"""Registries that refuse to delete what `prune:` removes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ferryman.item_names import Named
from ferryman.record import Record
from ferryman.store.queries.refused_deletes import RefusedDeletes, read_refused_deletes


@dataclass(frozen=True, slots=True)
class RefusingRegistry:
    """A registry where tags stay that are to go."""

    registry: str
    tags: int
    items: tuple[str, ...]  # the names of those that they belong to
    since: datetime


async def refused_deletes(record: Record, items: Sequence[Named], *, now: datetime) -> list[RefusingRegistry]:
    """The registries where tags of these items stay. Raises StoreError."""
    by_target = {item.target: item for item in items if item.prunes}
    async with record.database.read() as connection:
        found = await read_refused_deletes(connection, by_target, now)
    return refusing_registries(found, by_target)


def refusing_registries(found: Iterable[RefusedDeletes], items: Mapping[str, Named]) -> list[RefusingRegistry]:
    """What was found of the items that the service prunes, by registry. `items`: by target."""
    by_registry: dict[str, list[RefusedDeletes]] = {}
    for each in found:
        if each.target in items and items[each.target].prunes:
            by_registry.setdefault(each.target.partition("/")[0], []).append(each)
    return [
        RefusingRegistry(
            registry, sum(each.tags for each in own), tuple(items[each.target].name for each in own),
            min(each.since for each in own),
        )
        for registry, own in by_registry.items()
    ]  # fmt: skip
