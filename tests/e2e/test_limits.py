"""A registry that asks to be left alone is left alone, and no tag is the worse for it."""

from collections.abc import Callable

import pytest
from aiohttp import web

from tests.e2e.support import held, layers, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer
from tests.support.proxy import FaultyProxy

TOO_MANY = '{"errors": [{"code": "TOOMANYREQUESTS", "message": "pull limit reached"}]}'


@pytest.fixture
def proxy(
    ferryman: Ferryman,
    upstream: RegistryServer,
    proxied: Callable[[RegistryServer], FaultyProxy],
    target: RegistryServer,
) -> FaultyProxy:
    """A source with three tags, which can ask to be left alone."""
    proxy = proxied(upstream)
    for tag, image in made(proxy).items():
        images.push(upstream.url, "acme/app", tag, image)
    ferryman.items.write_text(f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]")
    return proxy


def made(proxy: FaultyProxy) -> dict[str, images.Image]:
    """What it has. The engine has no layer of theirs yet."""
    return {tag: tiny(f"{proxy.host} {tag}") for tag in ("1", "2", "3")}


def test_a_short_limit_on_discovery_is_waited_for(
    ferryman: Ferryman, proxy: FaultyProxy, target: RegistryServer
) -> None:
    limit_once(proxy, "GET .*/tags/list", seconds="2")
    done = ferryman.run("sync")
    assert done.code == 0, done.err
    assert len(held(target)) == 3


def test_a_long_limit_on_discovery_ends_the_look_and_is_told(
    ferryman: Ferryman, proxy: FaultyProxy, target: RegistryServer
) -> None:
    proxy.answer("GET .*/tags/list", 429, TOO_MANY, {"Retry-After": "3600"})
    done = ferryman.run("sync")
    assert done.code == 1
    assert "event=tag_failed" not in done.err
    asked = len(proxy.requests)
    again = ferryman.run("sync")
    assert again.code == 1
    assert len(proxy.requests) == asked
    shown = ferryman.run("status").out
    assert "until 2" in shown
    assert proxy.host in shown


def test_a_limit_on_pulls_is_no_attempt(ferryman: Ferryman, proxy: FaultyProxy, target: RegistryServer) -> None:
    limit_once(proxy, layers(*made(proxy).values()), seconds="12")  # more than the client waits for
    done = ferryman.run("sync", FERRYMAN_TRANSPORT="direct")
    assert done.code == 0, done.err
    assert len(held(target)) == 3
    assert {record["attempts"] for record in ferryman.status().values()} == {1}


def test_a_limit_that_the_engine_meets(ferryman: Ferryman, proxy: FaultyProxy, target: RegistryServer) -> None:
    """The engine keeps Retry-After to itself: the registry is left alone for a minute."""
    proxy.answer(layers(*made(proxy).values()), 429, TOO_MANY)
    sync = ferryman.start("sync")
    sync.tells("'s limit; next at")
    sync.until("all of them wait", lambda: {each["status"] for each in ferryman.status().values()} == {"queued"})
    assert sync.stop() == 130
    assert "event=tag_failed" not in sync.log
    assert {each["attempts"] for each in ferryman.status().values()} == {0}
    assert all(each["next_attempt_at"] > each["last_seen_at"] for each in ferryman.status().values())
    assert held(target) == {}


def limit_once(proxy: FaultyProxy, pattern: str, *, seconds: str) -> None:
    """Answer 429 to the first request of these, with Retry-After."""
    answered: list[str] = []

    async def respond(request: web.Request) -> web.StreamResponse:
        if answered:
            return await proxy.pass_on(request)
        answered.append(request.path)
        return web.Response(
            status=429, text=TOO_MANY, content_type="application/json", headers={"Retry-After": seconds}
        )

    proxy.fail(pattern, respond)
