"""The persistent store of what targets hold and what they cannot do, as the direct transport needs it."""

from collections.abc import Collection, Mapping
from typing import Protocol

from ferryman.kinds import ContentKind


class BlobStore(Protocol):
    """Which repositories of a registry hold which blobs and manifests. May be out of date: anyone may delete there."""

    async def holders(
        self, registry: str, digests: Collection[str], *, kind: ContentKind
    ) -> Mapping[str, Collection[str]]:
        """The names of the repositories that hold each of these digests. Digests without a holder are left out."""
        ...

    async def remember(self, registry: str, repository: str, held: Mapping[ContentKind, Collection[str]]) -> None:
        """Record that the repository holds these."""
        ...

    async def forget(self, registry: str, repository: str, digests: Collection[str]) -> None:
        """Record that the repository does not hold these. Idempotent."""
        ...

    async def missing_capabilities(self, registry: str) -> Mapping[str, str | None]:
        """The capabilities that the registry was found to lack, by name, with the value that was noted, if any."""
        ...

    async def note_missing_capability(self, registry: str, name: str, value: str | None = None) -> None:
        """Record that the registry lacks this capability, or has it only up to `value`. Idempotent."""
        ...

    async def forget_missing_capability(self, registry: str, name: str) -> None:
        """Record that the registry has this capability after all. Idempotent."""
        ...
