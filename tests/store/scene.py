"""Helpers of the store's tests: a clock, and a queue with the tags of one item."""

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from ferryman.store.ledger import Ledger
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Applied, HistoryLine, ItemKey, Job, Look, PlannedTag, SeenTag, TagRecord, Walk

LEASE = timedelta(seconds=60)
MAX_ATTEMPTS = 3
START = datetime(2026, 1, 1, tzinfo=UTC)
ITEM = ItemKey("etcd", "quay.io/coreos/etcd", "registry.example.com/mirror/etcd", None)


def digest(letter: str) -> str:
    """A well-formed digest of one repeated letter."""
    return f"sha256:{letter * 64}"


class ManualClock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self._now = START
        self._passed = timedelta()

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._passed.total_seconds()

    async def sleep(self, seconds: float) -> None:
        self.advance(timedelta(seconds=seconds))

    def advance(self, by: timedelta) -> datetime:
        self._now += by
        self._passed += by
        return self._now

    def set_by(self, difference: timedelta) -> datetime:
        """Set the clock forward or back; the monotonic time stays."""
        self._now += difference
        return self._now


class Scene:
    """Brings one item's tags into any status, and reads them."""

    def __init__(self, queue: Queue, ledger: Ledger, clock: ManualClock) -> None:
        self.queue = queue
        self.ledger = ledger
        self.clock = clock

    async def walk(
        self,
        seen: Mapping[str, str | None] = MappingProxyType({}),
        *,
        item: ItemKey = ITEM,
        gone: Collection[str] = (),
        planned: Mapping[str, str] | None = None,
        pushed_at: datetime | None = None,
        platforms: Mapping[str, str | None] | None = None,
        known: Mapping[str, TagRecord] | None = None,
        began_at: datetime | None = None,
        look: Look | None = None,
        holds_changes: bool = False,
    ) -> Applied:
        """Apply a walk that lists these tags with these digests. `planned`: actions by tag; by default `copy` for all.

        `known`: the records that the planner has read, at `began_at`; by default the current ones, now.
        `holds_changes`: another digest than the mirrored one is not copied.
        """
        found = [SeenTag(tag, value, pushed_at, platforms) for tag, value in seen.items()]
        actions = dict.fromkeys(seen, "copy") if planned is None else planned
        if known is None:
            known = await self.ledger.known(item.target)
        decided = [
            PlannedTag(
                tag, action, "a rule" if action == "skip" else "new", rank,  # type: ignore[arg-type]  # a str
                status=known[tag].status if tag in known else None,
                synced_at=known[tag].synced_at if tag in known else None,
                holds_changes=holds_changes,
            )
            for rank, (tag, action) in enumerate(actions.items())
        ]  # fmt: skip
        began = began_at or self.clock.now()
        walk = Walk(began, began, "rules")
        return await self.queue.apply(item, found, gone=gone, planned=decided, walk=walk, look=look)

    async def running(self, tag: str = "v1", value: str = "a") -> Job:
        """The tag, enqueued and claimed."""
        await self.walk({tag: digest(value)})
        return await self.claimed()

    async def claimed(self) -> Job:
        job = await self.queue.claim()
        assert job is not None
        return job

    async def lapse(self) -> int:
        """Let the current leases lapse, as seen by this process. Returns the number of requeued tags."""
        await self.queue.reclaim()
        self.clock.advance(LEASE)
        return await self.queue.reclaim()

    async def succeed(self, job: Job) -> bool:
        return await self.queue.succeed(
            job, started_at=self.clock.now(), target_digest=digest("f"), identical=False, bytes_moved=7, bytes_reused=5
        )

    async def fail(
        self, job: Job, *, kind: str = "unreachable", retry_at: datetime | None = None, registry: str | None = None
    ) -> bool:
        return await self.queue.fail(
            job, started_at=self.clock.now(), kind=kind, error="it broke", retry_at=retry_at, registry=registry
        )

    async def skip(self, job: Job) -> bool:
        return await self.queue.skip(job, started_at=self.clock.now(), reason="platform", error="no such platform")

    async def record(self, tag: str = "v1", *, item: ItemKey = ITEM) -> TagRecord:
        found = await self.ledger.tag(item.target, tag)
        assert found is not None
        return found

    async def history(self) -> list[tuple[str, HistoryLine]]:
        """Every line of the old files, with its source."""
        return [(source, line) async for source, lines in self.ledger.history() for line in lines]
