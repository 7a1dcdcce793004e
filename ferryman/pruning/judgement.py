"""Decide which tags of a target the rules no longer want, and which of these stay all the same: pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from ferryman.discovery.base import UpstreamTag
from ferryman.items.model import Item, PruneRules
from ferryman.kinds import Stay
from ferryman.planner import RuleSelector
from ferryman.platforms import Platform
from ferryman.recorded_tags import upstream_tag
from ferryman.reference import is_keep_tag, subject_of
from ferryman.store.records import TagRecord


@dataclass(frozen=True, slots=True)
class Held:
    """What else a target holds, and what its manifests name."""

    kept: frozenset[str] = frozenset()  # digests with a tag of Ferryman's own
    contents: Mapping[str, frozenset[str]] | None = None  # by digest: the manifests below it; None: nobody has asked
    changed: frozenset[str] = frozenset()  # tags that somebody else has overwritten


@dataclass(frozen=True, slots=True)
class Unwanted:
    """A tag of the target that the rules do not want."""

    record: TagRecord
    reason: str
    stays: Stay | None = None  # why it stays all the same; None: it may go


@dataclass(frozen=True, slots=True)
class Judgement:
    """All tags of an item's target."""

    mirrored: Sequence[TagRecord]  # as far as known
    unwanted: Sequence[Unwanted]  # those among them; in the item's order, referrers last
    has_wanted: bool  # some of the mirrored tags are wanted

    @property
    def going(self) -> list[Unwanted]:
        """Those that may go."""
        return [each for each in self.unwanted if each.stays is None]


def judge(
    item: Item, native: Platform, records: Mapping[str, TagRecord], held: Held, now: datetime, *,
    upstream: Mapping[str, UpstreamTag] | None = None,
) -> Judgement:  # fmt: skip
    """Judge by the record alone. `native`: the platform that the keyword means.

    `upstream`: its tags, by name, as a look has found them that is not recorded; None: as recorded.
    A tag that upstream has deleted is judged as if it still was there: a mirror outlives upstream.
    """
    lacking = {name: each.source_digest for name, each in records.items() if each.reason == "platform"}
    selector = RuleSelector(item.rules, item.platforms, native, {k: v for k, v in lacking.items() if v})
    own = {name: record for name, record in records.items() if not is_never_upstream(record)}
    known = {name: upstream_tag(record, now) for name, record in own.items()}
    if upstream is None:
        upstream = {name: tag for name, tag in known.items() if records[name].gone_at is None}
    known |= upstream
    wanted = {tag.name for tag in [*selector.select(upstream.values()), *selector.select(known.values())]}
    mirrored = [record for record in records.values() if counts(record, item)]
    rest = selector.in_order(
        known.get(each.tag) or upstream_tag(each, now) for each in mirrored if each.tag not in wanted
    )
    unwanted = [_unwanted(item, selector, records[tag.name], tag, held) for tag in rest]
    images = _without_newest([each for each in unwanted if not subject_of(each.record.tag)], _rules(item).keep)
    referrers = [each for each in unwanted if subject_of(each.record.tag)]
    leaving = {each.record.tag for each in images if each.stays is None}
    leaving |= {each.record.tag for each in referrers}
    staying = [record for record in mirrored if record.tag not in leaving]
    return Judgement(mirrored, [*images, *_judged(referrers, staying, held)], any(r.tag in wanted for r in mirrored))


def counts(record: TagRecord, item: Item) -> bool:
    """Whether the target has the tag, as far as known, and it may be the item's to remove."""
    return record.is_mirrored or (record.is_foreign and (_rules(item).foreign or _is_list(record)))


def is_never_upstream(record: TagRecord) -> bool:
    """Whether the tag is on record only because the target has it."""
    return record.is_foreign and record.source_digest is None and record.first_seen_at is None


def unreferenced(referrers: Sequence[TagRecord], staying: Iterable[TagRecord], held: Held) -> list[TagRecord]:
    """Those of the referrers that refer to nothing that stays; none, if that is not known for certain.

    A signature of a signature goes if that goes.
    """
    contents = held.contents
    if contents is None or not referrers:
        return []
    staying, left = list(staying), {record.tag: record for record in referrers}
    if any(_digest(each) not in contents for each in staying) or any(each not in contents for each in held.kept):
        return []
    named = Counter(digest for each in [*staying, *referrers] for digest in _named(each, contents))
    for digest in held.kept:
        named.update({digest, *contents[digest]})
    while free := [record for record in left.values() if not named[subject_of(record.tag) or ""]]:
        for record in free:
            del left[record.tag]
            named.subtract(_named(record, contents))
    return [record for record in referrers if record.tag not in left]


def _is_list(record: TagRecord) -> bool:
    """Whether it lists the referrers of what Ferryman has mirrored, for a registry that does not."""
    return is_never_upstream(record) and record.reason == "signature"


def _rules(item: Item) -> PruneRules:
    return item.prune or PruneRules()


def _unwanted(item: Item, selector: RuleSelector, record: TagRecord, tag: UpstreamTag, held: Held) -> Unwanted:
    reason, _ = selector.reason_to_skip(tag) or selector.beyond_limit
    if is_never_upstream(record):
        reason = "signature" if _is_list(record) else "foreign"
    is_undated = record.error is not None or (selector.orders_by_time and tag.pushed_at is None)
    if stays := _stays(item, selector, record, held):
        return Unwanted(record, reason, stays)
    # It may be one of the newest.
    return Unwanted(record, reason, "undated" if is_undated and reason == selector.beyond_limit[0] else None)


def _stays(item: Item, selector: RuleSelector, record: TagRecord, held: Held) -> Stay | None:
    name = record.tag
    stays: Mapping[Stay, bool] = {
        "held": record.held_by is not None,
        "busy": record.status != "synced" and not record.is_foreign,
        "pinned": selector.is_pinned(name),
        "protected": is_keep_tag(name) or any(pattern.fullmatch(name) for pattern in item.protect),
        "changed": name in held.changed,
    }
    return next((stay for stay, holds in stays.items() if holds), None)


def _without_newest(images: Sequence[Unwanted], keep: int) -> list[Unwanted]:
    own = (each for each in images if each.stays is None and not is_never_upstream(each.record))
    newest = {each.record.tag for each in islice(own, keep)}
    return [replace(each, stays="newest") if each.record.tag in newest else each for each in images]


def _judged(referrers: Sequence[Unwanted], staying: Sequence[TagRecord], held: Held) -> list[Unwanted]:
    """A referrer stays with what it refers to. What is kept for a rollback does not count yet: that goes, too."""
    bound = [each.record for each in referrers if each.stays is not None]
    free = unreferenced(
        [each.record for each in referrers if each.stays is None], [*staying, *bound], replace(held, kept=frozenset())
    )
    names = {record.tag for record in free}
    return [
        replace(each, stays="referred") if each.stays is None and each.record.tag not in names else each
        for each in referrers
    ]


def _digest(record: TagRecord) -> str | None:
    """The manifest that the target's tag names, as far as known."""
    return record.target_digest or record.mirrored_digest


def _named(record: TagRecord, contents: Mapping[str, frozenset[str]]) -> set[str]:
    """All manifests that are there because of the tag."""
    digest = _digest(record)
    own = {each for each in (record.target_digest, record.mirrored_digest, record.source_digest) if each}
    return own | contents.get(digest or "", frozenset())
