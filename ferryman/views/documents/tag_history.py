"""What a tag named at its target, and where an image is: the objects of `history --json` and `where --json`."""

from datetime import timedelta
from typing import Self

from pydantic import Field

from ferryman.kinds import Hold
from ferryman.operations.where import Place
from ferryman.store.queries.tag_history import Named, TagHistory
from ferryman.views.documents.base import Document, Time


class NamedDocument(Document):
    """What a target's tag named for a time."""

    digest: str = Field(description="The digest.")
    since: Time | None = Field(description="Since when; null: before this was recorded.")
    until: Time | None = Field(description="Until when; null: it does now, as far as known.")
    holder: str | None = Field(
        description="The tag there that names it now, which may be `ferryman-keep-…`; null: none that is on record."
    )
    kept_until: Time | None = Field(description="When a tag `ferryman-keep-…` is removed; null: there is none.")

    @classmethod
    def of(cls, named: Named, period: timedelta) -> Self:
        """The document of a digest. `period`: how long digests are kept."""
        kept_until = named.kept_at + period if named.kept_at else None
        return cls(
            digest=named.digest, since=named.since, until=named.until, holder=named.holder, kept_until=kept_until
        )


class TagHistoryDocument(Document):
    """All that a target's tag named."""

    item: str = Field(description="The item's name.")
    target: str = Field(description="The repository that it is mirrored to.")
    tag: str = Field(description="The tag's name.")
    hold: Hold | None = Field(
        description="Why nothing is copied over it until a person releases it: `rollback`: it was put back; `changed`: "
        "a version tag, and upstream has changed it; `kept`: likewise, and a person keeps it. null: nothing holds it."
    )
    held_at: Time | None = Field(description="Since when.")
    named: list[NamedDocument] = Field(description="What it named, oldest first.")

    @classmethod
    def of(cls, history: TagHistory, period: timedelta) -> Self:
        """The document of a tag's history."""
        record = history.record
        named = [NamedDocument.of(each, period) for each in history.named]
        return cls(
            item=record.item, target=record.target, tag=record.tag, hold=record.held_by, held_at=record.held_since,
            named=named,
        )  # fmt: skip


class PlaceDocument(Document):
    """Where an image, or a tag of it, is mirrored to."""

    item: str = Field(description="The item's name.")
    source: str = Field(description="The repository that is mirrored.")
    target: str = Field(description="The repository that it is mirrored to.")
    tag: str | None = Field(description="The tag; null: none was named.")
    name: str = Field(description="The mirrored name: the target, with the tag if one was named.")
    mirrored: bool = Field(description="Whether the target has it now, as far as known; of a repository: some tag.")
    tags: int | None = Field(description="Of a repository: how many tags are mirrored.")
    digest: str | None = Field(description="Of the tag at the target: now, or at the moment that was asked for.")
    pull: str | None = Field(description="What pulls that today; null: the target may not have it.")

    @classmethod
    def of(cls, place: Place) -> Self:
        """The document of a place."""
        return cls(
            item=place.item, source=place.source, target=place.target, tag=place.tag, name=place.name,
            mirrored=place.mirrored, tags=place.tags, digest=place.digest, pull=place.pull,
        )  # fmt: skip
