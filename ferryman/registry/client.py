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

    Every call raises TransferError's subclasses and nothing of aiohttp's.
    """

    async def head_manifest(self, reference: Reference) -> Described: ...  # NotFound
    async def get_manifest(self, reference: Reference) -> Manifest: ...  # digest checked against the bytes
    async def get_blob(self, repository: Repository, digest: str) -> bytes: ...  # small ones: configs; <= 4 MiB, checked
    async def put_manifest(self, reference: Reference, manifest: Manifest) -> str: ...  # the digest that the registry answers
    def list_tags(self, repository: Repository) -> AsyncIterator[list[str]]: ...  # plain OCI paging, Link
    async def get_tags_document(self, repository: Repository) -> Any: ...  # Google: the whole JSON of tags/list
    async def get_api(self, registry: str, path: str, *, query: Mapping[str, str], bearer: str | None = None) -> Any: ...
    async def post_api(self, registry: str, path: str, *, body: Mapping[str, str]) -> Any: ...
    async def log_in(self, registry: str) -> str: ...  # for `check`: what worked, as a sentence
    def slot(self, registry: str) -> AbstractAsyncContextManager[None]: ...  # one of the host's concurrent places; waits for its hold
    def held_until(self, registry: str) -> datetime | None: ...
    def hold(self, registry: str, until: datetime) -> None: ...
    def host_for_engine(self, registry: str) -> str: ...  # the host that a Docker Engine is to pull from or push to
    async def credential_for_engine(self, registry: str) -> dict[str, str] | None: ...
    async def aclose(self) -> None: ...
