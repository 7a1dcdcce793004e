"""Passes credentials to the engine, after verifying them: too many failed logins may lock the account."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from ferryman import log
from ferryman.errors import LoginRefused, TransferError
from ferryman.reference import Repository
from ferryman.registry.client import RegistryClient


class EngineLogins:
    """Shares login results between the registry client and the engine."""

    def __init__(self, registry: RegistryClient) -> None:
        self._registry = registry
        self._verified: set[tuple[str, ...]] = set()

    @asynccontextmanager
    async def login_for(self, repository: Repository) -> AsyncIterator[Mapping[str, str] | None]:
        """The credential for one pull or push, or None. Raises LoginRefused for one that was refused before."""
        registry = repository.registry
        login = await self._registry.credential_for_engine(registry, repository.name)
        if login is None:
            yield None
            return
        await self._verify(registry, login)
        try:
            yield login
        except LoginRefused as error:
            self._verified.discard(_key(registry, login))
            await self._registry.remember_refusal(registry, repository.name, login, error)
            raise

    async def _verify(self, registry: str, login: Mapping[str, str]) -> None:
        """Log in before the engine's first use: the client tries one login at a time, the engine does not."""
        if _key(registry, login) in self._verified:
            return
        try:
            await self._registry.log_in(registry)
        except LoginRefused:
            raise
        except TransferError as error:  # the engine may reach the registry by a proxy or mirror of its own
            log.get().debug(
                "login_not_tried", message="a login could not be tried", registry=registry, error=str(error)
            )
        self._verified.add(_key(registry, login))


def _key(registry: str, login: Mapping[str, str]) -> tuple[str, ...]:
    return registry, *login.values()
