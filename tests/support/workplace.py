"""The environment of a worker pool in tests: a real database, a real target, and a scripted transport."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Coroutine, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from ferryman import event_log
from ferryman.events import Event, Events, JobEnded, JobProgressed, JobStarted
from ferryman.platforms import Platforms
from ferryman.reference import Reference
from ferryman.registry.client import RegistryClient
from ferryman.registry.limits.concurrency import ConcurrencyLimit
from ferryman.registry_pauses import RegistryPauses
from ferryman.rollback.keeper import Keeper
from ferryman.signatures.verifier import SignatureVerifier
from ferryman.store.database.database import Database
from ferryman.store.kept_digests import KeptDigests
from ferryman.store.ledger import Ledger
from ferryman.store.queue.lease_owners import Owner
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Attempt, ItemKey, Job, PlannedTag, SeenTag, TagRecord, Walk
from ferryman.store.signatures import SignatureLog
from ferryman.transports.base import Copied, Overwriting, ProgressSink
from ferryman.worker import RetryPolicy, Worker
from ferryman.worker_pool import EngineShare, WorkerPool
from tests.support.clock import PatientClock, Unwaiting
from tests.support.images import Image, image, layer, push
from tests.support.upstreams import made_up_digest
from tests.support.zuul_registry import Registry

LEASE = timedelta(seconds=60)
POLICY = RetryPolicy(max_attempts=3, delay=timedelta(seconds=10))
SOURCE = "quay.io/coreos/etcd"

_Q = TypeVar("_Q", bound=Queue)
Act = Callable[[Reference, ProgressSink], Awaitable[Copied]]  # what a transport does for one target


def tiny(text: str) -> Image:
    """A different image for every text."""
    return image([layer({"file": text.encode()})])


class ScriptedTransport:
    """Pushes a small image for every tag, unless the test scripts something else."""

    def __init__(self, target: Registry) -> None:
        self.asked: list[str] = []  # the tags, in order
        self.sources: list[str] = []
        self.platforms: list[Platforms | None] = []
        self.cancelled: list[str] = []
        self._target = target
        self._acts: dict[str, list[Act]] = defaultdict(list)

    def on(self, tag: str, *acts: Act) -> None:
        """Do these in turn for the tag, then push as usual."""
        self._acts[tag] += acts

    def fail(self, error: Exception, *tags: str) -> None:
        """Raise this once for each of the tags."""
        for tag in tags:
            self.on(tag, raises(error))

    def hold(self, tag: str) -> "Gate":
        """Stop before the tag's image is pushed, until the gate is opened."""
        gate = Gate(self.push)
        self.on(tag, gate)
        return gate

    async def copy(
        self,
        source: Reference,
        target: Reference,
        platforms: Platforms | None,
        progress: ProgressSink,
        *,
        overwriting: Overwriting | None = None,
    ) -> Copied:
        tag = str(target.tag)
        self.asked.append(tag)
        self.sources.append(str(source))
        self.platforms.append(platforms)
        if overwriting is not None:
            await overwriting(None)
        act = self._acts[tag].pop(0) if self._acts[tag] else self.push
        try:
            return await act(target, progress)
        except asyncio.CancelledError:
            self.cancelled.append(tag)
            raise

    async def push(self, target: Reference, progress: ProgressSink) -> Copied:
        """The result of a successful copy."""
        made = tiny(str(target.tag))
        progress("push:layer", 0, None)
        progress("push:layer", 2000, 2000)
        digest = await asyncio.to_thread(push, self._target.url, target.repository.name, str(target.tag), made)
        return Copied(digest, identical=False, bytes_moved=2000, bytes_reused=100)

    async def aclose(self) -> None: ...


def raises(error: Exception) -> Act:
    async def act(target: Reference, progress: ProgressSink) -> Copied:
        raise error

    return act


class Gate:
    """A scripted copy that waits in the middle."""

    def __init__(self, then: Act) -> None:
        self.reached = asyncio.Event()
        self._open = asyncio.Event()
        self._then = then

    def open(self) -> None:
        self._open.set()

    async def __call__(self, target: Reference, progress: ProgressSink) -> Copied:
        self.reached.set()
        await self._open.wait()
        return await self._then(target, progress)


class Watcher:
    """An observer that writes everything down, and tells when so many jobs have ended."""

    def __init__(self) -> None:
        self.started_tags: list[str] = []
        self.progress: list[tuple[str, str, int, int | None]] = []
        self.outcomes: list[tuple[str, str]] = []  # tag, outcome
        self.events: list[Event] = []
        self.on_end: Callable[[], object] = lambda: None

    @property
    def ends(self) -> list[JobEnded]:
        return [event for event in self.events if isinstance(event, JobEnded)]

    def observe(self, event: Event) -> None:
        self.events.append(event)
        match event:
            case JobStarted(job):
                self.started_tags.append(job.tag)
            case JobProgressed(job, part, done, total):
                self.progress.append((job.tag, part, done, total))
            case JobEnded():
                self.outcomes.append((event.job.tag, event.outcome))
                self.on_end()


