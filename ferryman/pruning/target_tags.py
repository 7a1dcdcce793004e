"""Ask a target for the tags that Ferryman did not put there."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from ferryman.errors import NotFound
from ferryman.items.model import Item
from ferryman.recorded_tags import item_key
from ferryman.reference import is_keep_tag
from ferryman.registry.client import RegistryClient
from ferryman.store.records import TagRecord
from ferryman.tasks import for_each

_MOST = 1000  # tags whose digests are asked for at a time: the next cycle asks for more
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Found:
    """What a target has beside what the record knows of it."""

    present: Mapping[str, str]  # digests, by tag
    absent: frozenset[str]  # recorded tags that are not there any more

    def beside(self, records: Mapping[str, TagRecord], item: Item, now: datetime) -> dict[str, TagRecord]:
        """The records as they will be once this is noted."""
        known = dict(records)
        for name in self.absent:
            known[name] = replace(known[name], target_digest=None)
        for number, (name, digest) in enumerate(self.present.items(), start=1):
            record = known.get(name) or TagRecord.only_at_target(-number, item_key(item), name, gone_at=now)
            known[name] = replace(record, target_digest=digest)
        return known


async def find_foreign(registry: RegistryClient, item: Item, records: Mapping[str, TagRecord]) -> Found:
    """List the target, and ask for the digests of tags that are not known yet. Raises TransferError.

    One request for a page of the list, and one for each such tag.
    """
    names: set[str] = set()
    try:
        async for page in registry.list_tags(item.target):
            names.update(page)
    except NotFound:  # nothing was pushed yet
        names.clear()
    unknown = sorted(name for name in names if not is_keep_tag(name) and _may_be_foreign(records.get(name)))
    digests: dict[str, str] = {}

    async def ask(name: str) -> None:
        with suppress(NotFound):
            digests[name] = (await registry.head_manifest(item.target.tagged(name))).digest

    await for_each(unknown[:_MOST], ask, at_once=_AT_ONCE)
    present = {name: digests[name] for name in sorted(digests)}
    return Found(present, frozenset(name for name, each in records.items() if each.is_foreign and name not in names))


def _may_be_foreign(record: TagRecord | None) -> bool:
    return record is None or (record.is_unmirrored and record.target_digest is None)
