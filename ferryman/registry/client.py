"""The distribution protocol, client side: the only aiohttp client of the house.

Source: OCI distribution specification 1.1; Docker Registry HTTP API V2.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ferryman.clock import Clock
from ferryman.reference import Reference, Repository
from ferryman.registry.credentials import Credential, CredentialStore
from ferryman.registry.hosts import HostOptions
from ferryman.registry.limits import Quota


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest or index, byte for byte."""

    body: bytes
    media_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Described:
    """What a HEAD tells of a manifest."""

    digest: str
    media_type: str
    size: int | None


class RegistryClient:
    """Talks to every registry: logs in, pages, waits for limits. One instance a process.

    Every call raises TransferError's subclasses and nothing of aiohttp's. Requests wait for their
    host's hold and for one of its places; a hold of more than a minute raises RateLimited instead.
    """

    def __init__(
        self,
        *,
        hosts: Mapping[str, HostOptions],
        credentials: CredentialStore,
        clock: Clock,
        user_agent: str = "ferryman",
    ) -> None: ...

    async def head_manifest(self, reference: Reference) -> Described:
        """What the registry has under `reference`. Raises NotFound. A schema 1 manifest is described like any other.

        Falls back to a GET, which Docker Hub counts as a pull, where HEAD tells no digest.
        """
        ...

    async def get_manifest(self, reference: Reference) -> Manifest:
        """The manifest verbatim, checked against `reference.digest` and the registry's own header.

        Raises NotFound, WrongContent, and Unsupported for schema 1.
        """
        ...

    async def get_blob(self, repository: Repository, digest: str) -> bytes:
        """A small blob, such as a config, checked; at most 4 MiB (WrongContent)."""
        ...

    async def put_manifest(self, reference: Reference, manifest: Manifest) -> str:
        """Put the manifest under `reference`'s digest, or its tag where it has none; the digest it then has."""
        ...

    def list_tags(self, repository: Repository) -> AsyncIterator[list[str]]:
        """Tag names page by page (plain OCI paging); names that are no tags are left out, none comes twice."""
        ...

    async def get_tags_document(self, repository: Repository) -> dict[str, Any]:
        """The whole document of tags/list, `tags` and Google's `manifest` map merged over its pages."""
        ...

    async def get_api(self, registry: str, path: str, *, query: Mapping[str, str], bearer: str | None = None) -> Any:
        """JSON from the registry's tag API. `path` starts with "/". Raises Denied for 401 and 403, NotFound for 404."""
        ...

    async def post_api(self, registry: str, path: str, *, body: Mapping[str, str]) -> Any:
        """Post a login to the registry's API (JSON both ways). A 401 is LoginRefused, and is remembered."""
        ...

    async def credential_for_api(self, registry: str) -> Credential | None:
        """The login (`username`, `secret`) for the registry's tag API. Raises LoginRefused once it was refused."""
        ...

    async def credential_for_engine(self, registry: str, repository: str = "") -> dict[str, str] | None:
        """The login as a Docker Engine takes it. `repository` is the name alone; Podman's files tell them apart.

        Raises LoginRefused once it was refused.
        """
        ...

    def host_for_engine(self, registry: str) -> str:
        """The host that a Docker Engine is to pull from or push to."""
        ...

    async def log_in(self, registry: str) -> str:
        """Try the registry and its login; what worked, as a sentence. Raises LoginRefused and the rest."""
        ...

    def slot(self, *registries: str) -> AbstractAsyncContextManager[None]:
        """One place for a copy at each of the registries, taken in one order, so that no two copies can lock.

        Waits for the registries' holds. Requests have places of their own: a copy may make them.
        """
        ...

    def hold(self, registry: str, until: datetime) -> None:
        """Leave the registry alone until then; an earlier moment than already known changes nothing."""
        ...

    def held_until(self, registry: str) -> datetime | None:
        """Until when the registry is to be left alone; None: it is not."""
        ...

    def quota(self, registry: str) -> Quota | None:
        """What the registry last said of its pull limit."""
        ...

    async def fingerprint(self, registry: str) -> str:
        """A salted fingerprint of the login in use (or of there being none), to remember which one was refused."""
        ...

    async def fingerprint_matches(self, registry: str, fingerprint: str) -> bool:
        """Whether the login in use is the one that `fingerprint` was made of."""
        ...

    def forget_refusals(self, registry: str | None = None) -> None:
        """Try refused logins again, at one registry or at all."""
        ...

    def configure(self, *, hosts: Mapping[str, HostOptions], credentials: CredentialStore) -> None:
        """Take a re-read configuration over; holds, tokens and refusals stay. Raises ConfigurationError."""
        ...

    async def aclose(self) -> None:
        """Close every connection."""
        ...
