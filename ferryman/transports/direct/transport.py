"""Copies tags from registry to registry: every platform, the same digests, no engine and no disk."""

from ferryman.clock import Clock
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference, subject_of
from ferryman.registry.client import RegistryClient
from ferryman.transports.base import Copied, ProgressSink
from ferryman.transports.direct.blob_store import BlobStore
from ferryman.transports.direct.copy import CopyContext, DirectCopy
from ferryman.transports.direct.referrers import EVERYTHING, ReferringCopy
from ferryman.transports.direct.shared_blobs import SharedBlobs
from ferryman.transports.direct.target_cache import TargetCache

_LINUX = Platforms(keyword="linux")


class DirectTransport:
    """The Transport that streams. One instance a process; many copies at once."""

    def __init__(self, *, registry: RegistryClient, ledger: BlobStore, native: Platform, clock: Clock) -> None:
        """`native` is what that word means in items.yml: this machine's platform."""
        self._memory = TargetCache(ledger, registry, clock=clock)
        self._tools = CopyContext(registry, self._memory, SharedBlobs(), native)

    async def copy(
        self,
        source: Reference,
        target: Reference,
        platforms: Platforms | None,
        progress: ProgressSink,
        *,
        referrers: bool = False,
    ) -> Copied:
        """See Transport. `platforms` None is `linux`: an index that has nothing else is copied as it is.

        `referrers`: bring along what refers to the images.
        """
        registry = target.repository.registry
        await self._memory.recall_capabilities(registry)
        wanted = EVERYTHING if subject_of(target.tag or "") else platforms or _LINUX  # a signature is for no platform
        kind = ReferringCopy if referrers else DirectCopy
        try:
            return await kind(self._tools, source=source, target=target, wanted=wanted, progress=progress).run()
        finally:
            await self._memory.note_capabilities(registry)

    async def aclose(self) -> None:
        """Nothing is kept that would have to be given back."""
