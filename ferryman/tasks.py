"""Running tasks concurrently: gather or raise the first error, a bounded pool, cancel and wait, compute in a thread.

Not asyncio.TaskGroup: on Python 3.11.2 a group whose child failed leaves `task.cancelling()` at 1 in the task that
waited for it, and the next `asyncio.timeout` in that task lets CancelledError out instead of raising TimeoutError.
"""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Hashable
from contextlib import suppress
from typing import Any, TypeVar, cast

_T = TypeVar("_T")

_ONE_AT_A_TIME = threading.Lock()  # more computations at once would only slow down the event loop
_THREAD_FROM = 5000  # items; for fewer, starting a thread takes longer than the computation


async def gather_or_raise(*works: Coroutine[Any, Any, _T]) -> list[_T]:
    """Run coroutines concurrently and return their results in order.

    The first error cancels the others; it is raised unchanged once all have ended. A cancellation of the caller does
    the same.
    """
    if not works:
        return []
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        await cancel_and_wait(tasks)
    for task in tasks:
        if not task.cancelled() and (error := task.exception()) is not None:
            raise error
    return [task.result() for task in tasks]


async def for_each(items: Collection[_T], work: Callable[[_T], Coroutine[Any, Any, object]], *, at_once: int) -> None:
    """Call `work` for every item, in order, at most `at_once` concurrently. The first error cancels the rest."""
    waiting = iter(items)

    async def run() -> None:
        for item in waiting:
            await work(item)

    await gather_or_raise(*(run() for _ in range(min(at_once, len(items)))))


async def for_each_by_owner(
    items: Collection[_T],
    work: Callable[[_T], Coroutine[Any, Any, object]],
    *,
    at_once: int,
    owner: Callable[[_T], Hashable],
) -> None:
    """Like `for_each`; if there are several owners, none uses more than half of the slots at any moment."""
    waiting = dict(enumerate(items))
    running: Counter[Hashable] = Counter()
    several = len({owner(item) for item in items}) > 1
    most = max(1, at_once // 2) if several else at_once

    async def run() -> None:
        # A runner that finds nothing may end: items that still wait belong to owners whose own runners return for them.
        while (number := next((n for n, item in waiting.items() if running[owner(item)] < most), None)) is not None:
            item = waiting.pop(number)
            running[owner(item)] += 1
            await work(item)
            running[owner(item)] -= 1

    await gather_or_raise(*(run() for _ in range(min(at_once, len(items)))))


async def cancel_and_wait(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancel the tasks that still run, and wait until all have ended, even if the caller is cancelled meanwhile."""
    running = [task for task in tasks if not task.done()]
    for task in running:
        task.cancel()
    cancelled: asyncio.CancelledError | None = None
    while not all(task.done() for task in running):
        try:
            await asyncio.wait(running)
        except asyncio.CancelledError as error:
            cancelled = error
    for task in tasks:
        if not task.cancelled():
            task.exception()  # mark it as retrieved, or asyncio logs it
    if cancelled is not None:
        raise cancelled


async def compute(work: Callable[[], _T], *, size: int) -> _T:
    """Return `work()`, a pure computation over `size` items; many items in a thread, so that the event loop goes on.

    Not asyncio.to_thread: the program waits for its threads at exit, and a cancelled caller wants no result.
    """
    if size < _THREAD_FROM:
        return work()
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def deliver(result: _T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("_T", result))

    def run() -> None:
        result, error = None, None
        try:
            with _ONE_AT_A_TIME:
                if future.cancelled():
                    return
                result = work()
        except BaseException as failure:  # noqa: BLE001  (raised in the caller)
            error = failure
        with suppress(RuntimeError):  # the loop is closed: nothing awaits the result
            loop.call_soon_threadsafe(deliver, result, error)

    threading.Thread(target=run, name="compute", daemon=True).start()
    return await future
