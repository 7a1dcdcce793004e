"""The plain values that the store takes and returns, instead of database rows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any, Literal

from ferryman.kinds import FindingKind, FreezeReason, Hold, PauseScope, PruneAction, RepairOutcome

Status = Literal["queued", "running", "synced", "failed", "skipped"]
TagState = Literal["queued", "running", "synced", "failed", "skipped", "held"]  # held: queued until a login is accepted
Outcome = Literal["synced", "failed", "skipped", "lost", "handed-back", "cancelled"]
CANCELLED: Literal["cancelled"] = "cancelled"  # the outcome of an attempt that a person ended; its tag's reason, too
QUARANTINE: Literal["quarantine"] = "quarantine"  # the reason of a queued tag whose digest is too young
# The reasons of a mirrored tag whose upstream digest is another one now, and not copied.
HELD_CHANGED: Literal["held-changed"] = "held-changed"  # until a person decides
KEPT: Literal["kept"] = "kept"  # a person has decided so
Action = Literal["copy", "keep", "adopt", "skip", "fail", "wait"]  # see PlannedTag


def is_change_held(
    digest: str | None, *, mirrored: str | None, released: str | None, kept: str | None, holds_changes: bool | None
) -> bool:
    """Whether upstream's digest must not be copied over the mirrored one. In SQL: `change_held` of `tables.py`.

    `released`, `kept`: upstream's digest that a person wants, or does not.
    """
    if digest is None or mirrored is None or digest in {mirrored, released}:
        return False
    return bool(holds_changes) or digest == kept


@dataclass(frozen=True, slots=True)
class TagRecord:
    """Everything that is recorded about one tag of one item. Times are UTC."""

    id: int
    item: str
    source: str  # registry/namespace/image
    target: str  # registry/namespace/image
    tag: str
    status: Status
    reason: str | None  # why it is skipped, or what a queued tag waits for: a planner's reason or an error kind
    source_digest: str | None  # upstream's
    pushed_at: datetime | None
    platform_digests: Mapping[str, str | None] | None  # os/arch -> digest, where upstream's list has it
    first_seen_at: datetime | None
    last_seen_at: datetime | None
    gone_at: datetime | None  # since when upstream no longer lists it
    mirrored_digest: str | None  # the upstream digest whose copy the target has
    mirrored_platforms: str | None  # those requested when it was mirrored; None: the default, or unknown
    target_digest: str | None  # the tag's digest at the target after the copy
    identical: bool | None  # the copy is byte for byte upstream's manifest
    degraded: str | None  # what the copy had to leave out
    referrers: str | None  # fingerprint of the referrers of upstream's manifest when it was copied, if known
    synced_at: datetime | None  # None with a mirrored digest or status synced: imported from the old history
    attempts: int  # of the current round
    run_at: datetime | None  # queued: not before; None: once its registry accepts the login
    error: str | None
    error_kind: str | None
    error_registry: str | None = None  # that caused the error
    failed_at: datetime | None = None  # the first failure since it was last synced or skipped
    moved_at: datetime | None = None  # when upstream's tag was last found to name another digest; None: never
    probed_at: datetime | None = None  # when upstream was last asked for its digest; None: the list has told it
    hold: Literal["rollback", "prune"] | None = (
        None  # a person has put it back: nothing is copied over it until it is released
    )
    held_at: datetime | None = None
    upstream_since: datetime | None = None  # since when upstream has its digest, as far as known
    quarantined_until: datetime | None = None  # its digest is not copied before; None: it may be
    released_digest: str | None = None  # upstream's digest that a person has let through
    kept_digest: str | None = None  # upstream's digest that a person does not want
    holds_changes: bool | None = None  # by its item's rule, no other digest than the mirrored one is copied
    finding: FindingKind | None = None  # what the last check found wrong with it at the target

    @classmethod
    def only_at_target(cls, key: int, item: "ItemKey", tag: str, *, reason: str, gone_at: datetime) -> "TagRecord":
        """What is recorded of a tag that the target alone has."""
        values: dict[str, Any] = dict.fromkeys(each.name for each in fields(cls))
        values |= {"id": key, "item": item.name, "source": item.source, "target": item.target, "tag": tag}
        return cls(**{**values, "status": "skipped", "reason": reason, "attempts": 0, "gone_at": gone_at})

    @property
    def is_mirrored(self) -> bool:
        """Whether the target has the tag by Ferryman's doing, as far as known; also if it was imported."""
        return self.status == "synced" or self.mirrored_digest is not None

    @property
    def is_unmirrored(self) -> bool:
        """Whether nothing is to be copied, and Ferryman has put no such tag at the target."""
        return self.status == "skipped" and self.mirrored_digest is None

    @property
    def is_foreign(self) -> bool:
        """Whether the target has a tag of this name that Ferryman did not put there."""
        return self.is_unmirrored and self.target_digest is not None

    @property
    def held_by(self) -> Hold | None:
        """Why nothing is copied over it; None: nothing holds it."""
        if self.hold is not None:
            return self.hold
        if not is_change_held(
            self.source_digest, mirrored=self.mirrored_digest, released=self.released_digest, kept=self.kept_digest,
            holds_changes=self.holds_changes,
        ):  # fmt: skip
            return None
        return "kept" if self.source_digest == self.kept_digest else "changed"

    @property
    def held_since(self) -> datetime | None:
        """Since when; None: nothing holds it."""
        return self.held_at if self.hold is not None else self.moved_at if self.held_by else None

    @property
    def has_failed(self) -> bool:
        """Whether it failed, or was mirrored before and cannot be read now."""
        return self.status == "failed" or (self.status == "synced" and self.error is not None)


