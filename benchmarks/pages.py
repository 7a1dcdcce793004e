"""Times whole pages of a large record, as a browser loads them: `python -m benchmarks.pages`.

The service runs as a process of its own, on a record of 100,000 tags and 1,000,000 attempts; a person has paused it,
so that nothing else moves. The overview is loaded once as soon as the service answers; then, once it has started, every
page 200 times. The memory of the service is read before and after.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import aiohttp

from benchmarks.large_record import ITEMS, fill, tag_of, target_of
from benchmarks.processes import cpu, resident
from tests.support.databases import open_new_database
from tests.support.ferryman import Ferryman
from tests.support.processes import free_port, is_listening

_LOADS = 200  # of each page
_STARTING = 2.0  # seconds after the first answer in which a service loads and compiles what pages need
_FIRST = f"/items/{target_of(0)}"

_PAGES: Mapping[str, str] = {
    "overview": "/",
    "overview, failing items": "/?state=failing",
    "item": _FIRST,
    "item, by push time": f"{_FIRST}?sort=-pushed",
    "item, failed": f"{_FIRST}?status=failed",
    "item, containing 7": f"{_FIRST}?text=7",
    "item, containing what none has": f"{_FIRST}?text=nothing",
    "tag": f"{_FIRST}/tags/{tag_of(501)}",
    "failures": "/failures",
    "waiting": "/waiting",
    "activity": "/activity",
}


async def main() -> None:
    """Print a line for each page."""
    with tempfile.TemporaryDirectory(prefix="ferryman-benchmark-") as folder:
        installed = await _installed(Path(folder))
        port = free_port()
        service = installed.start("run", FERRYMAN_LISTEN=f"127.0.0.1:{port}", FERRYMAN_NOTIFY="")
        try:
            service.until("the page", lambda: is_listening(port))
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                await _load_once(session, "/healthz")  # the port is taken before anybody answers there
                before = resident(service.pid)
                took, _ = await _load_once(session, "/")
                print(f"overview, as soon as the service answers: {took:.1f}", flush=True)
                await asyncio.sleep(_STARTING)
                header = "".join(f"{name:>10}" for name in ("first", "median", "worst", "of CPU", "KiB"))
                print(f"{'milliseconds':<40}{header}", flush=True)
                for name, address in _PAGES.items():
                    await _load(session, service.pid, name, address)
                print(f"resident: {before:.0f} MiB before, {resident(service.pid) - before:.0f} MiB more after")
        finally:
            service.stop()


async def _installed(folder: Path) -> Ferryman:
    installed = Ferryman(folder, engine="unix:///nonexistent/docker.sock", environment={"FERRYMAN_TRANSPORT": "direct"})
    items = ", ".join(f"{{source: quay.io/upstream/image{item}, target: {target_of(item)}}}" for item in range(ITEMS))
    installed.items.write_text(f"items: [{items}]\n")
    await (await open_new_database(installed.database)).close()
    fill(installed.database)
    done = installed.run("pause")
    assert done.code == 0, done.err
    return installed


async def _load(session: aiohttp.ClientSession, pid: int, name: str, address: str) -> None:
    took, size, cpu_before = [], 0, cpu(pid)
    for _ in range(_LOADS):
        milliseconds, size = await _load_once(session, address)
        took.append(milliseconds)
    each = (cpu(pid) - cpu_before) * 1000 / _LOADS
    times = f"{took[0]:>10.1f}{statistics.median(took):>10.1f}{max(took):>10.1f}{each:>10.1f}"
    print(f"{name:<40}{times}{size / 1024:>10.0f}", flush=True)


async def _load_once(session: aiohttp.ClientSession, address: str) -> tuple[float, int]:
    """How many milliseconds it took, and how many bytes came."""
    began = time.perf_counter()
    async with session.get(address) as response:
        response.raise_for_status()
        size = len(await response.read())
    return (time.perf_counter() - began) * 1000, size


if __name__ == "__main__":
    asyncio.run(main())
