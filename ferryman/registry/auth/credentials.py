"""Finds the credentials for a registry.

In this order: `registries:` in items.yml; TARGET_USER and TARGET_PASSWORD for targets; Docker's config.json.
"""

from collections.abc import Mapping

from ferryman.clock import Clock
from ferryman.errors import LoginRefused
from ferryman.registry.auth.credential import Credential
from ferryman.registry.auth.docker_config import DockerConfig
from ferryman.registry.hosts import Host

__all__ = ["Credential", "CredentialStore"]


class CredentialStore:
    """Finds the credentials for a registry in the configuration, the environment and Docker's login files."""

    def __init__(
        self,
        *,
        explicit: Mapping[str, Credential],  # by registry, from `registries:`
        clock: Clock,
        environment: Mapping[str, str],
        targets: frozenset[str] = frozenset(),  # registries that are pushed to
        target_default: Credential | None = None,
    ) -> None:
        self.targets = targets
        self._explicit = explicit
        self._target_default = target_default
        secrets = frozenset(credential.secret for credential in explicit.values())
        self._docker = DockerConfig(environment=environment, clock=clock, secrets=secrets)

    async def find(self, host: Host, repository: str = "") -> Credential | None:
        """The credential for the registry's endpoint; None: there is none. Raises LoginRefused if a source fails."""
        configured = self._configured(host)
        if configured is not None:
            return configured
        # A mirror must not get the password of the mirrored registry: look up its own name.
        return await self._from_docker(host, host.authority if host.moved else host.name, repository)

    async def find_for_api(self, host: Host) -> Credential | None:
        """The credential for the registry's tag API; not the mirror's if only the endpoint is a mirror."""
        configured = None if host.api_is_apart else self._configured(host)
        return configured or await self._from_docker(host, host.name)

    def _configured(self, host: Host) -> Credential | None:
        explicit = self._explicit.get(host.name)
        if explicit is None and host.name in self.targets:
            return self._target_default
        return explicit

    async def _from_docker(self, host: Host, name: str, repository: str = "") -> Credential | None:
        try:
            return await self._docker.find(name, repository)
        except ValueError as error:
            raise LoginRefused(f"{host.name}: its login cannot be found: {error}", registry=host.name) from error
