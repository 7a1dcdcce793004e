"""How much open pages slow the copies: `python -m benchmarks.live_views`.

Pairs of runs of the service with the same full queue: one that nobody watches, and one with 100 open live views of the
overview. A run lasts from the first copy to the last one. The readers run on the same machine, so what they take is
counted against the page; the service's own CPU time tells the two apart.
"""

import asyncio
import itertools
import sqlite3
import statistics
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

import aiohttp

from benchmarks.job import PREFIX
from benchmarks.processes import cpu, resident
from benchmarks.scale import FULL, Shape
from benchmarks.sources import Source, fill
from benchmarks.stage import Stage
from benchmarks.verify import named, verify
from ferryman.tasks import cancel_and_wait
from tests.support import ferryman
from tests.support.processes import RegistryServer, free_port, is_listening

_SHAPE = Shape(repositories=5, tags=40, base_size=2**21, own_size=2**20)
_VIEWS = 100
_PAIRS = 5
_CHECK = 0.05  # seconds between two looks at the record


@dataclass(frozen=True, slots=True)
class _Run:
    wall: float  # seconds, from the first copy to the last
    cpu: float  # seconds of the service, user and system
    resident: float  # MiB of the service at the end
    messages: int  # that all readers got


async def main() -> None:
    """Print a line for each pair, and the medians."""
    with Stage(FULL) as stage:
        server = stage.registry()
        source = fill(server, "bench", _SHAPE)
        pairs = []
        for order in itertools.islice(itertools.cycle([(0, 1), (1, 0)]), _PAIRS):
            runs = {views: await _run(stage, server, source, views * _VIEWS) for views in order}
            pairs.append((runs[0], runs[1]))
            print(_line(*pairs[-1]), flush=True)
    ratios = [watched.wall / alone.wall for alone, watched in pairs]
    print(f"median: {statistics.median(ratios):.3f} times as long with {_VIEWS} open views")


def _line(alone: _Run, watched: _Run) -> str:
    return (
        f"alone {alone.wall:.2f} s, CPU {alone.cpu:.2f} s, {alone.resident:.0f} MiB; "
        f"watched {watched.wall:.2f} s, CPU {watched.cpu:.2f} s, {watched.resident:.0f} MiB, "
        f"{watched.messages} messages; ratio {watched.wall / alone.wall:.3f}"
    )


async def _run(stage: Stage, server: RegistryServer, source: Source, views: int) -> _Run:
    port = free_port()
    with stage.fresh() as target:
        installed = _installed(stage, source, target)
        _fill_queue(installed, source.tags)
        service = installed.start("run", FERRYMAN_LISTEN=f"127.0.0.1:{port}")
        try:
            service.until("the page", lambda: is_listening(port))
            async with _watched(port, views) as watching:
                before = cpu(service.pid)
                await asyncio.to_thread(installed.run, "resume")
                began = time.monotonic()
                while _number(installed, "synced") < source.tags:  # noqa: ASYNC110 - another process's record
                    await asyncio.sleep(_CHECK)
                wall = time.monotonic() - began
                run = _Run(wall, cpu(service.pid) - before, resident(service.pid), watching.messages)
            verify(named(server, source.repositories), target, source.repositories)
        finally:
            service.stop()
    return run


def _installed(stage: Stage, source: Source, target: RegistryServer) -> ferryman.Ferryman:
    installed = ferryman.Ferryman(
        stage.folder(), engine="unix:///nonexistent/docker.sock", environment={"FERRYMAN_TRANSPORT": "direct"}
    )
    items = ", ".join(f"{{source: {source.host}/{name}}}" for name in source.repositories)
    installed.items.write_text(f"defaults: {{target: {target.host}/{PREFIX}/}}\nitems: [{items}]\n")
    return installed


def _fill_queue(installed: ferryman.Ferryman, tags: int) -> None:
    """Queue all tags, and hold them back."""
    scheduler = installed.start("scheduler")
    scheduler.until("a full queue", lambda: _number(installed, "queued") == tags)
    scheduler.stop()
    installed.run("pause")


class _Watching:
    """What the open views got."""

    messages = 0

    async def follow(self, session: aiohttp.ClientSession, url: str, ready: asyncio.Event) -> None:
        async with session.get(url) as response:
            response.raise_for_status()
            async for line in response.content:
                self.messages += line.startswith(b"event:")
                ready.set()


@asynccontextmanager
async def _watched(port: int, views: int) -> AsyncIterator[_Watching]:
    """Open live views that have got their first message."""
    watching, ready = _Watching(), [asyncio.Event() for _ in range(views)]
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=2**20) as session:
        url = f"http://127.0.0.1:{port}/live/overview"
        readers = [asyncio.create_task(watching.follow(session, url, each)) for each in ready]
        for each in ready:
            await each.wait()
        yield watching
        await cancel_and_wait(readers)


def _number(installed: ferryman.Ferryman, status: str) -> int:
    """The number of tags of this status, read beside the service."""
    if not installed.database.exists():
        return 0
    with closing(sqlite3.connect(f"file:{installed.database}?mode=ro", uri=True)) as connection:
        try:
            row = connection.execute("SELECT count(*) FROM tags WHERE status = ?", (status,)).fetchone()
        except sqlite3.OperationalError:  # it is being made
            return 0
    return int(row[0])


if __name__ == "__main__":
    asyncio.run(main())
