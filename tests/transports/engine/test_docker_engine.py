"""The connection to an engine, with a proxy in front of it that injects delays and faults."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from ferryman.errors import Denied, EngineUnavailable, Unreachable
from ferryman.transports.engine.address import EngineAddress
from ferryman.transports.engine.docker_engine import DockerEngine
from ferryman.transports.engine.errors import EngineOperation
from ferryman.transports.engine.progress_stream import SilenceLimits
from tests.support.processes import Engine
from tests.support.proxy import FaultyProxy
from tests.support.transports import Progress


@pytest.fixture
async def proxy(engine_over_tcp: str) -> AsyncIterator[FaultyProxy]:
    proxy = FaultyProxy(f"http://{engine_over_tcp}")
    yield await proxy.start()
    await proxy.stop()


async def connected(host: str, stack: AsyncExitStack) -> DockerEngine:
    opened = DockerEngine(address=EngineAddress(host), silence_limits=SilenceLimits())
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
        async with slow._control_call("the picture", path="GET /picture", seconds=0):
            await asyncio.Event().wait()


async def test_an_engine_that_answers_no_ping_is_lost(proxy: FaultyProxy, stack: AsyncExitStack) -> None:
    engine = await connected(f"tcp://{proxy.host}", stack)
    await proxy.stop()

    with pytest.raises(EngineUnavailable, match="no Docker Engine at"):
        async with engine._control_call("the picture", path="GET /picture", seconds=0):
            await asyncio.Event().wait()


async def test_a_closed_connection(engine: Engine, stack: AsyncExitStack) -> None:
    closed = await connected(engine.host, stack)
    await closed.aclose()

    with pytest.raises(EngineUnavailable, match="is closed"):
        await closed.inspect("nowhere.example/a:1")


PAGE = "<html><body><h1>403 Forbidden</h1>Request forbidden by administrative rules.</body></html>"
TEXT = {"Content-Type": "text/html"}


async def test_a_proxy_that_forbids_info_is_lived_with(proxy: FaultyProxy, stack: AsyncExitStack) -> None:
    proxy.answer("GET /info", 403, PAGE, headers=TEXT)
    engine = await connected(f"tcp://{proxy.host}", stack)

    identity = await engine.connect()

    assert (identity.storage, proxy.host in identity.id) == ("/info is forbidden", True)
    assert await engine.inspect("nowhere.example/a:1") is None


async def test_a_proxy_that_forbids_a_required_call_is_named_in_the_error(
    proxy: FaultyProxy, stack: AsyncExitStack
) -> None:
    proxy.answer("GET /version", 403, PAGE, headers=TEXT)

    with pytest.raises(EngineUnavailable, match=r"forbids GET /version \(403 .*administrative rules.*needs GET /_ping"):
        await connected(f"tcp://{proxy.host}", stack)


@pytest.mark.parametrize(
    ("request_line", "status", "body", "path"),
    [
        ("POST .*/images/create", 403, PAGE, "POST /images/create"),
        ("POST .*/images/create", 405, "Method Not Allowed\n", "POST /images/create"),
        ("POST .*/images/create", 403, '{"message": "authorization denied by plugin x: no"}', "POST /images/create"),
        ("POST .*/push", 403, "Forbidden", "POST /images/…/push"),
        ("POST .*/tag", 403, PAGE, "POST /images/…/tag"),
        ("DELETE .*/images/", 403, PAGE, "DELETE /images/…"),
        ("GET .*/system/df", 403, PAGE, "GET /system/df"),
    ],
)
async def test_a_call_that_is_forbidden_is_named(
    *, proxy: FaultyProxy, stack: AsyncExitStack, request_line: str, status: int, body: str, path: str
) -> None:
    proxy.answer(request_line, status, body, headers={} if body.startswith("{") else TEXT)
    engine = await connected(f"tcp://{proxy.host}", stack)
    name = "127.0.0.1:1/a/b:1"
    calls = {
        "create": lambda: engine.pull(
            EngineOperation("pull", name, "127.0.0.1:1"), platform=None, credential=None, sink=Progress()
        ),
        "/push": lambda: engine.push(EngineOperation("push", name, "127.0.0.1:1"), credential=None, sink=Progress()),
        "/tag": lambda: engine.tag("sha256:1", name),
        "DELETE": lambda: engine.remove(name),
        "/df": engine.disk_usage,
    }

    with pytest.raises(Denied, match=f"forbids {path} ") as raised:
        await next(call for word, call in calls.items() if word in request_line)()
    assert raised.value.registry is None


async def test_an_engine_that_refuses_a_ping_lives(proxy: FaultyProxy, stack: AsyncExitStack) -> None:
    proxy.answer("GET /_ping", 403, PAGE, headers=TEXT)
    engine = await connected(f"tcp://{proxy.host}", stack)

    with pytest.raises(Unreachable, match="is slow"):
        async with engine._control_call("the picture", path="GET /picture", seconds=0):
            await asyncio.Event().wait()
