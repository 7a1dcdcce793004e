"""Which transport a tag goes by: its item may say, and `auto` is decided once, at the start."""

from collections.abc import Collection, Mapping

from ferryman.errors import EngineUnavailable
from ferryman.kinds import TransportName
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference, Repository
from ferryman.transports.base import Copied, ProgressSink
from ferryman.transports.direct.transport import DirectTransport
from ferryman.transports.engine.transport import DockerTransport


class TransportSelector:
    """The Transport that hands each copy to the one that is wanted for its target."""

    def __init__(self, *, docker: DockerTransport, direct: DirectTransport) -> None:
        self._docker = docker
        self._direct = direct
        self._usual: TransportName = "auto"
        self._wanted: Mapping[Repository, TransportName] = {}
        self._with_referrers: Collection[Repository] = ()
        self._engine_answers = False

    def configure(
        self,
        *,
        usual: TransportName,
        wanted: Mapping[Repository, TransportName],
        with_referrers: Collection[Repository] = (),
    ) -> None:
        """Set what is wanted: by target repository, and for those that are not among them.

        What goes to those `with_referrers` goes directly, unless an engine is insisted on.
        """
        self._usual = usual
        self._wanted = {
            target: "direct" if name == "auto" and target in with_referrers else name for target, name in wanted.items()
        }
        self._with_referrers = with_referrers

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
        if self._goes_through_engine(target.repository, platforms):
            return await self._docker.copy(source, target, platforms, progress)
        referrers = target.repository in self._with_referrers
        return await self._direct.copy(source, target, platforms, progress, referrers=referrers)

    async def aclose(self) -> None:
        """Close both."""
        await self._docker.aclose()
        await self._direct.aclose()

    def _goes_through_engine(self, target: Repository, platforms: Platforms | None) -> bool:
        name = self._wanted.get(target, self._usual)
        everything = platforms is not None and platforms.keyword == "all"  # which no engine can carry
        return name == "docker" or (name == "auto" and self._engine_answers and not everything)
