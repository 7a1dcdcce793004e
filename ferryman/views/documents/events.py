"""What happens, as the API's event stream tells it. Not every event: requests are for the metrics alone."""

from typing import Literal, Self

from pydantic import Field

from ferryman.events import (
    CycleEnded,
    CycleStarted,
    Event,
    ItemLooked,
    JobEnded,
    JobInfo,
    JobOutcome,
    JobStarted,
    LookStarted,
    RegistryPaused,
    RegistryResumed,
    TagPruned,
    WorkPaused,
    WorkResumed,
)
from ferryman.kinds import PauseScope
from ferryman.views.documents.base import Document, Time
from ferryman.views.running_jobs import RunningJob


class CycleStartedDocument(Document):
    """`cycle-started`: the scheduler begins to look at the items."""

    items: int = Field(description="How many.")
    requested: bool = Field(description="Whether a person or a webhook asked for it, not the timetable.")


class CycleEndedDocument(Document):
    """`cycle-ended`: it has looked at all of them, or the database failed, or the process stops."""

    outcome: Literal["done", "failed", "stopped"] = Field(description="What came of it.")
    items: int = Field(description="How many items there were to look at.")
    items_failed: int = Field(description="How many of them could not be listed.")
    items_paused: int = Field(description="How many of them persons have paused.")
    requested: bool = Field(description="Whether a person or a webhook asked for it, not the timetable.")
    enqueued: int = Field(description="Tags that were queued.")
    seconds: float = Field(description="How long it took.")
    error: str | None = Field(description="Why it failed.")


class LookStartedDocument(Document):
    """`look-started`: the scheduler begins to list an item's source."""

    item: str = Field(description="The item's name.")
    source: str = Field(description="The repository that is listed.")
    target: str = Field(description="The repository that it is mirrored to.")


class ItemLookedDocument(Document):
    """`item-looked`: an item's source was listed, or could not be."""

    item: str = Field(description="The item's name.")
    source: str = Field(description="The repository that is mirrored.")
    target: str = Field(description="The repository that it is mirrored to.")
    outcome: Literal["looked", "failed", "paused"] = Field(description="What came of it.")
    error: str | None = Field(description="Why it failed.")
    error_kind: str | None = Field(description="The kind of the error: one word to match.")
    tags: int = Field(description="Tags that the source has.")
    enqueued: int = Field(description="Tags that were queued.")
    seconds: float = Field(description="How long it took.")


class JobDocument(Document):
    """One attempt at one tag."""

    key: str = Field(description="The attempt's own: no other one has it.")
    item: str = Field(description="The item's name.")
    source: str = Field(description="The repository that is mirrored.")
    target: str = Field(description="The repository that it is mirrored to.")
    tag: str = Field(description="The tag's name.")
    attempt: int = Field(description="1 is the first of the present round.")

    @classmethod
    def of(cls, job: JobInfo) -> Self:
        """The document of a job."""
        return cls(key=job.key, item=job.item, source=job.source, target=job.target, tag=job.tag, attempt=job.attempt)


class JobStartedDocument(Document):
    """`job-started`: a worker begins to copy a tag."""

    job: JobDocument = Field(description="Which one.")


class JobProgressedDocument(Document):
    """`job-progressed`: how far a copy is; at most twice a second for each."""

    job: JobDocument = Field(description="Which one.")
    doing: str = Field(description="`pull`, `push` or `copy`; empty: nothing was reported yet.")
    fraction: float = Field(description="How much is done, from 0 to 1.")
    bytes_moved: int = Field(description="Bytes that were transferred so far.")
    bytes_per_second: float = Field(description="The rate of the last seconds.")
    seconds: float = Field(description="Since it began.")
    seconds_left: float | None = Field(description="An estimate; null: too early to tell.")

    @classmethod
    def of(cls, job: JobInfo, running: RunningJob) -> Self:
        """The document of a running job."""
        return cls(
            job=JobDocument.of(job), doing=running.doing, fraction=running.fraction, bytes_moved=running.moved,
            bytes_per_second=running.rate, seconds=running.seconds, seconds_left=running.left,
        )  # fmt: skip


