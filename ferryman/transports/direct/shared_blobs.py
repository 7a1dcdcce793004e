"""What the running copies of this process know together, so that none moves what another one is moving."""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class SharedBlob:
    """One blob at one target registry."""

    repositories: set[str] = field(default_factory=set)  # names of those that hold it, as far as we know
    # Whoever has it moves the blob; the others wait, holding no place, and mount it then. A mover that fails or is
    # cancelled hands over to the next one.
    moving: asyncio.Lock = field(default_factory=asyncio.Lock)
    wanted: int = 0  # by so many copies


class SharedBlobs:
    """Kept as long as a running copy wants them, because the ledger is written only when a copy ends."""

    def __init__(self) -> None:
        self._blobs: dict[tuple[str, str], SharedBlob] = {}

    @contextmanager
    def wanted(self, registry: str, digests: Collection[str]) -> Iterator[Mapping[str, SharedBlob]]:
        """What is known of these blobs at the registry, by digest. Enter it before the ledger is asked."""
        blobs = {digest: self._blobs.setdefault((registry, digest), SharedBlob()) for digest in digests}
        for blob in blobs.values():
            blob.wanted += 1
        try:
            yield blobs
        finally:
            for digest, blob in blobs.items():
                blob.wanted -= 1
                if not blob.wanted:
                    del self._blobs[registry, digest]
