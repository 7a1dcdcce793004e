"""The long-running service: timetable, worker pool, page, heartbeat, signals, and the graceful stop."""

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ferryman import log
from ferryman.application import Application, open_application
from ferryman.errors import AddressUnusable, ConfigurationError, StoreError
from ferryman.pause_watch import PauseWatch
from ferryman.requested_looks import RequestedLooks
from ferryman.requested_verifications import RequestedVerifications
from ferryman.scheduler import Scheduler
from ferryman.settings import Settings
from ferryman.store.services import Cycles
from ferryman.supervision import keep_running
from ferryman.tasks import cancel_and_wait
from ferryman.timetable import NextCycle, next_cycle
from ferryman.views import process_details
from ferryman.views.running_jobs import RunningJobs

if TYPE_CHECKING:
    from ferryman.web.context import Role
    from ferryman.web.server import Server

# Seconds of a graceful stop in which running copies may end. Returning the rest to the queue may take 5 more; docker
# kills a container after 10.
_GRACE = 3.0
_HEARTBEAT_INTERVAL = 15.0  # seconds between two heartbeats, which `ferryman health` checks
# A pool without progress for this long hangs. All waits of a copy have shorter timeouts, unless `timeout` of a registry
# is longer: an engine may unpack, and a registry may commit, for an hour without a response.
_LONGEST_STALL = timedelta(hours=3)
_SAMPLE_CHECK_INTERVAL = 60.0  # seconds after which a sample may be due
_PAUSE_CHECK_INTERVAL = 3.0  # seconds between two looks for pauses of other processes
_LISTEN_INTERVAL = 60.0  # seconds between two tries to listen on an address that is in use
_CLOCK_CHECK_INTERVAL = 15.0  # seconds after which the timetable checks whether the clock was set


async def serve(settings: Settings, *, schedule: bool, work: bool) -> None:
    """Run until SIGTERM or SIGINT. SIGHUP re-reads items.yml and starts a cycle. Raises FerrymanError at the start.

    Raises WorkStopped, after a graceful stop, if a part of it fails again and again.
    """
    with contextlib.ExitStack() as stack:
        page = _listen(settings)  # first: whoever starts a second Ferryman learns it at once
        if page is not None:
            stack.callback(page.close)
        async with open_application(settings, engine=work) as app:
            await _Service(app, page, schedule=schedule, work=work).run()


def _listen(settings: Settings) -> "Server | None":
    """Take the page's address; None: there is none, or the default one is in use. Raises AddressUnusable.

    Whoever names an address wants the page there. But copying must not end because of a port that nobody chose.
    """
    if settings.listen is None:
        return None
    from ferryman.web.server import Server  # noqa: PLC0415 - it costs memory, which FERRYMAN_LISTEN=off saves

    try:
        return Server.listen(settings.listen)
    except AddressUnusable as error:
        if "listen" in settings.model_fields_set:
            raise
        log.get().warning(
            "web_not_listening",
            message="the page is not served: its address is tried again every minute",
            error=str(error),
        )
        return None


