"""The blob ledger as the direct transport uses it: what cannot be read or written costs requests, and no tag."""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

from ferryman import log
from ferryman.clock import Clock
from ferryman.errors import StoreError
from ferryman.kinds import ContentKind
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient
from ferryman.transports.direct.blob_store import BlobStore

_RECALLED = timedelta(hours=1)  # how long what the ledger says of capabilities is good for


class TargetCache:
    """What is remembered of targets: what they hold, and what they cannot do."""

    def __init__(self, ledger: BlobStore, registry: RegistryClient, *, clock: Clock) -> None:
        self._ledger = ledger
        self._registry = registry
        self._clock = clock
        self._noted: dict[str, dict[str, str | None]] = {}  # registry: what the ledger has of its missing_capabilities
        self._recalled_at: dict[str, datetime] = {}

    async def holders(self, registry: str, blobs: Collection[str]) -> Mapping[str, Collection[str]]:
        """The names of the repositories that hold each of these blobs, as far as is known."""
        return await self._holders(registry, blobs, "blob")

    async def held_by(self, repository: Repository, manifests: Collection[str]) -> Collection[str]:
        """Those of the manifests that the repository is known to hold."""
        holders = await self._holders(repository.registry, manifests, "manifest")
        return {digest for digest, names in holders.items() if repository.name in names}

    async def remember(self, repository: Repository, held: Mapping[ContentKind, Collection[str]]) -> None:
        """The repository holds these."""
        if any(held.values()):
            with _forgiven():
                await self._ledger.remember(repository.registry, repository.name, held)

    async def forget(self, repository: Repository, digests: Collection[str]) -> None:
        """The repository was found not to hold these."""
        with _forgiven():
            await self._ledger.forget(repository.registry, repository.name, digests)

    async def recall_capabilities(self, registry: str) -> None:
        """Let the registry client know what was learnt before: asked again every hour, for it is believed for a month.

        What another process learns, or is too old to be believed, is so taken over by one that never ends.
        """
        now = self._clock.now()
        recalled_at = self._recalled_at.get(registry)
        if recalled_at is not None and abs(now - recalled_at) < _RECALLED:
            return
        self._recalled_at[registry] = now
        await self.note_capabilities(registry)  # what was learnt since, and not written down yet, is no older belief
        capabilities, noted = self._registry.capabilities(registry), self._noted.setdefault(registry, {})
        with _forgiven():
            known = await self._ledger.missing_capabilities(registry)
            for name in noted.keys() - known.keys():
                capabilities.lift(name)
            for name, value in known.items():
                capabilities.restrict(name, value)
            self._noted[registry] = {name: known[name] for name in capabilities.missing_capabilities() if name in known}

    async def note_capabilities(self, registry: str) -> None:
        """Write down what was learnt since."""
        noted, found = (
            self._noted.setdefault(registry, {}),
            self._registry.capabilities(registry).missing_capabilities(),
        )
        for name, value in found.items():
            if name not in noted or noted[name] != value:
                noted[name] = value
                log.get().info("found out what a registry cannot do", registry=registry, inability=name, value=value)
                with _forgiven():
                    await self._ledger.note_missing_capability(registry, name, value)
        for name in noted.keys() - found.keys():
            del noted[name]
            log.get().info("found out what a registry can do after all", registry=registry, ability=name)
            with _forgiven():
                await self._ledger.forget_missing_capability(registry, name)

    async def _holders(
        self, registry: str, digests: Collection[str], kind: ContentKind
    ) -> Mapping[str, Collection[str]]:
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
