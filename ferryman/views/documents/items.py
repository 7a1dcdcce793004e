"""An item: how it stands, and what its rules want."""

from typing import Self

from pydantic import Field

from ferryman.items.model import Item, Order
from ferryman.kinds import FreezeReason, OnChange, ProbeMode, TransportName
from ferryman.operations.overview import ItemOverview
from ferryman.store.ledger import LookupFailure
from ferryman.store.queries.look_strips import LookAtItem
from ferryman.store.records import Freeze
from ferryman.views.documents.base import Document, Time
from ferryman.views.documents.pauses import PauseDocument
from ferryman.views.documents.verdict import CountsDocument


class LookDocument(Document):
    """One look at an item, and what came of it until the next one."""

    at: Time = Field(description="When it ended.")
    outcome: str = Field(description="`looked`, `failed` or `paused`.")
    error: str | None = Field(description="Why it failed.")
    error_kind: str | None = Field(description="The kind of the error: one word to match.")
    tags: int = Field(description="Tags that the source had.")
    enqueued: int = Field(description="Tags that it queued.")
    complete: bool = Field(description="Whether the list was read to its end.")
    copied: int = Field(description="Copies that ended well before the next look.")
    failed: int = Field(description="Copies that failed for good before the next look.")

    @classmethod
    def of(cls, look: LookAtItem) -> Self:
        """The document of a look."""
        return cls(**{name: getattr(look, name) for name in cls.model_fields})


class LookupFailureDocument(Document):
    """Why the last look at an item failed."""

    item: str = Field(description="The item's name.")
    source: str = Field(description="The repository that could not be listed.")
    target: str = Field(description="The repository that it is mirrored to.")
    since: Time | None = Field(description="Since when looks fail.")
    error: str = Field(description="The last error.")
    error_kind: str | None = Field(description="The kind of the error: one word to match.")
    registry: str | None = Field(description="The registry that caused it.")

    @classmethod
    def of(cls, failure: LookupFailure) -> Self:
        """The document of a failure."""
        return cls(**{name: getattr(failure, name) for name in cls.model_fields})


class FreezeDocument(Document):
    """Why nothing of an item is copied, overwritten or removed: its upstream has collapsed."""

    reason: FreezeReason = Field(
        description="`vanished`: upstream has lost what is mirrored; `changed`: all of it changed at once; "
        "`unavailable`: it is private or missing now."
    )
    detail: str = Field(description="For people.")
    since: Time | None = Field(description="Since when.")
    wanted: int = Field(description="Tags that the rules want, by the record.")
    left: int = Field(description="Of these, those that upstream has as they were.")

    @classmethod
    def of(cls, freeze: Freeze) -> Self:
        """The document of a freeze."""
        return cls(**{name: getattr(freeze, name) for name in cls.model_fields})


class ItemDocument(Document):
    """An item of items.yml."""

    name: str = Field(description="Its name.", examples=["etcd"])
    source: str = Field(description="The repository that is mirrored.", examples=["quay.io/coreos/etcd"])
    target: str = Field(
        description="The repository that it is mirrored to.", examples=["registry.example.com/mirror/etcd"]
    )
    tags: CountsDocument
    newest_pushed_at: Time | None = Field(description="When upstream pushed the newest of the synced tags.")
    synced_at: Time | None = Field(description="The last copy.")
    looked_at: Time | None = Field(description="The last look, whatever came of it.")
    listed_at: Time | None = Field(description="The last look that succeeded.")
    failure: LookupFailureDocument | None = Field(description="Why the last look failed; null: it did not.")
    pause: PauseDocument | None = Field(description="The pause by a person that holds it back.")
    freeze: FreezeDocument | None = Field(description="Why it is frozen; null: it is not.")
    looks: list[LookDocument] = Field(description="The last 30 looks, oldest first.")

    @classmethod
    def of(cls, item: ItemOverview) -> "ItemDocument":
        """The document of an item."""
        return ItemDocument(
            name=item.name,
            source=item.source,
            target=item.target,
            tags=CountsDocument.of(item.counts),
            newest_pushed_at=item.counts.newest_at,
            synced_at=item.counts.synced_at,
            looked_at=item.looked_at,
            listed_at=item.walked_at,
            failure=LookupFailureDocument.of(item.failure) if item.failure else None,
            pause=PauseDocument.of(item.pause) if item.pause else None,
            freeze=FreezeDocument.of(item.freeze) if item.freeze else None,
            looks=[LookDocument.of(each) for each in item.looks],
        )


class RulesDocument(Document):
    """Which of the source's tags are wanted, and how they are copied."""

    limit: int = Field(description="The newest that many; 9999: all.")
    include: list[str] = Field(description="Patterns of tags, as regular expressions; none: every tag.")
    exclude: list[str] = Field(description="Patterns of tags that are left out.")
    pin: list[str] = Field(description="Patterns of tags that are always wanted.")
    order: Order = Field(description="By what tags count as the newest.")
    immutable: list[str] = Field(description="Patterns of tags that never move.")
    on_change: OnChange = Field(description="What is done when upstream changes a version tag that was mirrored.")
    versions: list[str] = Field(description="Patterns of these tags.")
    probe: ProbeMode = Field(description="How often it is asked whether tags have moved.")
    collapse: int = Field(description="Percent of the wanted tags of which upstream has to have so many; 0: any.")
    referrers: bool = Field(description="Whether signatures and the like are copied, too.")
    platforms: str | None = Field(description="The platforms that are copied; null: the transport's default.")
    transport: TransportName | None = Field(description="How they are copied; null: as FERRYMAN_TRANSPORT says.")

    @classmethod
    def of(cls, item: Item) -> Self:
        """The document of an item's rules."""
        rules = item.rules
        patterns = {name: [each.pattern for each in getattr(rules, name)] for name in ("include", "exclude", "pin")}
        return cls(
            limit=rules.limit, **patterns, order=rules.order, referrers=rules.referrers, probe=item.probe,
            collapse=item.collapse,
            immutable=[each.pattern for each in item.immutable], on_change=rules.on_change,
            versions=[each.pattern for each in rules.versions],
            platforms=None if item.platforms is None else str(item.platforms), transport=item.transport,
        )  # fmt: skip


class ItemWithRulesDocument(ItemDocument):
    """An item, and its rules."""

    rules: RulesDocument

    @classmethod
    def with_rules(cls, overview: ItemOverview, item: Item) -> Self:
        """The document of an item."""
        return cls(**dict(ItemDocument.of(overview)), rules=RulesDocument.of(item))
