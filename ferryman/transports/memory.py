"""The blob ledger as the direct transport uses it: what cannot be read or written costs requests, and no tag."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict

from ferryman import log
from ferryman.errors import StoreError
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient
from ferryman.transports.blob_ledger import BlobLedger, Kind


class Memory:
    """What is remembered of targets: what they hold, and what they cannot do."""

    def __init__(self, ledger: BlobLedger, registry: RegistryClient) -> None:
        self._ledger = ledger
        self._registry = registry
        self._noted: dict[str, set[str]] = {}  # registry: what the ledger has of its inabilities

    async def holders(self, registry: str, blobs: Collection[str]) -> Mapping[str, Collection[str]]:
        """The names of the repositories that hold each of these blobs, as far as is known."""
        return await self._holders(registry, blobs, "blob")

    async def held_by(self, repository: Repository, manifests: Collection[str]) -> Collection[str]:
        """Those of the manifests that the repository is known to hold."""
        holders = await self._holders(repository.registry, manifests, "manifest")
        return {digest for digest, names in holders.items() if repository.name in names}

    async def remember(self, repository: Repository, held: Mapping[Kind, Collection[str]]) -> None:
        """The repository holds these."""
        if any(held.values()):
            with _forgiven():
                await self._ledger.remember(repository.registry, repository.name, held)

    async def forget(self, repository: Repository, digests: Collection[str]) -> None:
        """The repository was found not to hold these."""
        with _forgiven():
            await self._ledger.forget(repository.registry, repository.name, digests)

    async def recall_abilities(self, registry: str) -> None:
        """Let the registry client know what was learnt before."""
        if registry in self._noted:
            return
        known = self._noted[registry] = set()
        with _forgiven():
            known |= set(await self._ledger.inabilities(registry))
        abilities = self._registry.abilities(registry)
        for name in known & asdict(abilities).keys():
            setattr(abilities, name, False)

    async def note_abilities(self, registry: str) -> None:
        """Write down what was learnt since."""
        noted = self._noted.setdefault(registry, set())
        for name, able in asdict(self._registry.abilities(registry)).items():
            if not able and name not in noted:
                noted.add(name)
                log.get().info("found out what a registry cannot do", registry=registry, inability=name)
                with _forgiven():
                    await self._ledger.note_inability(registry, name)

    async def _holders(self, registry: str, digests: Collection[str], kind: Kind) -> Mapping[str, Collection[str]]:
        try:
            return await self._ledger.holders(registry, digests, kind=kind)
        except StoreError as error:
            _complain(error)
            return {}


@contextmanager
def _forgiven() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        _complain(error)


def _complain(error: StoreError) -> None:
    log.get().warning("the record of blobs cannot be used", error=str(error))
