"""Wanted tags that cannot be read, and what a limit does where tags lack the platform: told, and made up for."""

from collections.abc import Callable

import pytest
from aiohttp import web

from tests.e2e.support import held, several, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer
from tests.support.proxy import Fault, FaultyProxy


@pytest.fixture
def proxy(proxied: Callable[[RegistryServer], FaultyProxy], upstream: RegistryServer) -> FaultyProxy:
    return proxied(upstream)


@pytest.fixture
def direct(install: Callable[..., Ferryman]) -> Ferryman:
    return install(FERRYMAN_TRANSPORT="direct", FERRYMAN_RETRY_DELAY="100ms", FERRYMAN_MAX_ATTEMPTS="3")


async def cut(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "1000"})
    await response.prepare(request)
    assert request.transport is not None
    request.transport.abort()
    return response


async def no_http(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.write(b"SSH-2.0-OpenSSH_9.2\r\n")
    request.transport.close()
    return web.Response()


async def round_and_round(request: web.Request) -> web.StreamResponse:
    return web.Response(status=307, headers={"Location": request.path})


async def unavailable(_: web.Request) -> web.StreamResponse:
    return web.Response(status=451)


@pytest.mark.parametrize("fault", [cut, no_http, round_and_round, unavailable])
def test_a_tag_that_cannot_be_read_is_told_by_every_command(
    direct: Ferryman, upstream: RegistryServer, target: RegistryServer, proxy: FaultyProxy, fault: Fault
) -> None:
    for tag in ("1", "2"):
        images.push(upstream.url, "acme/app", tag, tiny(f"{fault} {tag}"))
    direct.items.write_text(f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]")
    proxy.fail("manifests/2$", fault)

    plan = direct.run("plan", "--json")
    assert plan.code == 1
    [told] = [each for each in plan.json if each["tag"] == "2"]
    assert (told["action"], told["reason"]) == ("fail", "unreadable")
    assert "acme/app:2" in told["detail"]

    done = direct.run("sync")
    assert done.code == 1
    [line] = [line for line in done.err.splitlines() if line.startswith("error: ")]
    assert line.startswith(f"error: {target.host}/m/app:2: ")
    assert set(held(target)) == {"m/app:1"}
    assert [record["status"] for record in direct.status("--failed").values()] == ["failed"]
    assert "app" in direct.run("status").out
    assert told["detail"] in direct.run("status").out
    requeued = direct.run("requeue", "app:2")
    assert requeued.out == "0 tags queued\n1 tag could not be read upstream, and every look tries that again\n"
    assert direct.run("requeue", "app:1").out == "1 tag queued\n"

    proxy.mend()
    assert direct.run("sync").code == 0
    assert set(held(target)) == {"m/app:1", "m/app:2"}
    assert direct.status("--failed") == {}


def test_what_was_mirrored_and_cannot_be_read_now_is_told_and_stays_mirrored(
    direct: Ferryman, upstream: RegistryServer, target: RegistryServer, proxy: FaultyProxy
) -> None:
    images.push(upstream.url, "acme/app", "latest", tiny("before"))
    direct.items.write_text(f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]")
    assert direct.run("sync").code == 0
    before = held(target)
    proxy.fail("manifests/latest$", unavailable)
    done = direct.run("sync")
    assert done.code == 1
    assert f"error: {target.host}/m/app:latest: " in done.err
    [record] = direct.status("--failed").values()
    assert (record["status"], record["error_kind"]) == ("synced", "denied")
    assert held(target) == before
    assert "latest" in direct.run("status", "--failed").out
    proxy.mend()
    assert direct.run("sync").code == 0
    assert direct.status("--failed") == {}


def test_what_passes_is_waited_for_within_one_sync(
    direct: Ferryman, upstream: RegistryServer, target: RegistryServer, proxy: FaultyProxy
) -> None:
    for tag in ("1", "2"):
        images.push(upstream.url, "acme/app", tag, tiny(f"passing {tag}"))
    direct.items.write_text(f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]")
    left = [None] * 4  # one request is tried three times by itself

    async def now_and_then(request: web.Request) -> web.StreamResponse:
        if not left:
            return await proxy.pass_on(request)
        left.pop()
        return web.Response(status=502)

    proxy.fail("manifests/2$", now_and_then)
    done = direct.run("sync")
    assert done.code == 0, done.err
    assert set(held(target)) == {"m/app:1", "m/app:2"}
    assert proxy.requests.count("GET /v2/acme/app/tags/list") == 1


def test_places_of_tags_that_lack_the_platform_are_filled_within_one_sync(
    direct: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    """An index that names attestations only is found lacking by its copy, all the others by the look."""
    made: dict[str, images.Image | images.Index] = {
        "1": several("1", "linux/amd64", "linux/arm64"),
        "2": tiny("2", platform="linux/s390x"),
        "3": several("3", "windows/amd64", "linux/ppc64le"),
        "5": tiny("5", platform="linux/arm64"),
    }
    for tag, image in made.items():
        images.push(upstream.url, "acme/app", tag, image)
    statement, annotations = images.attestation(tiny("4"))
    images.push(upstream.url, "acme/app", "4", images.index([statement], annotations={0: annotations}))
    direct.items.write_text(
        f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/, order: version, limit: 2,"
        " platforms: [linux/amd64, linux/arm64]}]"
    )
    done = direct.run("sync")
    assert done.code == 0, done.err
    assert set(held(target)) == {"m/app:5", "m/app:1"}
    reasons = {name: record["reason"] for name, record in direct.status("--all").items()}
    assert reasons == {"app:5": None, "app:1": None} | {f"app:{tag}": "platform" for tag in "234"}
    assert direct.run("sync").code == 0
    assert set(held(target)) == {"m/app:5", "m/app:1"}
