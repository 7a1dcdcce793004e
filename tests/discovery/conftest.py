"""Stand-in upstreams on loopback, and the real registry client."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping

import pytest

from ferryman.clock import SystemClock
from ferryman.registry.auth.credentials import Credential, CredentialStore
from ferryman.registry.client import RegistryClient
from ferryman.registry_options import RegistryOptions
from tests.support.upstreams import Upstream

Connect = Callable[..., Awaitable[RegistryClient]]


@pytest.fixture
def plain() -> Iterator[Upstream]:
    with Upstream() as upstream:
        yield upstream


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Make real clients: `await connect({"docker.io": hub}, login=("user", "password"))`."""
    clients: list[RegistryClient] = []

    async def make(served: Mapping[str, Upstream], *, login: tuple[str, str] | None = None) -> RegistryClient:
        clock = SystemClock()
        credentials = CredentialStore(
            explicit={host: Credential(*login) for host in served} if login else {}, clock=clock, environment={}
        )
        hosts = {host: RegistryOptions(endpoint=upstream.url, api=upstream.url) for host, upstream in served.items()}
        clients.append(RegistryClient(hosts=hosts, credentials=credentials, clock=clock))
        return clients[-1]

    yield make
    for client in clients:
        await client.aclose()