class JobEndedDocument(Document):
    """`job-ended`: what came of it."""

    job: JobDocument = Field(description="Which one.")
    outcome: JobOutcome = Field(description="`again`: it is queued; `stopped`: nothing was recorded.")
    error: str | None = Field(description="Why it failed.")
    error_kind: str | None = Field(description="The kind of the error: one word to match.")
    error_registry: str | None = Field(description="The registry that caused it.")
    retry_at: Time | None = Field(description="When it is tried again, if it is queued after a failure.")
    seconds: float = Field(description="How long it took.")
    digest: str | None = Field(description="What the target names now.")
    bytes_moved: int | None = Field(description="Bytes that were transferred.")
    bytes_reused: int | None = Field(description="Bytes that the target had already.")
    degraded: str | None = Field(description="What was left out, because the target refuses it.")


class RegistryPausedDocument(Document):
    """`registry-paused`: nothing is copied from or to a registry for now."""

    registry: str = Field(description="Its host.")
    until: Time | None = Field(description="When that ends by itself; null: its login was refused.")
    error: str = Field(description="What it answered.")


class TagPrunedDocument(Document):
    """`tag-pruned`: a tag that the rules no longer want was removed from its target."""

    item: str = Field(description="The item's name.")
    target: str = Field(description="The repository that it was mirrored to.")
    tag: str = Field(description="The tag's name.")
    digest: str | None = Field(description="The digest that it named; null: not known.")
    reason: str = Field(description="Why the rules do not want it: one word to match.")
    actor: str | None = Field(description="The person who wanted that; null: `items.yml` does.")


class RegistryResumedDocument(Document):
    """`registry-resumed`: a registry that had refused the login is used again."""

    registry: str = Field(description="Its host.")
    tags: int = Field(description="Tags that waited for it.")
    cause: str = Field(description="Why: one word to match.")


class PausedDocument(Document):
    """`paused`: a person has paused this, in any process."""

    scope: PauseScope = Field(description="What is paused.")
    name: str = Field(description="Of an item: its target; of a registry: its host; of all: empty.")
    since: Time = Field(description="Since when.")
    actor: str = Field(description="Who has paused it.")
    note: str | None = Field(description="Why, as they wrote.")


class ResumedDocument(Document):
    """`resumed`: a person has ended that pause."""

    scope: PauseScope = Field(description="What was paused.")
    name: str = Field(description="As in `paused`.")


class ResetDocument(Document):
    """`reset`: events were missed, because the stream was left for too long; read again what you show."""


EVENTS: dict[str, type[Document]] = {
    "cycle-started": CycleStartedDocument,
    "cycle-ended": CycleEndedDocument,
    "look-started": LookStartedDocument,
    "item-looked": ItemLookedDocument,
    "job-started": JobStartedDocument,
    "job-progressed": JobProgressedDocument,
    "job-ended": JobEndedDocument,
    "registry-paused": RegistryPausedDocument,
    "registry-resumed": RegistryResumedDocument,
    "tag-pruned": TagPrunedDocument,
    "paused": PausedDocument,
    "resumed": ResumedDocument,
    "reset": ResetDocument,
}
NAMES = {model: name for name, model in EVENTS.items()}


_MODELS: dict[type[Event], type[Document]] = {
    CycleStarted: CycleStartedDocument,
    CycleEnded: CycleEndedDocument,
    LookStarted: LookStartedDocument,
    ItemLooked: ItemLookedDocument,
    JobStarted: JobStartedDocument,
    JobEnded: JobEndedDocument,
    RegistryPaused: RegistryPausedDocument,
    RegistryResumed: RegistryResumedDocument,
    TagPruned: TagPrunedDocument,
    WorkPaused: PausedDocument,
    WorkResumed: ResumedDocument,
}


def event_document(event: Event) -> Document | None:
    """The document of an event, with the keys that it has in common with it: a traceback, for one, is not told.

    None: the stream does not tell of it, or not of each one (JobProgressed).
    """
    if (model := _MODELS.get(type(event))) is None:
        return None
    values = {name: getattr(event, name) for name in model.model_fields}
    if isinstance(job := values.get("job"), JobInfo):
        values["job"] = JobDocument.of(job)
    return model(**values)
