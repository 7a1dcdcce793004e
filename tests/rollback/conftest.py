"""A scene: two repositories of a real registry, one behind a proxy."""

import secrets
from collections.abc import AsyncIterator

import pytest

from ferryman.registry.client import RegistryClient
from tests.rollback.scene import Scene
from tests.support.clock import ManualClock
from tests.support.proxy import FaultyProxy
from tests.support.transports import open_client
from tests.support.workplace import Workplace
from tests.support.zuul_registry import login_of


@pytest.fixture
async def scene(workplace: Workplace) -> AsyncIterator[Scene]:
    proxy = await FaultyProxy(workplace.target.url).start()
    target = workplace.target
    logins = {**login_of(target), **login_of(target, proxy.host)}

    def connect() -> RegistryClient:
        return open_client(logins=logins, clock=ManualClock())  # retries do not wait

    scene = Scene(workplace, proxy, connect, f"team-{secrets.token_hex(4)}")
    yield scene
    await scene.aclose()
    await proxy.stop()
