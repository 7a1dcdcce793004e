"""Fixtures that many rooms use: real registries, stand-in upstreams, a real engine, a workplace, the log."""

import gc
import json
import logging
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import hypothesis
import pytest

from ferryman import log
from tests.support.compiled_statements import share_compiled_statements
from tests.support.databases import open_new_database
from tests.support.debian_root import DebianRoot, debian_13, run
from tests.support.hygiene import pytest_configure, pytest_sessionfinish  # noqa: F401 - hooks
from tests.support.markers import pytest_collection_modifyitems  # noqa: F401 - a hook
from tests.support.processes import Engine, RegistryServer
from tests.support.transports import open_client
from tests.support.upstreams import DockerHub, Google, Quay
from tests.support.workplace import Workplace
from tests.support.zuul_registry import Registry, ZuulRegistry, login_of

_Server = TypeVar("_Server", RegistryServer, ZuulRegistry)
ReadLog = Callable[[], list[dict[str, Any]]]

hypothesis.settings.register_profile("ferryman", deadline=None)  # test machines are noisy: slow is not wrong
hypothesis.settings.register_profile("quick", deadline=None, max_examples=10)  # for `make check`
hypothesis.settings.load_profile("ferryman")

# A script that starts the tests in the background makes them ignore Ctrl-C, and the programs they start inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

share_compiled_statements()


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """The tests and what they import stay to the end: garbage is collected neither meanwhile, nor ever among them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture
def start_registry(tmp_path: Path) -> Iterator[Callable[..., RegistryServer]]:
    """Start real registries; they stop with the test. `start_registry(login=("user", "password"))`."""
    started: list[RegistryServer] = []

    def start(**options: object) -> RegistryServer:
        server = RegistryServer(tmp_path / f"registry{len(started)}", **options)  # type: ignore[arg-type]
        started.append(server)
        return server.start()

    yield start
    for server in started:
        server.stop()


@pytest.fixture(scope="session")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """One real dockerd for the whole run. Tests use repositories of their own in it."""
    # A short path: the kernel allows 108 characters for a socket's name.
    server = Engine(tmp_path_factory.mktemp("engine"))
    server.start()
    yield server
    server.remove()


@pytest.fixture(scope="session")
def distribution(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RegistryServer]:
    """One docker-registry for the whole run. Tests use repositories of their own in it."""
    yield from _serving(RegistryServer(tmp_path_factory.mktemp("target")))


@pytest.fixture(scope="session")
def zuul(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZuulRegistry]:
    """One zuul-registry for the whole run, likewise."""
    yield from _serving(ZuulRegistry(tmp_path_factory.mktemp("zuul")))


def _serving(server: _Server) -> Iterator[_Server]:
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.fixture
def target_registry(request: pytest.FixtureRequest) -> Registry:
    """The target of all workplaces: `distribution`, and for tests marked by `on_both_registries` `zuul` as well."""
    found: Registry = request.getfixturevalue(getattr(request, "param", "distribution"))
    return found


@pytest.fixture(scope="session")
def trixie() -> DebianRoot:
    """Debian 13, with all that any test wants of it."""
    return debian_13()


@pytest.fixture
def hub() -> Iterator[DockerHub]:
    with DockerHub() as upstream:
        yield upstream


@pytest.fixture
def quay() -> Iterator[Quay]:
    with Quay() as upstream:
        yield upstream


@pytest.fixture
def google() -> Iterator[Google]:
    with Google() as upstream:
        yield upstream


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that no known authority has signed, and its key."""
    made, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    run(
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test", "-days", "1"),
        *("-addext", "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(made)),
    )
    return made, key


@pytest.fixture
async def workplace(tmp_path: Path, target_registry: Registry) -> AsyncIterator[Workplace]:
    """A database, a target and a scripted transport, for pools."""
    database = await open_new_database(tmp_path / "ferryman.db")
    client = open_client(logins=login_of(target_registry))
    place = Workplace(database, target_registry, client, f"workplace-{secrets.token_hex(4)}")
    yield place
    await place.close()
    await client.aclose()
    await database.close()


class _Printed(logging.Handler):
    """Prints Ferryman's own lines to what is stdout now."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "ferryman":
            sys.stdout.write(f"{self.format(record)}\n")


@pytest.fixture(autouse=True)
def printed_log() -> Iterator[None]:
    """Where a test does not configure the log, it goes to stdout: what must not be in it would be missed otherwise."""
    root, handler = logging.getLogger(), _Printed()
    handler.setFormatter(log.formatter("text"))
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield
    root.removeHandler(handler)
    root.setLevel(level)


@pytest.fixture
def untouched_logging() -> Iterator[None]:
    """Whatever a test makes of the logging, the next one finds it as it was."""
    root, loggers = logging.getLogger(), ("aiosqlite", "alembic", "asyncio", "aiohttp")
    handlers, level = list(root.handlers), root.level
    levels = {name: logging.getLogger(name).level for name in loggers}
    yield
    for handler in {*root.handlers} - {*handlers}:
        handler.close()
    root.handlers = handlers
    root.setLevel(level)
    for name in loggers:
        logging.getLogger(name).setLevel(levels[name])


@pytest.fixture
def read_log(untouched_logging: None, capsys: pytest.CaptureFixture[str]) -> ReadLog:
    """What was logged since the last call: an object a line."""
    log.configure(level="INFO", form="json")
    return lambda: [json.loads(line) for line in capsys.readouterr().err.splitlines()]
