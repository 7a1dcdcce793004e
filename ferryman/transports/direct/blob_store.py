"""What the direct transport remembers of its targets, between copies and beyond restarts."""

from collections.abc import Collection, Mapping
from typing import Protocol

from ferryman.kinds import ContentKind


class BlobStore(Protocol):
    """Which repositories of a registry hold what. All of it is belief: anything may be deleted there at any time."""

    async def holders(
        self, registry: str, digests: Collection[str], *, kind: ContentKind
    ) -> Mapping[str, Collection[str]]:
        """The names of the repositories that hold each of these; digests that nobody holds are left out."""
        ...

    async def remember(self, registry: str, repository: str, held: Mapping[ContentKind, Collection[str]]) -> None:
        """The repository holds these."""
        ...

    async def forget(self, registry: str, repository: str, digests: Collection[str]) -> None:
        """The repository was found not to hold these. Idempotent."""
        ...

    async def missing_capabilities(self, registry: str) -> Mapping[str, str | None]:
        """What the registry was lately found not to be able to do, by name; with a value where one was noted."""
        ...

    async def note_missing_capability(self, registry: str, name: str, value: str | None = None) -> None:
        """The registry was found not to be able to do this, or no more than `value`. Idempotent."""
        ...

    async def forget_missing_capability(self, registry: str, name: str) -> None:
        """The registry was found to be able to do this after all. Idempotent."""
        ...
