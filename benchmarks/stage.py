"""The environment of a benchmark: registries, latency proxies and folders, all removed afterwards."""

import itertools
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Self, TypeVar

from benchmarks.link import NEAR, Link
from benchmarks.scale import Scale
from tests.support.processes import Engine, Process, RegistryServer, free_port, is_listening

_Entered = TypeVar("_Entered")


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

    def keep(self, context: AbstractContextManager[_Entered]) -> _Entered:
        """Enter it, and leave it at the end."""
        return self._stack.enter_context(context)

    def folder(self) -> Path:
        """The path of a new folder, not created yet."""
        return self._folder / f"{next(self._numbers)}"

    def new_folder(self) -> Path:
        """A new, empty folder."""
        folder = self.folder()
        folder.mkdir()
        return folder

    def registry(self, copy_of: Path | None = None) -> RegistryServer:
        """A registry that runs until the end: empty, or with the content of this folder."""
        return self.keep(self.fresh(copy_of))

    @contextmanager
    def fresh(self, copy_of: Path | None = None) -> Iterator[RegistryServer]:
        """A registry whose files are removed at once."""
        folder = self.folder()
        if copy_of is not None:
            shutil.copytree(copy_of, folder / "data")
        server = RegistryServer(folder).start()
        try:
            yield server
        finally:
            server.stop()
            shutil.rmtree(folder)

    def engine(self) -> Engine:
        """A Docker Engine without images."""
        engine = Engine(self.folder()).start()
        self._stack.callback(engine.remove)
        return engine

    @contextmanager
    def reach(self, *servers: RegistryServer, link: Link) -> Iterator[tuple[list[str], list[int]]]:
        """The servers' addresses over this link, and the processes of its proxies, if any."""
        if link == NEAR:
            yield [server.host for server in servers], []
            return
        ports = [free_port() for _ in servers]
        pairs = [f"{port}:{server.port}" for port, server in zip(ports, servers, strict=True)]
        proxies = Process(
            [sys.executable, "-m", "benchmarks.delay", f"{link.round_trip / 2}", f"{link.rate}", *pairs],
            log=self._folder / "proxies.log",
            ready=lambda: all(map(is_listening, ports)),
        )
        proxies.start()
        try:
            yield [f"127.0.0.1:{port}" for port in ports], [proxies.pid]
        finally:
            proxies.stop()
