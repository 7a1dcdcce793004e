"""What fails, grouped by cause: what it means, and what mends it."""

from typing import Self

from pydantic import Field

from ferryman.operations.failures import FailingTags, Failures
from ferryman.remedies import remedy_for
from ferryman.store.queries.causes import Example, FailingStatus, LookupCause
from ferryman.views.documents.base import Document, Time
from ferryman.views.documents.items import LookupFailureDocument
from ferryman.views.verdict_sentences import cause_in_words


class FailedTagDocument(Document):
    """A tag that fails, as an example."""

    item: str = Field(description="The item's name.")
    target: str = Field(description="The repository that it is mirrored to.")
    tag: str = Field(description="The tag's name.")
    error: str | None = Field(description="The last error.")
    failed_at: Time = Field(description="Since when it fails.")

    @classmethod
    def of(cls, example: Example) -> Self:
        """The document of an example."""
        return cls(**{name: getattr(example, name) for name in cls.model_fields})


class TagCauseDocument(Document):
    """Tags that fail alike."""

    status: FailingStatus = Field(
        description="`failed`: for good; `queued`: is tried again; `synced`: mirrored before, and cannot be read now."
    )
    kind: str | None = Field(description="The kind of the error: one word to match.")
    registry: str | None = Field(description="The registry that caused it.")
    meaning: str = Field(description="What that means.")
    remedy: str = Field(description="What mends it.")
    tags: int = Field(description="How many tags.")
    outdated: int = Field(description="Those of them of which the target has an earlier copy.")
    since: Time = Field(description="The first failure.")
    targets: list[str] = Field(description="The items, by target.")
    examples: list[FailedTagDocument] = Field(description="The tags that failed last, at most five.")

    @classmethod
    def of(cls, failing: FailingTags) -> Self:
        """The document of a cause."""
        cause, examples = failing.cause, failing.examples
        return cls(
            status=cause.status, kind=cause.kind, registry=cause.registry,
            meaning=cause_in_words(cause.kind, cause.registry, None),
            remedy=remedy_for(examples[0].error if examples else None),
            tags=cause.tags, outdated=cause.outdated, since=cause.since, targets=list(cause.targets),
            examples=[FailedTagDocument.of(each) for each in examples],
        )  # fmt: skip


class LookupCauseDocument(Document):
    """Items that cannot be listed, alike."""

    kind: str | None = Field(description="The kind of the error: one word to match.")
    registry: str | None = Field(description="The registry that caused it.")
    meaning: str = Field(description="What that means.")
    remedy: str = Field(description="What mends it.")
    since: Time = Field(description="The first failure.")
    items: list[LookupFailureDocument] = Field(description="Which items.")

    @classmethod
    def of(cls, cause: LookupCause) -> Self:
        """The document of a cause."""
        return cls(
            kind=cause.kind, registry=cause.registry, meaning=cause_in_words(cause.kind, cause.registry, None),
            remedy=remedy_for(cause.failures[0].error), since=cause.since,
            items=[LookupFailureDocument.of(each) for each in cause.failures],
        )  # fmt: skip


class FailuresDocument(Document):
    """All that fails, the newest cause first."""

    tags: list[TagCauseDocument] = Field(description="Tags that cannot be copied, or read.")
    lookups: list[LookupCauseDocument] = Field(description="Items that cannot be listed.")

    @classmethod
    def of(cls, failures: Failures) -> Self:
        """The document of all failures."""
        return cls(
            tags=[TagCauseDocument.of(each) for each in failures.tags],
            lookups=[LookupCauseDocument.of(each) for each in failures.lookups],
        )
