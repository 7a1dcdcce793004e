"""A scene: two repositories of a real registry, one behind a proxy, and rules that want less and less."""

import secrets
from collections.abc import AsyncIterator

import pytest

from tests.pruning.scene import PruneScene
from tests.support.clock import ManualClock
from tests.support.proxy import FaultyProxy
from tests.support.transports import open_client
from tests.support.workplace import Workplace


@pytest.fixture
async def scene(workplace: Workplace) -> AsyncIterator[PruneScene]:
    proxy = await FaultyProxy(workplace.target.url).start()
    scene = PruneScene(
        workplace, proxy, lambda: open_client(clock=ManualClock()), f"team-{secrets.token_hex(4)}"
    )  # retries do not wait
    yield scene
    await scene.aclose()
    await proxy.stop()
