"""`ferryman sync`: one cycle to its end, looking and copying side by side."""

import asyncio
import contextlib
import signal
from collections.abc import Collection, Iterator, Sequence
from datetime import timedelta
from typing import Any, Protocol

from ferryman.app import House
from ferryman.crew import Crew
from ferryman.errors import EngineUnavailable
from ferryman.items.model import Item
from ferryman.scheduler import Cycle
from ferryman.store.records import Outstanding
from ferryman.worker import Listener

_LOOK_AGAIN = 0.5  # seconds between two looks at what is left
PATIENCE = timedelta(minutes=15)  # it waits for retries, but not for a limit that lasts for hours


class View(Listener, Protocol):
    """A listener that is also told how much is left."""

    def queue(self, outstanding: Outstanding) -> None:
        """Tell what is left."""
        ...


async def cycle_to_the_end(house: House, items: Sequence[Item], view: View) -> Cycle:
    """Look and copy until nothing is left that may run soon. Cancelling hands everything back.

    Raises StoreError, and EngineUnavailable for an engine that stays away.
    """
    targets = {str(item.target) for item in items}
    crew = house.crew(listener=view, targets=targets)
    working = asyncio.create_task(crew.run(), name="crew")
    looking = asyncio.create_task(house.scheduler().cycle(house.configuration, items), name="cycle")
    for task in (working, looking):
        task.add_done_callback(lambda _: crew.idles.ring())
    try:
        with _stopped_by_sigterm():
            news = crew.idles.next()
            while not await _is_finished(house, targets, looking, view):
                _demand_engine(crew)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_AGAIN):
                        await news.wait()
                if working.done():
                    await working  # raises what ended it
                news = crew.idles.next()
        return await looking
    finally:
        for task in (looking, working):
            task.cancel()
        await asyncio.gather(working, looking, return_exceptions=True)
        await house.record.queue.reclaim([house.record.owner.name])  # what was claimed in the moment of the stop


async def _is_finished(house: House, targets: Collection[str], looking: "asyncio.Task[Cycle]", view: View) -> bool:
    looked = looking.done()  # before the question: what it enqueues until then is in the answer
    left = await house.record.queue.outstanding(targets)
    view.queue(left)
    if not looked or left.due or left.running:
        return looked and looking.exception() is not None
    return left.next_at is None or left.next_at > house.clock.now() + PATIENCE


def _demand_engine(crew: Crew) -> None:
    if crew.engine_lost_for > PATIENCE:
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
