"""What the store hands out: plain values, never database rows."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Status = Literal["queued", "running", "synced", "failed", "skipped"]
Outcome = Literal["synced", "failed", "skipped", "lost", "handed-back"]
Action = Literal["copy", "keep", "adopt", "skip", "fail"]  # see PlannedTag


@dataclass(frozen=True, slots=True)
class TagRecord:
    """Everything that is known of one tag of one item. Times are UTC."""

    id: int
    item: str
    source: str  # registry/namespace/image
    target: str  # registry/namespace/image
    tag: str
    status: Status
    reason: str | None  # why it is skipped, or what a queued tag waits for; a planner or error kind
    source_digest: str | None  # what upstream has
    pushed_at: datetime | None
    platform_digests: Mapping[str, str | None] | None  # os/arch -> digest, where upstream's list tells
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    gone_at: datetime | None  # upstream no longer lists it
    mirrored_digest: str | None  # the upstream digest whose copy the target has
    mirrored_platforms: str | None  # those asked for when it was mirrored; None: the default, or not known
    target_digest: str | None  # what the target answered for the tag after the copy
    identical: bool | None  # the copy is byte for byte upstream's manifest
    degraded: str | None  # what the copy had to leave out
    referrers: str | None  # fingerprint of what referred to upstream's manifest when it was copied, where known
    synced_at: datetime | None  # None with a mirrored digest or status synced: taken over from the old history
    attempts: int  # of the present round
    run_at: datetime | None  # queued: not before; None: held until its registry is let go
    error: str | None
    error_kind: str | None

    @property
    def has_failed(self) -> bool:
        """It failed, or it was mirrored before and cannot be read now."""
        return self.status == "failed" or (self.status == "synced" and self.error is not None)


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed tag: what a worker needs, and the lease that guards its write-back."""

    id: int
    item: str
    source: str
    target: str
    tag: str
    digest: str  # the upstream digest to copy
    platforms: str | None  # as items.yml says; None: the transport's default
    attempt: int  # 1-based
    token: str


@dataclass(frozen=True, slots=True)
class Share:
    """How many tags of one source registry a process may run at once, so that a slow one does not hold all workers."""

    most: int
    registries: frozenset[str]  # the source registries that there are; one alone has no share to keep to


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at one tag, kept for 30 days."""

    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    digest: str | None
    bytes_moved: int
    bytes_reused: int
    error: str | None
    error_kind: str | None


@dataclass(frozen=True, slots=True)
class RegistryState:
    """A registry that is paused (its login was refused) or waits for a limit."""

    registry: str
    until: datetime | None  # None: until the login is taken, or is another one, or `requeue`
    error: str
    since: datetime
    tried_at: datetime | None = None  # the last login there; None: not known
    tries: int = 0  # logins since it was paused, each of them refused


@dataclass(frozen=True, slots=True)
class ItemKey:
    """An item as the store keeps it. `target` is its identity."""

    name: str
    source: str  # registry/namespace/image
    target: str
    platforms: str | None  # as `str(Platforms)`; None: the transport's default


@dataclass(frozen=True, slots=True)
class SeenTag:
    """What a walk saw of one tag."""

    tag: str
    digest: str | None
    pushed_at: datetime | None
    platform_digests: Mapping[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class PlannedTag:
    """What the planner decided for one tag that a walk saw, or knew.

    copy: enqueue it.  keep: the target has it.  adopt: the imported record turned out to be upstream's
    present digest: remember that.  skip: it is not wanted, for `reason` (and `error`, where there
    is more to say); what was mirrored stays synced.
    fail: it is wanted and cannot be read, for `error`; what was mirrored stays synced, with the error beside it.
    """

    tag: str
    action: Action
    reason: str
    rank: int = 0  # place among its item's wanted tags, newest 0: every item's newest goes first
    # The tag as the planner knew it: workers and users go on while a walk is under way.
    status: Status | None = None
    synced_at: datetime | None = None
    error: str | None = None
    error_kind: str | None = None


@dataclass(frozen=True, slots=True)
class Walk:
    """How an item's repository was last listed."""

    walked_at: datetime  # the last walk that ended well
    completed_at: datetime  # the last one that went to the end (or the first one ever)
    rules: str  # fingerprint of the rules it was planned with: another one asks for a complete walk


@dataclass(frozen=True, slots=True)
class Applied:
    """What one plan changed in the queue."""

    enqueued: int
    withdrawn: int  # were queued, and are not wanted any more


@dataclass(frozen=True, slots=True)
class Outstanding:
    """The work that is left."""

    due: int  # queued, may run now
    waiting: int  # queued, for a retry or a limit that ends at `next_at` or later
    held: int  # queued, behind a paused registry
    running: int
    next_at: datetime | None  # when the first waiting tag may run
