"""Run one job: copy the tag, verify it at the target, and record the result, or a retry with backoff.

No database transaction is open during a network request. Every write-back names the lease's token: after a lost lease,
the result is dropped.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ferryman import log, retry
from ferryman.clock import Clock
from ferryman.errors import (
    EngineUnavailable,
    LoginRefused,
    LoginUnsteady,
    NoSuchPlatform,
    NotFound,
    RateLimited,
    SignatureRefused,
    StoreError,
    TransferError,
    WrongContent,
    defect_message,
)
from ferryman.events import Events, JobEnded, JobInfo, JobProgressed, JobStarted, traceback_of
from ferryman.platforms import Platforms
from ferryman.reference import Reference, Repository, subject_of
from ferryman.registry.client import RegistryClient
from ferryman.registry_pauses import RegistryPauses
from ferryman.signature_findings import Finding
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Job
from ferryman.store.signatures import SignatureLog
from ferryman.transports.base import Copied, Overwriting, Transport

if TYPE_CHECKING:
    from ferryman.signatures.verifier import SignatureVerifier

_DEFAULT_LIMIT = timedelta(seconds=60)  # pause of a registry that answers 429 without "Retry-After"
_SHORTEST_LIMIT = timedelta(seconds=1)  # for "Retry-After: 0": such an attempt does not count, so nothing else slows it
_REPORT_INTERVAL = 0.1  # seconds between two events of one part's progress

_Recorded = tuple[bool, JobEnded]  # False: lease lost, nothing was written


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The number of attempts at a tag, and the wait after the first failure (doubled for each further one)."""

    max_attempts: int
    delay: timedelta


