"""Things go wrong: one clear error, everything else goes on, and the mend is enough."""

import signal
import time
from collections.abc import Callable

import pytest
from aiohttp import web

from tests.e2e.support import held, layers, names_in, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import Engine, RegistryServer, free_port
from tests.support.proxy import Fault, FaultyProxy

pytestmark = pytest.mark.slow

TAGS = [f"1.{number}" for number in range(12)]


def test_a_wrong_password_pauses_the_registry_and_the_right_one_resumes_it(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    for tag in TAGS:
        images.push(upstream.url, "acme/app", tag, tiny(f"refused {tag}"))
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/}}]")

    done = ferryman.run("sync", TARGET_PASSWORD="wrong")
    assert done.code == 1
    assert done.err.count("event=tag_failed") == 1
    (error,) = [line for line in done.err.splitlines() if "event=tag_failed" in line]
    assert target.host in error
    assert "kind=login" in error
    assert refused(target) < len(TAGS)
    assert by_status(ferryman) == {"failed": 1, "queued": len(TAGS) - 1}
    assert f"{len(TAGS) - 1} tags wait behind a paused registry" in done.err
    assert "for other credentials, or `ferryman requeue`" in done.out
    assert held(target) == {}

    before, began = refused(target), time.monotonic()
    again = ferryman.run("sync", TARGET_PASSWORD="wrong")  # nothing has changed: one retry, the next a minute later
    assert again.code == 1
    assert refused(target) == before + 1
    assert "still refused" in again.err
    assert ferryman.run("sync", TARGET_PASSWORD="wrong").code == 1
    minutes = (time.monotonic() - began) / 60  # a busy machine is slow
    assert refused(target) == before + 1 or (minutes >= 1 and refused(target) == before + 2)

    requeued = ferryman.run("requeue", "failed", TARGET_PASSWORD="wrong")
    assert requeued.out == f"{len(TAGS)} tags queued\n"
    assert ferryman.run("sync", TARGET_PASSWORD="wrong").code == 1
    assert refused(target) > before
    assert by_status(ferryman) == {"failed": 1, "queued": len(TAGS) - 1}

    mended = ferryman.run("sync")
    assert mended.code == 0, mended.err
    assert len(held(target)) == len(TAGS)
    assert by_status(ferryman) == {"synced": len(TAGS)}


def test_a_source_that_refuses_the_login(ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer) -> None:
    """With items.yml's own credentials, the password in the environment. `target` is the source here."""
    assert target.login is not None
    images.push(upstream.url, "acme/app", "1", tiny("1"))
    ferryman.items.write_text(
        f"""
registries: {{"{target.host}": {{username: {target.login[0]}, password: "${{SOURCE_PASSWORD}}"}}}}
defaults: {{target: {upstream.host}/m/}}
items:
  - {{source: {target.host}/acme/one}}
  - {{source: {target.host}/acme/two}}
  - {{source: {target.host}/acme/three}}
  - {{source: {upstream.host}/acme/app}}
"""
    )
    done = ferryman.run("sync", SOURCE_PASSWORD="wrong")
    assert done.code == 1
    assert done.err.count("level=error") == 2, done.err  # that it was refused, and that it is paused
    assert set(held(upstream)) == {"acme/app:1", "m/app:1"}
    assert 0 < refused(target) <= 4  # one an item that was looked at meanwhile, and a second try
    before = refused(target)
    for _ in range(2):  # the next cycle tries it once, and the one after leaves it alone
        assert ferryman.run("sync", SOURCE_PASSWORD="wrong").code == 1
        assert refused(target) == before + 1
    before = refused(target)

    mended = ferryman.run("sync", SOURCE_PASSWORD=target.login[1])
    assert mended.code == 1, mended.err  # there is nothing at acme/one, two and three
    assert refused(target) == before
    assert "paused" not in ferryman.run("status").out


def refused(server: RegistryServer) -> int:
    """How many logins the registry itself counted as wrong."""
    return server.access_log().count("error authenticating user")


def by_status(ferryman: Ferryman) -> dict[str, int]:
    records = list(ferryman.status().values())
    return {
        status: sum(record["status"] == status for record in records)
        for status in sorted({record["status"] for record in records})
    }


