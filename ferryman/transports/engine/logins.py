"""Logins as an engine is given them. A registry that sees too many wrong ones may lock the account."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from ferryman import log
from ferryman.errors import LoginRefused, TransferError
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient


class EngineLogins:
    """What the registry client knows of logins, kept in step with what the engine learns."""

    def __init__(self, registry: RegistryClient) -> None:
        self._registry = registry
        self._tried: set[tuple[str, ...]] = set()

    @asynccontextmanager
    async def shown(self, repository: Repository) -> AsyncIterator[Mapping[str, str] | None]:
        """The login for one pull or push, if there is one. Raises LoginRefused for one that was refused before."""
        registry = repository.registry
        login = await self._registry.credential_for_engine(registry, repository.name)
        if login is None:
            yield None
            return
        await self._try(registry, login)
        try:
            yield login
        except LoginRefused as error:
            self._tried.discard(_key(registry, login))
            await self._registry.remember_refusal(registry, repository.name, login, error)
            raise

    async def _try(self, registry: str, login: Mapping[str, str]) -> None:
        """Before the engine shows it for the first time: the client tries one at a time, an engine's pushes do not."""
        if _key(registry, login) in self._tried:
            return
        try:
            await self._registry.log_in(registry)
        except LoginRefused:
            raise
        except TransferError as error:  # the engine may know a way that we don't: a proxy, a mirror
            log.get().debug("a login could not be tried", registry=registry, error=str(error))
        self._tried.add(_key(registry, login))


def _key(registry: str, login: Mapping[str, str]) -> tuple[str, ...]:
    return registry, *login.values()
