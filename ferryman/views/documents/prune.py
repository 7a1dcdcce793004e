"""A tag of a target that the rules do not want: the objects of `prune --json`."""

from typing import Self

from pydantic import Field

from ferryman.kinds import Stay
from ferryman.operations.prune import UnwantedTag
from ferryman.views.documents.base import Document, Time


class UnwantedTagDocument(Document):
    """A tag of a target that the rules do not want, and what becomes of it."""

    item: str = Field(description="The item's name.")
    source: str = Field(description="The repository that is mirrored.")
    target: str = Field(description="The repository that it is mirrored to.")
    tag: str = Field(description="The tag's name.")
    digest: str | None = Field(description="The digest that the target's tag names; null: not known.")
    reason: str = Field(description="Why the rules do not want it: one word to match.")
    gone_at: Time | None = Field(description="Since when upstream no longer lists it; null: it does.")
    stays: Stay | None = Field(description="Why it stays all the same: one word to match; null: it may go.")
    marked_at: Time | None = Field(description="Since when it is marked; null: it is not.")
    due_at: Time | None = Field(description="When the service removes it; null: it does not.")
    now: bool = Field(description="Whether a person may remove it now; false: another day, or not at all.")

    @classmethod
    def of(cls, tag: UnwantedTag) -> Self:
        """The document of a tag."""
        return cls(
            item=tag.item, source=tag.source, target=tag.target, tag=tag.tag, digest=tag.digest, reason=tag.reason,
            gone_at=tag.gone_at, stays=tag.stays, marked_at=tag.marked_at, due_at=tag.due_at, now=tag.now,
        )  # fmt: skip
