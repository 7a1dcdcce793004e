"""What `sync` would do with every tag: look at items without enqueueing anything."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from ferryman.application import Application
from ferryman.errors import TransferError
from ferryman.items.model import Item
from ferryman.scheduler import ItemLookup
from ferryman.store.ledger import LookupFailure


@dataclass(frozen=True, slots=True)
class Plan:
    """The result of a look at several items."""

    looked: Sequence[ItemLookup]  # in the order of the items
    failures: Sequence[LookupFailure]  # items whose source could not be looked up

    @property
    def is_complete(self) -> bool:
        """Whether every item could be listed, and every wanted tag could be read."""
        unread = any(decision.action == "fail" for each in self.looked for decision in each.decisions)
        return not unread and not self.failures


async def plan_items(app: Application, items: Sequence[Item]) -> Plan:
    """Look at the items side by side, and plan each. Nothing is recorded or enqueued. Raises StoreError."""
    scheduler = app.scheduler()
    lookups = (scheduler.look(app.configuration, item) for item in items)
    results = await asyncio.gather(*lookups, return_exceptions=True)
    looked, failures = [], []
    for item, result in zip(items, results, strict=True):
        if isinstance(result, ItemLookup):
            looked.append(result)
        elif isinstance(result, TransferError):
            failures.append(LookupFailure(item.name, str(item.source), str(item.target), None, str(result)))
        else:
            raise result
    return Plan(looked, failures)
