"""A Ferryman between two real registries and a real engine, run as a user runs it."""

import base64
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.support import PASSWORD, USER
from tests.support.ferryman import PROGRAM, Ferryman
from tests.support.loop_thread import LoopThread
from tests.support.postgresql import PostgresServer
from tests.support.processes import Engine, RegistryServer
from tests.support.proxy import FaultyProxy
from tests.support.starting import Starter


@pytest.fixture
def upstream(start_registry: Callable[..., RegistryServer]) -> RegistryServer:
    return start_registry()


@pytest.fixture
def target(start_registry: Callable[..., RegistryServer]) -> RegistryServer:
    return start_registry(login=(USER, PASSWORD))


@pytest.fixture(scope="session")
def starter() -> Iterator[Starter]:
    """Forks the commands that tests call."""
    with Starter(PROGRAM) as started:
        yield started


@pytest.fixture
def install(tmp_path: Path, engine: Engine, starter: Starter) -> Iterator[Callable[..., Ferryman]]:
    """Make installations: `install("a", engine=…, FERRYMAN_WORKERS="1")`. None of them may tell its password."""
    made: list[Ferryman] = []

    def installation(name: str = "ferryman", *, host: str = engine.host, **environment: str) -> Ferryman:
        usual = {
            "TARGET_USER": USER,
            "TARGET_PASSWORD": PASSWORD,
            "FERRYMAN_LOG_LEVEL": "DEBUG",
            "FERRYMAN_RETRY_DELAY": "100ms",
        }
        made.append(Ferryman(tmp_path / name, engine=host, environment=usual | environment, starter=starter))
        return made[-1]

    yield installation
    for ferryman in made:
        ferryman.close()
    assert [path for ferryman in made for path in _telling(ferryman.folder)] == []


def _telling(folder: Path) -> Iterator[Path]:
    """The files in which the password stands, plain or as it travels."""
    basic = base64.b64encode(f"{USER}:{PASSWORD}".encode())
    for path in folder.rglob("*"):
        if path.is_file() and any(secret in path.read_bytes() for secret in (PASSWORD.encode(), basic)):
            yield path


@pytest.fixture
def ferryman(install: Callable[..., Ferryman]) -> Ferryman:
    return install()


@pytest.fixture
def proxied() -> Iterator[Callable[[RegistryServer], FaultyProxy]]:
    """Put proxies that can break things before registries. They run in a thread of their own."""
    thread = LoopThread()
    thread.start()
    proxies: list[FaultyProxy] = []

    def start(server: RegistryServer) -> FaultyProxy:
        proxies.append(thread.run(_started(server.url)))
        return proxies[-1]

    yield start
    for proxy in proxies:
        thread.run(proxy.stop())
    thread.stop()


async def _started(url: str) -> FaultyProxy:
    return await FaultyProxy(url).start()  # made in its loop


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgresServer]:
    """A server of its own for each file: some stop it."""
    server = PostgresServer()
    try:
        yield server.start()
    finally:
        server.remove()
