"""Opens transports for tests, and reads what they copied, independently of Ferryman's own code."""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

from ferryman.clock import Clock, SystemClock
from ferryman.platforms import Platform
from ferryman.reference import Reference, Repository
from ferryman.registry.auth.credentials import Credential, CredentialStore
from ferryman.registry.client import RegistryClient
from ferryman.registry.http.session import Timeouts
from ferryman.registry_options import RegistryOptions
from ferryman.transports.direct.blob_store import BlobStore
from ferryman.transports.direct.transport import DirectTransport
from ferryman.transports.engine.address import EngineAddress
from ferryman.transports.engine.image_cache import ImageStore
from ferryman.transports.engine.progress_stream import USUAL_LIMITS, SilenceLimits
from ferryman.transports.engine.transport import DockerTransport
from tests.support.images import DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST, Image, image, layer
from tests.support.plain_http import ask
from tests.support.processes import Engine
from tests.transports.direct.blob_store import InMemoryBlobLedger
from tests.transports.engine.ledger import InMemoryLedger

_ACCEPT = f"{OCI_INDEX}, {DOCKER_LIST}, {OCI_MANIFEST}, {DOCKER_MANIFEST}"
NATIVE = Platform.of("linux", "amd64")
NO_LIMIT = 1 << 50


def open_client(
    *,
    logins: Mapping[str, tuple[str, str]] | None = None,
    endpoints: Mapping[str, str] | None = None,
    clock: Clock | None = None,
    timeouts: Timeouts | None = None,
) -> RegistryClient:
    """A registry client with these logins, by registry, and nothing from this machine's files."""
    clock = clock or SystemClock()
    explicit = {registry: Credential(*login) for registry, login in (logins or {}).items()}
    credentials = CredentialStore(explicit=explicit, clock=clock, environment={"HOME": "/nonexistent"})
    hosts = {registry: RegistryOptions(endpoint=endpoint) for registry, endpoint in (endpoints or {}).items()}
    return RegistryClient(hosts=hosts, credentials=credentials, clock=clock, timeouts=timeouts or Timeouts())


@dataclass
class Progress:
    """A ProgressSink that records everything."""

    reports: list[tuple[str, int, int | None]] = field(default_factory=list)

    def __call__(self, part: str, done: int, total: int | None) -> None:
        self.reports.append((part, done, total))


def fresh_image(size: int = 2000, *, platform: str = "linux/amd64") -> Image:
    """An image with random content, which no engine has."""
    return image([layer({"file": os.urandom(size)})], platform=platform)


class DockerTransports:
    """Opens transports through one engine; they are closed together."""

    def __init__(self, engine: Engine, stack: AsyncExitStack) -> None:
        self._engine = engine
        self._stack = stack
        self.client: RegistryClient | None = None

    def open(
        self,
        *,
        ledger: ImageStore | None = None,
        cache_limit: int = NO_LIMIT,
        silence_limits: SilenceLimits = USUAL_LIMITS,
        logins: Mapping[str, tuple[str, str]] | None = None,
        endpoints: Mapping[str, str] | None = None,
        engine: str | None = None,
    ) -> DockerTransport:
        client = self.client = open_client(logins=logins, endpoints=endpoints)
        transport = DockerTransport(
            address=EngineAddress(engine or self._engine.host),
            registry=client,
            images=InMemoryLedger() if ledger is None else ledger,
            cache_limit=cache_limit,
            clock=SystemClock(),
            silence_limits=silence_limits,
        )
        self._stack.push_async_callback(client.aclose)
        self._stack.push_async_callback(transport.aclose)
        return transport


class DirectTransports:
    """Opens direct transports; they are closed together."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.client: RegistryClient | None = None

    def open(
        self,
        *,
        ledger: BlobStore | None = None,
        logins: Mapping[str, tuple[str, str]] | None = None,
        endpoints: Mapping[str, str] | None = None,
        clock: Clock | None = None,
        timeouts: Timeouts | None = None,
    ) -> DirectTransport:
        client = self.client = open_client(logins=logins, endpoints=endpoints, clock=clock, timeouts=timeouts)
        self._stack.push_async_callback(client.aclose)
        return DirectTransport(
            registry=client,
            blobs=InMemoryBlobLedger() if ledger is None else ledger,
            native=NATIVE,
            clock=clock or SystemClock(),
        )


def pinned(host: str, name: str, digest: str) -> Reference:
    return Repository.parse(f"{host}/{name}").pinned(digest)


def tagged(host: str, name: str, tag: str) -> Reference:
    return Repository.parse(f"{host}/{name}").tagged(tag)


@dataclass(frozen=True)
class Found:
    """A manifest in a registry."""

    digest: str
    media_type: str
    document: Mapping[str, Any]

    @property
    def config(self) -> str:
        digest: str = self.document["config"]["digest"]
        return digest


def manifest_at(url: str, name: str, selector: str) -> Found:
    """The registry's answer to a plain HTTP request, sent without Ferryman's code."""
    request = urllib.request.Request(f"{url}/v2/{name}/manifests/{selector}", headers={"Accept": _ACCEPT})
    with ask(request) as answer:
        return Found(answer.headers["Docker-Content-Digest"], answer.headers["Content-Type"], json.load(answer))


def blob_at(url: str, name: str, digest: str) -> Any:
    """A JSON blob, requested in the same way."""
    with ask(f"{url}/v2/{name}/blobs/{digest}") as answer:
        return json.load(answer)


def tags_at(url: str, name: str) -> list[str]:
    """The tags of a repository; empty if it does not exist."""
    try:
        with ask(f"{url}/v2/{name}/tags/list") as answer:
            return json.load(answer)["tags"] or []
    except urllib.error.HTTPError as error:
        error.close()
        return []
