"""Copies tags through a Docker Engine: its layer cache, its proxies, its registry mirrors."""

import asyncio
from datetime import timedelta

from ferryman.clock import Clock
from ferryman.errors import EngineUnavailable, RateLimited, TransferError, Unsupported
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference
from ferryman.registry.client import RegistryClient
from ferryman.transports.base import Copied, ProgressSink
from ferryman.transports.engine.address import EngineAddress
from ferryman.transports.engine.copy import DockerCopy, EngineCopyContext
from ferryman.transports.engine.docker_engine import DockerEngine
from ferryman.transports.engine.image_cache import ImageCache, ImageStore
from ferryman.transports.engine.logins import EngineLogins
from ferryman.transports.engine.progress_stream import USUAL_LIMITS, SilenceLimits
from ferryman.transports.engine.target_tags import TargetTags
from ferryman.transports.locks import KeyedLocks

_NATIVE = Platforms(keyword="native")
_PATIENCE = timedelta(minutes=1)  # the engine keeps the registry's Retry-After to itself


class DockerTransport:
    """The Transport that works through a Docker Engine. One instance a process; many copies at once."""

    def __init__(
        self,
        *,
        address: EngineAddress,
        registry: RegistryClient,
        ledger: ImageStore,
        cache_limit: int,
        clock: Clock,
        patience: SilenceLimits = USUAL_LIMITS,
    ) -> None:
        """`patience`: for how long a pull or push may tell nothing new before it is ended."""
        self._address = address
        self._registry = registry
        self._ledger = ledger
        self._cache_limit = cache_limit  # bytes
        self._clock = clock
        self._engine = DockerEngine(address=address, patience=patience)
        self._connecting = asyncio.Lock()
        self._workshop: EngineCopyContext | None = None
        self._lost = False

    async def connect(self) -> str:
        """Find the engine and undo what a crash left there; which engine it is, as a sentence.

        Raises EngineUnavailable, with what was tried and how to mend it.
        """
        identity = (await self._connected()).identity
        return f"Docker Engine {identity.version} at {self._address.url}, {identity.native}, {identity.storage}"

    @property
    def native(self) -> Platform | None:
        """What a plain pull gives here; None before `connect`."""
        return self._workshop.identity.native if self._workshop else None

    async def copy(
        self, source: Reference, target: Reference, platforms: Platforms | None, progress: ProgressSink
    ) -> Copied:
        """See Transport. `platforms` None is `native`: what a plain `docker pull` gives."""
        wanted = platforms or _NATIVE
        if wanted.keyword == "all":
            raise Unsupported(
                "platforms: all: a Linux engine cannot carry Windows images; "
                "say `linux`, list the platforms, or use the direct transport"
            )
        workshop = await self._connected()
        copy = DockerCopy(workshop, registry=self._registry, source=source, target=target, wanted=wanted, sink=progress)
        try:
            async with self._registry.slot(source.repository.registry, target.repository.registry):
                copied = await copy.run()
        except EngineUnavailable:
            self._lost = True
            raise
        except TransferError as error:
            self._heed(error)
            workshop.cache.trim()  # what was pulled stays: failures must not fill the disk either
            raise
        workshop.cache.trim()
        return copied

    async def aclose(self) -> None:
        """Let the cache come to rest, and close the connections to the engine."""
        if self._workshop is not None:
            await self._workshop.cache.aclose()
        await self._engine.aclose()

    async def _connected(self) -> EngineCopyContext:
        async with self._connecting:
            if self._workshop is None or self._lost:
                self._workshop = await self._introduced()
                self._lost = False
            return self._workshop

    async def _introduced(self) -> EngineCopyContext:
        identity = await self._engine.connect()
        workshop = self._workshop
        if workshop is None or workshop.identity != identity:
            workshop = EngineCopyContext(
                engine=self._engine,
                identity=identity,
                cache=ImageCache(
                    engine=self._engine, engine_id=identity.id, ledger=self._ledger, limit=self._cache_limit
                ),
                tags=TargetTags(engine=self._engine, engine_id=identity.id, ledger=self._ledger),
                logins=EngineLogins(self._registry),
                pulls=KeyedLocks(),
            )
        await workshop.tags.recover()
        await workshop.cache.recover()
        return workshop

    def _heed(self, error: TransferError) -> None:
        """Tell the other copies from this registry of its limit at once."""
        if isinstance(error, RateLimited) and error.registry is not None:
            self._registry.hold(error.registry, error.retry_at or self._clock.now() + _PATIENCE)
