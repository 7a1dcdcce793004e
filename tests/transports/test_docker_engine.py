"""The connection to an engine, with a proxy before it that holds up what a test asks it to hold up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from ferryman.errors import EngineUnavailable, Unreachable
from ferryman.transports.docker_address import EngineAddress
from ferryman.transports.docker_engine import DockerEngine
from ferryman.transports.docker_stream import Patience
from tests.support.processes import Engine
from tests.support.proxy import FaultyProxy


@pytest.fixture
async def proxy(engine_over_tcp: str) -> AsyncIterator[FaultyProxy]:
    proxy = FaultyProxy(f"http://{engine_over_tcp}")
    yield await proxy.start()
    await proxy.stop()


async def connected(host: str, stack: AsyncExitStack) -> DockerEngine:
    opened = DockerEngine(address=EngineAddress(host), patience=Patience())
    stack.push_async_callback(opened.aclose)
    await opened.connect()
    return opened


async def test_a_new_connection_leaves_the_calls_of_the_old_one_alone(
    proxy: FaultyProxy, stack: AsyncExitStack
) -> None:
    engine = await connected(f"tcp://{proxy.host}", stack)
    gate = proxy.hold("GET .*/images/")
    calling = asyncio.ensure_future(engine.inspect("nowhere.example/a:1"))
    await proxy.stalls(calling)

    before = await engine.connect()
    gate.set()

    assert await calling is None
    assert await engine.connect() == before


async def test_an_absent_engine_leaves_the_connection_as_it_was(proxy: FaultyProxy, stack: AsyncExitStack) -> None:
    engine = await connected(f"tcp://{proxy.host}", stack)
    proxy.answer("GET /version", 502)

    with pytest.raises(EngineUnavailable):
        await engine.connect()
    assert await engine.inspect("nowhere.example/a:1") is None


async def test_a_slow_call_is_no_lost_engine(engine: Engine, stack: AsyncExitStack) -> None:
    slow = await connected(engine.host, stack)

    with pytest.raises(Unreachable, match="is slow: the picture took more than 0 s"):
        async with slow._calling("the picture", seconds=0):
            await asyncio.Event().wait()


async def test_an_engine_that_answers_no_ping_is_lost(proxy: FaultyProxy, stack: AsyncExitStack) -> None:
    engine = await connected(f"tcp://{proxy.host}", stack)
    await proxy.stop()

    with pytest.raises(EngineUnavailable, match="no Docker Engine at"):
        async with engine._calling("the picture", seconds=0):
            await asyncio.Event().wait()


async def test_a_closed_connection(engine: Engine, stack: AsyncExitStack) -> None:
    closed = await connected(engine.host, stack)
    await closed.aclose()

    with pytest.raises(EngineUnavailable, match="is closed"):
        await closed.inspect("nowhere.example/a:1")
