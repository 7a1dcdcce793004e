"""The items that a user may name: those of items.yml, and former ones that are still recorded."""

from collections.abc import Sequence
from dataclasses import dataclass

from ferryman.item_names import Named, named
from ferryman.items.model import Item
from ferryman.record import Record


@dataclass(frozen=True, slots=True)
class KnownItems:
    """The items that can be named. An item may have several entries: it may have had another name or source."""

    current: Sequence[Named]  # of items.yml
    former: Sequence[Named]  # recorded, but items.yml names them no more

    @property
    def targets(self) -> set[str]:
        """The target repositories of the current items."""
        return {each.target for each in self.current}

    @property
    def former_targets(self) -> set[str]:
        """The target repositories of the former items."""
        return {each.target for each in self.former}


async def known_items(record: Record, items: Sequence[Item] | None) -> KnownItems:
    """The items of items.yml, and the former items. Raises StoreError.

    `items` None: items.yml is invalid, and all recorded items count as current.
    """
    recorded = [Named(item.name, item.source, item.target) for item in await record.ledger.summary()]
    if items is None:
        return KnownItems(recorded, [])
    targets = {str(item.target) for item in items}
    current = named(items)
    # An item may have got another name or source since the last cycle: the recorded ones are accepted, too.
    current += [each for each in recorded if each.target in targets]
    return KnownItems(current, [each for each in recorded if each.target not in targets])
