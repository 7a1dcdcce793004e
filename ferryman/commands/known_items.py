"""The items that a command's ITEM may name: those of items.yml, and those that only the record still has."""

from collections.abc import Sequence

from ferryman.application import Record, load_items
from ferryman.errors import ConfigurationError
from ferryman.item_names import Named
from ferryman.settings import Settings
from ferryman.store.records import TagRecord


def item_names(settings: Settings) -> list[str]:
    """The names that items.yml gives, for shell completion. Raises ConfigurationError."""
    return sorted({item.name for item in load_items(settings).items})


async def known_items(settings: Settings, record: Record) -> tuple[list[Named], list[Named]]:
    """What items.yml names now, and what the record has besides. While it cannot be read, nothing is former."""
    recorded = [Named(item.name, item.source, item.target) for item in await record.ledger.summary()]
    try:
        items = load_items(settings).items
    except ConfigurationError:
        return recorded, []
    targets = {str(item.target) for item in items}
    now = [Named(item.name, str(item.source), str(item.target)) for item in items]
    # An item may have another name, or another source, since the last cycle.
    now += [each for each in recorded if each.target in targets]
    return now, [each for each in recorded if each.target not in targets]


async def named_tags(record: Record, wanted: Sequence[tuple[set[str], str | None]]) -> list[TagRecord]:
    """The tags that were named one by one, each once, also those that the rules leave out."""
    found: dict[int, TagRecord] = {}
    for target, tag in [(target, tag) for targets, tag in wanted if tag for target in sorted(targets)]:
        if one := await record.ledger.tag(target, tag):
            found[one.id] = one
    return list(found.values())
