"""What would be removed from an item's target now, and why the rest stays: by the record, and what the target holds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from ferryman.discovery.base import UpstreamTag
from ferryman.items.model import Item, PruneRules
from ferryman.kinds import PruneBlock
from ferryman.planner import rules_fingerprint
from ferryman.platforms import Platform
from ferryman.pruning.judgement import Held, Judgement, judge
from ferryman.pruning.schedule import Past, Step, schedule
from ferryman.pruning.target_contents import TargetContents
from ferryman.reference import Repository, subject_of
from ferryman.store.freezes import Freezes
from ferryman.store.kept_digests import KeptDigests
from ferryman.store.ledger import Ledger
from ferryman.store.prunes import Prunes
from ferryman.store.records import TagRecord, Walk
from ferryman.store.target_blobs import TargetBlobs
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


@dataclass(frozen=True, slots=True)
class Recorded:
    """An item's tags, as recorded, or as the next look is going to record them."""

    tags: Mapping[str, TagRecord]
    walk: Walk | None
    has_failed: bool  # the last look
    is_frozen: bool  # its upstream collapsed, and no look has accepted that
    upstream: Mapping[str, UpstreamTag] | None = None  # as a look has found it that is not recorded


class Outlooks:
    """Reads what is recorded, and judges. One object for the life of a process. Every call raises StoreError."""

    def __init__(
        self, *, prunes: Prunes, ledger: Ledger, targets: TargetChecks, kept: KeptDigests, blobs: TargetBlobs,
        freezes: Freezes, contents: TargetContents, native: Platform,
    ) -> None:  # fmt: skip
        self._prunes = prunes
        self._ledger = ledger
        self._targets = targets
        self._kept = kept
        self._blobs = blobs
        self._freezes = freezes
        self._contents = contents
        self._native = native

    async def recorded(self, item: Item) -> Recorded:
        """What is recorded of the item."""
        target = str(item.target)
        found = await self._ledger.recorded(target)
        failed = {each.target for each in await self._ledger.lookup_failures()}
        frozen = await self._freezes.find(target)
        return Recorded(found.tags, found.walk, target in failed, is_frozen=frozen is not None)

    async def after(
        self, item: Item, tags: Mapping[str, TagRecord], upstream: Mapping[str, UpstreamTag], walk: Walk
    ) -> Recorded:
        """As a look is going to record the item. `tags`: as recorded before it."""
        frozen = await self._freezes.find(str(item.target))
        settled = {name: _settled(record, upstream, walk.walked_at) for name, record in tags.items()}
        return Recorded(settled, walk, has_failed=False, is_frozen=frozen is not None, upstream=upstream)

    async def of(
        self, item: Item, recorded: Recorded, *, now: datetime, interval: timedelta, at_once: bool = False
    ) -> Outlook:
        """Judge the item. `at_once`: a person wants it, so nothing waits for its time.

        `interval`: between two cycles.
        """
        target = str(item.target)
        held = await self._held(item.target, recorded.tags)
        judgement = judge(item, self._native, recorded.tags, held, now, upstream=recorded.upstream)
        marks = {mark.id: mark for mark in await self._prunes.marks([target])}
        past = Past(marks, await self._prunes.removed_within_a_day(target))
        rules = item.prune or PruneRules()
        steps = schedule(judgement, rules, past, held, now=now, history=item.history, at_once=at_once)
        block = _block(item, recorded, judgement, now, interval)
        if block is None and not at_once and await self._is_refused(item.target):
            block = "refused"
        return Outlook(item, judgement, steps, block, recorded.walk.walked_at if recorded.walk else None)

    async def _held(self, target: Repository, tags: Mapping[str, TagRecord]) -> Held:
        kept, changed = await self._kept.held(str(target)), await self._targets.changed(str(target))
        return Held(kept, await self._asked(target, tags, kept), changed)

    async def _asked(
        self, target: Repository, tags: Mapping[str, TagRecord], kept: Collection[str]
    ) -> Mapping[str, frozenset[str]] | None:
        """What the target's manifests name; nothing is asked for where no signature is mirrored."""
        mirrored = [each for each in tags.values() if each.status == "synced" or each.mirrored_digest is not None]
        if not any(subject_of(each.tag) for each in mirrored):
            return None
        digests = {each.target_digest or each.mirrored_digest for each in mirrored} | set(kept)
        return await self._contents.of(target, {digest for digest in digests if digest})

    async def _is_refused(self, target: Repository) -> bool:
        known = await self._blobs.missing_capabilities(target.registry)
        return any(name in known for name in refusal_names(target))


def _settled(record: TagRecord, upstream: Mapping[str, UpstreamTag], now: datetime) -> TagRecord:
    """What is not wanted leaves the queue; what is wanted is not judged by its status."""
    gone_at = None if record.tag in upstream else record.gone_at or now
    if record.status in {"queued", "failed"} and record.mirrored_digest is not None:
        return replace(record, gone_at=gone_at, status="synced", error=None)
    return replace(record, gone_at=gone_at)


def refusal_names(target: Repository) -> tuple[str, str]:
    """The names of the missing capabilities of the registry: it deletes nothing; it does not in this repository."""
    return "deletes", f"deletes in {target.name}"


def _block(
    item: Item, recorded: Recorded, judgement: Judgement, now: datetime, interval: timedelta
) -> PruneBlock | None:
    walk = recorded.walk
    if walk is None:
        return "never-looked"
    if recorded.is_frozen:
        return "frozen"
    if recorded.has_failed:
        return "failed"
    if not now - interval * _INTERVALS <= walk.walked_at <= now:
        return "stale"
    if walk.rules != rules_fingerprint(item.rules, item.platforms, str(item.source), item.signatures):
        return "rules-changed"
    return None if judgement.has_wanted else "nothing-left"
