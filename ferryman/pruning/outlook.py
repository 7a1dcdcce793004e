"""What would be removed from an item's target now, and why the rest stays: by the record, and what the target holds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ferryman.discovery.base import UpstreamTag
from ferryman.errors import TransferError
from ferryman.items.model import Item, PruneRules
from ferryman.kinds import PruneBlock
from ferryman.planner import rules_fingerprint
from ferryman.platforms import Platform
from ferryman.pruning.judgement import Held, Judgement, counts, judge
from ferryman.pruning.schedule import Past, Step, schedule
from ferryman.pruning.target_contents import TargetContents
from ferryman.pruning.target_tags import asks_for_more, find_foreign
from ferryman.recorded_tags import item_key
from ferryman.reference import Repository, subject_of
from ferryman.registry.client import RegistryClient
from ferryman.store.foreign_tags import ForeignTags
from ferryman.store.freezes import Freezes
from ferryman.store.kept_digests import KeptDigests
from ferryman.store.ledger import Ledger
from ferryman.store.prunes import Prunes
from ferryman.store.records import TagRecord, Walk
from ferryman.store.target_blobs import TargetBlobs, refusal_names
from ferryman.store.target_checks import TargetChecks

_INTERVALS = 2  # older than so many a look says nothing


@dataclass(frozen=True, slots=True)
class Outlook:
    """What becomes of the tags of an item that its rules do not want."""

    item: Item
    judgement: Judgement
    steps: Sequence[Step]  # of the tags that may go
    block: PruneBlock | None  # why nothing is removed now
    walked_at: datetime | None  # of the look by which they were judged
    unlisted: TransferError | None = None  # why the target could not be asked for tags of others


@dataclass(frozen=True, slots=True)
class Recorded:
    """An item's tags, as recorded, or as the next look is going to record them."""

    tags: Mapping[str, TagRecord]
    walk: Walk | None
    has_failed: bool  # the last look
    is_frozen: bool  # its upstream collapsed, and no look has accepted that
    upstream: Mapping[str, UpstreamTag] | None = None  # as a look has found it that is not recorded
    unlisted: TransferError | None = None  # why the target could not be asked for tags of others


