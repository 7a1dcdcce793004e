"""`ferryman sync`: one cycle to its end, looking and copying side by side."""

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
from ferryman.worker_pool import WorkerPool

_LOOK_AGAIN = 0.5  # seconds between two looks at what is left
PATIENCE = timedelta(minutes=15)  # it waits for retries, but not for a limit that lasts for hours
_DATABASE_PATIENCE = timedelta(minutes=2)  # for a disk that is full: the service waits for it, a sync ends


class View(Protocol):
    """An observer that is also told how much is left."""

    def observe(self, event: Event) -> None:
        """See Events."""
        ...

    def queue(self, outstanding: Outstanding) -> None:
        """Tell what is left."""
        ...


async def cycle_to_the_end(app: Application, items: Sequence[Item], view: View) -> Cycle:
    """Look and copy until nothing is left that may run soon. Cancelling hands everything back.

    Raises StoreError, and EngineUnavailable for an engine that stays away.
    """
    targets = {str(item.target) for item in items}
    app.events.subscribe(view.observe)
    pool = app.pool(targets=targets)
    working = asyncio.create_task(pool.run(), name="pool")
    watch = _Watch(app, targets, view)
    looks = _looks(app, items)
    looking = asyncio.create_task(looks.first(), name="cycle")
    for task in (working, looking):
        task.add_done_callback(lambda _: pool.idles.notify())
    try:
        with _stopped_by_sigterm():
            await _wait_for_the_end(watch, pool, working, looking)
            while not looking.exception() and (freed := await looks.with_free_places()):
                looking = asyncio.create_task(looks.again(freed, looking.result()), name="cycle")
                looking.add_done_callback(lambda _: pool.idles.notify())
                await _wait_for_the_end(watch, pool, working, looking)
        cycle = await looking
        await app.remove_old_records()
        return cycle
    finally:
        for task in (looking, working):
            task.cancel()
        await asyncio.gather(working, looking, return_exceptions=True)
        await app.record.queue.reclaim([app.owner.name])  # what was claimed in the moment of the stop


def _looks(app: Application, items: Sequence[Item]) -> SyncLookups:
    return SyncLookups(
        app.scheduler(),
        ledger=app.record.ledger,
        clock=app.clock,
        configuration=app.configuration,
        items=items,
        attempts=app.settings.max_attempts,
        delay=app.settings.retry_delay,
        patience=PATIENCE,
    )


async def _wait_for_the_end(
    watch: "_Watch", pool: WorkerPool, working: "asyncio.Task[None]", looking: "asyncio.Task[Cycle]"
) -> None:
    news = pool.idles.next()
    while not await watch.sees_the_end(looking):
        _demand_engine(pool)
        pool.demand_a_database(within=_DATABASE_PATIENCE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN):
                await news.wait()
        if working.done():
            await working  # raises what ended it
        news = pool.idles.next()


class _Watch:
    """Sees when a cycle is over: nothing is left that may run soon, or nothing has come to an end for long."""

    def __init__(self, app: Application, targets: Collection[str], view: View) -> None:
        self._app = app
        self._targets = targets
        self._view = view
        self._number = -1  # tags that are left
        self._since = app.clock.monotonic()  # when that number last was another one

    async def sees_the_end(self, looking: "asyncio.Task[Cycle]") -> bool:
        looked = looking.done()  # before the question: what it enqueues until then is in the answer
        left = await self._app.record.queue.outstanding(self._targets)
        self._view.queue(left)
        now, number = self._app.clock.monotonic(), left.due + left.waiting + left.running
        if number != self._number:
            self._number, self._since = number, now
        if not looked or left.due or left.running:
            return looked and looking.exception() is not None
        may_run_soon = left.next_at is not None and left.next_at <= self._app.clock.now() + PATIENCE
        return (
            not may_run_soon or now - self._since > PATIENCE.total_seconds()
        )  # a limit that ends and begins again, for one


def _demand_engine(pool: WorkerPool) -> None:
    if pool.engine_lost_for > PATIENCE:
        raise EngineUnavailable(f"the Docker Engine has been away for {PATIENCE}; what is left stays queued")


@contextlib.contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM stops it as Ctrl-C does."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    stop: Any = task.cancel if task else loop.stop
    loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
