"""Two real registries, and the docker or the direct transport between them."""

import asyncio
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tests.support.clock import ManualClock
from tests.support.processes import Engine, RegistryServer
from tests.support.proxy import FaultyProxy
from tests.support.transports import DirectTransports, DockerTransports
from tests.transports.direct.blob_store import InMemoryBlobLedger
from tests.transports.line import Line

StartRegistry = Callable[..., RegistryServer]
StartProxy = Callable[[RegistryServer], Awaitable[FaultyProxy]]


class Shell:
    """The user at the engine, with Docker's own command line."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def __call__(self, *command: str) -> str:
        done = subprocess.run(
            ["/usr/bin/docker", "--host", self._engine.host, *command], check=True, capture_output=True, text=True
        )
        return done.stdout.strip()

    def has(self, reference: str) -> bool:
        """Whether the engine has an image under this reference."""
        command = ["/usr/bin/docker", "--host", self._engine.host, "image", "inspect", reference]
        return subprocess.run(command, check=False, capture_output=True).returncode == 0

    def image_id(self, reference: str) -> str:
        return self("image", "inspect", "--format", "{{.Id}}", reference)

    def references(self, image_id: str) -> set[str]:
        """Every tag and digest of an image."""
        form = "{{range .RepoTags}}{{.}} {{end}}{{range .RepoDigests}}{{.}} {{end}}"
        return set(self("image", "inspect", "--format", form, image_id).split())


@pytest.fixture
def docker(engine: Engine) -> Shell:
    return Shell(engine)


@pytest.fixture
async def engine_over_tcp(engine: Engine) -> AsyncIterator[str]:
    """host:port of the engine."""

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        engine_reader, engine_writer = await asyncio.open_unix_connection(str(engine.socket))
        await asyncio.gather(pump(reader, engine_writer), pump(engine_reader, writer))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()

    async with await asyncio.start_server(pass_on, "127.0.0.1", 0) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
def source(start_registry: StartRegistry) -> RegistryServer:
    return start_registry()


@pytest.fixture
def target(start_registry: StartRegistry) -> RegistryServer:
    return start_registry()


@pytest.fixture
async def transports(engine: Engine) -> AsyncIterator[DockerTransports]:
    async with AsyncExitStack() as stack:
        yield DockerTransports(engine, stack)


@pytest.fixture
async def start_proxy() -> AsyncIterator[StartProxy]:
    """Start proxies before registries; they stop with the test."""
    started: list[FaultyProxy] = []

    async def start(server: RegistryServer) -> FaultyProxy:
        proxy = FaultyProxy(server.url)
        started.append(proxy)
        return await proxy.start()

    yield start
    for proxy in started:
        await proxy.stop()


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def ledger() -> InMemoryBlobLedger:
    return InMemoryBlobLedger()


@pytest.fixture
def line(stack: AsyncExitStack, start_registry: StartRegistry, ledger: InMemoryBlobLedger) -> Line:
    transports = DirectTransports(stack)
    transport = transports.open(ledger=ledger, clock=ManualClock())  # retries do not wait
    assert transports.client is not None
    return Line(transport, transports.client, start_registry(), start_registry())
