"""Items and upstream's tags, as the record has them."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime

from ferryman.discovery.base import UpstreamTag
from ferryman.items.model import Item
from ferryman.platforms import Platform
from ferryman.store.records import ItemKey, TagRecord


def item_key(item: Item) -> ItemKey:
    """The columns that the item's tags have in common."""
    platforms = str(item.platforms) if item.platforms else None
    return ItemKey(item.name, str(item.source), str(item.target), platforms)


def upstream_tag(record: TagRecord, now: datetime) -> UpstreamTag:
    """What upstream had when it was last looked at, or what was imported from the old history."""
    return UpstreamTag(
        record.tag,
        record.source_digest,
        record.pushed_at,
        _platforms(record.platform_digests) if record.platform_digests is not None else None,
        # Written under a clock that was ahead, it would lie in the future.
        since=min(record.upstream_since, now) if record.upstream_since else None,
    )


def _platforms(recorded: Mapping[str, str | None]) -> dict[Platform, str | None]:
    """Without what is no platform: upstream may name any, such as one with four slashes, and nobody can want it."""
    found: dict[Platform, str | None] = {}
    for text, digest in recorded.items():
        with suppress(ValueError):
            found[Platform.parse(text)] = digest
    return found
