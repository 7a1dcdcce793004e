"""The docker transport: copies tags through a Docker Engine, with its layer cache, proxies and registry mirrors."""

import asyncio
from datetime import timedelta

from ferryman.clock import Clock
from ferryman.errors import EngineUnavailable, RateLimited, TransferError, Unsupported
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference
from ferryman.registry.client import RegistryClient
from ferryman.transports.base import Copied, Overwriting, ProgressSink
from ferryman.transports.engine.address import EngineAddress
from ferryman.transports.engine.copy import DockerCopy, EngineCopyContext
from ferryman.transports.engine.docker_engine import DockerEngine
from ferryman.transports.engine.image_cache import ImageCache, ImageStore
from ferryman.transports.engine.logins import EngineLogins
from ferryman.transports.engine.progress_stream import USUAL_LIMITS, SilenceLimits
from ferryman.transports.engine.target_tags import TargetTags
from ferryman.transports.locks import KeyedLocks

_NATIVE = Platforms(keyword="native")
_RATE_LIMIT_PAUSE = timedelta(minutes=1)  # the engine does not pass on the registry's Retry-After


class DockerTransport:
    """The Transport that uses a Docker Engine. One instance per process; runs many copies at once."""

    def __init__(
        self,
        *,
        address: EngineAddress,
        registry: RegistryClient,
        images: ImageStore,
        cache_limit: int,
        clock: Clock,
        silence_limits: SilenceLimits = USUAL_LIMITS,
    ) -> None:
        """`silence_limits`: how long a pull or push may go without progress before it is ended."""
        self._address = address
        self._registry = registry
        self._images = images
        self._cache_limit = cache_limit  # bytes
        self._clock = clock
        self._engine = DockerEngine(address=address, silence_limits=silence_limits)
        self._connecting = asyncio.Lock()
        self._context: EngineCopyContext | None = None
        self._lost = False

    async def connect(self) -> str:
        """Connect to the engine, and clean up after a crash. Returns which engine it is, as a sentence.

        Raises EngineUnavailable, whose message has the cause and a hint.
        """
        identity = (await self._connected()).identity
        return f"Docker Engine {identity.version} at {self._address.url}, {identity.native}, {identity.storage}"

    @property
    def native(self) -> Platform | None:
        """The platform of a plain pull; None before `connect`."""
        return self._context.identity.native if self._context else None

    async def copy(
        self,
        source: Reference,
        target: Reference,
        platforms: Platforms | None,
        progress: ProgressSink,
        *,
        overwriting: Overwriting | None = None,
    ) -> Copied:
        """See Transport. `platforms` None is `native`: what a plain `docker pull` gives."""
        wanted = platforms or _NATIVE
        if wanted.keyword == "all":
            raise Unsupported(
                "platforms: all: a Linux engine cannot carry Windows images; "
                "say `linux`, list the platforms, or use the direct transport"
            )
        context = await self._connected()
        copy = DockerCopy(
            context, registry=self._registry, source=source, target=target, wanted=wanted, sink=progress,
            overwriting=overwriting,
        )  # fmt: skip
        try:
            async with self._registry.slot(source.repository.registry, target.repository.registry):
                copied = await copy.run()
        except EngineUnavailable:
            self._lost = True
            raise
        except TransferError as error:
            self._pause_if_rate_limited(error)
            context.cache.trim()  # pulled images stay after a failure, and must not fill the disk
            raise
        context.cache.trim()
        return copied

    async def aclose(self) -> None:
        """Wait for the cache's trim, and close the connections to the engine."""
        if self._context is not None:
            await self._context.cache.aclose()
        await self._engine.aclose()

    async def _connected(self) -> EngineCopyContext:
        async with self._connecting:
            if self._context is None or self._lost:
                self._context = await self._connect_engine()
                self._lost = False
            return self._context

    async def _connect_engine(self) -> EngineCopyContext:
        identity = await self._engine.connect()
        context = self._context
        if context is None or context.identity != identity:
            context = EngineCopyContext(
                engine=self._engine,
                identity=identity,
                cache=ImageCache(
                    engine=self._engine, engine_id=identity.id, images=self._images, limit=self._cache_limit
                ),
                tags=TargetTags(engine=self._engine, engine_id=identity.id, images=self._images),
                logins=EngineLogins(self._registry),
                pulls=KeyedLocks(),
            )
        await context.tags.recover()
        await context.cache.recover()
        return context

    def _pause_if_rate_limited(self, error: TransferError) -> None:
        """After a rate limit, pause all other requests to the registry at once."""
        if isinstance(error, RateLimited) and error.registry is not None:
            self._registry.hold(error.registry, error.retry_at or self._clock.now() + _RATE_LIMIT_PAUSE)
