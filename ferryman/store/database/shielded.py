"""Cancelling never tears a database operation.

A driver whose call is cancelled half-way is left in a state that nobody knows: seen were a transaction that stayed
open, and the one writing connection lost to its pool, after which every write of the process waits for ever.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def shielded(operation: Coroutine[Any, Any, _T]) -> _T:
    """Await it to its end. A cancellation that comes meanwhile is raised then, in place of the result."""
    task = asyncio.create_task(operation)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    task.exception()  # retrieved, or the loop complains of it
    raise cancelled
