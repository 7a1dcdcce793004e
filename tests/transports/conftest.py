"""An engine between two real registries."""

import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tests.support.processes import Engine, RegistryServer
from tests.support.proxy import FaultyProxy
from tests.support.transports import DockerTransports

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
def source(start_registry: Callable[..., RegistryServer]) -> RegistryServer:
    return start_registry()


@pytest.fixture
def target(start_registry: Callable[..., RegistryServer]) -> RegistryServer:
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
