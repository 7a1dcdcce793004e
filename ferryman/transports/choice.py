"""Selects the transport for each copy: `docker`, `direct`, or `auto`, which is decided once at the start."""

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING

from ferryman.errors import EngineUnavailable
from ferryman.kinds import TransportName
from ferryman.platforms import Platform, Platforms
from ferryman.reference import Reference, Repository
from ferryman.transports.base import Copied, Overwriting, ProgressSink

if TYPE_CHECKING:
    from ferryman.transports.direct.transport import DirectTransport
    from ferryman.transports.engine.transport import DockerTransport


class TransportSelector:
    """The Transport that delegates each copy to the one that is configured for its target."""

    def __init__(self, *, docker: "Callable[[], DockerTransport]", direct: "Callable[[], DirectTransport]") -> None:
        """Each is made when it is first used: importing what copies takes long, and most cycles copy nothing."""
        self._make_docker = docker
        self._make_direct = direct
        self._docker: DockerTransport | None = None
        self._direct: DirectTransport | None = None
        self._default: TransportName = "auto"
        self._by_target: Mapping[Repository, TransportName] = {}
        self._with_referrers: Collection[Repository] = ()
        self._with_everything: Collection[Repository] = ()
        self._has_engine = False
        self._engine_targets = self._direct_targets = frozenset[str]()

    def configure(
        self,
        *,
        default: TransportName,
        by_target: Mapping[Repository, TransportName],
        with_referrers: Collection[Repository] = (),
        with_everything: Collection[Repository] = (),
    ) -> None:
        """Set the transport by target repository, and the default for all others.

        For targets `with_referrers`, or `with_everything` (all platforms), `auto` means direct: no engine can carry
        them.
        """
        self._default = default
        self._by_target = {
            target: "direct" if name == "auto" and target in with_referrers else name
            for target, name in by_target.items()
        }
        self._with_referrers = with_referrers
        self._with_everything = with_everything
        self._sort_targets()

    @property
    def engine_targets(self) -> frozenset[str]:
        """The configured targets that are copied through an engine."""
        return self._engine_targets

    @property
    def direct_targets(self) -> frozenset[str]:
        """The configured targets that are copied from registry to registry."""
        return self._direct_targets

    @property
    def native(self) -> Platform | None:
        """The platform of a plain pull in the engine; None where no engine is in use."""
        return self._docker.native if self._docker else None

    async def connect(self) -> str:
        """Connect to the engine if anything may use it. Returns which transports are in use, as a sentence.

        Raises EngineUnavailable if an item requires an engine.
        """
        names = {self._default} if not self._by_target else set(self._by_target.values())
        if names == {"direct"}:
            return "directly from registry to registry"
        try:
            engine = await self._through_engine().connect()
        except EngineUnavailable as error:
            if "docker" in names:
                raise
            return f"directly from registry to registry, for no engine answers ({error})"
        self._has_engine = True
        self._sort_targets()
        return f"through {engine}" if "direct" not in names else f"through {engine}, and directly where an item says so"

    async def copy(
        self,
        source: Reference,
        target: Reference,
        platforms: Platforms | None,
        progress: ProgressSink,
        *,
        overwriting: Overwriting | None = None,
    ) -> Copied:
        """See Transport."""
        if self._goes_through_engine(target.repository, platforms):
            return await self._through_engine().copy(source, target, platforms, progress, overwriting=overwriting)
        referrers = target.repository in self._with_referrers
        return await self._directly().copy(
            source, target, platforms, progress, referrers=referrers, overwriting=overwriting
        )

    async def copy_within(self, source: Reference, target: Reference) -> Copied:
        """Copy everything from one repository of a registry to another, or to another tag. Raises TransferError."""
        return await self._directly().copy(source, target, Platforms(keyword="all"), _unheard)

    async def aclose(self) -> None:
        """Close those that were used."""
        for transport in (self._docker, self._direct):
            if transport is not None:
                await transport.aclose()

    def _through_engine(self) -> "DockerTransport":
        self._docker = self._docker or self._make_docker()
        return self._docker

    def _directly(self) -> "DirectTransport":
        self._direct = self._direct or self._make_direct()
        return self._direct

    def _goes_through_engine(self, target: Repository, platforms: Platforms | None) -> bool:
        everything = platforms is not None and platforms.keyword == "all"
        return self._uses_engine(self._by_target.get(target, self._default), everything=everything)

    def _uses_engine(self, name: TransportName, *, everything: bool) -> bool:
        """`everything`: all platforms, which no engine can carry."""
        return name == "docker" or (name == "auto" and self._has_engine and not everything)

    def _sort_targets(self) -> None:
        through = {
            target: self._uses_engine(name, everything=target in self._with_everything)
            for target, name in self._by_target.items()
        }
        self._engine_targets = frozenset(str(target) for target, engine in through.items() if engine)
        self._direct_targets = frozenset(str(target) for target, engine in through.items() if not engine)


def _unheard(part: str, done: int, total: int | None) -> None:
    """Nobody watches the progress."""