@dataclass(frozen=True, slots=True)
class WaitingTag:
    """A queued tag."""

    id: int
    item: str
    source: str
    target: str
    tag: str
    rank: int  # among its item's wanted tags: the newest of all items are copied first
    run_at: datetime | None  # not before; None: once the login at its registry is accepted
    reason: str | None  # what it waits for: a planner's reason, an error kind, or `paused`
    attempts: int
    error: str | None
    error_kind: str | None
    error_registry: str | None
    pushed_at: datetime | None
    quarantined_until: datetime | None = None  # its digest is not copied before


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed tag: what a worker needs to copy it, and the token of the lease that guards its write-back."""

    id: int
    item: str
    source: str
    target: str
    tag: str
    digest: str  # the upstream digest to copy
    platforms: str | None  # as in items.yml; None: the transport's default
    attempt: int  # 1-based
    token: str
    overwrites: bool = False  # the target's tag is known to exist


@dataclass(frozen=True, slots=True)
class Share:
    """How many tags of one source registry a process may run at once, so that a slow one cannot occupy all workers."""

    most: int
    registries: frozenset[str]  # all source registries; a single one may use all workers


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt at copying one tag, kept for 30 days."""

    started_at: datetime
    finished_at: datetime
    outcome: Outcome
    digest: str | None
    bytes_moved: int
    bytes_reused: int
    error: str | None
    error_kind: str | None
    error_registry: str | None = None  # that caused the error


@dataclass(frozen=True, slots=True)
class RegistryState:
    """A registry that is paused after a refused login, or until a rate limit ends."""

    registry: str
    until: datetime | None  # None: until the login is accepted, other credentials are found, or `requeue`
    error: str
    since: datetime
    tried_at: datetime | None = None  # the last login there; None: unknown
    tries: int = 0  # refused logins since it was paused


@dataclass(frozen=True, slots=True)
class PausedRegistries:
    """The registries that are paused, and when the last pauses of others ended. A pause changes no tag."""

    states: Mapping[str, RegistryState]  # by host
    ended: Mapping[str, datetime]

    def of_item(self, target: str, source: str) -> RegistryState | None:
        """The pause that holds the item's tags back: the longer one, if both of its registries are paused."""
        found = [self.states[host] for host in registries_of(target, source) if host in self.states]
        return next((each for each in found if each.until is None), None) or max(
            found, key=lambda each: each.until or each.since, default=None
        )

    def open_since(self, target: str, source: str) -> datetime | None:
        """Since when no pause holds the item's tags back any more; None: as far as known, none ever did."""
        hosts = registries_of(target, source)
        return max((self.ended[host] for host in hosts if host in self.ended), default=None)


def registries_of(target: str, source: str) -> tuple[str, str]:
    """The two registries of an item: of its source, which may be given by its registry alone, and of its target."""
    return source.partition("/")[0], target.partition("/")[0]


@dataclass(frozen=True, slots=True)
class ItemKey:
    """An item, as the store records it. `target` is its identity."""

    name: str
    source: str  # registry/namespace/image
    target: str
    platforms: str | None  # as `str(Platforms)`; None: the transport's default


@dataclass(frozen=True, slots=True)
class SeenTag:
    """One tag, as a walk listed it. Fields that the list omits are None."""

    tag: str
    digest: str | None
    pushed_at: datetime | None
    platform_digests: Mapping[str, str | None] | None = None
    probed: bool = False  # upstream was asked for the digest


