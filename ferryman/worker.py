"""One claimed tag, from its claim to its record: copy, verify at the target, write down what came of it.

No database session is held across the network, and every write-back names the lease's token: a result
that comes after the lease was lost is dropped.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from ferryman import log, retry
from ferryman.clock import Clock
from ferryman.errors import (
    EngineUnavailable,
    LoginRefused,
    LoginUnsteady,
    NoSuchPlatform,
    NotFound,
    RateLimited,
    StoreError,
    TransferError,
    WrongContent,
)
from ferryman.events import Events, JobEnded, JobInfo, JobProgressed, JobStarted, traceback_of
from ferryman.platforms import Platforms
from ferryman.reference import Reference, Repository
from ferryman.registry.client import RegistryClient
from ferryman.registry_pauses import RegistryPauses
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Job
from ferryman.transports.base import Copied, Transport

_LIMIT_UNKNOWN = timedelta(seconds=60)  # how long to leave a registry alone that says "too many" and no more
_SHORTEST_LIMIT = timedelta(seconds=1)  # no attempt is counted: nothing else would slow a "Retry-After: 0" down

_Recorded = tuple[bool, JobEnded]  # False: the lease was lost, and nothing was written


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a tag is tried, and how long to wait after the first failure."""

    max_attempts: int
    delay: timedelta


