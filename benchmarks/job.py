"""What a contestant is to mirror."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX = "mirror"  # of the repositories at the target


@dataclass(frozen=True, slots=True)
class Job:
    """Every tag of some repositories, from one registry to another. Both speak plain HTTP, without logins."""

    folder: Path  # for everything that the contestant writes
    source: str  # host:port
    target: str
    repositories: tuple[str, ...]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """The repositories' names at the source and at the target."""
        for name in self.repositories:
            yield name, mirrored(name)


def mirrored(repository: str) -> str:
    """The repository's name at the target."""
    return f"{PREFIX}/{repository.rpartition('/')[2]}"
