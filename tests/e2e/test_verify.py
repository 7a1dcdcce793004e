"""`ferryman verify`: what others did at the target is found, told and repaired."""

import re
import signal
import urllib.error
import urllib.request
from collections.abc import Callable

import pytest

from tests.e2e.support import held, tiny
from tests.support import images
from tests.support.ferryman import Ferryman, Finished
from tests.support.processes import RegistryServer, free_port
from tests.support.proxy import FaultyProxy

TOKEN = "acting-0123456789abcdef"
TAGS = ("1.0", "1.1", "1.2", "1.3")


@pytest.fixture
def mirror(install: Callable[..., Ferryman], upstream: RegistryServer) -> Callable[..., Ferryman]:
    """Mirror some tags, directly, to a target."""

    def made(host: str) -> Ferryman:
        for tag in TAGS:
            images.push(upstream.url, "acme/app", tag, tiny(tag))
        ferryman = install(FERRYMAN_TRANSPORT="direct")
        ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {host}/m/}}]")
        done = ferryman.run("sync")
        assert done.code == 0, done.err
        return ferryman

    return made


def mirrored(server: RegistryServer) -> dict[str, str]:
    """Every tag and its digest, without those that keep what was overwritten."""
    return {name: digest for name, digest in held(server).items() if ":ferryman-keep-" not in name}


def lose(server: RegistryServer, path: str) -> None:
    folder = server.folder / "data/docker/registry/v2" / path
    for file in sorted(folder.rglob("*"), reverse=True):
        file.rmdir() if file.is_dir() else file.unlink()


def found(done: Finished) -> dict[str, tuple[str, bool]]:
    return {each["tag"]: (each["finding"], each["repairing"]) for each in done.json}


def test_what_is_damaged_is_told_and_repaired(
    mirror: Callable[..., Ferryman], start_registry: Callable[..., RegistryServer], upstream: RegistryServer
) -> None:
    target = start_registry()
    ferryman = mirror(target.host)
    before = mirrored(target)
    assert ferryman.run("verify").err == "4 tags verified: 0 damaged\n"
    lose(target, "repositories/m/app/_manifests/tags/1.0")
    theirs = images.push(target.url, "m/app", "1.1", tiny("a stranger's"))
    [layer] = images_layers(tiny("1.2"))
    lose(target, f"repositories/m/app/_layers/{layer.replace(':', '/')}")

    shallow = ferryman.run("verify", "--json")
    assert (shallow.code, found(shallow)) == (1, {"1.0": ("missing", False), "1.1": ("changed", False)})
    [changed] = [each for each in shallow.json if each["tag"] == "1.1"]
    assert (changed["expected_digest"], changed["found_digest"]) == (before["m/app:1.1"], theirs)
    assert {name: each["finding"] for name, each in ferryman.status().items()} == {
        "app:1.0": "missing", "app:1.1": "changed", "app:1.2": None, "app:1.3": None,
    }  # fmt: skip
    for arguments in ((), ("app",), ("app:1.1",)):
        status = ferryman.run("status", *arguments).out
        assert re.search(r"app +1\.1 +changed", status)
        assert bool(re.search(r"app +1\.0 +missing", status)) == (arguments != ("app:1.1",))
    assert ferryman.run("status").out.startswith("the target has lost 1 tag of 1 item")
    one = ferryman.run("verify", "app:1.2", "--deep")
    assert one.code == 1
    assert f"missing: the blob {layer}" in one.out
    repaired = ferryman.run("verify", "--deep", "--repair", "app", "--json")
    assert found(repaired) == {"1.0": ("missing", True), "1.1": ("changed", False), "1.2": ("incomplete", True)}
    assert "4 tags verified: 3 damaged, 2 queued again" in repaired.err

    assert ferryman.run("sync").code == 0
    assert mirrored(target) == before | {"m/app:1.1": theirs}
    assert found(ferryman.run("verify", "--repair=all", "--json")) == {"1.1": ("changed", True)}
    assert ferryman.run("sync").code == 0
    assert mirrored(target) == before
    assert theirs in held(target).values()  # nothing of theirs is lost
    done = ferryman.run("verify", "--deep=bytes")
    assert (done.code, done.out) == (0, "")


