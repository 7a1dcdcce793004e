"""Caches what target registries hold and which capabilities they lack; a store error costs requests, but no tag."""

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

_RELOAD_AFTER = timedelta(hours=1)  # capabilities are read from the record again


class TargetCache:
    """Known content and missing capabilities of targets, persisted in a BlobStore."""

    def __init__(self, blobs: BlobStore, registry: RegistryClient, *, clock: Clock) -> None:
        self._blobs = blobs
        self._registry = registry
        self._clock = clock
        self._stored: dict[str, dict[str, str | None]] = {}  # registry: its missing capabilities in the record
        self._loaded_at: dict[str, datetime] = {}

    async def holders(self, registry: str, blobs: Collection[str]) -> Mapping[str, Collection[str]]:
        """The names of the repositories that hold each of these blobs, as far as is known. Empty on a store error."""
        return await self._holders(registry, blobs, "blob")

    async def held_by(self, repository: Repository, manifests: Collection[str]) -> Collection[str]:
        """Those of the manifests that the repository is known to hold."""
        holders = await self._holders(repository.registry, manifests, "manifest")
        return {digest for digest, names in holders.items() if repository.name in names}

    async def remember(self, repository: Repository, held: Mapping[ContentKind, Collection[str]]) -> None:
        """The repository holds these."""
        if any(held.values()):
            with _store_errors_logged():
                await self._blobs.remember(repository.registry, repository.name, held)

    async def forget(self, repository: Repository, digests: Collection[str]) -> None:
        """The repository was found not to hold these."""
        with _store_errors_logged():
            await self._blobs.forget(repository.registry, repository.name, digests)

    async def load_capabilities(self, registry: str) -> None:
        """Give the registry client what was learned before. Reads the record at most once an hour.

        Entries expire after a month. Reading them again lets a long-running process see the expiry, and what other
        processes have learned.
        """
        now = self._clock.now()
        loaded_at = self._loaded_at.get(registry)
        if loaded_at is not None and abs(now - loaded_at) < _RELOAD_AFTER:
            return
        self._loaded_at[registry] = now
        await self.save_capabilities(registry)  # first, or the older recorded state would overwrite what is new
        capabilities, stored = self._registry.capabilities(registry), self._stored.setdefault(registry, {})
        with _store_errors_logged():
            known = await self._blobs.missing_capabilities(registry)
            for name in stored.keys() - known.keys():
                capabilities.lift(name)
            for name, value in known.items():
                capabilities.restrict(name, value)
            missing = capabilities.missing_capabilities()
            self._stored[registry] = {name: known[name] for name in missing if name in known}

    async def save_capabilities(self, registry: str) -> None:
        """Write to the record what was learned since the last call."""
        stored = self._stored.setdefault(registry, {})
        found = self._registry.capabilities(registry).missing_capabilities()
        for name, value in found.items():
            if name not in stored or stored[name] != value:
                stored[name] = value
                log.get().info(
                    "capability_missing",
                    message="a registry lacks a capability",
                    registry=registry,
                    inability=name,
                    value=value,
                )
                with _store_errors_logged():
                    await self._blobs.note_missing_capability(registry, name, value)
        for name in stored.keys() - found.keys():
            del stored[name]
            log.get().info(
                "capability_found",
                message="a registry has a capability that it lacked before",
                registry=registry,
                ability=name,
            )
            with _store_errors_logged():
                await self._blobs.forget_missing_capability(registry, name)

    async def _holders(
        self, registry: str, digests: Collection[str], kind: ContentKind
    ) -> Mapping[str, Collection[str]]:
        try:
            return await self._blobs.holders(registry, digests, kind=kind)
        except StoreError as error:
            _log_store_error(error)
            return {}


@contextmanager
def _store_errors_logged() -> Iterator[None]:
    try:
        yield
    except StoreError as error:
        _log_store_error(error)


def _log_store_error(error: StoreError) -> None:
    log.get().warning("target_cache_failed", message="the record of blobs cannot be used", error=str(error))