def test_logins_that_are_refused_for_a_while(
    ferryman: Ferryman,
    upstream: RegistryServer,
    target: RegistryServer,
    proxied: Callable[[RegistryServer], FaultyProxy],
) -> None:
    """The second try is refused too, so the target is paused; `check` and the next sync see that it is well again."""
    proxy = proxied(target)
    for tag in ("1", "2", "3"):
        images.push(upstream.url, "acme/app", tag, tiny(f"hiccup {tag}"))
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {proxy.host}/m/}}]")
    for mended_by in (("check",), ()):
        proxy.answer("", 401, '{"errors":[{"code":"DENIED"}]}', {"WWW-Authenticate": 'Basic realm="x"'})
        assert ferryman.run("sync").code == 1
        assert "the login is tried again by the first look after" in ferryman.run("status").out
        proxy.mend()
        if mended_by:
            assert "it was paused, and goes on" in ferryman.run("check").out
            assert proxy.host not in ferryman.run("status").out.partition("item")[0]
        done = ferryman.run("sync")
        assert done.code == 0, done.err
        assert by_status(ferryman) == {"synced": 3}
        assert ferryman.run("requeue", "app").code == 0


@pytest.mark.parametrize("status", [500, 502, 429])
def test_a_token_server_that_fails_is_no_refused_login(
    install: Callable[..., Ferryman],
    upstream: RegistryServer,
    target: RegistryServer,
    proxied: Callable[[RegistryServer], FaultyProxy],
    status: int,
) -> None:
    ferryman = install(FERRYMAN_TRANSPORT="direct")
    proxy = proxied(upstream)
    images.push(upstream.url, "acme/app", "1", tiny("1"))
    bearer = f'Bearer realm="{proxy.url}/token",service="s"'
    proxy.answer("/v2/", 401, "{}", {"WWW-Authenticate": bearer})
    proxy.answer("GET /token", status, "sorry", {"Retry-After": "3600"} if status == 429 else {})
    ferryman.items.write_text(
        f"registries: {{'{proxy.host}': {{username: me, password: right}}}}\n"
        f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]"
    )
    done = ferryman.run("sync")
    assert done.code == 1
    assert "event=registry_paused" not in done.err
    assert "paused registry" not in done.err
    assert "for other credentials" not in ferryman.run("status").out


