"""Blobs that the running copies of this process share, so that each is transferred only once."""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class SharedBlob:
    """One blob at one target registry."""

    repositories: set[str] = field(default_factory=set)  # names of those that hold it, as far as is known
    # Held by the copy that transfers the blob. The others wait without a concurrency slot, and mount it afterwards.
    # If the transfer fails or is cancelled, the next waiting copy takes over.
    moving: asyncio.Lock = field(default_factory=asyncio.Lock)
    users: int = 0  # running copies that need it


class SharedBlobs:
    """Entries last as long as a running copy needs them: the record is written only when a copy ends."""

    def __init__(self) -> None:
        self._blobs: dict[tuple[str, str], SharedBlob] = {}

    @contextmanager
    def using(self, registry: str, digests: Collection[str]) -> Iterator[Mapping[str, SharedBlob]]:
        """The entries for these blobs at the registry, by digest. Enter it before reading the record."""
        blobs = {digest: self._blobs.setdefault((registry, digest), SharedBlob()) for digest in digests}
        for blob in blobs.values():
            blob.users += 1
        try:
            yield blobs
        finally:
            for digest, blob in blobs.items():
                blob.users -= 1
                if not blob.users:
                    del self._blobs[registry, digest]