class Outlooks:
    """Reads what is recorded, and judges. One object for the life of a process. Every call raises StoreError."""

    def __init__(
        self, *, prunes: Prunes, ledger: Ledger, targets: TargetChecks, kept: KeptDigests, blobs: TargetBlobs,
        freezes: Freezes, foreign: ForeignTags, contents: TargetContents, registry: RegistryClient, native: Platform,
    ) -> None:  # fmt: skip
        self._prunes = prunes
        self._ledger = ledger
        self._targets = targets
        self._kept = kept
        self._blobs = blobs
        self._freezes = freezes
        self._foreign = foreign
        self._contents = contents
        self._registry = registry
        self._native = native

    async def recorded(self, item: Item, *, now: datetime, note: bool = False) -> Recorded:
        """What is recorded of the item, and what its target has beside that, if its rules want to know.

        `note`: that is recorded, too.
        """
        target = str(item.target)
        found = await self._ledger.recorded(target)
        failed = {each.target for each in await self._ledger.lookup_failures()}
        frozen = await self._freezes.find(target)
        known = Recorded(found.tags, found.walk, target in failed, is_frozen=frozen is not None)
        return await self._with_foreign(item, known, now, note=note)

    async def after(
        self, item: Item, tags: Mapping[str, TagRecord], upstream: Mapping[str, UpstreamTag], walk: Walk
    ) -> Recorded:
        """As a look is going to record the item. `tags`: as recorded before it."""
        frozen = await self._freezes.find(str(item.target))
        settled = {name: _settled(record, upstream, walk.walked_at) for name, record in tags.items()}
        known = Recorded(settled, walk, has_failed=False, is_frozen=frozen is not None, upstream=upstream)
        return await self._with_foreign(item, known, walk.walked_at, note=False)

    async def _with_foreign(self, item: Item, known: Recorded, now: datetime, *, note: bool) -> Recorded:
        if not asks_for_more(item, self._registry):
            return known
        try:
            found = await find_foreign(self._registry, item, known.tags, await self._foreign.had(str(item.target)))
        except TransferError as error:
            return replace(known, unlisted=error)
        if note and (found.present or found.absent):
            await self._foreign.note(item_key(item), found.present, found.absent)
            return replace(known, tags=await self._ledger.known(str(item.target)))
        return replace(known, tags=found.beside(known.tags, item, now))

    async def of(
        self, item: Item, recorded: Recorded, *, now: datetime, interval: timedelta, at_once: bool = False
    ) -> Outlook:
        """Judge the item. `at_once`: a person wants it, so nothing waits for its time.

        `interval`: between two cycles.
        """
        target = str(item.target)
        held = await self._held(item, recorded.tags)
        judgement = judge(item, self._native, recorded.tags, held, now, upstream=recorded.upstream)
        marks = {mark.id: mark for mark in await self._prunes.marks([target])}
        past = Past(marks, await self._prunes.removed_within_a_day(target))
        rules = item.prune or PruneRules()
        steps = schedule(judgement, rules, past, held, now=now, history=item.history, at_once=at_once)
        block = _block(item, recorded, judgement, now, interval)
        if block is None and not at_once and await self._is_refused(item.target):
            block = "refused"
        return Outlook(
            item, judgement, steps, block, recorded.walk.walked_at if recorded.walk else None, recorded.unlisted
        )

    async def _held(self, item: Item, tags: Mapping[str, TagRecord]) -> Held:
        target = str(item.target)
        kept, changed = await self._kept.held(target), await self._targets.changed(target)
        return Held(kept, await self._asked(item, tags, kept), changed)

    async def _asked(
        self, item: Item, tags: Mapping[str, TagRecord], kept: Collection[str]
    ) -> Mapping[str, frozenset[str]] | None:
        """What the target's manifests name; nothing is asked for where no signature is mirrored."""
        mirrored = [each for each in tags.values() if counts(each, item)]
        if not any(subject_of(each.tag) for each in mirrored):
            return None
        digests = {each.target_digest or each.mirrored_digest for each in mirrored} | set(kept)
        return await self._contents.of(item.target, {digest for digest in digests if digest})

    async def _is_refused(self, target: Repository) -> bool:
        known = await self._blobs.missing_capabilities(target.registry)
        return any(name in known for name in refusal_names(target))


def _settled(record: TagRecord, upstream: Mapping[str, UpstreamTag], now: datetime) -> TagRecord:
    """What is not wanted leaves the queue; what is wanted is not judged by its status."""
    gone_at = None if record.tag in upstream else record.gone_at or now
    if record.status in {"queued", "failed"} and record.mirrored_digest is not None:
        return replace(record, gone_at=gone_at, status="synced", error=None)
    return replace(record, gone_at=gone_at)


def _block(
    item: Item, recorded: Recorded, judgement: Judgement, now: datetime, interval: timedelta
) -> PruneBlock | None:
    walk = recorded.walk
    if walk is None:
        return "never-looked"
    by = rules_fingerprint(item.rules, item.platforms, str(item.source), item.signatures)
    blocks: Mapping[PruneBlock, bool] = {
        "frozen": recorded.is_frozen,
        "failed": recorded.has_failed,
        # Otherwise only lists of referrers are unknown: they stay.
        "unlisted": recorded.unlisted is not None and item.prune is not None and item.prune.foreign,
        "stale": not now - interval * _INTERVALS <= walk.walked_at <= now,
        "rules-changed": walk.rules != by,
        "nothing-left": not judgement.has_wanted,
    }
    return next((block for block, holds in blocks.items() if holds), None)
