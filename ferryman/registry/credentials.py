"""Where the login for a registry comes from."""

from collections.abc import Mapping
from dataclasses import dataclass

from ferryman.clock import Clock


@dataclass(frozen=True, slots=True)
class Credential:
    """A login. Its secret appears in no repr."""

    username: str
    secret: str
    is_identity_token: bool = False  # the secret is an OAuth2 refresh token, not a password

    def __repr__(self) -> str:
        return f"Credential(username={self.username!r}, secret='***')"


class CredentialStore:
    """Finds the login for a registry: `registries:`, then TARGET_USER for targets, then Docker's config.json."""

    def __init__(
        self,
        *,
        explicit: Mapping[str, Credential],
        clock: Clock,
        environment: Mapping[str, str],
        targets: frozenset[str] = frozenset(),
        target_default: Credential | None = None,
    ) -> None: ...
