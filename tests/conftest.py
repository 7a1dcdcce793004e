"""Fixtures that every room uses: real registries, a real engine."""

from collections.abc import Callable, Iterator
from pathlib import Path

import hypothesis
import pytest

from tests.support.processes import Engine, RegistryServer

hypothesis.settings.register_profile("ferryman", deadline=None)  # test machines are noisy: slow is not wrong
hypothesis.settings.load_profile("ferryman")


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
