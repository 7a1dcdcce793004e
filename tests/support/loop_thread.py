"""An event loop in a separate thread, for servers that have to answer while a test blocks."""

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")
_LONGEST_WAIT = 240.0  # seconds


class LoopThread:
    """Not running when created; `stop` ends it permanently."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """Run a coroutine in the loop. Returns its result."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(_LONGEST_WAIT)

    def stop(self) -> None:
        """Stop the loop, after all of its tasks have ended."""
        self.run(_cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_all() -> None:
    while others := asyncio.all_tasks() - {asyncio.current_task()}:
        for task in others:
            task.cancel()
        await asyncio.wait(others, timeout=1)
    await asyncio.sleep(0)  # for what their ends have called
