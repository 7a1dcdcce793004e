"""`ferryman sync`: run one cycle to its end, with concurrent lookups and copies."""

import asyncio
import contextlib
import signal
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from typing import Any, Protocol

from ferryman.application import Application
from ferryman.errors import EngineUnavailable
from ferryman.events import Event
from ferryman.items.model import Item
from ferryman.scheduler import Cycle
from ferryman.store.records import Outstanding
from ferryman.sync_lookups import SyncLookups
from ferryman.tasks import cancel_and_wait
from ferryman.worker_pool import WorkerPool

_CHECK_INTERVAL = 0.5  # seconds between two checks of the remaining work
MAX_WAIT = timedelta(minutes=15)  # a sync waits for retries, but not for a rate limit that lasts for hours
_MAX_DATABASE_OUTAGE = timedelta(minutes=2)  # such as a full disk: the service waits for longer, a sync ends


class View(Protocol):
    """An observer of events that also gets the remaining work."""

    def observe(self, event: Event) -> None:
        """See Events."""
        ...

    def queue(self, outstanding: Outstanding) -> None:
        """Take the remaining work; called several times a second."""
        ...


async def cycle_to_the_end(app: Application, items: Sequence[Item], view: View) -> Cycle:
    """Look up and copy until nothing is left that may run soon. Cancelling returns running jobs to the queue.

    Raises StoreError, and EngineUnavailable if the engine is unavailable for too long.
    """
    targets = {str(item.target) for item in items}
    app.events.subscribe(view.observe)
    await app.settle_targets()
    pool = app.pool(targets=targets)
    working = asyncio.create_task(pool.run(), name="pool")
    end_detector = _EndDetector(app, targets, view)
    lookups = _sync_lookups(app, items)
    looking = asyncio.create_task(lookups.first(), name="cycle")
    for task in (working, looking):
        task.add_done_callback(lambda _: pool.idles.notify())
    try:
        with _stopped_by_sigterm():
            await _wait_for_the_end(end_detector, pool, working, looking)
            while not looking.exception() and (refilled := await lookups.items_below_limit()):
                looking = asyncio.create_task(lookups.again(refilled, looking.result()), name="cycle")
                looking.add_done_callback(lambda _: pool.idles.notify())
                await _wait_for_the_end(end_detector, pool, working, looking)
        cycle = await looking
        await app.prune(items)
        await app.remove_old_records()
        return cycle
    finally:
        await cancel_and_wait([looking, working])
        await app.record.queue.reclaim([app.owner.name])  # jobs that were claimed during the stop
        await app.record.cycles.stop(app.owner.name, now=app.clock.now())


def _sync_lookups(app: Application, items: Sequence[Item]) -> SyncLookups:
    return SyncLookups(
        app.scheduler(),
        ledger=app.record.ledger,
        clock=app.clock,
        configuration=app.configuration,
        items=items,
        attempts=app.settings.max_attempts,
        delay=app.settings.retry_delay,
        patience=MAX_WAIT,
    )


async def _wait_for_the_end(
    end_detector: "_EndDetector", pool: WorkerPool, working: "asyncio.Task[None]", looking: "asyncio.Task[Cycle]"
) -> None:
    idle = pool.idles.next()
    while not await end_detector.is_at_end(looking):
        _raise_if_engine_lost(pool)
        pool.raise_if_database_lost(within=_MAX_DATABASE_OUTAGE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CHECK_INTERVAL):
                await idle.wait()
        if working.done():
            await working  # raises its error
        idle = pool.idles.next()


class _EndDetector:
    """Decides when a sync is at its end: nothing is left that may run soon, or nothing has ended for a long time."""

    def __init__(self, app: Application, targets: Collection[str], view: View) -> None:
        self._app = app
        self._targets = targets
        self._view = view
        self._number = -1  # remaining tags
        self._since = app.clock.monotonic()  # when that number last changed

    async def is_at_end(self, looking: "asyncio.Task[Cycle]") -> bool:
        looked = looking.done()  # before the query, whose result then contains all that it has enqueued
        left = await self._app.record.queue.outstanding(self._targets)
        self._view.queue(left)
        now, number = self._app.clock.monotonic(), left.due + left.waiting + left.running
        if number != self._number:
            self._number, self._since = number, now
        if not looked or left.due or left.running:
            return looked and looking.exception() is not None
        may_run_soon = left.next_at is not None and left.next_at <= self._app.clock.now() + MAX_WAIT
        return (
            not may_run_soon or now - self._since > MAX_WAIT.total_seconds()
        )  # for example a rate limit that ends and begins again


def _raise_if_engine_lost(pool: WorkerPool) -> None:
    if pool.engine_lost_for > MAX_WAIT:
        raise EngineUnavailable(f"the Docker Engine has been away for {MAX_WAIT}; what is left stays queued")


@contextlib.contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """Stop on SIGTERM as on Ctrl-C."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    stop: Any = task.cancel if task else loop.stop
    loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
