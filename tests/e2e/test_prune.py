"""`prune`, as a person uses it, and the service's own, by `sync`."""

import time
from collections.abc import Callable

import pytest

from tests.e2e.support import held, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer

TAGS = {f"1.{number}": tiny(f"prune {number}") for number in range(4)}


@pytest.fixture
def ferryman(install: Callable[..., Ferryman], upstream: RegistryServer, target: RegistryServer) -> Ferryman:
    for tag, what in TAGS.items():
        images.push(upstream.url, "acme/app", tag, what)
    return install(FERRYMAN_TRANSPORT="direct")


def items(ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer, **keys: str) -> None:
    text = ", ".join(f"{name}: {value}" for name, value in keys.items())
    ferryman.items.write_text(
        f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/, order: version, {text}}}]\n"
    )
    done = ferryman.run("sync")
    assert done.code == 0, done.err


def test_a_person_prunes(ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer) -> None:
    run = ferryman.run
    items(ferryman, upstream, target, limit="4")
    assert run("prune", "--json").json == []
    items(ferryman, upstream, target, limit="1", protect="'1.2'")
    shown = run("prune")
    assert (shown.code, "not among the newest" in shown.out) == (0, True)
    assert "app: 1 unwanted tag left alone (1: a pattern of `protect`)" in shown.out
    found = {each["tag"]: (each["stays"], each["now"], each["due_at"]) for each in run("prune", "--json").json}
    assert found == {"1.2": ("protected", False, None), "1.1": (None, False, None), "1.0": (None, True, None)}

    done = run("prune", "app", "--yes")

    assert (done.code, done.out.splitlines()) == (
        0, [f"{target.host}/m/app:1.0 is removed", "1 tag removed"],
    ), done.err  # fmt: skip
    assert {"m/app:1.1", "m/app:1.2", "m/app:1.3"} == {name for name in held(target) if "keep" not in name}
    assert run("where", "app:1.0", "--json").json[0]["mirrored"] is False
    [history] = run("history", "app:1.0", "--json").json
    assert history["named"][0]["until"] is not None
    assert run("verify").code == 0
    assert {each["tag"]: each["action"] for each in run("plan", "--json").json}["1.0"] == "skip"
    assert run("rollback", "app:1.0").code == 0
    assert held(target)["m/app:1.0"] == TAGS["1.0"].digest


def test_the_service_prunes_what_is_due(ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer) -> None:
    items(ferryman, upstream, target, limit="4", history="0")
    less = {"limit": "2", "history": "0", "prune": "{after: 1s, most: 100%}"}
    items(ferryman, upstream, target, **less)
    assert len(held(target)) == 4
    assert {each["tag"]: each["marked_at"] is None for each in ferryman.run("prune", "--json").json} == {
        "1.1": False, "1.0": False,
    }  # fmt: skip
    time.sleep(1)
    items(ferryman, upstream, target, **less)
    assert {*held(target)} == {"m/app:1.2", "m/app:1.3"}


def test_a_registry_that_deletes_nothing(
    install: Callable[..., Ferryman], upstream: RegistryServer, start_registry: Callable[..., RegistryServer]
) -> None:
    target, ferryman = start_registry(deletes=False), install(FERRYMAN_TRANSPORT="direct")
    for tag, what in TAGS.items():
        images.push(upstream.url, "acme/app", tag, what)
    items(ferryman, upstream, target, limit="4")
    items(ferryman, upstream, target, limit="1")
    done = ferryman.run("prune", "--yes")
    assert done.code == 1
    assert "the registry deletes nothing; distribution needs REGISTRY_STORAGE_DELETE_ENABLED=true" in done.err
    assert {f"m/app:{tag}" for tag in TAGS} <= {*held(target)}
    assert "refuses to delete" not in ferryman.run("status").out, "items.yml does not prune"

    items(ferryman, upstream, target, limit="1", prune="{}")
    status = ferryman.run("status").out
    assert f"{target.host} refuses to delete 3 tags of 1 item that are to go" in status.splitlines()[0]
    assert "it refuses to delete: 3 tags stay that are to go, of app" in status
    assert "until deleting is allowed; then `ferryman prune --yes`" in status


def test_a_look_that_failed_is_told_even_if_nothing_would_go(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    source = f"{upstream.host}/acme/app"
    ferryman.items.write_text(f"items: [{{source: {source}, target: {target.host}/m/}}]\n")
    shown, removed = ferryman.run("prune"), ferryman.run("prune", "--yes")
    never = "app: nothing is removed: there was no look yet: `ferryman sync` makes one\n"
    assert (shown.code, shown.out, shown.err) == (0, "", f"warning: {never}")
    assert (removed.code, removed.out, removed.err) == (1, "0 tags removed\n", f"error: {never}")
    assert ferryman.run("sync").code == 0
    assert (ferryman.run("prune").err, ferryman.run("prune", "--yes").code) == ("", 0)

    upstream.stop()
    assert ferryman.run("sync").code == 1

    failed = "app: nothing is removed: the last look failed: see `ferryman status`\n"
    assert (ferryman.run("prune").code, ferryman.run("prune").err) == (0, f"warning: {failed}")
    done = ferryman.run("prune", "--yes", "--json")
    assert (done.code, done.json) == (1, [])
    assert f"error: {failed}" in done.err


def test_the_removed_as_json(ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer) -> None:
    items(ferryman, upstream, target, limit="4")
    items(ferryman, upstream, target, limit="1")
    done = ferryman.run("prune", "--yes", "--json")
    assert done.code == 0, done.err
    assert [(each["item"], each["tag"], each["digest"]) for each in done.json] == [("app", "1.0", TAGS["1.0"].digest)]
    told = [line for line in done.err.splitlines() if not line.startswith("time=")]  # beside the log
    assert told == [f"{target.host}/m/app:1.0 is removed", "1 tag removed"]
    assert ferryman.run("prune", "--yes", "--json").json == []


def test_what_others_have_put_there(
    ferryman: Ferryman, upstream: RegistryServer, start_registry: Callable[..., RegistryServer]
) -> None:
    target = start_registry()
    images.push(target.url, "m/app", "by-hand", TAGS["1.0"])
    items(ferryman, upstream, target, limit="4", prune="{foreign: false, most: 100%}")
    assert ferryman.run("prune").out == "nothing is to be removed\n"
    items(ferryman, upstream, target, limit="4", prune="{foreign: true, most: 100%}")
    planned = {each["tag"]: (each["reason"], each["prune"]) for each in ferryman.run("plan", "--json").json}
    assert planned["by-hand"] == ("foreign", "wait")
    assert "not put there by Ferryman, and not known upstream" in ferryman.run("prune").out

    target.stop()
    done = ferryman.run("prune", "--yes")
    assert done.code == 1
    assert "app: nothing is removed: its target's tags cannot be listed, which `foreign` needs: " in done.err
    assert f"{target.host}: " in done.err
    target.start()

    assert ferryman.run("prune", "--yes").out.splitlines()[0] == f"{target.host}/m/app:by-hand is removed"
    assert "m/app:by-hand" not in held(target)