class Workplace:
    """Enqueues items, runs pools, and reads the record."""

    def __init__(self, database: Database, target: Registry, client: RegistryClient, name: str) -> None:
        self.database = database
        self.target = target
        self.client = client
        self.clock = PatientClock()
        self.events = Events()
        self.watcher = Watcher()
        self.events.subscribe(event_log.write)
        self.events.subscribe(self.watcher.observe)
        self.owner = Owner.claim(database)
        self.queue = self.queue_of(self.owner.name)
        self.ledger = Ledger(database, clock=self.clock)
        self.pauses = RegistryPauses(queue=self.queue, registry=client, clock=Unwaiting(self.clock), events=self.events)
        self.transport = ScriptedTransport(target)
        self.verifier: SignatureVerifier | None = None  # most items ask for no signatures
        self.kept = KeptDigests(database, clock=self.clock)
        self.keeper = Keeper(kept=self.kept, registry=client)
        self._name = name
        self._background: list[asyncio.Task[object]] = []

    @property
    def file(self) -> Path:
        assert self.database.file is not None
        return self.database.file

    def queue_of(self, owner: str) -> Queue:
        """A queue for another process."""
        return Queue(self.database, owner=owner, clock=self.clock, lease=LEASE, max_attempts=POLICY.max_attempts)

    def queue_like(self, kind: type[_Q]) -> _Q:
        """This process's own queue, of another kind."""
        return kind(
            self.database, owner=self.owner.name, clock=self.clock, lease=LEASE, max_attempts=POLICY.max_attempts
        )

    def item(self, source: str = SOURCE, *, platforms: str | None = None) -> ItemKey:
        image = source.rpartition("/")[2]
        return ItemKey(image, source, f"{self.target.host}/{self._name}/{image}", platforms)

    async def enqueue(self, *tags: str, source: str = SOURCE, platforms: str | None = None) -> None:
        """Apply a walk that queues these tags."""
        now = self.clock.now()
        await self.queue.apply(
            self.item(source, platforms=platforms),
            [SeenTag(tag, made_up_digest(tag), now) for tag in tags],
            gone=(),
            planned=[PlannedTag(tag, "copy", "new", rank) for rank, tag in enumerate(tags)],
            walk=Walk(now, now, "rules"),
        )

    def worker(self, queue: Queue | None = None) -> Worker:
        return Worker(
            queue=queue or self.queue, transport=self.transport, registry=self.client, pauses=self.pauses,
            keeping=self.keeper.overwriting, clock=self.clock, policy=POLICY, events=self.events,
            verifier=lambda: self.verifier, signatures=SignatureLog(self.database, clock=self.clock),
        )  # fmt: skip

    def pool(
        self,
        *,
        size: int = 1,
        ends: int = 0,
        queue: Queue | None = None,
        targets: Collection[str] | None = None,
        lease: timedelta = LEASE,
        registries: Collection[str] = (),
        window: ConcurrencyLimit | None = None,
        engine: EngineShare | None = None,
    ) -> WorkerPool:
        """A pool that drains after this many jobs have ended; 0: only when `drain` is called."""
        pool = WorkerPool(
            self.worker(queue), queue=queue or self.queue, clock=self.clock, size=size, lease=lease, owner=self.owner,
            targets=targets, registries=lambda: registries, window=window, engine=engine,
        )  # fmt: skip
        enough = len(self.watcher.outcomes) + ends if ends else None
        self.watcher.on_end = lambda: pool.drain() if len(self.watcher.outcomes) == enough else None
        return pool

    async def work(self, *, ends: int = 1, size: int = 1) -> WorkerPool:
        """Run a pool until this many jobs have ended."""
        pool = self.pool(size=size, ends=ends)
        await pool.run()
        return pool

    def start(self, work: Coroutine[Any, Any, object]) -> "asyncio.Task[object]":
        """Run it in the background until the test ends."""
        self._background.append(asyncio.create_task(work))
        return self._background[-1]

    async def start_copy(self, tag: str) -> "tuple[Gate, asyncio.Task[object]]":
        """Start a worker, and let it copy the tag as far as the gate."""
        gate = self.transport.hold(tag)
        await self.enqueue(tag)
        working = self.start(self.work())
        await gate.reached.wait()
        return gate, working

    async def take_over(self) -> tuple[Queue, Job]:
        """Another process takes over the lease of the running job: its queue, and its job."""
        other = self.queue_of("other")
        await other.reclaim([self.owner.name])
        job = await other.claim()
        assert job is not None
        return other, job

    async def close(self) -> None:
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)
        self.owner.release()

    async def record(self, tag: str, source: str = SOURCE) -> TagRecord:
        found = await self.ledger.tag(self.item(source).target, tag)
        assert found is not None
        return found

    async def attempts(self, tag: str, source: str = SOURCE) -> Sequence[Attempt]:
        return await self.ledger.attempts((await self.record(tag, source)).id)
