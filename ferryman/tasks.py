"""Concurrent tasks with one outcome.

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

_TURN = threading.Lock()  # one computation at a time: more would only take turns from everybody else
_MANY = 5000  # things; fewer are done sooner than a thread is begun


async def gather_or_raise(*works: Coroutine[Any, Any, _T]) -> list[_T]:
    """Run all of them concurrently; their results, in order.

    The first error cancels the others and is raised unchanged, once all of them have ended. So does a cancellation.
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


async def for_each(things: Collection[_T], work: Callable[[_T], Coroutine[Any, Any, object]], *, at_once: int) -> None:
    """Call `work` for every one of `things`, in order, at most `at_once` concurrently. The first error ends it."""
    waiting = iter(things)

    async def take() -> None:
        for thing in waiting:
            await work(thing)

    await gather_or_raise(*(take() for _ in range(min(at_once, len(things)))))


async def for_each_by_owner(
    things: Collection[_T],
    work: Callable[[_T], Coroutine[Any, Any, object]],
    *,
    at_once: int,
    owner: Callable[[_T], Hashable],
) -> None:
    """Like `for_each`, but where there are several owners, none has more than half of the places at any moment."""
    waiting = dict(enumerate(things))
    running: Counter[Hashable] = Counter()
    several = len({owner(thing) for thing in things}) > 1
    most = max(1, at_once // 2) if several else at_once

    async def take() -> None:
        # Who finds nothing may end: what still waits belongs to owners whose own takers come back for it.
        while (number := next((n for n, thing in waiting.items() if running[owner(thing)] < most), None)) is not None:
            thing = waiting.pop(number)
            running[owner(thing)] += 1
            await work(thing)
            running[owner(thing)] -= 1

    await gather_or_raise(*(take() for _ in range(min(at_once, len(things)))))


async def cancel_and_wait(tasks: Collection["asyncio.Task[Any]"]) -> None:
    """Cancel those that still run, and wait until all have ended, also when this task is cancelled meanwhile."""
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
            task.exception()  # retrieved, or the loop complains of it
    if cancelled is not None:
        raise cancelled


async def compute(work: Callable[[], _T], *, size: int) -> _T:
    """What a pure computation over so many things gives: where they are many, in a thread, and others go on meanwhile.

    Not asyncio's own threads: the end of the program waits for those, and whoever is cancelled wants nothing any more.
    """
    if size < _MANY:
        return work()
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def tell(result: _T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(cast("_T", result))

    def run() -> None:
        result, error = None, None
        try:
            with _TURN:
                if future.cancelled():
                    return
                result = work()
        except BaseException as failure:  # noqa: BLE001  (raised where it is waited for)
            error = failure
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(tell, result, error)

    threading.Thread(target=run, name="compute", daemon=True).start()
    return await future