class _Service:
    def __init__(self, app: Application, page: "Server | None", *, schedule: bool, work: bool) -> None:
        self._app = app
        self._page = page
        self._scheduler = app.scheduler() if schedule else None
        self._pool = app.pool() if work else None
        self._role: Role = "run" if schedule and work else "scheduler" if schedule else "worker"
        self._running = RunningJobs(clock=app.clock.monotonic)
        app.events.subscribe(self._running.observe)
        self._stop = asyncio.Event()
        self._hangup = asyncio.Event()
        # Monotonic times: when the last cycle ended, and when the running one began.
        self._ended: float | None = None
        self._began: float | None = None
        self._next: NextCycle | None = None
        self._early_ends = 0  # failed cycles in a row
        self._stalled = False  # whether no worker makes progress

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hangup.set)
        log.get().info("service_started", message="started", role=self._role, items=len(self._app.configuration.items))
        others = [
            self._supervised("timetable", self._timetable),
            self._supervised("service heartbeat", self._send_heartbeats),
            self._supervised("check for changed credentials", self._resume_recovered),
            self._supervised("samples", self._take_samples),
            self._supervised("watch pauses", self._watch_pauses),
            self._supervised("messages", self._app.messenger().run),
            self._supervised("heartbeat calls", self._app.cycle_calls().run),
        ]
        if self._app.settings.listen is not None:
            others.append(self._supervised("page", self._serve_page))
        if self._scheduler:
            requested = RequestedLooks(self._app, self._scheduler, reload=self._reload)
            others.append(self._supervised("requested looks", requested.run))
            others.append(self._supervised("requested verifications", RequestedVerifications(self._app).run))
        pool = [asyncio.create_task(self._pool.run(), name="pool")] if self._pool else []
        stop = asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait([stop, *others, *pool], return_when=asyncio.FIRST_COMPLETED)
            ended = next((task for task in (*others, *pool) if task.done()), None)
            log.get().info("service_stopping", message="stopping")
            await cancel_and_wait(others)
            if self._pool:
                self._pool.drain()
                await asyncio.wait(pool, timeout=_GRACE)
        finally:
            await cancel_and_wait([stop, *others, *pool])
        owner = self._app.owner.name
        await self._app.record.queue.reclaim([owner])  # jobs that were claimed during the stop
        await self._app.record.cycles.stop(owner, now=self._app.clock.now())
        await self._app.record.services.drop(owner)
        log.get().info("service_stopped", message="stopped")
        if ended is not None:
            ended.result()  # raises its error

    def _supervised(self, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> "asyncio.Task[None]":
        return asyncio.create_task(keep_running(name, work, clock=self._app.clock))

    async def _serve_page(self) -> None:
        """Serve the page, once its address is free."""
        from ferryman.web.server import Server  # noqa: PLC0415 - as in `_listen`

        while self._page is None and self._app.settings.listen is not None:
            await self._app.clock.sleep(_LISTEN_INTERVAL)
            with contextlib.suppress(AddressUnusable):  # which was logged
                self._page = Server.listen(self._app.settings.listen)
        if self._page is not None:
            await self._page.serve(self._app, self._role, self._running)

    async def _timetable(self) -> None:
        """Run a cycle now, then by FERRYMAN_INTERVAL, and at once after SIGHUP."""
        while True:
            if self._scheduler:
                await self._timed_cycle(self._scheduler)
            else:
                await self._withdraw()
                self._next = NextCycle(self._app.settings.interval, clock=self._app.clock)
            await self._heartbeat()  # `status` shows the time of the next cycle
            await self._wait_for_the_next()
            self._hangup.clear()
            self._reload()

    async def _timed_cycle(self, scheduler: Scheduler) -> None:
        self._began, self._next = self._app.clock.monotonic(), None
        self._early_ends += 1
        try:
            if await self._cycle(scheduler):
                self._early_ends = 0
        finally:
            self._ended, self._began = self._app.clock.monotonic(), None
            interval = self._app.settings.interval
            self._next = next_cycle(interval, clock=self._app.clock, early_ends=self._early_ends)

    async def _wait_for_the_next(self) -> None:
        """Wait until the next cycle is due, or for SIGHUP."""
        while not self._hangup.is_set() and self._next and (left := self._next.left()) > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, _CLOCK_CHECK_INTERVAL)):
                    await self._hangup.wait()

    async def _cycle(self, scheduler: Scheduler) -> bool:
        """Run one cycle. False: the database failed."""
        configuration = self._app.configuration
        await self._heartbeat()  # for `health`: the cycle has begun
        try:
            await self._app.withdraw_former_items()
            await self._app.record.look_requests.take()  # this cycle is what they ask for
            await self._app.settle_targets()
            await scheduler.cycle(configuration, configuration.items)
            await self._app.prune(configuration.items)
            await self._app.remove_old_records()
        except StoreError as error:
            log.get().error(
                "cycle_ended_early",
                message="the cycle ended early; the next one comes within minutes",
                error=str(error),
            )
            return False
        return True

    async def _withdraw(self) -> None:
        """Withdraw the former items' tags. A database that fails is reported, and asked again in the next cycle."""
        try:
            await self._app.withdraw_former_items()
        except StoreError as error:
            log.get().error(
                "former_items_not_withdrawn", message="cannot take former items out of the queue", error=str(error)
            )

    def _reload(self) -> None:
        """Read items.yml again. If it is invalid, report that, and keep the last valid one."""
        try:
            self._app.reload()
        except ConfigurationError as error:
            for problem in error.problems:
                log.get().error(
                    "items_invalid",
                    message="items.yml is invalid; the last valid one stays in force",
                    problem=str(problem),
                )

    async def _send_heartbeats(self) -> None:
        """Send heartbeats."""
        while True:
            await self._heartbeat()
            await self._app.clock.sleep(_HEARTBEAT_INTERVAL)

    async def _resume_recovered(self) -> None:
        """Resume registries whose credentials have changed. In a task of its own: credential helpers may be slow."""
        while True:
            try:
                await self._app.pauses.resume_recovered()
            except StoreError as error:
                log.get().error(
                    "credentials_check_failed", message="cannot check for changed credentials", error=str(error)
                )
            await self._app.clock.sleep(_HEARTBEAT_INTERVAL)

    async def _take_samples(self) -> None:
        """Take a sample of the queue for every five minutes, whichever process is the first."""
        while True:
            try:
                await self._app.record.samples.take(self._app.clock.now())
            except StoreError as error:
                log.get().error("sample_failed", message="cannot take a sample of the queue", error=str(error))
            await self._app.clock.sleep(_SAMPLE_CHECK_INTERVAL)

    async def _watch_pauses(self) -> None:
        """Tell of pauses that other processes record: a paused mirror must not look idle without a reason."""
        watch = PauseWatch(manual_pauses=self._app.record.manual_pauses, events=self._app.events)
        while True:
            try:
                await watch.check()
            except StoreError as error:
                log.get().error("pauses_unread", message="cannot ask what is paused", error=str(error))
                await self._app.clock.sleep(_HEARTBEAT_INTERVAL)
            await self._app.clock.sleep(_PAUSE_CHECK_INTERVAL)

    async def _heartbeat(self) -> None:
        if self._is_stalled():
            return
        cycles = self._cycles() if self._scheduler else Cycles()
        try:
            limits = self._app.registry.present_limits()
            details = process_details.written(self._running, limits, self._app.copies_limit)
            await self._app.record.services.heartbeat(self._app.owner.name, self._role, cycles=cycles, details=details)
        except StoreError as error:
            log.get().error("heartbeat_failed", message="cannot send the heartbeat", error=str(error))

    def _is_stalled(self) -> bool:
        """Whether the workers make no progress. Then no heartbeat is sent, and `health` reports a stale one."""
        stalled = self._pool is not None and self._pool.stalled_for > _LONGEST_STALL
        if stalled and not self._stalled:
            log.get().error("workers_stalled", message="no worker makes progress; no heartbeat is sent until one does")
        self._stalled = stalled
        return stalled

    def _cycles(self) -> Cycles:
        """The cycles' times, by the machine's clock as it is set now."""
        return Cycles(
            began_at=self._moment(self._began),
            ended_at=self._moment(self._ended),
            next_at=self._next.at() if self._next else None,
        )

    def _moment(self, monotonic: float | None) -> datetime | None:
        clock = self._app.clock
        return None if monotonic is None else clock.now() - timedelta(seconds=clock.monotonic() - monotonic)
