"""What no claim may take now: whatever persons have paused, and the registries that are paused."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import literal, select, union_all

from ferryman.store.database.database import Transaction
from ferryman.store.database.tables import manual_pauses, registries
from ferryman.store.queue.pauses import in_force
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


async def read_barred(connection: Transaction, now: datetime) -> Barred:
    """As this transaction sees it."""
    by_persons = select(manual_pauses.c.scope, manual_pauses.c.name)
    by_themselves = select(literal("registry"), registries.c.registry).where(in_force(now))
    rows = (await connection.execute(union_all(by_persons, by_themselves))).all()
    return Barred(
        everything=any(scope == "all" for scope, _ in rows),
        items=frozenset(name for scope, name in rows if scope == "item"),
        registries=frozenset(name for scope, name in rows if scope == "registry"),
    )