@dataclass(frozen=True, slots=True)
class PlannedTag:
    """The planner's decision for one tag that a walk listed, or that is recorded.

    copy: enqueue it.  keep: the target has it.  adopt: an imported record turned out to have upstream's current digest:
    record that.  skip: it is not wanted, for `reason` (and `error`, for details); what was mirrored stays synced.
    fail: it is wanted but cannot be read, because of `error`; what was mirrored stays synced, with this error.
    wait: it is wanted and has failed, for `reason`, and it is too early to try it again; or its item is frozen: nothing
    changes.
    """

    tag: str
    action: Action
    reason: str
    rank: int = 0  # place among its item's wanted tags, the newest is 0: the newest tags of all items are copied first
    # The tag as the planner read it: workers and users may change it during a walk.
    status: Status | None = None
    synced_at: datetime | None = None
    error: str | None = None
    error_kind: str | None = None
    error_registry: str | None = None
    digest: str | None = None  # upstream's, which the decision is about
    since: datetime | None = None  # since when upstream has it, as far as known
    matures_at: datetime | None = None  # it is not copied before; None: it may be
    holds_changes: bool = False  # once it is mirrored, another digest is not copied over it


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at an item found, beside its tags: recorded with what it enqueued."""

    tags: int  # that upstream has
    complete: bool  # the list was read to its end


@dataclass(frozen=True, slots=True)
class MirroredTag:
    """A mirrored tag, as recorded: what a verification compares with the target."""

    id: int
    tag: str
    source: str  # registry/namespace/image
    target: str  # registry/namespace/image
    digest: str | None  # the target's digest after the copy; None: imported from the old history
    source_digest: str | None  # upstream's, that a repair copies
    gone: bool  # upstream no longer lists it
    checked_at: datetime | None  # when the target was last asked; None: never, or not since the database was restored
    intact_at: datetime | None  # when the target was last known to have it; None: as above
    damaged: bool  # the last check has found something
    held: bool  # what upstream has now is not to be copied, until a person releases it


@dataclass(frozen=True, slots=True)
class Damage:
    """What a check has found wrong with a mirrored tag at the target."""

    finding: FindingKind
    found: str | None = None  # the digest that the tag names; None: there is no such tag
    detail: str | None = None  # what is missing of its contents, for people
    lacking: frozenset[str] = frozenset()  # the digests that are missing


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of one tag's check, to be recorded."""

    held: MirroredTag
    damage: Damage | None = None  # None: intact
    repair: RepairOutcome = "none"
    moved: bool = False  # upstream's tag names another digest than the one on record

    @property
    def is_repaired(self) -> bool:
        """Whether the tag was repaired, or is queued for that."""
        return self.repair in {"queued", "restored"}

    @property
    def is_well(self) -> bool:
        """Whether the target has the tag now."""
        return self.damage is None or self.repair == "restored"


@dataclass(frozen=True, slots=True)
class KeptDigest:
    """A digest that has a tag of Ferryman's own at a target, since its own tag was overwritten."""

    target: str
    digest: str
    kept_at: datetime
    state: Literal["pending", "kept", "leaving"]  # not confirmed yet; there; being removed


@dataclass(frozen=True, slots=True)
class PendingRollback:
    """A rollback that has begun: the target's tag has its digest, or still the one before."""

    id: int  # of the tag
    target: str
    tag: str
    digest: str
    actor: str
    owner: str  # the process that does it
    began_at: datetime


@dataclass(frozen=True, slots=True)
class PruneMark:
    """A tag of a target that the rules no longer want, and that goes when it is due."""

    id: int  # of the tag
    target: str
    tag: str
    reason: str  # why the rules do not want it
    marked_at: datetime
    due_at: datetime
    state: Literal["marked", "leaving"] = "marked"  # leaving: it is being removed
    owner: str | None = None  # leaving: the process that does it
    actor: str | None = None  # leaving: the person who wants that; None: items.yml does
    began_at: datetime | None = None  # leaving: since when


@dataclass(frozen=True, slots=True)
class PlannedPrune:
    """What the next cycle does with a tag of the target that the rules no longer want."""

    action: PruneAction
    due_at: datetime


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One (tag, digest) pair that was mirrored: a line of the old files. `digest` may be the word Unknown."""

    tag: str
    digest: str
    pushed_at: datetime | None


@dataclass(frozen=True, slots=True)
class Walk:
    """How an item's repository was last listed."""

    walked_at: datetime  # of the last successful walk
    completed_at: datetime  # of the last walk that listed everything (or of the first one)
    rules: str  # fingerprint of the rules it was planned with: if it changes, the next walk is a complete one
    listed_at: datetime | None = None  # when the last one that was no quiet look was recorded


@dataclass(frozen=True, slots=True)
class Settled:
    """A look that has left all rows as they were. So will the next one, if list, rules and rows are the same then."""

    fingerprint: str  # of list, rules and rows
    pages: int  # of the list that were read
    complete: bool  # those were all
    until: datetime  # then copies at the target are to be checked