class Worker:
    """What is done with one job. Stateless: the pool runs several at once."""

    def __init__(
        self,
        *,
        queue: Queue,
        transport: Transport,
        registry: RegistryClient,
        pauses: RegistryPauses,
        clock: Clock,
        policy: RetryPolicy,
        events: Events,
    ) -> None:
        self._queue = queue
        self._transport = transport
        self._registry = registry
        self._pauses = pauses
        self._clock = clock
        self._policy = policy
        self._events = events

    def copy(self, job: Job, progressed: Callable[[], None]) -> Coroutine[Any, Any, Copied]:
        """Copy, and ask the target what it has now, unless it has just said so itself. Raises TransferError.

        `progressed` is called whenever a part of the copy is further than before.
        """
        # Not when the copy runs: one that is cancelled before ends without having run.
        self._events.emit(JobStarted(job_info(job)))
        return self._copy(job, progressed)

    async def _copy(self, job: Job, progressed: Callable[[], None]) -> Copied:
        about = job_info(job)

        def tell(part: str, done: int, total: int | None) -> None:
            progressed()
            self._events.emit(JobProgressed(about, part, done, total))

        source = Repository.parse(job.source).pinned(job.digest)
        target = Repository.parse(job.target).tagged(job.tag)
        for host in (source.repository.registry, target.repository.registry):
            self._registry.forget_refusals(host)  # the queue hands out no tag of a paused registry
        await self._mind_the_quota(source)
        platforms = Platforms.parse(job.platforms) if job.platforms else None
        copied = await self._transport.copy(source, target, platforms, tell)
        if not copied.confirmed:
            await self._verify(target, copied)
        return copied

    async def _verify(self, target: Reference, copied: Copied) -> None:
        """The target may be late, or somebody else's doing may be in the way: both are worth another attempt."""
        try:
            found = (await self._registry.head_manifest(target, expected=True)).digest
        except NotFound:
            found = "nothing"
        if found != copied.digest:
            raise WrongContent(
                f"{target} names {found} after the copy, expected {copied.digest}: does anything else write it?",
                registry=target.repository.registry,
            )

    async def _mind_the_quota(self, source: Reference) -> None:
        """What is left of a limit on pulls is spread over time, in the queue's order: the newest tags first."""
        registry = source.repository.registry
        until = await self._registry.pull_at(source)
        if until is not None:
            message = f"{registry}: {self._registry.quota(registry)}; the rest of them is spread over time"
            raise RateLimited(message, registry=registry, retry_at=until)

    async def return_to_queue(self, job: Job, started_at: datetime) -> bool:
        """This process stops: the job is anybody's again, and the attempt does not count. False: see `settle`."""
        return await self._end(job, self._handed_back(job), started_at)

    def abandon(self, job: Job) -> None:
        """The lease is lost and the copy stopped: another worker has this tag, there is nothing to record."""
        self._events.emit(_lost(job, "lease lost: another worker has this tag now"))

    async def settle(self, job: Job, copy: asyncio.Task[Copied], started_at: datetime) -> bool:
        """Record what came of a finished copy. False: that failed, and the job is leased to this process still.

        A defect in that fails the job, and raises nothing: it must not end the worker.
        """
        return await self._end(job, self._record(job, copy, started_at), started_at)

    async def _end(self, job: Job, recording: Coroutine[Any, Any, _Recorded], started_at: datetime) -> bool:
        seconds = (self._clock.now() - started_at).total_seconds()
        try:
            kept, ended = await recording
        except StoreError as error:
            self._events.emit(JobEnded(job_info(job), "stopped", str(error), "unrecorded"))
            return False
        except asyncio.CancelledError:
            self._events.emit(JobEnded(job_info(job), "stopped"))
            raise
        except Exception as error:  # noqa: BLE001 - a mistake of ours: it fails this job, and stops no worker
            return await self._give_up(job, error, started_at)
        if not kept:
            ended = _lost(job, "lease lost: the result is dropped, another worker has this tag")
        self._events.emit(replace(ended, seconds=seconds))
        return True

    async def _give_up(self, job: Job, error: Exception, started_at: datetime) -> bool:
        """Fail a job whose result cannot be recorded for a defect. False: not even that can be recorded."""
        log.get().error("recording_defect", message="cannot record the result: a defect in Ferryman", exc_info=error)
        message = _defect(error)
        recorded = True
        try:
            await self._queue.fail(job, started_at=started_at, kind="defect", error=message, retry_at=None)
        except Exception as another:  # noqa: BLE001 - the same
            log.get().error("failure_not_recorded", message="cannot record that a job failed", exc_info=another)
            recorded = False
        self._events.emit(JobEnded(job_info(job), "failed", message, "defect"))
        return recorded

    async def _handed_back(self, job: Job) -> _Recorded:
        with contextlib.suppress(StoreError):  # then the owner's death gives the lease back
            await self._queue.return_to_queue(job)
        return True, JobEnded(job_info(job), "stopped")

    async def _record(self, job: Job, copy: asyncio.Task[Copied], started_at: datetime) -> _Recorded:
        error = copy.exception()
        if error is None:
            return await self._succeeded(job, copy.result(), started_at)
        if isinstance(error, TransferError):
            return await self._met(job, error, started_at)
        # A mistake of ours: trying again at once would only repeat it.
        ended = JobEnded(job_info(job), "failed", _defect(error), "defect", traceback_of(error))
        return await self._fail(job, ended, started_at)

    async def _met(self, job: Job, error: TransferError, started_at: datetime) -> _Recorded:
        match error:
            case NoSuchPlatform():
                kept = await self._queue.skip(job, started_at=started_at, reason=error.kind, error=str(error))
                return kept, JobEnded(job_info(job), "skipped", str(error), error.kind)
            case EngineUnavailable():  # no tag's fault: the pool waits for the engine
                return await self._queue.return_to_queue(job), JobEnded(job_info(job), "again", str(error), error.kind)
            case RateLimited():
                return await self._limited(job, error)
            case LoginRefused():
                return await self._refused(job, error, started_at)
        return await self._failed(job, error, started_at)

    async def _succeeded(self, job: Job, copied: Copied, started_at: datetime) -> _Recorded:
        kept = await self._queue.succeed(
            job,
            started_at=started_at,
            target_digest=copied.digest,
            identical=copied.identical,
            bytes_moved=copied.bytes_moved,
            bytes_reused=copied.bytes_reused,
            degraded=copied.degraded,
            referrers=copied.referrers,
        )
        return kept, JobEnded(
            job_info(job),
            "synced",
            digest=copied.digest,
            bytes_moved=copied.bytes_moved,
            bytes_reused=copied.bytes_reused,
            degraded=copied.degraded,
        )

    async def _limited(self, job: Job, error: RateLimited) -> _Recorded:
        """A limit holds for all of that registry's tags, and is no attempt of this one."""
        now = self._clock.now()
        until = max(error.retry_at or now + _LIMIT_UNKNOWN, now + _SHORTEST_LIMIT)
        kept = await self._queue.defer(job, until=until, reason=error.kind, error=str(error))
        await self._pauses.wait(_blamed(job, error), until=until, error=str(error))
        return kept, JobEnded(job_info(job), "again", str(error), error.kind)

    async def _refused(self, job: Job, error: LoginRefused, started_at: datetime) -> _Recorded:
        """The first one to be refused tells it; the others wait behind the paused registry.

        A token may run out in the middle of a long push, and token servers fail: a login that is taken a moment
        later was this tag's trouble, which may pass.
        """
        if await self._pauses.passes(_blamed(job, error)):
            passing = LoginUnsteady(f"{error}; the login is taken now", registry=error.registry)
            return await self._failed(job, passing, started_at)
        if await self._pauses.stop(_blamed(job, error), error=str(error)):
            return await self._failed(job, error, started_at)
        kept = await self._queue.defer(job, until=None, reason=error.kind, error=str(error))
        return kept, JobEnded(job_info(job), "again", str(error), error.kind)

    async def _failed(self, job: Job, error: TransferError, started_at: datetime) -> _Recorded:
        again = retry.next_run(
            error,
            attempt=job.attempt,
            now=self._clock.now(),
            max_attempts=self._policy.max_attempts,
            delay=self._policy.delay,
            jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
        )
        ended = JobEnded(job_info(job), "again" if again else "failed", str(error), error.kind, retry_at=again)
        return await self._fail(job, ended, started_at)

    async def _fail(self, job: Job, ended: JobEnded, started_at: datetime) -> _Recorded:
        kind, error = str(ended.error_kind), str(ended.error)
        kept = await self._queue.fail(job, started_at=started_at, kind=kind, error=error, retry_at=ended.retry_at)
        return kept, ended


def _blamed(job: Job, error: TransferError) -> str:
    """The registry that an error speaks of; the source's, where it does not say."""
    return error.registry or Repository.parse(job.source).registry


def job_info(job: Job) -> JobInfo:
    """The job as events name it."""
    return JobInfo(key=job.token, item=job.item, source=job.source, target=job.target, tag=job.tag, attempt=job.attempt)


def _lost(job: Job, message: str) -> JobEnded:
    return JobEnded(job_info(job), "stopped", message, "lease-lost")


def _defect(error: BaseException) -> str:
    return f"defect in Ferryman, see the log: {type(error).__name__}"
