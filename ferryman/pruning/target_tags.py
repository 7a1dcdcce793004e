"""Ask a target for the tags that it alone has: those of others, and lists of referrers, which have no tags upstream."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from ferryman.errors import NotFound
from ferryman.items.model import Item
from ferryman.recorded_tags import item_key
from ferryman.reference import is_keep_tag, referrers_tag
from ferryman.registry.client import RegistryClient
from ferryman.store.foreign_tags import ForeignTag
from ferryman.store.records import TagRecord
from ferryman.tasks import for_each

_MOST = 1000  # tags whose digests are asked for at a time: the next cycle asks for more
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Found:
    """What a target has beside what the record knows of it."""

    present: Sequence[ForeignTag]
    absent: frozenset[str]  # recorded tags that are not there any more

    def beside(self, records: Mapping[str, TagRecord], item: Item, now: datetime) -> dict[str, TagRecord]:
        """The records as they will be once this is noted."""
        known = dict(records)
        for name in self.absent:
            known[name] = replace(known[name], target_digest=None)
        for number, each in enumerate(self.present, start=1):
            new = TagRecord.only_at_target(-number, item_key(item), each.tag, reason=each.reason, gone_at=now)
            known[each.tag] = replace(known.get(each.tag, new), target_digest=each.digest)
        return known


def asks_for_more(item: Item, registry: RegistryClient) -> bool:
    """Whether the target has to be listed to know what may go."""
    return item.prune is not None and (item.prune.foreign or _lists_referrers_by_tags(item, registry))


async def find_foreign(
    registry: RegistryClient, item: Item, records: Mapping[str, TagRecord], had: Collection[str]
) -> Found:
    """List the target, and ask for the digests of tags that are not known yet. Raises TransferError.

    One request for a page of the list, and one for each such tag. `had`: the digests that Ferryman has mirrored there.
    """
    names: set[str] = set()
    try:
        async for page in registry.list_tags(item.target):
            names.update(page)
    except NotFound:  # nothing was pushed yet
        names.clear()
    lists = {referrers_tag(digest) for digest in had}
    is_wanted = lists.__contains__ if item.prune is None or not item.prune.foreign else _is_not_own
    unknown = sorted(name for name in names if is_wanted(name) and _may_be_foreign(records.get(name)))
    present: list[ForeignTag] = []

    async def ask(name: str) -> None:
        with suppress(NotFound):
            digest = (await registry.head_manifest(item.target.tagged(name))).digest
            present.append(ForeignTag(name, digest, "signature" if name in lists else "foreign"))

    await for_each(unknown[:_MOST], ask, at_once=_AT_ONCE)
    present.sort(key=lambda each: each.tag)
    return Found(present, frozenset(name for name, each in records.items() if each.is_foreign and name not in names))


def _lists_referrers_by_tags(item: Item, registry: RegistryClient) -> bool:
    """Whether Ferryman has put tags there that list referrers, because the registry does not."""
    return item.rules.referrers and not registry.capabilities(item.target.registry).lists_referrers


def _is_not_own(name: str) -> bool:
    return not is_keep_tag(name)


def _may_be_foreign(record: TagRecord | None) -> bool:
    return record is None or (record.is_unmirrored and record.target_digest is None)
