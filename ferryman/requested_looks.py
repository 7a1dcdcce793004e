"""Looks that persons and webhooks ask for: cycles of some items beside those of the timetable."""

import asyncio
import contextlib
from collections.abc import Callable, Collection

from ferryman import log
from ferryman.application import Application
from ferryman.errors import StoreError
from ferryman.items.model import Item
from ferryman.scheduler import Scheduler
from ferryman.store.look_requests import ALL_ITEMS
from ferryman.tasks import cancel_and_wait

_POLL = 3.0  # seconds between two looks for requests of other processes
_POLL_AFTER_ERROR = 15.0  # of the database
_INTERVAL = 60.0  # seconds from a requested look to the next one at the same item: many requests become one
_AT_ONCE = 4  # so that an item whose source answers slowly does not hold up the others


class RequestedLooks:
    """Takes up the requests in the database, also those of other processes, unless another scheduler is faster."""

    def __init__(self, app: Application, scheduler: Scheduler, *, reload: Callable[[], None]) -> None:
        """`reload`: reads items.yml again, because a request may be about an item that was just added."""
        self._app = app
        self._scheduler = scheduler
        self._reload = reload
        self._running: dict[asyncio.Task[None], frozenset[str]] = {}  # with the targets of their requests
        self._began: dict[str, float] = {}  # monotonic time of the last requested look, by its request's target

    async def run(self) -> None:
        """Take up requests until it is cancelled."""
        try:
            while True:
                added = self._app.record.look_requests.added.next()
                wait = _POLL if await self._take_up_reported() else _POLL_AFTER_ERROR
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await added.wait()
        finally:
            await cancel_and_wait(list(self._running))

    async def _take_up_reported(self) -> bool:
        """Whether the database has answered."""
        try:
            await self.take_up()
        except StoreError as error:
            log.get().error("look_requests_unread", message="cannot ask who wants a look", error=str(error))
            return False
        return True

    async def take_up(self) -> None:
        """Begin the looks that are requested and may begin now. Raises StoreError."""
        ready = [target for target in await self._app.record.look_requests.pending() if self._may_begin(target)]
        if not ready or len(self._running) >= _AT_ONCE:
            return
        taken = await self._app.record.look_requests.take(None if ALL_ITEMS in ready else ready)
        if not taken:
            return
        self._began |= dict.fromkeys(taken, self._app.clock.monotonic())
        self._reload()
        items = self._items_of(taken)
        every_tag = {str(item.target) for item in self._items_of([target for target, every in taken.items() if every])}
        log.get().info("look_requested", message="looking, because a person or a webhook asks for it", items=len(items))
        task = asyncio.create_task(self._look(items, every_tag), name="requested look")
        self._running[task] = frozenset(taken)
        task.add_done_callback(self._running.pop)

    def _may_begin(self, target: str) -> bool:
        """Whether no requested look at it runs, or began a short while ago."""
        if any(target in targets for targets in self._running.values()):
            return False
        began = self._began.get(target)
        return began is None or self._app.clock.monotonic() - began >= _INTERVAL

    def _items_of(self, targets: Collection[str]) -> list[Item]:
        """What the requests are about; items.yml may have changed since."""
        items = self._app.configuration.items
        return [item for item in items if ALL_ITEMS in targets or str(item.target) in targets]

    async def _look(self, items: Collection[Item], every_tag: Collection[str]) -> None:
        """One cycle. `every_tag`: the targets of the items of which upstream is asked for every tag."""
        try:
            await self._app.withdraw_former_items()  # items.yml was read again
            await self._scheduler.cycle(self._app.configuration, list(items), requested=True, every_tag=every_tag)
        except StoreError as error:
            message = "a requested look ended early; the next cycle looks again"
            log.get().error("requested_look_failed", message=message, error=str(error))
        except Exception as error:  # noqa: BLE001 - a defect must not end the looks that others ask for
            log.get().error(
                "requested_look_defect", message="a requested look failed by a defect in Ferryman", exc_info=error
            )
