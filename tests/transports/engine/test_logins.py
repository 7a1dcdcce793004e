"""A wrong login: all copies together try it only once."""

import asyncio
import json

import pytest
from aiohttp import web

from ferryman.errors import LoginRefused
from ferryman.transports.engine.transport import DockerTransport
from tests.support.images import push
from tests.support.processes import RegistryServer
from tests.support.proxy import FaultyProxy
from tests.support.transports import DockerTransports, Progress, fresh_image, pinned, tagged, tags_at
from tests.transports.conftest import StartProxy, StartRegistry

ME = ("me", "wrong")


async def copy(transport: DockerTransport, source: RegistryServer, target: str, tag: str) -> None:
    digest = push(source.url, "a/b", tag, fresh_image())
    await transport.copy(pinned(source.host, "a/b", digest), tagged(target, "m/b", tag), None, Progress())


async def copy_many(transport: DockerTransport, source: RegistryServer, target: str) -> list[BaseException | None]:
    """The results of six concurrent copies."""
    return await asyncio.gather(*(copy(transport, source, target, f"{n}") for n in range(6)), return_exceptions=True)


def watch_logins(proxy: FaultyProxy) -> list[str]:
    """A list that collects the requests with credentials from now on."""
    shown: list[str] = []

    async def note(request: web.Request) -> web.StreamResponse:
        if "Authorization" in request.headers:
            shown.append(f"{request.method} {request.path}")
        return await proxy.pass_on(request)

    proxy.fail(".*", note)
    return shown


async def test_a_wrong_login_is_shown_once(
    transports: DockerTransports, source: RegistryServer, start_registry: StartRegistry, start_proxy: StartProxy
) -> None:
    proxy = await start_proxy(start_registry(login=("me", "right")))
    shown = watch_logins(proxy)

    ends = await copy_many(transports.open(logins={proxy.host: ME}), source, proxy.host)

    assert [type(end) for end in ends] == [LoginRefused] * 6
    assert len(shown) == 1


async def test_what_only_the_engine_saw_refused_is_not_tried_again(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, start_proxy: StartProxy
) -> None:
    proxy = await start_proxy(target)
    body = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]})
    proxy.answer("PUT .*/manifests/", 401, body, headers={"WWW-Authenticate": 'Basic realm="pushes"'})
    transport = transports.open(logins={proxy.host: ME})
    with pytest.raises(LoginRefused):
        await copy(transport, source, proxy.host, "first")
    seen = len(proxy.requests)

    ends = await copy_many(transport, source, proxy.host)

    assert [type(end) for end in ends] == [LoginRefused] * 6
    assert len(proxy.requests) == seen


async def test_a_login_that_only_the_engine_can_show(
    transports: DockerTransports, source: RegistryServer, target: RegistryServer, start_proxy: StartProxy
) -> None:
    proxy = await start_proxy(target)
    met: list[str] = []

    async def fail_for_us(request: web.Request) -> web.StreamResponse:
        if not request.headers["User-Agent"].startswith("ferryman"):
            return await proxy.pass_on(request)
        met.append(request.path)
        return web.Response(status=502)

    proxy.fail("GET /v2/$", fail_for_us)

    await copy(transports.open(logins={proxy.host: ME}), source, proxy.host, "1")

    assert set(met) == {"/v2/"}
    assert tags_at(target.url, "m/b") == ["1"]
