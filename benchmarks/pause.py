"""Measures what a pause of a registry costs with 200,000 queued tags behind it: `python -m benchmarks.pause`."""

import asyncio
import tempfile
import time
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ferryman.clock import SystemClock
from ferryman.store.database.database import open_database
from ferryman.store.queue.queue import Queue
from ferryman.store.records import ItemKey, PlannedTag, SeenTag, Walk

_PAUSED = "quay.io"
_TAGS = 200_000  # of the paused registry, in two items
_OTHERS = 20  # items, each of a registry of its own
_CLAIMS = 20  # at a time
_NOW = datetime.now(UTC)


async def main() -> None:
    print(f"{'milliseconds':<56}{'wall':>10}{'CPU':>10}")
    with tempfile.TemporaryDirectory(prefix="ferryman-benchmark-") as folder:
        database = await open_database(f"sqlite+aiosqlite:///{Path(folder) / 'ferryman.db'}")
        queue = Queue(database, owner="benchmark", clock=SystemClock(), lease=timedelta(minutes=5), max_attempts=6)
        for item in range(2):
            await _enqueue(queue, f"image{item}", _PAUSED, _TAGS // 2)
        for other in range(_OTHERS):
            await _enqueue(queue, f"other{other}", f"registry{other}.example.com", 10)
        await _measure("a claim, nothing is paused", _claim(queue), times=_CLAIMS)
        await _measure("what is left, as `sync` asks", queue.outstanding())
        for what, lasts in (("an hour", timedelta(hours=1)), ("a login", None)):
            until = datetime.now(UTC) + lasts if lasts else None
            await _measure(f"pause, for {what}", queue.pause(_PAUSED, until=until, error="slow down"))
            await _measure("    how many tags wait", queue.count_waiting(_PAUSED))
            await _measure("    a claim behind it", _claim(queue), times=_CLAIMS)
            await _measure("    what is left, as `sync` asks", queue.outstanding())
            await _measure("    its end", queue.resume(_PAUSED))
        await database.close()


async def _enqueue(queue: Queue, name: str, registry: str, number: int) -> None:
    seen = [SeenTag(f"v{tag}", f"sha256:{tag:064x}", _NOW) for tag in range(number)]
    planned = [PlannedTag(each.tag, "copy", "new", rank) for rank, each in enumerate(seen)]
    item = ItemKey(name, f"{registry}/upstream/{name}", f"registry.example.com/mirror/{name}", None)
    await queue.apply(item, seen, gone=(), planned=planned, walk=Walk(_NOW, _NOW, ""))


async def _claim(queue: Queue) -> None:
    for _ in range(_CLAIMS):
        if await queue.claim() is None:
            raise RuntimeError("the queue is empty")


async def _measure(what: str, work: Coroutine[None, None, object], *, times: int = 1) -> None:
    """Print the time of one of so many; of CPU, in all threads."""
    began, cpu = time.perf_counter(), time.process_time()
    await work
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"{what:<56}{wall * 1000 / times:>10.1f}{cpu * 1000 / times:>10.1f}", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
