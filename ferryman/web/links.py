"""How the addresses of pages name the items."""

from collections import Counter
from collections.abc import Mapping, Sequence

from ferryman.item_names import Named


def addresses(items: Sequence[Named]) -> Mapping[str, str]:
    """How the address of each item's page names it, by target: its name, or its target if others have that name."""
    names = Counter(item.name for item in items)
    return {item.target: item.name if names[item.name] == 1 else item.target for item in items}
