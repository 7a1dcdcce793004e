"""Cycles of the scheduler, and samples of the queue and of the work for charts."""

from typing import Self

from pydantic import Field

from ferryman.store.cycles import CycleOutcome, CycleRecord
from ferryman.store.samples import Sample
from ferryman.views.documents.base import Document, Time


class CycleDocument(Document):
    """One cycle of a scheduler."""

    owner: str = Field(description="The process.")
    began_at: Time = Field(description="When it began.")
    ended_at: Time | None = Field(description="When it ended.")
    outcome: CycleOutcome | None = Field(description="What came of it; null: it runs, or its process was killed.")
    items: int = Field(description="Items that were looked at.")
    items_failed: int = Field(description="Those of them that could not be listed.")
    enqueued: int = Field(description="Tags that were queued.")
    error: str | None = Field(description="Why it failed.")

    @classmethod
    def of(cls, cycle: CycleRecord) -> Self:
        """The document of a cycle."""
        return cls(
            owner=cycle.owner, began_at=cycle.began_at, ended_at=cycle.ended_at, outcome=cycle.outcome,
            items=cycle.items, items_failed=cycle.items_failed, enqueued=cycle.enqueued, error=cycle.error,
        )  # fmt: skip


class SampleDocument(Document):
    """Five minutes of the queue and of the work."""

    at: Time = Field(description="When the five minutes began. The queue is counted at their end.")
    queued: int = Field(description="Tags in the queue.")
    due: int = Field(description="Those of them that may run.")
    running: int = Field(description="Tags that are being copied.")
    failed: int = Field(description="Tags that have failed.")
    latency: float = Field(description="The age of the oldest due tag, in seconds.")
    copies: int = Field(description="Copies that ended well in the five minutes.")
    failures: int = Field(description="Copies that failed in the five minutes.")
    bytes_moved: int = Field(description="Bytes that were transferred.")
    bytes_reused: int = Field(description="Bytes that the target had already.")

    @classmethod
    def of(cls, sample: Sample) -> Self:
        """The document of a sample."""
        return cls(
            at=sample.at, queued=sample.queued, due=sample.due, running=sample.running, failed=sample.failed,
            latency=sample.latency, copies=sample.copies, failures=sample.failures,
            bytes_moved=sample.bytes_moved, bytes_reused=sample.bytes_reused,
        )  # fmt: skip
