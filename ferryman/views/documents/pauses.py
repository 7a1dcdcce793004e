"""What persons did: pauses, and the audit log."""

from typing import Self

from pydantic import Field

from ferryman.kinds import PauseScope
from ferryman.store.records import ActionName, AuditEntry, ManualPause
from ferryman.views.documents.base import Document, Time


class PauseDocument(Document):
    """A pause by a person: what it names is neither listed nor copied."""

    scope: PauseScope = Field(description="What is paused.")
    name: str = Field(description="Of an item: its target; of a registry: its host; of all: empty.")
    since: Time = Field(description="Since when.")
    actor: str = Field(description="Who has paused it.")
    note: str | None = Field(description="Why, as they wrote.")

    @classmethod
    def of(cls, pause: ManualPause) -> Self:
        """The document of a pause."""
        return cls(scope=pause.scope, name=pause.name, since=pause.since, actor=pause.actor, note=pause.note)


class ActionDocument(Document):
    """What a person did. Recorded for a year."""

    at: Time = Field(description="When.")
    actor: str = Field(description="Who: which token, or which user of the command line on which host.")
    action: ActionName = Field(description="What they did.")
    subject: str = Field(description="To what: items by their targets, a tag as target:tag, a registry by its host.")
    number: int | None = Field(description="How many tags that changed.")
    detail: str | None = Field(description="More about it, such as the note of a pause.")

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """The document of an entry of the audit log."""
        return cls(
            at=entry.at, actor=entry.actor, action=entry.action, subject=entry.subject,
            number=entry.number, detail=entry.detail,
        )  # fmt: skip
