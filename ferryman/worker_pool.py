"""The workers of one process: several jobs at once, their heartbeat, and the rescue of what dead workers held."""

import asyncio
import contextlib
import math
from collections.abc import Callable, Collection, Coroutine
from datetime import timedelta
from typing import Any

import structlog

from ferryman import log
from ferryman.clock import Clock
from ferryman.errors import EngineUnavailable, StoreError
from ferryman.store.queue.lease_owners import Owner
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Job, Share
from ferryman.supervision import keep_running
from ferryman.tasks import cancel_and_wait, gather_or_raise
from ferryman.transports.base import Copied
from ferryman.wakeup import Wakeup
from ferryman.worker import Worker

_POLL = 1.0  # seconds between two looks at a queue that other processes fill too
_KEPT_FREE = 4  # one of so many workers is for other source registries than the one that has all the others
_ENGINE_PAUSE = 5.0  # seconds between two tries at an engine that is away


class WorkerPool:
    """`size` workers over one queue."""

    def __init__(
        self,
        worker: Worker,
        *,
        queue: Queue,
        clock: Clock,
        size: int,
        lease: timedelta,
        owner: Owner,
        targets: Collection[str] | None = None,
        registries: Callable[[], Collection[str]] = tuple,
    ) -> None:
        """`registries`: the source registries that there may be work from, now."""
        self._worker = worker
        self._queue = queue
        self._clock = clock
        self._size = size
        self._lease = lease
        self._owner = owner
        self._targets = targets  # claim for these only; None: for all
        self._registries = registries
        self._copies: dict[str, asyncio.Task[Copied]] = {}  # by lease token
        self._unrecorded: list[Job] = []  # ended without a result in the record, and perhaps still leased to us
        self._beat: asyncio.Task[frozenset[str]] | None = None  # a question to the database that has no answer yet
        self._draining = asyncio.Event()
        self._idle = 0  # workers that found nothing to do
        self.idles = Wakeup()  # all of them did
        # All on the monotonic clock:
        self._progress_at = clock.monotonic()  # when a worker last asked for work, or moved some
        self._engine_lost_at: float | None = None
        self._store_lost: tuple[float, StoreError] | None = None  # since when claims fail, and the first failure

    async def run(self) -> None:
        """Work until `drain`, then finish what runs. Cancelling hands back what runs, at once.

        Raises WorkStopped when a worker or the heartbeat keeps ending.
        """
        try:
            await self._queue.repair_times(thorough=True)
            await self._rescue()
        except StoreError as error:  # the first heartbeat tries again
            log.get().error("reclaim_failed", message="cannot look for what stopped workers held", error=str(error))
        heartbeat = asyncio.create_task(self._kept("heartbeat", self._heartbeat))
        workers = asyncio.create_task(
            gather_or_raise(*(self._kept(f"worker-{number}", self._work) for number in range(self._size)))
        )
        try:
            await asyncio.wait([heartbeat, workers], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait([workers])  # under their leases
            await cancel_and_wait([heartbeat])
            if self._beat is not None:  # a write that is under way ends before the database is closed
                self._beat.cancel()
                await asyncio.wait([self._beat], timeout=_POLL)
        for task in (workers, heartbeat):
            if not task.cancelled():
                task.result()  # raises what ended it

    async def _kept(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await keep_running(name, work, clock=self._clock)

    def drain(self) -> None:
        """Claim nothing more."""
        self._draining.set()
        self._queue.filled.notify()  # for those who wait for work

    @property
    def stalled_for(self) -> timedelta:
        """How long no worker has made progress: got an answer from the queue, or moved a part of a copy further."""
        return timedelta(seconds=self._clock.monotonic() - self._progress_at)

    def _progressed(self) -> None:
        self._progress_at = self._clock.monotonic()

    @property
    def engine_lost_for(self) -> timedelta:
        """How long the Docker Engine has been away, as far as the pool has seen; zero: it answers."""
        lost_at = self._engine_lost_at
        return timedelta() if lost_at is None else timedelta(seconds=self._clock.monotonic() - lost_at)

    def demand_a_database(self, *, within: timedelta) -> None:
        """Raises the StoreError that every claim has met for so long."""
        if self._store_lost and self._clock.monotonic() - self._store_lost[0] > within.total_seconds():
            raise self._store_lost[1]

    async def _work(self) -> None:
        while not self._draining.is_set():
            filled = self._queue.filled.next()  # before the claim: what is enqueued after it must not be missed
            job = await self._claimed()
            self._progressed()
            if job is None:
                await self._wait_for_work(filled)
            else:
                with structlog.contextvars.bound_contextvars(item=job.item, tag=job.tag, attempt=job.attempt):
                    await self._run_job(job)

    async def _claimed(self) -> Job | None:
        """The next job; None: there is none, or the database does not give one, which is logged once."""
        try:
            job = await self._queue.claim(self._targets, share=self._share())
        except StoreError as error:
            if self._store_lost is None:
                self._store_lost = self._clock.monotonic(), error
                log.get().error("claim_failed", message="cannot claim; trying again", error=str(error))
            return None
        if self._store_lost is not None:
            self._store_lost = None
            log.get().info("database_recovered", message="the database gives work again")
        return job

    def _share(self) -> Share:
        """A registry may be so slow that its tags run for days: some workers stay for the others."""
        most = self._size - math.ceil(self._size / _KEPT_FREE)
        return Share(most=max(1, most), registries=frozenset(self._registries()))

    async def _wait_for_work(self, filled: asyncio.Event) -> None:
        """Until this process enqueues something; others may do so as well, without a word."""
        self._idle += 1
        if self._idle == self._size:
            self.idles.notify()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL):
                    await filled.wait()
        finally:
            self._idle -= 1

    async def _rest(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._draining.wait()

    async def _run_job(self, job: Job) -> None:
        """One job. The copy is a task of its own, so that the heartbeat can stop it when the lease is lost."""
        started_at = self._clock.now()
        copy = asyncio.create_task(self._worker.copy(job, self._progressed), name=f"copy {job.target}:{job.tag}")
        self._copies[job.token] = copy
        try:
            await asyncio.wait([copy])
        except asyncio.CancelledError:  # this process stops
            copy.cancel()
            await asyncio.wait([copy])  # until it has cleaned up after itself
            await self._worker.return_to_queue(job, started_at)
            raise
        finally:
            del self._copies[job.token]
        if copy.cancelled():
            self._worker.abandon(job)
            self._unrecorded.append(job)
            return
        if not await self._worker.settle(job, copy, started_at):
            self._unrecorded.append(job)
        await self._mind_the_engine(copy.exception())

    async def _mind_the_engine(self, error: BaseException | None) -> None:
        """An engine that is away fails every job alike: wait for it instead of going through the queue."""
        if not isinstance(error, EngineUnavailable):
            self._engine_lost_at = None
            return
        if self._engine_lost_at is None:
            self._engine_lost_at = self._clock.monotonic()
            log.get().error("engine_unavailable", message="the Docker Engine is away; waiting for it", error=str(error))
        await self._rest(_ENGINE_PAUSE)

    async def _heartbeat(self) -> None:
        """Renew the leases; stop the copies whose lease is gone, or ends before the database answers.

        How long a lease has been held is told by the monotonic clock: setting the machine's clock ends none.
        """
        lease = self._lease.total_seconds()
        often = lease / 3
        ends_at, pause = self._clock.monotonic() + lease, often
        while True:
            await self._clock.sleep(pause)
            held = set(self._copies)  # before the beat: what is claimed during it is not in its answer
            began_at = self._clock.monotonic()
            alive = await self._renewed(before=ends_at)
            if alive is None:
                pause = often / 4
                if self._clock.monotonic() < ends_at:
                    continue
            else:
                ends_at, pause = began_at + lease, often
                await self._tidy()
            for token in held - (alive or frozenset()):
                if copy := self._copies.get(token):
                    copy.cancel()

    async def _renewed(self, *, before: float) -> frozenset[str] | None:
        """The tokens of the leases that are still ours; None: the database fails, or is silent for too long.

        A question to the database cannot be taken back: one without an answer is waited for in the next round, too.
        """
        beat = self._beat = self._beat or asyncio.create_task(self._queue.heartbeat(), name="beat")
        left = before - self._clock.monotonic()
        await asyncio.wait([beat], timeout=max(left, _POLL))
        try:
            if beat.done():
                self._beat = None
                return beat.result()
            raise StoreError("the database does not answer")  # noqa: TRY301 - told like its other failures
        except StoreError as error:
            log.get().error("lease_renewal_failed", message="cannot renew the leases", error=str(error))
            return None

    async def _tidy(self) -> None:
        try:
            await self._give_back()
            await self._queue.repair_times()
            await self._rescue()
        except StoreError as error:
            log.get().error("reclaim_failed", message="cannot take over what stopped workers held", error=str(error))

    async def _give_back(self) -> None:
        """Every beat renews all that is leased to this process, so that what it has given up would never lapse."""
        for job in tuple(self._unrecorded):
            try:
                await self._queue.return_to_queue(job)  # does nothing where the lease was lost
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - a mistake of ours, over one job: it must not end the heartbeat
                log.get().error(
                    "lease_not_returned",
                    message="cannot give a lease back: a defect in Ferryman",
                    tag=job.tag,
                    exc_info=error,
                )
            else:
                self._unrecorded.remove(job)

    async def _rescue(self) -> None:
        dead = self._owner.dead_owners()
        rescued = await self._queue.reclaim(dead)
        self._owner.remove(dead)
        if rescued:
            log.get().warning("leases_reclaimed", message="queued again what stopped workers held", tags=rescued)
