"""What takes part in the race: programs with a configuration, started anew for each run, or resident."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.job import Job
from benchmarks.measured import Measured, measure

_FOREIGN = ("PYTHON", "FERRYMAN_", "DOCKER_", "TARGET_", "XDG_", "COVERAGE_")
_PROXIES = {"http_proxy", "https_proxy", "all_proxy"}


class Runner(Protocol):
    """A contestant that is ready to mirror a job."""

    def run(self, limit: float) -> Measured:
        """Bring the target up to date. Raises RuntimeError if that fails or takes longer than `limit` seconds."""
        ...


class Contestant(Protocol):
    """A program with a configuration."""

    @property
    def name(self) -> str: ...

    @property
    def note(self) -> str:
        """How it is run, in one line."""
        ...

    @property
    def trusts_names(self) -> bool:
        """Whether it takes a tag that the target has for right, whatever it names: a moved tag goes unnoticed."""
        ...

    def missing(self) -> str | None:
        """Why it cannot take part, or None."""
        ...

    def version(self) -> str: ...

    def ready(self, job: Job) -> AbstractContextManager[Runner]:
        """Configure it, and start it if it is resident."""
        ...


@dataclass(frozen=True, slots=True)
class Program:
    """A program that is started anew for each run."""

    name: str
    note: str
    executable: str
    prepare: Callable[[Job], list[str]]  # write the configuration; the command
    asks_version: tuple[str, ...] = ()  # arguments
    environment: Mapping[str, str] = field(default_factory=dict)
    trusts_names: bool = False

    def missing(self) -> str | None:
        return None if shutil.which(self.executable) else f"{Path(self.executable).name} is not on the PATH"

    def version(self) -> str:
        return version_of(self.executable, *self.asks_version) if self.asks_version else "does not tell"

    @contextmanager
    def ready(self, job: Job) -> Iterator[Runner]:
        command = self.prepare(job)
        yield _Command(command, job.folder, {**environment(job.folder), **self.environment})


@dataclass(frozen=True, slots=True)
class _Command:
    command: list[str]
    folder: Path
    environment: Mapping[str, str]

    def run(self, limit: float) -> Measured:
        return measure(self.command, folder=self.folder, environment=self.environment, limit=limit)


def environment(folder: Path) -> dict[str, str]:
    """Ours without what would configure a contestant, whose home is `folder`."""
    own = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_FOREIGN) and name.lower() not in _PROXIES
    }
    return own | {"HOME": str(folder), "DOCKER_CONFIG": str(folder)}


def version_of(*command: str) -> str:
    """What a program says about its version, in one line."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        return f"unknown: {error}"
    return " ".join((done.stdout or done.stderr).split())[:80]