def test_a_verification_that_is_killed_goes_on_where_it_stopped(
    mirror: Callable[..., Ferryman],
    start_registry: Callable[..., RegistryServer],
    proxied: Callable[[RegistryServer], FaultyProxy],
) -> None:
    target = start_registry()
    proxy = proxied(target)
    ferryman = mirror(proxy.host)
    lose(target, "repositories/m/app/_manifests/tags/1.0")
    proxy.stall("^GET .*/blobs/")
    proxy.requests.clear()
    running = ferryman.start("verify", "--deep=bytes")
    running.until("a blob that is read", lambda: any("/blobs/" in each for each in proxy.requests))
    running.stop(signal.SIGKILL)
    proxy.mend()

    done = ferryman.run("verify", "--deep=bytes", "--json")
    assert (done.code, found(done)) == (1, {"1.0": ("missing", False)})
    assert done.err == "4 tags verified: 1 damaged\n"


def test_a_service_verifies_and_repairs_when_it_is_asked(
    mirror: Callable[..., Ferryman], start_registry: Callable[..., RegistryServer]
) -> None:
    target, address = start_registry(), f"127.0.0.1:{free_port()}"
    ferryman = mirror(target.host)
    before = mirrored(target)
    service = ferryman.start("run", FERRYMAN_LISTEN=address, FERRYMAN_TOKEN=TOKEN)
    service.tells("event=cycle_ended")
    lose(target, "repositories/m/app/_manifests/tags/1.0")
    images.push(target.url, "m/app", "1.1", tiny("a stranger's"))

    request = urllib.request.Request(
        f"http://{address}/api/v1/items/app/verify", method="POST", data=b'{"deep": true, "repair": "all"}',
        headers={"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
    )  # fmt: skip
    service.until("a heartbeat", lambda: requested(request))

    service.tells("event=verification_ended")
    service.until("what was there before", lambda: mirrored(target) == before)
    assert service.stop() == 0


def requested(request: urllib.request.Request) -> bool:
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return bool(answer.status == 202)
    except urllib.error.HTTPError as error:
        with error:
            return False
    except urllib.error.URLError:  # the page is not served yet
        return False


def test_a_target_that_does_not_answer(mirror: Callable[..., Ferryman], target: RegistryServer) -> None:
    ferryman = mirror(target.host)
    done = ferryman.run("verify", TARGET_PASSWORD="wrong")
    assert done.code == 1
    assert f"error: {target.host}/m/app: left alone before its end; run it again to go on: " in done.err
    assert "verified" not in done.err  # as if all were well
    assert ferryman.run("verify", "nobody").code == 2


def test_ctrl_c_says_that_it_goes_on(
    mirror: Callable[..., Ferryman],
    start_registry: Callable[..., RegistryServer],
    proxied: Callable[[RegistryServer], FaultyProxy],
) -> None:
    proxy = proxied(start_registry())
    ferryman = mirror(proxy.host)
    proxy.stall("^GET .*/blobs/")
    proxy.requests.clear()
    running = ferryman.start("verify", "--deep=bytes")
    running.until("a blob that is read", lambda: any("/blobs/" in each for each in proxy.requests))

    assert running.stop(signal.SIGINT) == 130

    assert running.log.endswith("stopped; called again within a day, it goes on from there\n")


def test_a_terminal_shows_how_far_it_is(mirror: Callable[..., Ferryman], target: RegistryServer) -> None:
    code, screen = mirror(target.host).run_on_a_terminal("verify")
    assert code == 0
    assert "1 tag verified, 0 damaged" in screen
    assert "4 tags verified: 0 damaged" in screen


def images_layers(made: images.Image) -> list[str]:
    return [digest for digest in made.blobs if digest != made.config_digest]