def test_a_source_that_is_down_stops_no_other(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    nowhere = f"127.0.0.1:{free_port()}"
    images.push(upstream.url, "acme/app", "1", tiny("1"))
    ferryman.items.write_text(
        f"""
defaults: {{target: {target.host}/m/}}
items:
  - {{source: {nowhere}/acme/lost}}
  - {{source: {upstream.host}/acme/missing}}
  - {{source: {upstream.host}/acme/app}}
"""
    )
    done = ferryman.run("sync")
    assert done.code == 1
    assert set(held(target)) == {"m/app:1"}
    (lost,) = [line for line in done.err.splitlines() if line.startswith(f"error: lost ({nowhere}/acme/lost)")]
    assert nowhere in lost
    assert any(line.startswith("error: missing (") for line in done.err.splitlines())
    assert f"{nowhere}/acme/lost" in ferryman.run("status").out
    alone = ferryman.run("sync", "app")
    assert alone.code == 0, alone.err
    assert nowhere not in alone.out  # what was not asked for is not told


def test_errors_that_pass_are_tried_again_and_others_are_not(
    ferryman: Ferryman,
    upstream: RegistryServer,
    target: RegistryServer,
    proxied: Callable[[RegistryServer], FaultyProxy],
) -> None:
    proxy = proxied(upstream)
    made = {tag: tiny(f"passing {tag}") for tag in ("flaky", "lying", "gone", "good")}
    for tag, image in made.items():
        images.push(upstream.url, "acme/app", tag, image)
    ferryman.items.write_text(f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]")
    assert ferryman.run("plan").code == 0
    proxy.fail(f"GET .*/manifests/{made['flaky'].digest}", times(proxy, 2, status=500))
    proxy.fail(f"GET .*/manifests/{made['lying'].digest}", another(made["good"]))
    proxy.fail(layers(made["gone"]), times(proxy, 1000, status=403))

    done = ferryman.run("sync", FERRYMAN_MAX_ATTEMPTS="3")
    assert done.code == 1, done.err
    records = ferryman.status()
    assert (records["app:flaky"]["status"], records["app:flaky"]["error"]) == ("synced", None)
    assert (records["app:good"]["status"], records["app:good"]["attempts"]) == ("synced", 1)
    assert (records["app:lying"]["status"], records["app:lying"]["error_kind"]) == ("failed", "wrong-content")
    assert records["app:lying"]["attempts"] == 3
    assert (records["app:gone"]["status"], records["app:gone"]["error_kind"]) == ("failed", "denied")
    assert records["app:gone"]["attempts"] == 1
    assert set(held(target)) == {"m/app:flaky", "m/app:good"}
    shown = ferryman.run("status", "--failed").out
    assert "lying" in shown
    assert "gone" in shown
    assert "flaky" not in shown

    proxy.mend()
    unknown = ferryman.run("requeue", "app:lyign")
    assert (unknown.code, unknown.out) == (2, "")
    assert "app has no tag 'lyign' on record" in unknown.err
    assert ferryman.run("requeue", "app:lying").out == "1 tag queued\n"
    assert by_status(ferryman) == {"failed": 1, "queued": 1, "synced": 2}
    done = ferryman.run("sync")
    assert done.code == 0, done.err
    assert set(held(target)) == {f"m/app:{tag}" for tag in made}


def times(proxy: FaultyProxy, number: int, *, status: int) -> Fault:
    """Answer with the status so often, and then as the registry does."""
    left = [None] * number

    async def respond(request: web.Request) -> web.StreamResponse:
        if not left:
            return await proxy.pass_on(request)
        left.pop()
        return web.json_response({"errors": [{"code": "DENIED", "message": "no", "detail": ""}]}, status=status)

    return respond


def another(image: images.Image) -> Fault:
    """Answer with another image's manifest."""

    async def respond(_: web.Request) -> web.StreamResponse:
        return web.Response(body=image.manifest, content_type=image.media_type)

    return respond


def test_a_stalled_registry_and_ctrl_c(
    ferryman: Ferryman,
    engine: Engine,
    upstream: RegistryServer,
    target: RegistryServer,
    proxied: Callable[[RegistryServer], FaultyProxy],
) -> None:
    proxy = proxied(upstream)
    for interrupt, code in ((signal.SIGINT, 130), (signal.SIGTERM, 130)):
        image = tiny(f"stalled {interrupt}")
        images.push(upstream.url, "acme/app", interrupt.name, image)
        proxy.stalled.clear()
        proxy.stall(layers(image))
        ferryman.items.write_text(f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]")
        sync = ferryman.start("sync")
        sync.tells("event=item_listed")
        sync.until("a stall", proxy.stalled.is_set)
        assert sync.stop(interrupt) == code, sync.log
        assert "queued again" in sync.log
        assert "Traceback" not in sync.log
        records = ferryman.status()
        assert f"app:{interrupt.name}" in records
        for record in records.values():
            assert (record["status"], record["attempts"], record["error"]) == ("queued", 0, None)
    assert names_in(engine, target) == []
    proxy.mend()
    done = ferryman.run("sync")
    assert done.code == 0, done.err
    assert set(held(target)) == {"m/app:SIGINT", "m/app:SIGTERM"}


def test_an_engine_that_goes_away_and_comes_back(
    install: Callable[..., Ferryman],
    tmp_path_factory: pytest.TempPathFactory,
    upstream: RegistryServer,
    target: RegistryServer,
    proxied: Callable[[RegistryServer], FaultyProxy],
) -> None:
    engine = Engine(tmp_path_factory.mktemp("e"))
    engine.start()
    try:
        ferryman = install(host=engine.host, FERRYMAN_CACHE_LIMIT="1B")
        proxy = proxied(upstream)
        made = {tag: tiny(f"engine {tag}") for tag in ("1", "2", "3")}
        for tag, image in made.items():
            images.push(upstream.url, "acme/app", tag, image)
        proxy.stall(layers(made["2"]))
        ferryman.items.write_text(f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]")
        sync = ferryman.start("sync")
        sync.until("a copy in flight", proxy.stalled.is_set)
        engine.stop()
        sync.tells("the Docker Engine is unavailable")
        proxy.mend()
        engine.start()
        assert sync.wait() == 0, sync.log
        assert set(held(target)) == {"m/app:1", "m/app:2", "m/app:3"}
        assert {record["status"] for record in ferryman.status().values()} == {"synced"}
        assert names_in(engine, target) == []
        assert names_in(engine, upstream) == []  # a cache of one byte
    finally:
        engine.remove()
