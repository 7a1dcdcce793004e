"""The workers of one process: concurrent jobs, a heartbeat that renews their leases, reclaiming of expired leases.

How many jobs run at once is a window, as for the requests to one host (registry/limits/concurrency.py): a copy that
succeeded makes room for one more, if no request had to wait for its registries, and one that was told 429 or 503
halves it. Copies through an engine keep to a fixed number within it: they share one disk and one daemon.
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Collection, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ferryman import log
from ferryman.clock import Clock
from ferryman.errors import EngineUnavailable, StoreError, TransferError
from ferryman.registry.limits.concurrency import THROTTLED, ConcurrencyLimit, ConcurrencySlot
from ferryman.store.queue.lease_owners import Owner
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Job, Share
from ferryman.supervision import keep_running
from ferryman.tasks import cancel_and_wait, gather_or_raise
from ferryman.transports.base import Copied
from ferryman.wakeup import Wakeup
from ferryman.worker import Worker

_POLL = 1.0  # seconds between two claims on an empty queue, which other processes fill too
_RESERVED = 4  # one in so many workers is reserved for other source registries than the one that occupies the rest
_ENGINE_RETRY_DELAY = 5.0  # seconds to wait for an unavailable engine


_NO_TARGETS: Callable[[], frozenset[str]] = frozenset


@dataclass(frozen=True, slots=True)
class EngineShare:
    """The copies through a Docker Engine."""

    most: int  # at once
    targets: Callable[[], frozenset[str]] = _NO_TARGETS  # what is copied through the engine
    others: Callable[[], frozenset[str]] = _NO_TARGETS  # all other targets


class WorkerPool:
    """At most `size` workers over one queue."""

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
        window: ConcurrencyLimit | None = None,
        engine: EngineShare | None = None,
    ) -> None:
        """`registries`: returns the source registries of the current items. `window`: its limit is for others to read;
        its ceiling is set here.
        """
        self._worker = worker
        self._queue = queue
        self._clock = clock
        self._size = size
        self._lease = lease
        self._owner = owner
        self._targets = targets  # claim only tags of these; None: of all
        self._registries = registries
        self._window = window or ConcurrencyLimit(size)
        self._engine = engine or EngineShare(size)
        self._engine_claims = 0  # running claims that may become copies through the engine
        self._engine_copies: set[str] = set()  # lease tokens
        self._copies: dict[str, asyncio.Task[Copied]] = {}  # by lease token
        self._unrecorded: list[Job] = []  # ended without a recorded result; this process may still hold their leases
        self._renewal: asyncio.Task[frozenset[str]] | None = None  # one that is not answered yet
        self._draining = asyncio.Event()
        self._idle = 0  # workers without work
        self.idles = Wakeup()  # notified when no worker has work
        # Monotonic times:
        self._progress_at = clock.monotonic()  # of the last claim or progress of a copy
        self._engine_lost_at: float | None = None
        self._store_lost: tuple[float, StoreError] | None = None  # since when claims fail, and the first error

    async def run(self) -> None:
        """Run jobs until `drain`, then finish the running ones. Cancelling returns them to the queue at once.

        Raises WorkStopped if a worker or the heartbeat fails again and again.
        """
        try:
            await self._queue.repair_times(thorough=True)
            await self._reclaim_expired()
        except StoreError as error:  # the first heartbeat tries again
            log.get().error("reclaim_failed", message="cannot look for the leases of stopped workers", error=str(error))
        self._queue.on_cancel = self._stop_copy
        heartbeat = asyncio.create_task(self._supervised("heartbeat", self._heartbeat))
        workers = asyncio.create_task(
            gather_or_raise(*(self._supervised(f"worker-{number}", self._work) for number in range(self._size)))
        )
        try:
            await asyncio.wait([heartbeat, workers], return_when=asyncio.FIRST_COMPLETED)
        finally:
            await cancel_and_wait([workers])  # before the heartbeat, which keeps their leases
            await cancel_and_wait([heartbeat])
            if self._renewal is not None:  # let a running write end before the database is closed
                self._renewal.cancel()
                await asyncio.wait([self._renewal], timeout=_POLL)
        for task in (workers, heartbeat):
            if not task.cancelled():
                task.result()  # raises what ended it

    async def _supervised(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await keep_running(name, work, clock=self._clock)

    def drain(self) -> None:
        """Begin a graceful stop: claim nothing more, and finish the running jobs."""
        self._draining.set()
        self._queue.filled.notify()  # wakes the workers that wait for work

    @property
    def stalled_for(self) -> timedelta:
        """How long no worker has made progress: neither a claim was answered, nor a copy has progressed."""
        return timedelta(seconds=self._clock.monotonic() - self._progress_at)

    def _progressed(self) -> None:
        self._progress_at = self._clock.monotonic()

    @property
    def engine_lost_for(self) -> timedelta:
        """How long the Docker Engine has been unavailable; zero: the last job that needed it reached it."""
        lost_at = self._engine_lost_at
        return timedelta() if lost_at is None else timedelta(seconds=self._clock.monotonic() - lost_at)

    def raise_if_database_lost(self, *, within: timedelta) -> None:
        """Raise the StoreError with which all claims have failed for longer than `within`."""
        if self._store_lost and self._clock.monotonic() - self._store_lost[0] > within.total_seconds():
            raise self._store_lost[1]

    async def _work(self) -> None:
        while not self._draining.is_set():
            self._window.ceiling = (
                self._size if self._engine.others() or not self._engine.targets() else self._engine.most
            )
            async with self._window.acquire() as place:
                if not self._draining.is_set():
                    await self._work_in(place)

    async def _work_in(self, place: ConcurrencySlot) -> None:
        """Claim one job and run it, or wait for one."""
        filled = self._queue.filled.next()  # before the claim, so that tags enqueued after it are not missed
        job = await self._claim()
        self._progressed()
        if job is None:
            await self._wait_for_work(filled)
            return
        try:
            with log.bound(item=job.item, tag=job.tag, attempt=job.attempt):
                await self._run_job(job, place)
        finally:
            self._engine_copies.discard(job.token)

    async def _claim(self) -> Job | None:
        """Claim the next job; if the engine has its share, one that needs none."""
        if not self._engine.targets():
            return await self._claim_of(self._targets)
        if len(self._engine_copies) + self._engine_claims >= self._engine.most:
            others = self._engine.others()
            return await self._claim_of(others if self._targets is None else others.intersection(self._targets))
        self._engine_claims += 1
        try:
            job = await self._claim_of(self._targets)
        finally:
            self._engine_claims -= 1
        if job is not None and job.target in self._engine.targets():
            self._engine_copies.add(job.token)
        return job

    async def _claim_of(self, targets: Collection[str] | None) -> Job | None:
        """Claim the next job of these; None: there is none, or the database failed, which is logged once."""
        try:
            job = await self._queue.claim(targets, share=self._share())
        except StoreError as error:
            if self._store_lost is None:
                self._store_lost = self._clock.monotonic(), error
                log.get().error("claim_failed", message="cannot claim; trying again", error=str(error))
            return None
        if self._store_lost is not None:
            self._store_lost = None
            log.get().info("database_recovered", message="the database can be used again")
        return job

    def _share(self) -> Share:
        """Reserve some workers: a slow registry, whose tags run for days, must not occupy all of them."""
        most = self._window.limit - math.ceil(self._window.limit / _RESERVED)
        return Share(most=max(1, most), registries=frozenset(self._registries()))

    async def _wait_for_work(self, filled: asyncio.Event) -> None:
        """Wait until this process enqueues something, or for the poll interval: other processes enqueue, too."""
        self._idle += 1
        if self._idle == self._window.in_use:
            self._window.restart()
            self.idles.notify()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_POLL):
                    await filled.wait()
        finally:
            self._idle -= 1

    async def _wait_or_drain(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._draining.wait()

    async def _run_job(self, job: Job, place: ConcurrencySlot) -> None:
        """Run one job. The copy is a task of its own, so that the heartbeat can cancel it when its lease is lost."""
        started_at = self._clock.now()
        copy = asyncio.create_task(self._worker.copy(job, self._progressed), name=f"copy {job.target}:{job.tag}")
        self._copies[job.token] = copy
        try:
            await asyncio.wait([copy])
        except asyncio.CancelledError:  # this process stops
            copy.cancel()
            await asyncio.wait([copy])  # for its cleanup
            await self._worker.return_to_queue(job, started_at)
            raise
        finally:
            del self._copies[job.token]
        if copy.cancelled():  # lease lost
            self._unrecorded.append(job)
            await self._worker.report_lost_lease(job)
            return
        self._adjust_window(job, copy.exception(), place)
        if not await self._worker.record_result(job, copy, started_at):
            self._unrecorded.append(job)
        await self._wait_for_engine(copy.exception())

    def _adjust_window(self, job: Job, error: BaseException | None, place: ConcurrencySlot) -> None:
        if isinstance(error, TransferError) and error.status in THROTTLED:
            place.throttled()
        elif error is None and job.token not in self._engine_copies and self._worker.has_room(job):
            place.succeeded()

    async def _wait_for_engine(self, error: BaseException | None) -> None:
        """After EngineUnavailable, wait before the next claim: without the engine, every job would fail."""
        if not isinstance(error, EngineUnavailable):
            self._engine_lost_at = None
            return
        if self._engine_lost_at is None:
            self._engine_lost_at = self._clock.monotonic()
            log.get().error(
                "engine_unavailable", message="the Docker Engine is unavailable; waiting for it", error=str(error)
            )
        await self._wait_or_drain(_ENGINE_RETRY_DELAY)

    async def _heartbeat(self) -> None:
        """Renew the leases; cancel the copies whose lease is lost, or expires before the database answers.

        The age of a lease is measured by the monotonic clock, so setting the machine's clock ends no lease.
        """
        lease = self._lease.total_seconds()
        interval = lease / 3
        expires_at, pause = self._clock.monotonic() + lease, interval
        while True:
            await self._clock.sleep(pause)
            running = set(self._copies)  # before the renewal, whose answer does not contain later claims
            began_at = self._clock.monotonic()
            renewed = await self._renew_leases(before=expires_at)
            if renewed is None:
                pause = interval / 4
                if self._clock.monotonic() < expires_at:
                    continue
            else:
                expires_at, pause = began_at + lease, interval
                await self._clean_up_leases()
            for token in running - (renewed or frozenset()):
                self._stop_copy(token)

    def _stop_copy(self, token: str) -> None:
        """Stop the copy whose lease is lost, if it runs here."""
        if copy := self._copies.get(token):
            copy.cancel()

    async def _renew_leases(self, *, before: float) -> frozenset[str] | None:
        """Renew the leases. Returns the tokens of those still held; None: the database fails, or does not answer.

        A running write cannot be cancelled: one without an answer is awaited again in the next round.
        """
        renewal = self._renewal = self._renewal or asyncio.create_task(self._queue.heartbeat(), name="renewal")
        left = before - self._clock.monotonic()
        await asyncio.wait([renewal], timeout=max(left, _POLL))
        try:
            if renewal.done():
                self._renewal = None
                return renewal.result()
            raise StoreError("the database does not answer")  # noqa: TRY301 - handled like its other errors
        except StoreError as error:
            log.get().error("lease_renewal_failed", message="cannot renew the leases", error=str(error))
            return None

    async def _clean_up_leases(self) -> None:
        try:
            await self._return_unrecorded()
            await self._queue.repair_times()
            await self._reclaim_expired()
        except StoreError as error:
            log.get().error("reclaim_failed", message="cannot reclaim the leases of stopped workers", error=str(error))

    async def _return_unrecorded(self) -> None:
        """Return jobs without a recorded result. Their leases would never expire: each heartbeat renews them all."""
        for job in tuple(self._unrecorded):
            try:
                await self._queue.return_to_queue(job)  # does nothing if the lease is lost
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001 - a defect with one job must not end the heartbeat
                log.get().error(
                    "lease_not_returned",
                    message="cannot release a lease: a defect in Ferryman",
                    tag=job.tag,
                    exc_info=error,
                )
            else:
                self._unrecorded.remove(job)

    async def _reclaim_expired(self) -> None:
        dead = self._owner.dead_owners()
        reclaimed = await self._queue.reclaim(dead)
        self._owner.remove(dead)
        if reclaimed:
            log.get().warning(
                "leases_reclaimed", message="the tags of stopped workers are queued again", tags=reclaimed
            )
