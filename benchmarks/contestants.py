"""Who is measured: Ferryman, and skopeo, each as its users call it, from one registry to another."""

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
    """An installation with a database of its own; every setting but the transport is the default."""

    def __init__(
        self, folder: Path, sources: list[Source], target: str, *, transport: str = "direct",
        engine: str = _NO_ENGINE, registries: str = "{}",
    ) -> None:  # fmt: skip
        """`registries`: what items.yml says of them, in YAML's flow style."""
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
    """`skopeo sync --all`: every platform of an index, as Ferryman copies them."""

    def __init__(self, folder: Path, source: Source, target: str) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._target = target
        images = "".join(f"    {name}: []\n" for name in source.repositories)
        (folder / "images.yml").write_text(f"{source.host}:\n  tls-verify: false\n  images:\n{images}")

    def sync(self) -> Measured:
        # What it remembers of blobs it keeps by registry, host and port: at a new one it has nothing to go by.
        command = ["skopeo", "--insecure-policy", "sync", "--all", "--src", "yaml", "--dest", "docker"]
        to = ["--dest-tls-verify=false", "images.yml", f"{self._target}/{PREFIX}"]
        return measure([*command, *to], folder=self._folder, environment=os.environ)


def rounds(count: int) -> list[tuple[int, int]]:
    """In which order two are measured, `count` times: whoever was second is first the next time."""
    return list(itertools.islice(itertools.cycle([(0, 1), (1, 0)]), count))
