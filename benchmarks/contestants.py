"""The programs that are compared: Ferryman and skopeo, each run as a user runs it, from registry to registry."""

import itertools
import os
from pathlib import Path
from typing import Protocol

from benchmarks.measured import Measured, measure
from benchmarks.sources import Source
from tests.support import ferryman

PREFIX = "mirror"  # of the repositories at the target
_NO_ENGINE = "unix:///nonexistent/docker.sock"


class Contestant(Protocol):
    """An installation that mirrors one source to one target."""

    def sync(self) -> Measured:
        """Bring the target up to date."""
        ...


class Ferryman:
    """An installation with its own database; all settings except the transport are defaults."""

    def __init__(
        self, folder: Path, sources: list[Source], target: str, *, transport: str = "direct",
        engine: str = _NO_ENGINE, registries: str = "{}",
    ) -> None:  # fmt: skip
        """`registries`: that section of items.yml, in YAML's flow style."""
        installed = ferryman.Ferryman(folder, engine=engine, environment={"FERRYMAN_TRANSPORT": transport})
        names = [f"{source.host}/{name}" for source in sources for name in source.repositories]
        installed.items.write_text(
            f"defaults: {{target: {target}/{PREFIX}/}}\nregistries: {registries}\n"
            f"items: [{', '.join(f'{{source: {name}}}' for name in names)}]\n"
        )
        self._installed = installed

    def sync(self) -> Measured:
        command = [ferryman.PROGRAM, "sync"]
        return measure(command, folder=self._installed.folder, environment=self._installed.environment)


class Skopeo:
    """`skopeo sync --all`: every platform of an index, as Ferryman copies it."""

    def __init__(self, folder: Path, source: Source, target: str) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._target = target
        images = "".join(f"    {name}: []\n" for name in source.repositories)
        (folder / "images.yml").write_text(f"{source.host}:\n  tls-verify: false\n  images:\n{images}")

    def sync(self) -> Measured:
        # skopeo caches blob locations by registry, host and port: for a new registry it has no entries.
        command = ["skopeo", "--insecure-policy", "sync", "--all", "--src", "yaml", "--dest", "docker"]
        to = ["--dest-tls-verify=false", "images.yml", f"{self._target}/{PREFIX}"]
        return measure([*command, *to], folder=self._folder, environment=os.environ)


def rounds(count: int) -> list[tuple[int, int]]:
    """The order in which two programs are measured, `count` times: the order alternates."""
    return list(itertools.islice(itertools.cycle([(0, 1), (1, 0)]), count))
