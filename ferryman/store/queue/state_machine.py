"""What a walk and its plan mean for one tag: pure, so that every move can be tested without a database.

The moves are those of the table at the head of `queue.py`; the lease's side of it is there, in SQL.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime

from ferryman.store.records import PlannedTag, SeenTag, Status


@dataclass(slots=True)
class TagState:
    """What `apply` may change of a tag: columns of `tags`. A new one is a tag never seen before."""

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

    def see(self, seen: SeenTag, now: datetime) -> None:
        """Upstream lists the tag. What the list does not tell stays known, unless it speaks of another digest."""
        self.gone_at = None
        self.first_seen_at = self.first_seen_at or now
        if seen.digest is not None and seen.digest != self.source_digest:
            self.source_digest, self.pushed_at, self.platform_digests = seen.digest, None, None
            if self.status == "queued":
                self._start_round("changed", now)
        if seen.pushed_at is not None:
            self.pushed_at = seen.pushed_at
        if seen.platform_digests is not None:
            self.platform_digests = dict(seen.platform_digests)

    def lose(self, now: datetime) -> None:
        """Upstream no longer lists the tag: its record and its copy stay, but there is nothing to copy."""
        self.gone_at = self.gone_at or now
        self._leave_out("gone")

    def judge(self, planned: PlannedTag, now: datetime) -> None:
        """Do what the planner decided. A running tag keeps running, whatever it says."""
        if self._is_ahead_of(planned):
            return
        if planned.action == "copy" and self.source_digest is None:
            self._leave_out("no-digest")
        elif planned.action == "copy":
            self._want(planned, now)
        elif planned.action == "skip":
            self._leave_out(planned.reason, error=planned.error, kind=planned.error_kind)
        elif planned.action == "fail":
            self._miss(planned)
        else:
            self._have(adopt=planned.action == "adopt")

    def _is_ahead_of(self, planned: PlannedTag) -> bool:
        """Whether the tag was copied, or requeued, while the planner still looked at what it was before."""
        if (self.status, self.synced_at) == (planned.status, planned.synced_at):
            return False
        if planned.action == "copy":
            return self.status == "synced" and self.mirrored_digest == self.source_digest
        return self.status == "queued" and planned.action != "skip"

    def _want(self, planned: PlannedTag, now: datetime) -> None:
        self.rank = planned.rank
        if self.status == "running":
            self.withdrawn = False
        elif self.status != "queued":
            self._start_round(planned.reason, now)
        elif self.run_at is None:  # held: due, unless its registry is still paused
            self.run_at = now

    def _have(self, *, adopt: bool) -> None:
        if self.status == "running":
            self.withdrawn = False
            return
        if adopt:
            self.mirrored_digest = self.source_digest
        self._rest("synced", None)

    def _miss(self, planned: PlannedTag) -> None:
        """Wanted, and unreadable: what was mirrored before stays so; of what is queued, its copy tells."""
        if self.status == "running":
            self.withdrawn = False
        elif self.status != "queued":
            was_mirrored = self.status == "synced" or self.mirrored_digest is not None
            self._rest("synced" if was_mirrored else "failed", planned.reason)
            self.rank, self.error, self.error_kind = planned.rank, planned.error, planned.error_kind

    def _leave_out(self, reason: str, *, error: str | None = None, kind: str | None = None) -> None:
        """Not to be copied: what was mirrored before stays synced. `error`: what more there is to say of it."""
        if self.status == "running":
            self.withdrawn = True
        elif self.status == "skipped" and self.reason == reason:
            pass  # the error that a worker wrote down stays readable
        elif self.status == "synced" or self.mirrored_digest is not None:
            self._rest("synced", None)
        else:
            self._rest("skipped", reason)
            self.error, self.error_kind = error, kind

    def _start_round(self, reason: str, now: datetime) -> None:
        self._rest("queued", reason)
        self.attempts, self.run_at = 0, now

    def _rest(self, status: Status, reason: str | None) -> None:
        self.status, self.reason = status, reason
        self.run_at = self.error = self.error_kind = None


COLUMNS = tuple(field.name for field in fields(TagState))
