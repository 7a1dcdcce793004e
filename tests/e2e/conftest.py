"""A Ferryman between two real registries and a real engine, run as a user runs it."""

import asyncio
import base64
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.support import PASSWORD, USER
from tests.support.proxy import FaultyProxy
from tests.support.ferryman import Ferryman
from tests.support.processes import Engine, RegistryServer


@pytest.fixture
def upstream(start_registry: Callable[..., RegistryServer]) -> RegistryServer:
    return start_registry()


@pytest.fixture
def target(start_registry: Callable[..., RegistryServer]) -> RegistryServer:
    return start_registry(login=(USER, PASSWORD))


@pytest.fixture
def install(tmp_path: Path, engine: Engine) -> Iterator[Callable[..., Ferryman]]:
    """Make installations: `install("a", engine=…, FERRYMAN_WORKERS="1")`. None of them may tell its password."""
    made: list[Ferryman] = []

    def installation(name: str = "ferryman", *, host: str = engine.host, **environment: str) -> Ferryman:
        usual = {
            "TARGET_USER": USER,
            "TARGET_PASSWORD": PASSWORD,
            "FERRYMAN_LOG_LEVEL": "DEBUG",
            "FERRYMAN_RETRY_DELAY": "100ms",
        }
        made.append(Ferryman(tmp_path / name, engine=host, environment=usual | environment))
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
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    proxies: list[FaultyProxy] = []

    def start(server: RegistryServer) -> FaultyProxy:
        proxies.append(asyncio.run_coroutine_threadsafe(_started(server.url), loop).result(60))
        return proxies[-1]

    yield start
    for proxy in proxies:
        asyncio.run_coroutine_threadsafe(proxy.stop(), loop).result(60)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def _started(url: str) -> FaultyProxy:
    return await FaultyProxy(url).start()  # made in its loop
