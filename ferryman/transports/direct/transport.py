"""The direct transport: copies tags from registry to registry, with every platform and unchanged digests."""

from ferryman.clock import Clock
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference, subject_of
from ferryman.registry.client import RegistryClient
from ferryman.transports.base import Copied, Overwriting, ProgressSink
from ferryman.transports.direct.blob_store import BlobStore
from ferryman.transports.direct.copy import CopyContext, CopyRequest, DirectCopy
from ferryman.transports.direct.referrers import ALL_PLATFORMS, CopyWithReferrers
from ferryman.transports.direct.shared_blobs import SharedBlobs
from ferryman.transports.direct.target_cache import TargetCache

_LINUX = Platforms(keyword="linux")


class DirectTransport:
    """The Transport that streams blobs between registries. One instance per process; runs many copies at once."""

    def __init__(self, *, registry: RegistryClient, blobs: BlobStore, native: Platform, clock: Clock) -> None:
        """`native` is what that word means in items.yml: this machine's platform."""
        self._targets = TargetCache(blobs, registry, clock=clock)
        self._context = CopyContext(registry, self._targets, SharedBlobs(), native)

    async def copy(
        self,
        source: Reference,
        target: Reference,
        platforms: Platforms | None,
        progress: ProgressSink,
        *,
        referrers: bool = False,
        overwriting: Overwriting | None = None,
    ) -> Copied:
        """See Transport. `platforms` None means `linux`: an index of Linux images alone is copied unchanged.

        `referrers`: also copy what refers to the images.
        """
        registry = target.repository.registry
        await self._targets.load_capabilities(registry)
        # A signature has no platform.
        wanted = ALL_PLATFORMS if subject_of(target.tag or "") else platforms or _LINUX
        request = CopyRequest(source, target, wanted, progress, overwriting)
        copy = CopyWithReferrers(self._context, request) if referrers else DirectCopy(self._context, request)
        try:
            return await copy.run()
        finally:
            await self._targets.save_capabilities(registry)

    async def aclose(self) -> None:
        """See Transport. There is nothing to release."""
