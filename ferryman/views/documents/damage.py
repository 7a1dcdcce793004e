"""What is wrong with a mirrored tag at its target: the objects of `verify --json`."""

from typing import Self

from pydantic import Field

from ferryman.kinds import FindingKind
from ferryman.store.queries.findings import Finding
from ferryman.views.documents.base import Document, Time


class DamageDocument(Document):
    """A finding, with the record beside what was found."""

    item: str = Field(description="The item's name.")
    source: str = Field(description="The repository that is mirrored.")
    target: str = Field(description="The repository that it is mirrored to.")
    tag: str = Field(description="The tag's name.")
    finding: FindingKind = Field(description="What is wrong with it.")
    expected_digest: str | None = Field(description="The digest on record; null: imported without one.")
    found_digest: str | None = Field(description="The digest that the target's tag names; null: there is no such tag.")
    detail: str | None = Field(description="What is missing or damaged of its contents.")
    lost: bool = Field(description="Neither upstream nor another repository of the target's registry has it any more.")
    repairing: bool = Field(description="It is queued, or copied again just now.")
    intact_at: Time | None = Field(description="When the target was last known to have it.")
    since: Time = Field(description="When it was first found so.")
    checked_at: Time = Field(description="When it was last checked.")

    @classmethod
    def of(cls, each: Finding) -> Self:
        """The document of a finding."""
        return cls(
            item=each.item, source=each.source, target=each.target, tag=each.tag, finding=each.finding,
            expected_digest=each.expected, found_digest=each.found, detail=each.detail, lost=each.lost,
            repairing=each.status in {"queued", "running"},
            intact_at=each.intact_at, since=each.since, checked_at=each.checked_at,
        )  # fmt: skip
