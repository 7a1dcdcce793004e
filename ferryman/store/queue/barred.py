"""What no claim may take now: whatever persons have paused, frozen items, and the registries that are paused."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, literal, select, union_all

from ferryman.store.database.tables import freezes, manual_pauses, registries
from ferryman.store.queue.frozen import FROZEN
from ferryman.store.queue.pauses import IN_FORCE, moments
from ferryman.store.records import registries_of


@dataclass(frozen=True, slots=True)
class Barred:
    """Everything, or these items and registries. False: nothing is."""

    everything: bool
    items: frozenset[str]  # by target
    registries: frozenset[str]  # by host

    def holds(self, target: str, source_registry: str) -> bool:
        """Whether the item's tags may not be claimed."""
        return target in self.items or not self.registries.isdisjoint(registries_of(target, source_registry))

    def __bool__(self) -> bool:
        return self.everything or bool(self.items or self.registries)


_PAUSES = union_all(
    select(manual_pauses.c.scope, manual_pauses.c.name),
    select(literal("item"), freezes.c.target).where(FROZEN),
    select(literal("registry"), registries.c.registry).where(IN_FORCE),
)


def read_barred(connection: Connection, now: datetime) -> Barred:
    """As this transaction sees it."""
    rows = connection.execute(_PAUSES, moments(now)).all()
    return Barred(
        everything=any(scope == "all" for scope, _ in rows),
        items=frozenset(name for scope, name in rows if scope == "item"),
        registries=frozenset(name for scope, name in rows if scope == "registry"),
    )
