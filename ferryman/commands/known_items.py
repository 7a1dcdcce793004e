"""The items that a command's ITEM may name: those of items.yml, and former ones that are still recorded."""

from collections.abc import Sequence

from ferryman.application import Record, load_items
from ferryman.errors import ConfigurationError
from ferryman.item_names import Named
from ferryman.settings import Settings
from ferryman.store.records import TagRecord


def item_names(settings: Settings) -> list[str]:
    """The names of the items in items.yml, for shell completion. Raises ConfigurationError."""
    return sorted({item.name for item in load_items(settings).items})


async def known_items(settings: Settings, record: Record) -> tuple[list[Named], list[Named]]:
    """The items of items.yml, and the former items. If items.yml is invalid, all recorded items count as known."""
    recorded = [Named(item.name, item.source, item.target) for item in await record.ledger.summary()]
    try:
        items = load_items(settings).items
    except ConfigurationError:
        return recorded, []
    targets = {str(item.target) for item in items}
    now = [Named(item.name, str(item.source), str(item.target)) for item in items]
    # An item may have got another name or source since the last cycle: the recorded ones are accepted, too.
    now += [each for each in recorded if each.target in targets]
    return now, [each for each in recorded if each.target not in targets]


async def named_tags(record: Record, wanted: Sequence[tuple[set[str], str | None]]) -> list[TagRecord]:
    """The tags that were named as ITEM:TAG, each once, also those that the rules exclude."""
    found: dict[int, TagRecord] = {}
    for target, tag in [(target, tag) for targets, tag in wanted if tag for target in sorted(targets)]:
        if one := await record.ledger.tag(target, tag):
            found[one.id] = one
    return list(found.values())
