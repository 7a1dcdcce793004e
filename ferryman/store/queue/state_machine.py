"""The state transitions of one tag by a walk and its plan: pure, so that all can be tested without a database.

The table of transitions is at the head of `queue.py`. Those of the lease are made in SQL (`statements.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from ferryman.store.records import (
    CANCELLED,
    HELD_CHANGED,
    KEPT,
    QUARANTINE,
    PlannedTag,
    SeenTag,
    Status,
    is_change_held,
)


@dataclass(slots=True)
class TagState:
    """The columns of `tags` that `Queue.apply` may change. The default values are those of an unknown tag."""

    status: Status = "skipped"
    reason: str | None = None
    rank: int = 0
    withdrawn: bool = False
    source_digest: str | None = None
    pushed_at: datetime | None = None
    platform_digests: Mapping[str, str | None] | None = None
    first_seen_at: datetime | None = None
    gone_at: datetime | None = None
    mirrored_digest: str | None = None
    synced_at: datetime | None = None
    attempts: int = 0
    run_at: datetime | None = None
    error: str | None = None
    error_kind: str | None = None
    error_registry: str | None = None
    failed_at: datetime | None = None
    moved_at: datetime | None = None
    hold: str | None = None
    upstream_since: datetime | None = None
    quarantined_until: datetime | None = None
    released_digest: str | None = None
    kept_digest: str | None = None
    holds_changes: bool | None = None

    def mark_listed(self, seen: SeenTag, now: datetime) -> None:
        """Upstream lists the tag. Fields that the list omits keep their values, unless the digest is another one."""
        self.gone_at = None
        self.first_seen_at = self.first_seen_at or now
        if seen.digest is not None and seen.digest != self.source_digest:
            self.moved_at = now if self.source_digest is not None else self.moved_at
            self.source_digest, self.pushed_at, self.platform_digests = seen.digest, None, None
            self.upstream_since = self.quarantined_until = None
            if self.status == "queued":
                self._start_round("changed", now)
        if seen.pushed_at is not None:
            self.pushed_at = seen.pushed_at
        if seen.platform_digests is not None:
            self.platform_digests = dict(seen.platform_digests)

    def mark_gone(self, now: datetime) -> None:
        """Upstream no longer lists the tag: its record and its copy stay, but it is not copied any more."""
        self.gone_at = self.gone_at or now
        self._skip("gone")

    def apply_plan(self, planned: PlannedTag, now: datetime) -> None:
        """Make the transition that the planner decided. A running tag keeps running."""
        self.holds_changes = planned.holds_changes or None
        self._quarantine(planned, now)
        if planned.action not in {"adopt", "skip"} and self._hold_back(planned):
            return
        if self._is_newer_than(planned):
            return
        if planned.action == "copy" and self.source_digest is None:
            self._skip("no-digest")
        elif planned.action == "copy":
            self._enqueue(planned, now)
        elif planned.action == "skip":
            self._skip(planned.reason, error=planned.error, kind=planned.error_kind)
        elif planned.action == "fail":
            self._mark_unreadable(planned, now)
        elif planned.action != "wait":
            self._keep(adopt=planned.action == "adopt")

    def _hold_back(self, planned: PlannedTag) -> bool:
        """Take a tag out of the queue whose upstream digest must not be copied over the mirrored one.

        Whatever the planner has said: another look may have found that digest since. True: nothing else is to be done.
        """
        if self.hold is not None or not self._is_change_held():
            return False
        if self.status == "running":
            self.withdrawn = True
            return True
        if planned.action == "fail" and self.status != "queued":
            return False
        self._set_status("synced", KEPT if self.source_digest == self.kept_digest else HELD_CHANGED)
        return planned.action != "fail"

    def _is_change_held(self) -> bool:
        return is_change_held(
            self.source_digest, mirrored=self.mirrored_digest, released=self.released_digest, kept=self.kept_digest,
            holds_changes=self.holds_changes,
        )  # fmt: skip

    def _quarantine(self, planned: PlannedTag, now: datetime) -> None:
        """Hold the digest back until it is old enough, unless it was let through after the planner had read the tag."""
        if planned.digest != self.source_digest:  # another look has found another one since
            return
        was_let_through = self.source_digest in {self.mirrored_digest, self.released_digest}
        until = None if was_let_through else planned.matures_at
        self.upstream_since = planned.since
        before, self.quarantined_until = self.quarantined_until, until
        if self.status == "queued" and self.run_at is not None:
            waited_only_for_that = before is not None and self.run_at == before
            self.run_at = self._not_before_matured(now if waited_only_for_that else self.run_at)
            if until is not None and until > now:
                self.reason = QUARANTINE
            elif until is None and self.reason == QUARANTINE:
                self.reason = None

    def _not_before_matured(self, moment: datetime) -> datetime:
        return max(moment, self.quarantined_until or moment)

    def _is_newer_than(self, planned: PlannedTag) -> bool:
        """Whether the tag was copied, cancelled or requeued after the planner had read it."""
        if (self.status, self.synced_at) == (planned.status, planned.synced_at):
            return False
        if self.reason == CANCELLED:  # only the next look tries it again
            return planned.action != "skip"
        if planned.action == "copy":
            return self.status == "synced" and self.mirrored_digest == self.source_digest
        return self.status == "queued" and planned.action != "skip"

    def _enqueue(self, planned: PlannedTag, now: datetime) -> None:
        self.rank = planned.rank
        if self.status == "running":
            self.withdrawn = False
        elif self.hold is not None:  # by a person, after the planner had read it
            return
        elif self.status != "queued":
            self._start_round(planned.reason, now)
        elif self.run_at is None:  # a process of an older version, that still ran, has held it back
            self.run_at = self._not_before_matured(now)

    def _keep(self, *, adopt: bool) -> None:
        if self.status == "running":
            self.withdrawn = False
            return
        if adopt:
            self.mirrored_digest = self.source_digest
        self._set_status("synced", None)

    def _mark_unreadable(self, planned: PlannedTag, now: datetime) -> None:
        """The tag is wanted, but upstream's cannot be read. What was mirrored stays synced; a queued tag is copied."""
        if self.status == "running":
            self.withdrawn = False
        elif self.status != "queued":
            was_mirrored = self.status == "synced" or self.mirrored_digest is not None
            failed_at = self.failed_at or now
            self._set_status("synced" if was_mirrored else "failed", planned.reason)
            self.rank, self.failed_at = planned.rank, failed_at
            self.error, self.error_kind, self.error_registry = planned.error, planned.error_kind, planned.error_registry

    def _skip(self, reason: str, *, error: str | None = None, kind: str | None = None) -> None:
        """The tag becomes skipped; what was mirrored before stays synced. `error`: details, beside the reason."""
        if self.status == "running":
            self.withdrawn = True
        elif self.status == "skipped" and self.reason == reason:
            pass  # the error that a worker recorded stays readable
        elif self.status == "synced" or self.mirrored_digest is not None:
            self._set_status("synced", None)
        else:
            self._set_status("skipped", reason)
            self.error, self.error_kind = error, kind

    def _start_round(self, reason: str, now: datetime) -> None:
        self._set_status("queued", reason)
        self.attempts, self.run_at = 0, self._not_before_matured(now)

    def _set_status(self, status: Status, reason: str | None) -> None:
        self.status, self.reason = status, reason
        self.run_at = self.error = self.error_kind = self.error_registry = None
        if status in {"synced", "skipped"}:
            self.failed_at = None


COLUMNS = tuple(field.name for field in fields(TagState))
