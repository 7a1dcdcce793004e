"""What was tried, what waits, and what is copied now."""

from typing import Self

from pydantic import Field

from ferryman.operations.waiting import Wait, WaitKind
from ferryman.store.queries.activity import Activity
from ferryman.store.queries.running import RunningTag
from ferryman.store.records import Outcome, WaitingTag
from ferryman.views.documents.base import Document, Time
from ferryman.views.running_jobs import RunningJob, RunningLook


class ActivityDocument(Document):
    """One attempt at one tag."""

    item: str = Field(description="The item's name.")
    target: str = Field(description="The repository that it is mirrored to.")
    tag: str = Field(description="The tag's name.")
    started_at: Time = Field(description="When it began.")
    finished_at: Time = Field(description="When it ended.")
    outcome: Outcome = Field(description="How it ended.")
    source_digest: str | None = Field(description="The upstream digest that was copied.")
    bytes_moved: int = Field(description="Bytes that were transferred.")
    bytes_reused: int = Field(description="Bytes that the target had already.")
    error: str | None = Field(description="Why it failed.")
    error_kind: str | None = Field(description="The kind of the error: one word to match.")
    error_registry: str | None = Field(description="The registry that caused it.")

    @classmethod
    def of(cls, attempt: Activity) -> Self:
        """The document of an attempt."""
        same = {name: getattr(attempt, name) for name in cls.model_fields if name != "source_digest"}
        return cls(**same, source_digest=attempt.digest)


class WaitingDocument(Document):
    """A queued tag."""

    item: str = Field(description="The item's name.")
    source: str = Field(description="The repository that is mirrored.")
    target: str = Field(description="The repository that it is mirrored to.")
    tag: str = Field(description="The tag's name.")
    next_attempt_at: Time | None = Field(
        description="The earliest time of the next attempt; null: once the login at its registry is accepted."
    )
    waits_for: WaitKind = Field(
        description="`due`: a worker; `quota`: pulls of its registry; `retry`: its last attempt failed; "
        "`limited`: a registry limits requests; "
        "`login`: a registry refuses the login; `paused`: a person has paused it; "
        "`quarantine`: its digest is younger than `min_age`."
    )
    until: Time | None = Field(description="When that ends; null: not known.")
    registry: str | None = Field(description="The registry that it waits for.")
    paused_by: str | None = Field(description="Who has paused it.")
    bandwidth: int | None = Field(
        description="Bytes a second for its registry, or for all copies; null: no limit, or it is not due."
    )
    bandwidth_until: Time | None = Field(description="When that changes; null: never.")
    attempts: int = Field(description="Attempts in the present round.")
    pushed_at: Time | None = Field(description="When upstream pushed it.")
    error: str | None = Field(description="The last error.")
    error_kind: str | None = Field(description="The kind of the error: one word to match.")
    error_registry: str | None = Field(description="The registry that caused it.")

    @classmethod
    def of(cls, tag: WaitingTag, wait: Wait) -> Self:
        """The document of a queued tag. `wait`: what it waits for."""
        return cls(
            item=tag.item, source=tag.source, target=tag.target, tag=tag.tag, next_attempt_at=tag.run_at,
            waits_for=wait.kind, until=wait.until, registry=wait.registry, paused_by=wait.actor,
            bandwidth=int(wait.slowed.rate) if wait.slowed else None,
            bandwidth_until=wait.slowed.until if wait.slowed else None,
            attempts=tag.attempts, pushed_at=tag.pushed_at,
            error=tag.error, error_kind=tag.error_kind, error_registry=tag.error_registry,
        )  # fmt: skip


class ProgressDocument(Document):
    """How far a copy is, as its process said in its last heartbeat."""

    doing: str = Field(description="`pull`, `push` or `copy`; empty: nothing was reported yet.")
    fraction: float = Field(description="How much is done, from 0 to 1.")
    bytes_moved: int = Field(description="Bytes that were transferred so far.")
    bytes_per_second: float = Field(description="The rate of the last seconds.")
    seconds: float = Field(description="Since it began.")
    seconds_left: float | None = Field(description="An estimate; null: too early to tell.")

    @classmethod
    def of(cls, job: RunningJob) -> Self:
        """The document of a running job."""
        return cls(
            doing=job.doing, fraction=job.fraction, bytes_moved=job.moved, bytes_per_second=job.rate,
            seconds=job.seconds, seconds_left=job.left,
        )  # fmt: skip


class RunningDocument(Document):
    """A tag that is copied now."""

    item: str = Field(description="The item's name.")
    source: str = Field(description="The repository that is mirrored.")
    target: str = Field(description="The repository that it is mirrored to.")
    tag: str = Field(description="The tag's name.")
    source_digest: str = Field(description="The upstream digest that is copied.")
    attempt: int = Field(description="1 is the first of the present round.")
    owner: str = Field(description="The process that copies it.")
    started_at: Time = Field(description="When that began.")
    progress: ProgressDocument | None = Field(description="How far it is; null: its process has not said yet.")

    @classmethod
    def of(cls, tag: RunningTag, job: RunningJob | None) -> Self:
        """The document of a running tag. `job`: what its process says of it."""
        return cls(
            item=tag.item, source=tag.source, target=tag.target, tag=tag.tag, source_digest=tag.source_digest,
            attempt=tag.attempts, owner=tag.lease_owner, started_at=tag.claimed_at,
            progress=ProgressDocument.of(job) if job else None,
        )  # fmt: skip


class RunningLookDocument(Document):
    """An item whose source is listed now."""

    item: str = Field(description="The item's name.")
    source: str = Field(description="The repository that is listed.")
    target: str = Field(description="The repository that it is mirrored to.")
    seconds: float = Field(description="Since it began.")

    @classmethod
    def of(cls, look: RunningLook) -> Self:
        """The document of a look."""
        return cls(item=look.item, source=look.source, target=look.target, seconds=look.seconds)