@dataclass(frozen=True, slots=True)
class Applied:
    """What one plan changed in the queue."""

    enqueued: int
    withdrawn: int  # were queued, but are not wanted any more


@dataclass(frozen=True, slots=True)
class Outstanding:
    """The remaining work, in tags."""

    due: int  # queued, may run now
    waiting: int  # queued, for a retry or the end of a rate limit, at `next_at` or later
    held: int  # queued, until a registry accepts the login
    running: int
    next_at: datetime | None  # when the first waiting tag may run
    paused: int = 0  # queued, but paused by a person; in none of the other numbers
    quarantined: int = 0  # queued, but too young; in none of the other numbers


@dataclass(frozen=True, slots=True)
class ManualPause:
    """A pause by a person, which only a person ends."""

    scope: PauseScope
    name: str  # of an item: its target repository; of a registry: its host; of all: empty
    since: datetime
    actor: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class Freeze:
    """An item whose upstream has collapsed: nothing of it is copied, marked gone or overwritten."""

    target: str
    item: str
    source: str  # registry/namespace/image
    reason: FreezeReason
    since: datetime
    looked_at: datetime  # when the last look that found it so began
    wanted: int  # tags that the rules want, by the record
    left: int  # of these, those that upstream has as they were
    detail: str  # for people
    released_at: datetime | None = None  # a person has accepted it: the next look takes upstream as it is


@dataclass(frozen=True, slots=True)
class Collapse:
    """A look has found that upstream collapsed: its item is to be frozen."""

    reason: FreezeReason
    wanted: int  # tags that the rules want, by the record
    left: int  # of these, those that upstream has as they were
    lost: Mapping[str, str | None]  # mirrored tags that it has not, with the digests that they name there now
    detail: str  # for people


@dataclass(frozen=True, slots=True)
class LostTag:
    """A mirrored tag of a frozen item that upstream does not have any more as it was."""

    id: int
    tag: str
    mirrored_digest: str | None  # the upstream digest whose copy the target has; None: imported, and not known
    found: str | None  # the digest that upstream's tag names now; None: there is no such tag
    synced_at: datetime | None


@dataclass(frozen=True, slots=True)
class Paused:
    """All pauses by persons that are in force, and the frozen items. False: there are none of either."""

    everything: ManualPause | None = None
    items: Mapping[str, ManualPause] = field(default_factory=dict)  # by target repository
    registries: Mapping[str, ManualPause] = field(default_factory=dict)  # by host
    frozen: frozenset[str] = frozenset()  # by target repository: nothing is copied, as in a pause, but it is looked at

    @classmethod
    def of(cls, pauses: Collection[ManualPause], frozen: Collection[str] = ()) -> "Paused":
        """Sort the pauses by what they pause."""
        return cls(
            next((each for each in pauses if each.scope == "all"), None),
            {each.name: each for each in pauses if each.scope == "item"},
            {each.name: each for each in pauses if each.scope == "registry"},
            frozenset(frozen),
        )

    def holds(self, target: str, source: str) -> bool:
        """Whether nothing of the item is copied: it is paused or frozen."""
        return target in self.frozen or self.of_item(target, source) is not None

    def of_item(self, target: str, source: str) -> ManualPause | None:
        """The widest pause that holds the item back; None: it is not paused. Either of its registries may be."""
        hosts = registries_of(target, source)
        of_registry = next((self.registries[host] for host in hosts if host in self.registries), None)
        return self.everything or of_registry or self.items.get(target)

    @property
    def all(self) -> list[ManualPause]:
        """Every pause, the widest first."""
        everything = [self.everything] if self.everything else []
        return [*everything, *self.registries.values(), *self.items.values()]

    def __bool__(self) -> bool:
        return bool(self.everything or self.items or self.registries or self.frozen)


ActionName = Literal[
    "requeue",
    "pause",
    "resume",
    "cancel",
    "look",
    "forget",
    "try-login",
    "verify",
    "rollback",
    "release",
    "keep",
    "prune",
]


@dataclass(frozen=True, slots=True)
class Intent:
    """What a person asks for: recorded in the audit log together with what it changes."""

    actor: str  # `cli:<user>@<host>`, or `token:<name>`
    action: ActionName
    subject: str  # what it was done to: items by their targets, a tag as target:tag, a registry by its host
    detail: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """What a person did. Kept for a year."""

    id: int  # in the order of time
    at: datetime
    actor: str
    action: ActionName
    subject: str
    number: int | None  # of tags that it changed, where it changes tags
    detail: str | None
