"""What a request costs the client: `python -m benchmarks.request_cost [--tiny]`. CPU time, user and system.

The registry answers at once, in a process of its own (`cheap_registry.py`). CPU time is the least of several rounds; it
depends on the machine and what else it does. Calls, of Python functions and of built-in ones, do not.
"""

import argparse
import asyncio
import hashlib
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import FrameType

import aiohttp

from benchmarks.cheap_registry import MANIFEST, cheap_registry
from ferryman.clock import SystemClock
from ferryman.manifests.manifest import OCI_MANIFEST, Manifest
from ferryman.reference import Reference, Repository
from ferryman.registry.auth.credentials import CredentialStore
from ferryman.registry.client import RegistryClient

_AT_ONCE = 16
_ROUNDS = 5
_SMALL = bytes(4096)
_MIB = 2**20
_REQUESTS = 2000
_LARGE = 256 * _MIB
_MANIFEST = Manifest(MANIFEST, OCI_MANIFEST, f"sha256:{hashlib.sha256(MANIFEST).hexdigest()}")


@dataclass(frozen=True, slots=True)
class Case:
    """One kind of work; `each` is called with the number of the call."""

    name: str
    each: Callable[[int], Awaitable[object]]
    requests: int = 1  # of one call


class Work:
    """What is asked of a registry that answers at once."""

    def __init__(self, client: RegistryClient, host: str, blob_size: int) -> None:
        self._client = client
        self._repository = Repository(host, "bench/app")
        self._tag = Reference(self._repository, "1.0")
        self._private = Reference(Repository(host, "private/app"), "1.0")
        self._blob = f"sha256:{hashlib.sha256(bytes(blob_size)).hexdigest()}"
        self._size = blob_size

    def cases(self) -> Iterable[Case]:
        client = self._client
        yield Case("HEAD of a manifest", lambda _: client.head_manifest(self._tag))
        yield Case("HEAD of a manifest, with a token", lambda _: client.head_manifest(self._private))
        yield Case("GET of a manifest", lambda _: client.get_manifest(self._tag))
        yield Case("HEAD of a blob that is not there", lambda _: client.has_blob(self._repository, self._blob))
        yield Case("PUT of a manifest", lambda _: client.put_manifest(self._tag, _MANIFEST))
        yield Case("upload of 4 KiB, POST and PUT", self._upload, requests=2)

    async def _upload(self, number: int) -> None:
        data = number.to_bytes(8, "big") + _SMALL
        await self._client.upload_blob(self._repository, f"sha256:{hashlib.sha256(data).hexdigest()}", data)

    async def move(self, _: int) -> None:
        """Move a large blob, as a direct copy does."""
        async with self._client.transfer(self._repository.registry, self._repository.registry):
            blob = self._client.download(self._repository, self._blob, self._size, on_progress=lambda _: None)
            await self._client.upload_blob(self._repository, self._blob, blob)


async def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.request_cost", description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="few requests")
    count, size = (32, _MIB) if parser.parse_args().tiny else (_REQUESTS, _LARGE)
    with cheap_registry(size) as host:
        async with _client(host) as client, aiohttp.ClientSession() as session:
            work = Work(client, host, size)

            async def plain(_: int) -> None:
                async with session.head(f"http://{host}/v2/bench/app/manifests/1.0") as response:
                    await response.read()

            print("| Work | CPU a request, µs | Calls |\n|---|---:|---:|")
            for case in (Case("HEAD by aiohttp alone", plain), *work.cases()):
                least = min([await _cpu(case.each, count) for _ in range(_ROUNDS)]) / case.requests
                calls = await _calls(case.each, count) / case.requests
                print(f"| {case.name} | {least * 1e6:.0f} | {calls:.0f} |", flush=True)
            least = min([await _cpu(work.move, 1) for _ in range(_ROUNDS)])
            print(f"\nDownload and upload of {size // _MIB} MiB: {least * 2**30 / size:.2f} s a GiB")


@asynccontextmanager
async def _client(host: str) -> AsyncIterator[RegistryClient]:
    clock = SystemClock()
    credentials = CredentialStore(
        explicit={}, clock=clock, environment={"HOME": "/nonexistent"}, targets=frozenset({host})
    )
    client = RegistryClient(hosts={}, credentials=credentials, clock=clock)
    try:
        yield client
    finally:
        await client.aclose()


async def _cpu(work: Callable[[int], Awaitable[object]], count: int) -> float:
    """Seconds of CPU time for one of `count` calls."""
    began = time.process_time()
    await _all(work, count)
    return (time.process_time() - began) / count


async def _calls(work: Callable[[int], Awaitable[object]], count: int) -> float:
    """How many functions one of `count` calls leads to. A coroutine that goes on counts as called again."""
    called = 0

    def note(_: FrameType | None, event: str, __: object) -> None:
        nonlocal called
        called += event in {"call", "c_call"}

    sys.setprofile(note)
    try:
        await _all(work, count)
    finally:
        sys.setprofile(None)
    return called / count


async def _all(work: Callable[[int], Awaitable[object]], count: int) -> None:
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(min(_AT_ONCE, count)):
            group.create_task(worker())


if __name__ == "__main__":
    asyncio.run(main())
