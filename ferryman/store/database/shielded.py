"""Shield a database operation from cancellation: it always runs to its end.

A driver whose call is cancelled midway is left in an unknown state. This has been observed: a transaction that stayed
open, and the only write connection lost to its pool, after which every write of the process waited for ever.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

_T = TypeVar("_T")


async def shielded(operation: Coroutine[Any, Any, _T]) -> _T:
    """Await the operation to its end. A cancellation in the meantime is raised afterwards, instead of the result."""
    task = asyncio.create_task(operation)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    task.exception()  # mark it as retrieved, or the loop logs it
    raise cancelled
