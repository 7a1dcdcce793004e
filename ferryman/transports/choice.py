"""Which transport a tag goes by: its item may say, and `auto` is decided once, at the start."""

from collections.abc import Mapping
from typing import Literal

from ferryman.errors import EngineUnavailable
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference, Repository
from ferryman.transports.base import Copied, ProgressSink, Transport
from ferryman.transports.direct import DirectTransport
from ferryman.transports.docker import DockerTransport

TransportName = Literal["docker", "direct", "auto"]


class ChosenTransport:
    """The Transport that hands each copy to the one that is wanted for its target."""

    def __init__(self, *, docker: DockerTransport, direct: DirectTransport) -> None:
        self._docker = docker
        self._direct = direct
        self._usual: TransportName = "auto"
        self._wanted: Mapping[Repository, TransportName] = {}
        self._engine_answers = False

    def configure(self, *, usual: TransportName, wanted: Mapping[Repository, TransportName]) -> None:
        """Set what is wanted: by target repository, and for those that are not among them."""
        self._usual = usual
        self._wanted = wanted

    @property
    def native(self) -> Platform | None:
        """What a plain pull gives in the engine; None where none is in use."""
        return self._docker.native

    async def connect(self) -> str:
        """Look for the engine if anything wants it; what tags go by now, as a sentence.

        Raises EngineUnavailable where an item insists on one.
        """
        names = {self._usual} if not self._wanted else set(self._wanted.values())
        if names == {"direct"}:
            return "directly from registry to registry"
        try:
            engine = await self._docker.connect()
        except EngineUnavailable as error:
            if "docker" in names:
                raise
            return f"directly from registry to registry, for no engine answers ({error})"
        self._engine_answers = True
        return f"through {engine}" if "direct" not in names else f"through {engine}, and directly where an item says so"

    async def copy(
        self, source: Reference, target: Reference, platforms: Platforms | None, progress: ProgressSink
    ) -> Copied:
        """See Transport."""
        return await self._for(target.repository, platforms).copy(source, target, platforms, progress)

    async def aclose(self) -> None:
        """Close both."""
        await self._docker.aclose()
        await self._direct.aclose()

    def _for(self, target: Repository, platforms: Platforms | None) -> Transport:
        name = self._wanted.get(target, self._usual)
        everything = platforms is not None and platforms.keyword == "all"  # which no engine can carry
        goes_through_engine = name == "docker" or (name == "auto" and self._engine_answers and not everything)
        return self._docker if goes_through_engine else self._direct
