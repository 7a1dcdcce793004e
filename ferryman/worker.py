"""One claimed tag, from its claim to its record: copy, verify at the target, write down what came of it.

No database session is held across the network, and every write-back names the lease's token: a result
that comes after the lease was lost is dropped.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from ferryman import log, retry
from ferryman.clock import Clock
from ferryman.errors import (
    EngineUnavailable,
    LoginRefused,
    LoginUnsteady,
    NoSuchPlatform,
    NotFound,
    RateLimited,
    TransferError,
    WrongContent,
)
from ferryman.platforms import Platforms
from ferryman.reference import Reference, Repository
from ferryman.registry.client import RegistryClient
from ferryman.registry_pauses import RegistryPauses
from ferryman.store.queue.queue import Queue
from ferryman.store.records import Job
from ferryman.transports.base import Copied, Transport

_LIMIT_UNKNOWN = timedelta(seconds=60)  # how long to leave a registry alone that says "too many" and no more
_SHORTEST_LIMIT = timedelta(seconds=1)  # no attempt is counted: nothing else would slow a "Retry-After: 0" down


class Listener(Protocol):
    """Watches the work: the live view of `ferryman sync`. Never blocks, never raises."""

    def started(self, job: Job) -> None:
        """A worker has taken the job."""
        ...

    def progressed(self, job: Job, part: str, done: int, total: int | None) -> None:
        """A part of its copy stands at `done` of `total` bytes."""
        ...

    def ended(self, job: Job, outcome: str, copied: Copied | None) -> None:
        """`outcome` is synced, failed, skipped, again (later), or stopped (handed back)."""
        ...


class Unwatched:
    """A Listener for when nobody looks: the log tells everything line by line."""

    def started(self, job: Job) -> None: ...

    def progressed(self, job: Job, part: str, done: int, total: int | None) -> None: ...

    def ended(self, job: Job, outcome: str, copied: Copied | None) -> None: ...


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
        listener: Listener,
    ) -> None:
        self._queue = queue
        self._transport = transport
        self._registry = registry
        self._pauses = pauses
        self._clock = clock
        self._policy = policy
        self._listener = listener

    async def copy(self, job: Job, progressed: Callable[[], None]) -> Copied:
        """Copy, and ask the target what it has now, unless it has just said so itself. Raises TransferError.

        `progressed` is called whenever a part of the copy is further than before.
        """

        def tell(part: str, done: int, total: int | None) -> None:
            progressed()
            self._listener.progressed(job, part, done, total)

        self._listener.started(job)
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

    async def hand_back(self, job: Job) -> None:
        """This process stops: the job is anybody's again, and the attempt does not count."""
        log.get().info("handed back")
        self._listener.ended(job, "stopped", None)
        await self._queue.hand_back(job)

    def abandon(self, job: Job) -> None:
        """The lease is lost and the copy stopped: another worker has this tag, there is nothing to record."""
        log.get().warning("lease lost: another worker has this tag now")
        self._listener.ended(job, "stopped", None)

    async def settle(self, job: Job, copy: asyncio.Task[Copied], started_at: datetime) -> None:
        """Record what came of a finished copy. Raises StoreError; then the lease lapses and the tag is copied again."""
        error = copy.exception()
        if error is None:
            kept = await self._succeeded(job, copy.result(), started_at)
        elif isinstance(error, NoSuchPlatform):
            log.get().info("skipped", reason=str(error))
            self._listener.ended(job, "skipped", None)
            kept = await self._queue.skip(job, started_at=started_at, reason=error.kind, error=str(error))
        elif isinstance(error, EngineUnavailable):  # no tag's fault: the pool waits for the engine
            self._listener.ended(job, "again", None)
            kept = await self._queue.hand_back(job)
        elif isinstance(error, RateLimited):
            kept = await self._limited(job, error)
        elif isinstance(error, LoginRefused):
            kept = await self._refused(job, error, started_at)
        elif isinstance(error, TransferError):
            kept = await self._failed(job, error, started_at)
        else:  # a mistake of ours: trying again at once would only repeat it
            log.get().error("failed by a defect in Ferryman", exc_info=error)
            message = f"defect in Ferryman, see the log: {type(error).__name__}"
            kept = await self._write_failure(job, "defect", message, None, started_at)
        if not kept:
            log.get().warning("lease lost: the result is dropped, another worker has this tag")

    async def _succeeded(self, job: Job, copied: Copied, started_at: datetime) -> bool:
        seconds = round((self._clock.now() - started_at).total_seconds(), 1)
        log.get().info(
            "synced", digest=copied.digest, moved=copied.bytes_moved, reused=copied.bytes_reused, seconds=seconds
        )
        if copied.degraded:
            log.get().warning("copied, but not all of it", left_out=copied.degraded)
        self._listener.ended(job, "synced", copied)
        return await self._queue.succeed(
            job,
            started_at=started_at,
            target_digest=copied.digest,
            identical=copied.identical,
            bytes_moved=copied.bytes_moved,
            bytes_reused=copied.bytes_reused,
            degraded=copied.degraded,
            referrers=copied.referrers,
        )

    async def _limited(self, job: Job, error: RateLimited) -> bool:
        """A limit holds for all of that registry's tags, and is no attempt of this one."""
        now = self._clock.now()
        until = max(error.retry_at or now + _LIMIT_UNKNOWN, now + _SHORTEST_LIMIT)
        self._listener.ended(job, "again", None)
        kept = await self._queue.defer(job, until=until, reason=error.kind, error=str(error))
        await self._pauses.wait(_blamed(job, error), until=until, error=str(error))
        return kept

    async def _refused(self, job: Job, error: LoginRefused, started_at: datetime) -> bool:
        """The first one to be refused tells it; the others wait behind the paused registry.

        A token may run out in the middle of a long push, and token servers fail: a login that is taken a moment
        later was this tag's trouble, which may pass.
        """
        if await self._pauses.passes(_blamed(job, error)):
            passing = LoginUnsteady(f"{error}; the login is taken now", registry=error.registry)
            return await self._failed(job, passing, started_at)
        if await self._pauses.stop(_blamed(job, error), error=str(error)):
            return await self._failed(job, error, started_at)
        self._listener.ended(job, "again", None)
        return await self._queue.defer(job, until=None, reason=error.kind, error=str(error))

    async def _failed(self, job: Job, error: TransferError, started_at: datetime) -> bool:
        again = retry.next_run(
            error,
            attempt=job.attempt,
            now=self._clock.now(),
            max_attempts=self._policy.max_attempts,
            delay=self._policy.delay,
            jitter=random.random(),  # noqa: S311 - spreads retries, guards nothing
        )
        if again is None:
            log.get().error("failed", kind=error.kind, error=str(error))
        else:
            log.get().warning("will be tried again", at=again.isoformat(), kind=error.kind, error=str(error))
        return await self._write_failure(job, error.kind, str(error), again, started_at)

    async def _write_failure(
        self, job: Job, kind: str, error: str, retry_at: datetime | None, started_at: datetime
    ) -> bool:
        self._listener.ended(job, "again" if retry_at else "failed", None)
        return await self._queue.fail(job, started_at=started_at, kind=kind, error=error, retry_at=retry_at)


def _blamed(job: Job, error: TransferError) -> str:
    """The registry that an error speaks of; the source's, where it does not say."""
    return error.registry or Repository.parse(job.source).registry
