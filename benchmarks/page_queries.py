"""Times what the page reads of a large record: `python -m benchmarks.page_queries`.

One database with 100,000 tags, nine tenths of them of one item, and 1,000,000 attempts; every query is
executed many times. The time of the CPU, of all threads, is affected little by other programs on the machine.
"""

import asyncio
import resource
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from benchmarks.large_record import ITEMS, NOW, fill, tag_of, target_of
from ferryman.item_names import Named
from ferryman.operations.verdict import judge
from ferryman.store.database.database import Database, Transaction, open_database
from ferryman.store.queries.activity import ActivityFilter, read_activity
from ferryman.store.queries.held_tags import read_held_tags
from ferryman.store.queries.item_tags import SORTS, Sort, TagFilter, read_facets, read_item_tags
from ferryman.store.queries.look_strips import read_look_strips
from ferryman.store.queries.running import read_running
from ferryman.store.queries.standing import read_standing
from ferryman.store.queries.tag_life import read_tag_life
from ferryman.store.queries.waiting import read_waiting

_TIMES = 50  # runs of each query

_ALL, _FAILED, _UNHEARD_OF = TagFilter(), TagFilter(statuses=["failed"]), "nothing is called so"

_Query = Callable[[Transaction], Awaitable[object]]


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="ferryman-benchmark-") as folder:
        file = Path(folder) / "ferryman.db"
        database = await open_database(f"sqlite+aiosqlite:///{file}")
        fill(file)
        print(f"{'milliseconds':<56}{'median':>10}{'worst':>10}{'of CPU':>10}", flush=True)
        before = _resident()
        for name, query in _queries().items():
            await _time(name, database, query)
        print(f"resident, more than before: {_resident() - before:.0f} MiB")
        await database.close()


def _queries() -> dict[str, _Query]:
    """What is timed, by its name. An overview and an item page are several queries."""
    targets = [target_of(item) for item in range(ITEMS)]
    items = [Named(f"image{item}", f"quay.io/upstream/image{item}", target_of(item)) for item in range(ITEMS)]

    async def overview(connection: Transaction) -> None:
        judge(await read_standing(connection, targets, NOW), items, [])
        await read_look_strips(connection, targets)

    def item(shown: TagFilter = _ALL, sort: Sort = "version") -> _Query:
        async def read(connection: Transaction) -> None:
            held = await read_held_tags(connection, NOW, targets[0])
            await read_item_tags(connection, targets[0], shown, held, sort=sort)
            shown.count(await read_facets(connection, targets[0], held, shown.text))

        return read

    return {
        "overview, with the verdict": overview,
        **{f"item page by {sort}": item(sort=sort) for sort in SORTS},
        "item page, failed": item(_FAILED),
        "item page, containing 7": item(TagFilter(text="7")),
        "item page, containing 7, by push time": item(TagFilter(text="7"), "pushed"),
        "item page, excluded, by attempts": item(TagFilter(reason="excluded"), "attempts"),
        "item page, containing what none has": item(TagFilter(text=_UNHEARD_OF)),
        "waiting": partial(read_waiting, targets=targets, now=NOW),
        "running": partial(read_running, targets=targets),
        "activity": read_activity,
        "activity of an item": partial(read_activity, shown=ActivityFilter(target=targets[1])),
        "activity, failed": partial(read_activity, shown=ActivityFilter(outcome="failed")),
        "activity, containing what none has": partial(read_activity, shown=ActivityFilter(text=_UNHEARD_OF)),
        "tag": partial(read_tag_life, target=targets[0], tag=tag_of(501)),
    }


async def _time(name: str, database: Database, query: _Query) -> None:
    took, cpu = [], []
    for _ in range(_TIMES):
        began, cpu_began = time.perf_counter(), time.process_time()
        async with database.read() as connection:
            await query(connection)
        took.append((time.perf_counter() - began) * 1000)
        cpu.append((time.process_time() - cpu_began) * 1000)
    print(f"{name:<56}{statistics.median(took):>10.1f}{max(took):>10.1f}{statistics.median(cpu):>10.1f}", flush=True)


def _resident() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    asyncio.run(main())
