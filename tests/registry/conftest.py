"""Clients with a manual clock and short timeouts, and misbehaving servers."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from ferryman.registry.auth.credential import Credential
from ferryman.registry.auth.credentials import CredentialStore
from ferryman.registry.client import RegistryClient
from ferryman.registry.http.session import Timeouts
from ferryman.registry_options import RegistryOptions
from tests.support.clock import ManualClock
from tests.support.faulty import Faulty

Connect = Callable[..., RegistryClient]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def faulty() -> AsyncIterator[Faulty]:
    async with Faulty() as server:
        yield server


@pytest.fixture
async def elsewhere() -> AsyncIterator[Faulty]:
    """A second server: another origin on the same machine."""
    async with Faulty() as server:
        yield server


@pytest.fixture
async def connect(clock: ManualClock) -> AsyncIterator[Connect]:
    """Make clients: `connect(hosts={…}, logins={host: ("user", "password")}, targets={…}, timeouts=…)`."""
    async with AsyncExitStack() as stack:

        def make(
            *,
            hosts: dict[str, RegistryOptions] | None = None,
            logins: dict[str, tuple[str, str]] | None = None,
            targets: frozenset[str] = frozenset(),
            environment: dict[str, str] | None = None,
            **options: Any,
        ) -> RegistryClient:
            client = RegistryClient(
                hosts=hosts or {},
                credentials=credentials(clock, logins or {}, targets, environment),
                clock=clock,
                **{"timeouts": Timeouts(connect=30, read=30, total=60), **options},
            )
            stack.push_async_callback(client.aclose)
            return client

        yield make


def credentials(
    clock: ManualClock,
    logins: dict[str, tuple[str, str]],
    targets: frozenset[str] = frozenset(),
    environment: dict[str, str] | None = None,
) -> CredentialStore:
    return CredentialStore(
        explicit={host: Credential(*login) for host, login in logins.items()},
        clock=clock,
        environment=environment or {"HOME": "/nonexistent"},
        targets=targets,
    )
