"""The environment of a benchmark: registries, latency proxies and folders, all removed afterwards."""

import itertools
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Self

from benchmarks.scale import Scale
from tests.support.processes import Engine, Process, RegistryServer, free_port, is_listening

_ONE_WAY = 25  # milliseconds


class Stage:
    """A context manager. Everything that it starts stops with it."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale
        self._folder = Path(tempfile.mkdtemp(prefix="ferryman-benchmark-"))
        self._stack = ExitStack()
        self._numbers = itertools.count()

    def __enter__(self) -> Self:
        self._stack.callback(shutil.rmtree, self._folder, ignore_errors=True)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def folder(self) -> Path:
        """The path of a new folder, not created yet."""
        return self._folder / f"{next(self._numbers)}"

    def registry(self) -> RegistryServer:
        """An empty registry that runs until the end."""
        server = RegistryServer(self.folder()).start()
        self._stack.callback(server.stop)
        return server

    @contextmanager
    def fresh(self) -> Iterator[RegistryServer]:
        """An empty registry whose files are removed at once."""
        server = RegistryServer(self.folder()).start()
        try:
            yield server
        finally:
            server.stop()
            shutil.rmtree(server.folder)

    def engine(self) -> Engine:
        """A Docker Engine without images."""
        engine = Engine(self.folder()).start()
        self._stack.callback(engine.remove)
        return engine

    @contextmanager
    def reach(self, *servers: RegistryServer, far: bool) -> Iterator[list[str]]:
        """The servers' addresses; `far`: addresses of proxies with a round trip of 50 ms."""
        if not far:
            yield [server.host for server in servers]
            return
        ports = [free_port() for _ in servers]
        pairs = [f"{port}:{server.port}" for port, server in zip(ports, servers, strict=True)]
        proxies = Process(
            [sys.executable, "-m", "benchmarks.delay", f"{_ONE_WAY}", *pairs],
            log=self._folder / "proxies.log",
            ready=lambda: all(map(is_listening, ports)),
        )
        proxies.start()
        try:
            yield [f"127.0.0.1:{port}" for port in ports]
        finally:
            proxies.stop()
