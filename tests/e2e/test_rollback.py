"""`history`, `rollback`, `release` and `where`, as a person uses them; and kill -9 in the middle of a rollback."""

import signal
from collections.abc import Callable

import pytest

from tests.e2e.support import held, several, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.images import Image, Index
from tests.support.processes import RegistryServer
from tests.support.proxy import FaultyProxy

ONE, TWO, THREE = tiny("one"), several("two", "linux/amd64", "linux/arm64"), tiny("three")


class Place:
    """An upstream and a target, without an engine."""

    def __init__(self, ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer, via: str) -> None:
        self.ferryman, self.upstream, self.target = ferryman, upstream, target
        self.name = f"{via}/m/app"
        ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {via}/m/, platforms: all}}]\n")

    def publish(self, what: Image | Index) -> None:
        images.push(self.upstream.url, "acme/app", "latest", what)
        done = self.ferryman.run("sync")
        assert done.code == 0, done.err

    @property
    def digest(self) -> str:
        return held(self.target)["m/app:latest"]


@pytest.fixture
def direct(install: Callable[..., Ferryman]) -> Ferryman:
    return install(FERRYMAN_TRANSPORT="direct")


@pytest.fixture
def place(direct: Ferryman, upstream: RegistryServer, target: RegistryServer) -> Place:
    return Place(direct, upstream, target, target.host)


def test_back_and_forth(place: Place) -> None:
    run = place.ferryman.run
    for what in (ONE, TWO, THREE):
        place.publish(what)
    [history] = run("history", "app:latest", "--json").json
    assert [each["digest"] for each in history["named"]] == [ONE.digest, TWO.digest, THREE.digest]
    keepers = [f"ferryman-keep-{each.digest.removeprefix('sha256:')[:32]}" for each in (ONE, TWO)]
    assert [each["holder"] for each in history["named"]] == [*keepers, "latest"]
    assert {each["tag"] for each in run("plan", "--json").json} == {"latest"}

    done = run("rollback", "app:latest")
    assert (done.code, place.digest) == (0, TWO.digest)
    assert done.out.startswith(f"{place.name}:latest names {TWO.digest} again")
    assert run("rollback", "app:latest", "--to", ONE.digest.removeprefix("sha256:")[:12]).code == 0
    assert place.digest == ONE.digest

    [planned] = run("plan", "--json").json
    assert (planned["action"], planned["reason"]) == ("keep", "rolled-back")
    assert run("sync").code == 0
    said = run("requeue", "app:latest").out
    assert said.startswith("0 tags queued\napp:latest is held: `ferryman release app:latest` lets ")
    assert "put back by a person at" in run("status", "app").out
    told = run("status").out
    assert told.startswith("the mirror is complete: 1 tag of 1 item, 1 tag is put back and held")
    assert "1 tag is held until a person decides:" in told
    assert run("status", "app", "--json").json[0]["hold"] == "rollback"
    assert place.digest == ONE.digest

    assert run("release", "app:latest").code == 0
    assert run("release", "app:latest").code == 1
    assert run("sync").code == 0
    assert place.digest == THREE.digest


def test_what_was_never_there_is_refused(place: Place) -> None:
    run = place.ferryman.run
    place.publish(ONE)
    for arguments, said in (
        (("app:latest",), "never had another digest"),
        (("app:latest", "--to", THREE.digest), "never had sha256:"),
        (("app:latest", "--to", "abc"), "never had abc"),
        (("app:latest", "--at", "1d"), "was not mirrored at that time"),
        (("app:latest", "--at", "yesterday"), "'yesterday' is no time"),
        (("app:other",), "nothing is recorded of"),
        (("app",), "names no tag"),
        (("app:latest", "--at", "1d", "--to", ONE.digest), "exclude one another"),
    ):
        done = run("rollback", *arguments)
        assert (done.code, said in done.err) == (2, True), done.err
    assert run("history", "app:other").code == 2
    assert "nothing holds" not in run("history", "app:latest").out


def test_where_an_image_is(place: Place) -> None:
    run = place.ferryman.run
    place.publish(ONE)
    place.publish(TWO)
    source = f"{place.upstream.host}/acme/app"
    for image in ("app:latest", f"{source}:latest", f"{place.name}:latest"):
        [found] = run("where", image, "--json").json
        assert (found["name"], found["mirrored"], found["digest"]) == (f"{place.name}:latest", True, TWO.digest)
        assert found["pull"] == found["name"]
    [whole] = run("where", source, "--json").json
    assert (whole["name"], whole["tag"], whole["tags"]) == (place.name, None, 1)
    [history] = run("history", "app:latest", "--json").json
    [then] = run("where", "app:latest", "--at", history["named"][0]["since"].replace("Z", ".999999Z"), "--json").json
    assert then["digest"] in {ONE.digest, TWO.digest}
    assert run("where", "app:latest", "--at", "1d", "--json").json[0]["digest"] is None

    missing = run("where", "app:none")
    assert (missing.code, "no" in missing.out) == (1, True)
    assert run("where", "redis:7").code == 2


def test_a_rollback_that_is_killed_is_finished_by_the_next_cycle(
    direct: Ferryman, upstream: RegistryServer, target: RegistryServer, proxied: Callable[..., FaultyProxy]
) -> None:
    proxy = proxied(target)
    place = Place(direct, upstream, target, proxy.host)
    place.publish(ONE)
    place.publish(TWO)
    proxy.stall("PUT .*/manifests/latest$")
    rolling = direct.start("rollback", "app:latest")
    rolling.until("it puts the tag", proxy.stalled.is_set)
    rolling.stop(signal.SIGKILL)
    proxy.mend()
    assert place.digest == TWO.digest

    done = direct.run("sync")

    assert (done.code, place.digest) == (0, ONE.digest), done.err
    assert "event=tag_put_back" in done.err
    assert direct.status()["app:latest"]["target_digest"] == ONE.digest
