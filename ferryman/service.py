"""The long-running service: a timetable, a crew, a sign of life; signals, and a stop that leaves nothing half done."""

import asyncio
import contextlib
import signal
from datetime import datetime, timedelta

from ferryman import log
from ferryman.app import House, open_house
from ferryman.errors import ConfigurationError, StoreError
from ferryman.scheduler import Scheduler
from ferryman.settings import Settings
from ferryman.worker import Unwatched

_GRACE = 3.0  # seconds that running copies get to end by themselves; handing back may take 5 more, 10 is the limit
_SIGN_OF_LIFE = 15.0  # seconds between two beats, which `ferryman health` looks for
_LONG_SILENT = timedelta(days=1)  # after which a process that was killed is no longer listed
_KEPT = timedelta(days=30)  # how long every attempt stays readable


async def serve(settings: Settings, *, schedule: bool, work: bool) -> None:
    """Run until SIGTERM or SIGINT. SIGHUP re-reads items.yml and looks at once. Raises FerrymanError at the start."""
    async with open_house(settings, engine=work) as house:
        await _Service(house, schedule=schedule, work=work).run()


class _Service:
    def __init__(self, house: House, *, schedule: bool, work: bool) -> None:
        self._house = house
        self._scheduler = house.scheduler() if schedule else None
        self._crew = house.crew(listener=Unwatched()) if work else None
        self._role = "run" if schedule and work else "scheduler" if schedule else "worker"
        self._stop = asyncio.Event()
        self._hangup = asyncio.Event()
        self._next_cycle_at: datetime | None = None

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hangup.set)
        log.get().info("started", role=self._role, items=len(self._house.configuration.items))
        async with asyncio.TaskGroup() as group:
            others = [group.create_task(self._timetable()), group.create_task(self._live())]
            crew = group.create_task(self._crew.run()) if self._crew else None
            await self._stop.wait()
            log.get().info("stopping")
            for task in others:
                task.cancel()
            if self._crew and crew:
                self._crew.drain()
                await asyncio.wait([crew], timeout=_GRACE)
                crew.cancel()
        owner = self._house.owner.name
        await self._house.record.queue.reclaim([owner])  # what was claimed in the very moment of the stop
        await self._house.record.services.drop(owner)
        log.get().info("stopped")

    async def _timetable(self) -> None:
        """A cycle now, then by FERRYMAN_INTERVAL, and at once on SIGHUP."""
        while True:
            if self._scheduler:
                await self._cycle(self._scheduler)
            else:
                await self._withdraw()
            now = self._house.clock.now()
            self._next_cycle_at = self._house.settings.interval.next_after(now)
            await self._beat()  # `status` tells when it looks again
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout((self._next_cycle_at - now).total_seconds()):
                    await self._hangup.wait()
            self._hangup.clear()
            self._reload()

    async def _cycle(self, scheduler: Scheduler) -> None:
        configuration = self._house.configuration
        try:
            await self._house.record.queue.withdraw_items({str(item.target) for item in configuration.items})
            cycle = await scheduler.cycle(configuration, configuration.items)
            await self._house.record.ledger.forget_attempts(self._house.clock.now() - _KEPT)
            await self._house.record.services.forget(self._house.clock.now() - _LONG_SILENT)
            targets = {(item.target.registry, item.target.name) for item in configuration.items}
            await self._house.record.blobs.forget_repositories(but=targets)
            await self._house.record.blobs.forget_unused()
        except StoreError as error:
            log.get().error("the cycle ended early; the next one goes on", error=str(error))
        else:
            log.get().info("cycle done", enqueued=cycle.enqueued, items_failed=len(cycle.failed))

    async def _withdraw(self) -> None:
        """Nothing is pushed to where a changed items.yml does not say so any more."""
        try:
            configuration = self._house.configuration
            await self._house.record.queue.withdraw_items({str(item.target) for item in configuration.items})
        except StoreError as error:
            log.get().error("cannot take former items out of the queue", error=str(error))

    def _reload(self) -> None:
        """Take a changed items.yml over; a broken one is reported, and the last good one stays in force."""
        try:
            self._house.reload()
        except ConfigurationError as error:
            for problem in error.problems:
                log.get().error("items.yml is broken; the last good one stays in force", problem=str(problem))

    async def _live(self) -> None:
        """Give a sign of life, and let go the registries whose credentials have been mended."""
        while True:
            await self._beat()
            try:
                await self._house.pauses.lift_mended()
            except StoreError as error:
                log.get().error("cannot look for mended credentials", error=str(error))
            await self._house.clock.sleep(_SIGN_OF_LIFE)

    async def _beat(self) -> None:
        record, next_cycle_at = self._house.record, self._next_cycle_at if self._scheduler else None
        try:
            await record.services.beat(self._house.owner.name, self._role, next_cycle_at=next_cycle_at)
        except StoreError as error:
            log.get().error("cannot give a sign of life", error=str(error))