class ProgressThrottle:
    """Which reports of one copy become events: a twentieth of its processor time went into one for each piece."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}  # by part, on the monotonic clock

    def passes(self, part: str, done: int, total: int | None) -> bool:
        """The first and the last report of a part always; in between, a few a second."""
        now = self._clock.monotonic()
        if 0 < done != total and now < self._due.get(part, now):
            return False
        self._due[part] = now + _REPORT_INTERVAL
        return True


class Worker:
    """Runs jobs. Stateless: the pool runs several at once."""

    def __init__(
        self,
        *,
        queue: Queue,
        transport: Transport,
        registry: RegistryClient,
        pauses: RegistryPauses,
        keeping: Callable[[Reference], Overwriting],
        clock: Clock,
        policy: RetryPolicy,
        events: Events,
        verifier: "Callable[[], SignatureVerifier | None]",
        signatures: SignatureLog,
    ) -> None:
        """`keeping`: returns what keeps that which a target's tag names, before it is overwritten."""
        self._queue = queue
        self._transport = transport
        self._registry = registry
        self._pauses = pauses
        self._keeping = keeping
        self._clock = clock
        self._policy = policy
        self._events = events
        self._verifier = verifier
        self._signatures = signatures

    def has_room(self, job: Job) -> bool:
        """Whether no request waits for its turn at the job's registries."""
        return self._registry.has_room(*(Repository.parse(name).registry for name in (job.source, job.target)))

    def copy(self, job: Job, progressed: Callable[[], None]) -> Coroutine[Any, Any, Copied]:
        """Verify its signatures, copy the tag, and verify it at the target, unless the copy has confirmed it.

        Raises TransferError; SignatureRefused before anything of the image is read.

        `progressed` is called for every progress of the copy.
        """
        # Here, not in the coroutine: a task that is cancelled before its first step never runs it.
        self._events.emit(JobStarted(job_info(job)))
        return self._copy(job, progressed)

    async def _copy(self, job: Job, progressed: Callable[[], None]) -> Copied:
        info = job_info(job)
        throttle = ProgressThrottle(self._clock)

        def report(part: str, done: int, total: int | None) -> None:
            progressed()
            if throttle.passes(part, done, total):
                self._events.emit(JobProgressed(info, part, done, total))

        source = Repository.parse(job.source).pinned(job.digest)
        target = Repository.parse(job.target).tagged(job.tag)
        for host in (source.repository.registry, target.repository.registry):
            self._registry.forget_refusals(host)  # the queue gives out no tags of paused registries
        await self._check_quota(source)
        platforms = Platforms.parse(job.platforms) if job.platforms else None
        await self._verify_signatures(job, source, platforms)
        # What belongs to an image goes with its digest: its tag only gets more.
        overwriting = self._keeping(target) if job.overwrites and not subject_of(job.tag) else None
        copied = await self._transport.copy(source, target, platforms, report, overwriting=overwriting)
        if not copied.confirmed:
            await self._verify(target, copied)
        return copied

    async def _verify_signatures(self, job: Job, source: Reference, platforms: Platforms | None) -> None:
        """Verify that somebody whom the item trusts has signed what is to be copied. Raises SignatureRefused.

        Signatures that are tags themselves have none.
        """
        verifier = self._verifier()
        if verifier is None or subject_of(job.tag) is not None:
            return
        finding = await verifier.verify(source, Repository.parse(job.target), platforms)
        if finding is None:
            return
        await self._record_finding(job, finding)
        if finding.verdict == "refused":
            raise SignatureRefused(str(finding.detail), registry=source.repository.registry)
        if finding.verdict == "missing":
            log.get().warning(
                "image_unsigned", message="an image is not signed: it is copied all the same", error=finding.detail
            )

    async def _record_finding(self, job: Job, finding: Finding) -> None:
        """A database that fails holds up the job's result, not what was verified."""
        try:
            await self._signatures.record(job.id, finding)
        except StoreError as error:
            log.get().warning(
                "signature_not_recorded", message="cannot record who has signed an image", error=str(error)
            )

    async def _verify(self, target: Reference, copied: Copied) -> None:
        """Verify that the target's tag has the copied digest. Raises WrongContent, which is retried.

        The target may be slow to show the new tag, or somebody else may have overwritten it.
        """
        try:
            found = (await self._registry.head_manifest(target, expected=True)).digest
        except NotFound:
            found = "nothing"
        if found != copied.digest:
            raise WrongContent(
                f"{target} names {found} after the copy, expected {copied.digest}: does anything else write it?",
                registry=target.repository.registry,
            )

    async def _check_quota(self, source: Reference) -> None:
        """Raise RateLimited if the remaining pull quota is to be spread over time: the newest tags go first."""
        registry = source.repository.registry
        until = await self._registry.pull_at(source)
        if until is not None:
            message = f"{registry}: {self._registry.quota(registry)}; the rest of them is spread over time"
            raise RateLimited(message, registry=registry, retry_at=until)

    async def return_to_queue(self, job: Job, started_at: datetime) -> bool:
        """Return the job to the queue, because this process stops; the attempt does not count.

        False: see `record_result`.
        """
        return await self._record_and_emit(job, self._release_lease(job), started_at)

    async def report_lost_lease(self, job: Job) -> None:
        """Report that the copy was stopped because its lease was lost: another worker has this tag, or a person has
        cancelled it. Records nothing.
        """
        self._events.emit(await self._lost(job, "lease lost: another worker has this tag now"))

    async def _lost(self, job: Job, message: str) -> JobEnded:
        cancelled = None
        with contextlib.suppress(StoreError):
            cancelled = await self._queue.cancellation(job)
        return JobEnded(job_info(job), "stopped", cancelled or message, "cancelled" if cancelled else "lease-lost")

    async def record_result(self, job: Job, copy: asyncio.Task[Copied], started_at: datetime) -> bool:
        """Record the result of a finished copy. False: that failed, and this process still holds the job's lease.

        A defect while recording fails the job, and raises nothing: it must not end the worker.
        """
        return await self._record_and_emit(job, self._record_outcome(job, copy, started_at), started_at)

    async def _record_and_emit(self, job: Job, recording: Coroutine[Any, Any, _Recorded], started_at: datetime) -> bool:
        seconds = (self._clock.now() - started_at).total_seconds()
        try:
            written, ended = await recording
        except StoreError as error:
            self._events.emit(JobEnded(job_info(job), "stopped", str(error), "unrecorded"))
            return False
        except asyncio.CancelledError:
            self._events.emit(JobEnded(job_info(job), "stopped"))
            raise
        except Exception as error:  # noqa: BLE001 - a defect: it fails this job, and stops no worker
            return await self._record_defect(job, error, started_at)
        if not written:
            ended = await self._lost(job, "lease lost: the result is dropped, another worker has this tag")
        self._events.emit(replace(ended, seconds=seconds))
        return True

    async def _record_defect(self, job: Job, error: Exception, started_at: datetime) -> bool:
        """Record that a job failed because of a defect while recording its result. False: that failed, too."""
        log.get().error("recording_defect", message="cannot record the result: a defect in Ferryman", exc_info=error)
        message = defect_message(error)
        recorded = True
        try:
            await self._queue.fail(job, started_at=started_at, kind="defect", error=message, retry_at=None)
        except Exception as another:  # noqa: BLE001 - the same
            log.get().error("failure_not_recorded", message="cannot record that a job failed", exc_info=another)
            recorded = False
        self._events.emit(JobEnded(job_info(job), "failed", message, "defect"))
        return recorded

    async def _release_lease(self, job: Job) -> _Recorded:
        with contextlib.suppress(StoreError):  # then the lease is reclaimed when this process has ended
            await self._queue.return_to_queue(job)
        return True, JobEnded(job_info(job), "stopped")

    async def _record_outcome(self, job: Job, copy: asyncio.Task[Copied], started_at: datetime) -> _Recorded:
        error = copy.exception()
        if error is None:
            return await self._record_success(job, copy.result(), started_at)
        if isinstance(error, TransferError):
            return await self._record_error(job, error, started_at)
        # A defect: a retry would only repeat it.
        ended = JobEnded(job_info(job), "failed", defect_message(error), "defect", traceback_of(error))
        return await self._write_failure(job, ended, started_at)

    async def _record_error(self, job: Job, error: TransferError, started_at: datetime) -> _Recorded:
        match error:
            case NoSuchPlatform():
                written = await self._queue.skip(job, started_at=started_at, reason=error.kind, error=str(error))
                return written, JobEnded(job_info(job), "skipped", str(error), error.kind)
            case EngineUnavailable():  # not the tag's fault: the pool waits for the engine
                return await self._queue.return_to_queue(job), JobEnded(job_info(job), "again", str(error), error.kind)
            case RateLimited():
                return await self._record_rate_limit(job, error)
            case LoginRefused():
                return await self._record_refused_login(job, error, started_at)
        return await self._record_failed_attempt(job, error, started_at)

    async def _record_success(self, job: Job, copied: Copied, started_at: datetime) -> _Recorded:
        written = await self._queue.succeed(
            job,
            started_at=started_at,
            target_digest=copied.digest,
            identical=copied.identical,
            bytes_moved=copied.bytes_moved,
            bytes_reused=copied.bytes_reused,
            degraded=copied.degraded,
            referrers=copied.referrers,
        )
        return written, JobEnded(
            job_info(job),
            "synced",
            digest=copied.digest,
            bytes_moved=copied.bytes_moved,
            bytes_reused=copied.bytes_reused,
            degraded=copied.degraded,
        )

    async def _record_rate_limit(self, job: Job, error: RateLimited) -> _Recorded:
        """Pause the registry until its rate limit (429) ends, for all of its tags; the attempt does not count."""
        now = self._clock.now()
        until = max(error.retry_at or now + _DEFAULT_LIMIT, now + _SHORTEST_LIMIT)
        registry = _registry_of(job, error)
        written = await self._queue.defer(job, until=until, reason=error.kind, error=str(error), registry=registry)
        await self._pauses.pause_until(registry, until=until, error=str(error))
        return written, JobEnded(job_info(job), "again", str(error), error.kind, error_registry=registry)

    async def _record_refused_login(self, job: Job, error: LoginRefused, started_at: datetime) -> _Recorded:
        """Pause the registry and fail the first tag whose login is refused; further tags wait for the registry.

        If a retried login is accepted, only this attempt failed: a token may expire during a long push, and token
        servers have temporary failures.
        """
        registry = _registry_of(job, error)
        if await self._pauses.retry_login(registry):
            unsteady = LoginUnsteady(f"{error}; the login is taken now", registry=error.registry)
            return await self._record_failed_attempt(job, unsteady, started_at)
        if await self._pauses.pause_after_refusal(registry, error=str(error)):
            return await self._record_failed_attempt(job, error, started_at)
        written = await self._queue.defer(job, until=None, reason=error.kind, error=str(error), registry=registry)
        return written, JobEnded(job_info(job), "again", str(error), error.kind, error_registry=registry)

    async def _record_failed_attempt(self, job: Job, error: TransferError, started_at: datetime) -> _Recorded:
        again = retry.next_run(
            error,
            attempt=job.attempt,
            now=self._clock.now(),
            max_attempts=self._policy.max_attempts,
            delay=self._policy.delay,
            jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
        )
        ended = JobEnded(
            job_info(job),
            "again" if again else "failed",
            str(error),
            error.kind,
            error_registry=error.registry,
            retry_at=again,
        )
        return await self._write_failure(job, ended, started_at)

    async def _write_failure(self, job: Job, ended: JobEnded, started_at: datetime) -> _Recorded:
        written = await self._queue.fail(
            job,
            started_at=started_at,
            kind=str(ended.error_kind),
            error=str(ended.error),
            retry_at=ended.retry_at,
            registry=ended.error_registry,
        )
        return written, ended


def _registry_of(job: Job, error: TransferError) -> str:
    """The registry that caused an error; the source's, if the error does not name one."""
    return error.registry or Repository.parse(job.source).registry


def job_info(job: Job) -> JobInfo:
    """The job, as events contain it."""
    return JobInfo(key=job.token, item=job.item, source=job.source, target=job.target, tag=job.tag, attempt=job.attempt)
