"""Run concurrent calls as one batch: a transaction costs hardly more for several calls than for one.

Requests that arrive during a run form the next batch. So no request waits for a batch to fill, and the more requests
arrive at once, the less each of them costs.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Generic, TypeVar

from ferryman.errors import Unstorable
from ferryman.store.database.shielded import shielded

_Request = TypeVar("_Request")
_Result = TypeVar("_Result")


class Batcher(Generic[_Request, _Result]):
    """Calls `run` with batches of requests. `run` returns a result for each, in order, or fails and changes nothing."""

    def __init__(
        self, run: Callable[[Sequence[_Request]], Coroutine[Any, Any, Sequence[_Result]]], *, lock: asyncio.Lock
    ) -> None:
        self._run = run
        self._lock = lock  # one run at a time of all batchers that share it
        self._waiting: dict[asyncio.Future[_Result], _Request] = {}  # for the next run

    async def submit(self, request: _Request) -> _Result:
        """Run the request in the next batch and return its result.

        Cancelling withdraws a request that is in no batch yet, and never interrupts a run.
        """
        future: asyncio.Future[_Result] = asyncio.get_running_loop().create_future()
        self._waiting[future] = request
        try:
            async with self._lock:
                if not future.done():  # by the run of another caller
                    batch, self._waiting = self._waiting, {}
                    await shielded(self._run_batch(batch))
            return await future
        except asyncio.CancelledError:
            self._waiting.pop(future, None)
            if not future.cancel():
                future.exception()  # mark it as retrieved, or the loop logs it
            raise

    async def _run_batch(self, batch: Mapping[asyncio.Future[_Result], _Request]) -> None:
        """After Unstorable, run the requests one by one, so that only the faulty one fails. Other errors fail all.

        With a locked or unreachable database, each of the single runs would wait for the timeout again.
        """
        try:
            results = await self._run(list(batch.values()))
        except Exception as error:  # noqa: BLE001 - raised by `submit`
            if isinstance(error, Unstorable) and len(batch) > 1:
                for future, request in batch.items():
                    await self._run_batch({future: request})
                return
            for future in batch:
                if not future.cancelled():
                    future.set_exception(error)
            return
        for future, result in zip(batch, results, strict=True):
            if not future.cancelled():
                future.set_result(result)
