"""Drop the record of former items: items that items.yml names no more."""

from collections.abc import Sequence

from ferryman.clock import SystemClock
from ferryman.errors import ConfigurationError, Problem
from ferryman.item_names import targets_of
from ferryman.operations.known_items import KnownItems
from ferryman.operations.subjects import items_in_words
from ferryman.record import Record
from ferryman.store.ledger import ItemSummary
from ferryman.store.records import Intent


async def former_items(record: Record, known: KnownItems, names: Sequence[str]) -> list[ItemSummary]:
    """The former items with these names (none: all of them), sorted by name.

    Raises ConfigurationError for a name that items.yml still has or that names nothing, and StoreError.
    """
    if still := [name for name in names if any(name in each.spellings for each in known.current)]:
        raise ConfigurationError([Problem(f"items.yml still names {name!r}") for name in still])
    targets = targets_of(known.former, names) if names else known.former_targets
    return await record.ledger.summary(targets)


async def forget_items(record: Record, items: Sequence[ItemSummary], *, actor: str) -> int:
    """Drop what is recorded of these items, history and attempts included; what the registries hold stays.

    Tags that are running stay, too. Returns the number of dropped tags. Raises StoreError.
    """
    targets = {item.target for item in items}
    intent = Intent(actor, "forget", items_in_words(targets))
    return await record.ledger.forget_items(targets, now=SystemClock().now(), intent=intent)
