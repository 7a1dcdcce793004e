"""What `sync` would do with one tag: the objects of `plan --json`."""

from collections.abc import Iterable, Iterator

from pydantic import Field

from ferryman.items.model import Item
from ferryman.kinds import ProbeReason, PruneAction
from ferryman.planner import Decision
from ferryman.probing import Probe
from ferryman.scheduler import ItemLookup
from ferryman.store.records import Action, PlannedPrune
from ferryman.views.documents.base import Document, Time


class PlannedTagDocument(Document):
    """The decision about one tag of one item."""

    item: str = Field(description="The item's name.")
    source: str = Field(description="The repository that is mirrored.")
    target: str = Field(description="The repository that it is mirrored to.")
    tag: str = Field(description="The tag's name.")
    action: Action = Field(
        description="`copy`; `keep`: it is up to date; `adopt`: the imported record turned out to be right; `skip`; "
        "`fail`: the tag cannot be read; `wait`: it failed, and it is too early to try it again, or the item is frozen."
    )
    reason: str = Field(description="Why: one word to match.")
    detail: str = Field(description="More about the reason; may be empty.")
    source_digest: str | None = Field(description="The digest that upstream has.")
    pushed_at: Time | None = Field(description="When upstream pushed it.")
    pinned: bool = Field(description="Whether a `tags.pin` expression matches.")
    upstream_since: Time | None = Field(description="Since when upstream has this digest, as far as known.")
    quarantined_until: Time | None = Field(
        description="With the reason `quarantine`: the digest is not copied before; null: nothing holds it back."
    )
    probe_reason: ProbeReason | None = Field(
        description="How often upstream is asked for the digest, and why: one word to match; null: the list of tags "
        "has it, or the tag is new."
    )
    next_probe_at: Time | None = Field(
        description="For a tag that was not asked for, so that its digest is the recorded one: when it will be."
    )
    prune: PruneAction | None = Field(
        description="What becomes of the target's tag that the rules no longer want: `mark`, `wait` or `remove`; null: "
        "it stays."
    )
    prune_due_at: Time | None = Field(description="When it goes, at the earliest; null: it stays.")

    @classmethod
    def of(
        cls, item: Item, decision: Decision, probe: Probe | None, prune: PlannedPrune | None, *, rested: bool
    ) -> "PlannedTagDocument":
        """The document of a decision."""
        return cls(
            item=item.name,
            source=str(item.source),
            target=str(item.target),
            tag=decision.tag,
            action=decision.action,
            reason=decision.reason,
            detail=decision.detail,
            source_digest=decision.digest,
            pushed_at=decision.pushed_at,
            pinned=decision.pinned,
            upstream_since=decision.since,
            quarantined_until=decision.matures_at if decision.reason == "quarantine" else None,
            probe_reason=probe.reason if probe else None,
            next_probe_at=probe.at if probe and rested else None,
            prune=prune.action if prune else None,
            prune_due_at=prune.due_at if prune else None,
        )


def plan_documents(looked: Iterable[ItemLookup]) -> Iterator[PlannedTagDocument]:
    """The documents of a plan: item by item, in the order of the decisions."""
    for each in looked:
        rested = each.rested
        for decision in each.decisions:
            probe = each.probes.get(decision.tag)
            prune = each.prunes.get(decision.tag)
            yield PlannedTagDocument.of(each.item, decision, probe, prune, rested=decision.tag in rested)
