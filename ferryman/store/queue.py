"""The queue: which tags are to be copied, who copies them now, and what came of it.

One row of `tags` is one tag of one item, and its `status` is its place in the queue, so a tag cannot be
queued twice, and neither can two workers hold it: every write-back names the lease's token.

    (new) --apply--> queued --claim--> running --succeed--> synced
                       ^  ^               |------fail-----> failed   (for good; with retry_at: queued again)
                       |  |               |------skip-----> skipped
                       |  '--hand_back / defer / reclaim----'        (no result: not counted as an attempt)
                       '--- apply (changed upstream) / requeue --- synced, failed, skipped
    queued --apply (not wanted any more)--> synced (it was mirrored before) or skipped
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from ferryman.clock import Clock
from ferryman.store.records import Applied, ItemKey, Job, Outstanding, RegistryState, SeenTag, Verdict, Walk


class Queue:
    """The queue of one process. `owner` names the process (see owners.py)."""

    def __init__(self, database: "Database", *, owner: str, clock: Clock, lease: timedelta) -> None: ...

    async def apply(self, item: ItemKey, seen: Sequence[SeenTag], *, gone: Collection[str], verdicts: Sequence[Verdict], walk: Walk) -> Applied:
        """Record what a walk saw and enqueue what the planner wants, in one transaction.

        A running tag keeps running: should upstream have changed meanwhile, `succeed` queues it again.
        A failed or skipped tag that is wanted (`copy`) starts a new round: attempts 0, error cleared.
        A tag that is queued already keeps its attempts and run_at (a new digest starts a new round).
        Tags of a paused registry are enqueued held.
        """

    async def claim(self) -> Job | None:
        """Take the next due tag under a new lease, or None. One UPDATE … RETURNING."""

    async def beat(self) -> frozenset[str]:
        """Renew every lease of this owner in one statement; the tokens that are still ours. Run it every third of a lease."""

    async def succeed(self, job: Job, *, started_at: datetime, target_digest: str, identical: bool, bytes_moved: int, bytes_reused: int) -> bool:
        """synced (or queued again, if upstream has moved on). False: the lease was lost, nothing was written."""

    async def fail(self, job: Job, *, started_at: datetime, kind: str, error: str, retry_at: datetime | None) -> bool:
        """failed for good, or queued again for `retry_at`. False: the lease was lost."""

    async def skip(self, job: Job, *, started_at: datetime, reason: str, error: str) -> bool:
        """skipped: the source has nothing for us. False: the lease was lost."""

    async def hand_back(self, job: Job) -> bool:
        """Queued again at once, the attempt not counted: the worker stops."""

    async def defer(self, job: Job, *, until: datetime | None, reason: str, error: str) -> bool:
        """Queued again for `until` (None: held), the attempt not counted: its registry wants to be left alone."""

    async def reclaim(self, dead_owners: Collection[str] = ()) -> int:
        """Queue again what expired leases, and those of dead processes, hold; the latter's attempts don't count."""

    async def hold(self, registry: str, *, until: datetime | None, error: str, fingerprint: str | None = None) -> None:
        """Let none of a registry's queued tags (as source or target) run before `until`; None: before `let_go`."""

    async def let_go(self, registry: str | None = None) -> int:
        """Lift the pause of one registry (None: all); its held tags, and those that failed with kind `login`, are due now."""

    async def held(self) -> list[RegistryState]: ...

    async def fingerprint_of(self, registry: str) -> str | None:
        """The fingerprint that was given to `hold`."""

    async def requeue(self, *, failed: bool = False, targets: Collection[str] = (), tag: str | None = None) -> int:
        """Queue again, in a new round: every failed tag, or those of these targets, or one tag of theirs. Lifts pauses that stand in the way."""

    async def withdraw_items(self, targets: Collection[str]) -> int:
        """Take out of the queue what belongs to items that items.yml no longer has (targets: those that it has)."""

    async def outstanding(self, targets: Collection[str] | None = None) -> Outstanding: ...
