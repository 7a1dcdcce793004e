"""The long-running service: its timetable, its signals, its halves, and a stop with copies in flight."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from ferryman.store.queue.lease_owners import this_host
from tests.e2e.support import PASSWORD, USER, held, layers, names_in, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import Engine, RegistryServer
from tests.support.proxy import FaultyProxy


def test_it_stops_with_copies_in_flight_and_hands_them_back(
    ferryman: Ferryman,
    engine: Engine,
    upstream: RegistryServer,
    target: RegistryServer,
    proxied: Callable[[RegistryServer], FaultyProxy],
) -> None:
    proxy = proxied(upstream)
    made = {tag: tiny(f"stopped {tag}") for tag in ("1", "2", "3")}  # the engine has no layer of theirs yet
    for tag, image in made.items():
        images.push(upstream.url, "acme/app", tag, image)
    proxy.stall(layers(*made.values()))
    ferryman.items.write_text(f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]")

    service = ferryman.start("run")
    service.until("a copy in flight", proxy.stalled.is_set)
    assert ferryman.run("health").out == f"run on {this_host()} is alive\n"
    assert service.stop(signal.SIGTERM) == 0
    assert "Traceback" not in service.log
    records = ferryman.status()
    assert {name: (each["status"], each["attempts"], each["error"]) for name, each in records.items()} == {
        f"app:{tag}": ("queued", 0, None) for tag in ("1", "2", "3")
    }
    assert held(target) == {}
    assert names_in(engine, target) == []
    assert ferryman.run("health").code == 1

    proxy.mend()
    done = ferryman.run("sync")
    assert done.code == 0, done.err
    assert set(held(target)) == {"m/app:1", "m/app:2", "m/app:3"}
    assert {each["attempts"] for each in ferryman.status().values()} == {1}


def test_it_looks_again_by_its_interval_and_reads_items_yml_anew(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    images.push(upstream.url, "acme/app", "1", tiny("1"))
    images.push(upstream.url, "acme/lib", "1", tiny("lib"))
    secret_beside(ferryman)
    head = f"defaults: {{target: {target.host}/m/}}\n"
    head += f'registries: {{"{target.host}": {{username: {USER}, password_file: ../secret}}}}\n'
    ferryman.items.write_text(f"{head}items: [{{source: {upstream.host}/acme/app}}]")
    service = ferryman.start("run", FERRYMAN_INTERVAL="1s", TARGET_USER="", TARGET_PASSWORD="")
    service.until("the first tag", lambda: set(held(target)) == {"m/app:1"})

    images.push(upstream.url, "acme/app", "2", tiny("2"))
    service.until("the next tag", lambda: "m/app:2" in held(target))

    ferryman.items.write_text(
        f"{head}items: [{{source: {upstream.host}/acme/app}}, {{source: {upstream.host}/acme/lib}}]"
    )
    service.until("the new item", lambda: "m/lib:1" in held(target))
    assert service.stop() == 0


def test_sighup_reads_items_yml_and_a_broken_one_changes_nothing(
    ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer
) -> None:
    for name in ("app", "lib"):
        images.push(upstream.url, f"acme/{name}", "1", tiny(name))
    head = f"defaults: {{target: {target.host}/m/}}\n"
    good = f"{head}items: [{{source: {upstream.host}/acme/app}}]"
    ferryman.items.write_text(good)
    service = ferryman.start("run")
    service.tells("cycle done")
    service.until("the first tag", lambda: "m/app:1" in held(target))

    ferryman.items.write_text(f"{good}\nitemz: []\n")
    images.push(upstream.url, "acme/app", "2", tiny("2"))
    service.send(signal.SIGHUP)
    service.tells("items.yml is invalid")
    assert "items.yml:3:1" in service.log
    service.until("a tag by the last good file", lambda: "m/app:2" in held(target))

    ferryman.items.write_text(f"{head}items: [{{source: {upstream.host}/acme/lib}}]")
    service.send(signal.SIGHUP)
    service.until("the new item", lambda: "m/lib:1" in held(target))
    assert service.stop() == 0
    assert "Traceback" not in service.log


def test_the_halves_apart_on_one_database(ferryman: Ferryman, upstream: RegistryServer, target: RegistryServer) -> None:
    for tag in ("1", "2", "3", "4"):
        images.push(upstream.url, "acme/app", tag, tiny(tag))
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/m/}}]")
    scheduler = ferryman.start("scheduler", DOCKER_HOST="unix:///nonexistent.sock")
    scheduler.tells("cycle done")
    assert {each["status"] for each in ferryman.status().values()} == {"queued"}
    assert held(target) == {}
    assert ferryman.run("health").out == f"scheduler on {this_host()} is alive\n"

    workers = [ferryman.start("worker"), ferryman.start("worker")]
    workers[0].until("all tags", lambda: len(held(target)) == 4)
    workers[0].until(
        "all of them in the record", lambda: {each["status"] for each in ferryman.status().values()} == {"synced"}
    )
    all_alive = [f"{role} on {this_host()} is alive" for role in ("scheduler", "worker", "worker")]
    # One worker may have done everything before the other has started.
    workers[1].until("all alive", lambda: sorted(ferryman.run("health").out.splitlines()) == all_alive)
    shown = ferryman.run("status").out
    assert f"scheduler on {this_host()}: alive since" in shown
    assert "looks again at" in shown
    assert [each.stop() for each in (scheduler, *workers)] == [0, 0, 0]


def test_it_stops_while_a_source_stalls(
    ferryman: Ferryman,
    upstream: RegistryServer,
    target: RegistryServer,
    proxied: Callable[[RegistryServer], FaultyProxy],
) -> None:
    proxy = proxied(upstream)
    proxy.stall("GET .*/tags/list")
    ferryman.items.write_text(f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]")
    service = ferryman.start("run")
    service.until("a stall", proxy.stalled.is_set)
    assert service.stop() == 0
    assert "Traceback" not in service.log


def test_no_secret_on_any_command_line(
    ferryman: Ferryman,
    upstream: RegistryServer,
    target: RegistryServer,
    proxied: Callable[[RegistryServer], FaultyProxy],
) -> None:
    """While it copies; the files that it writes are looked through after every test."""
    assert target.login is not None
    proxy = proxied(upstream)
    image = tiny("looked at")
    images.push(upstream.url, "acme/app", "1", image)
    proxy.stall(layers(image))
    ferryman.items.write_text(f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]")
    secret = str(secret_beside(ferryman))
    service = ferryman.start("run", FERRYMAN_LOG_FORMAT="json", TARGET_PASSWORD="", TARGET_PASSWORD_FILE=secret)
    service.until("a copy in flight", proxy.stalled.is_set)
    listed = subprocess.run(["ps", "-eo", "args", "-ww"], capture_output=True, text=True, check=True).stdout
    assert "ferryman run" in listed
    assert target.login[1] not in listed
    assert service.stop() == 0
    lines = [json.loads(line) for line in service.log.splitlines()]
    assert all({"time", "level", "event", "message"} <= line.keys() for line in lines)
    (handed_back,) = [line for line in lines if line["event"] == "tag_handed_back"]
    assert (handed_back["item"], handed_back["tag"]) == ("app", "1")


def secret_beside(ferryman: Ferryman) -> Path:
    """A file with the target's password, outside of the folder that must not tell it."""
    secret = ferryman.folder.parent / "secret"
    secret.write_text(f"{PASSWORD}\n")
    return secret
