"""items.yml is what counts: nothing is pushed to a target that it names no more, and its record stands apart."""

import contextlib
import sqlite3
from collections.abc import Callable

import pytest

from tests.e2e.support import held, tiny
from tests.support import images
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer


@pytest.fixture
def moved(install: Callable[..., Ferryman], upstream: RegistryServer, target: RegistryServer) -> Ferryman:
    """An item that was mirrored to /old/, and goes to /new/ now."""
    ferryman = install(FERRYMAN_TRANSPORT="direct", FERRYMAN_MAX_ATTEMPTS="1")
    for tag in ("1", "2"):
        images.push(upstream.url, "acme/app", tag, tiny(tag))
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/old/}}]")
    assert ferryman.run("sync").code == 0
    ferryman.items.write_text(f"items: [{{source: {upstream.host}/acme/app, target: {target.host}/new/}}]")
    return ferryman


def test_nothing_goes_to_a_former_target(moved: Ferryman, target: RegistryServer) -> None:
    before = held(target)
    assert moved.run("requeue", "app").out == "0 tags queued\n"
    former = moved.run("requeue", f"{target.host}/old/app:1")
    assert former.code == 2
    assert "items.yml names" in former.err
    assert "no longer" in former.err
    assert moved.run("requeue", "failed").out == "0 tags queued\n"
    assert held(target) == before
    assert moved.run("sync").code == 0

    assert set(held(target)) == {"old/app:1", "old/app:2", "new/app:1", "new/app:2"}
    assert moved.run("requeue", "app").out == "2 tags queued\n"


@pytest.mark.parametrize("command", [("worker",), ("run",)], ids=" ".join)
def test_what_was_queued_for_it_leaves_the_queue(
    moved: Ferryman, target: RegistryServer, upstream: RegistryServer, command: tuple[str, ...]
) -> None:
    """Queued while items.yml still named it, and not copied yet."""
    new = moved.items.read_text()
    moved.items.write_text(new.replace("/new/", "/old/"))
    assert moved.run("requeue", "app").out == "2 tags queued\n"
    moved.items.write_text(new)
    images.push(upstream.url, "acme/app", "2", tiny("another 2"))

    service = moved.start(*command)
    service.tells("event=service_started")
    service.until("an empty queue", lambda: states(moved) == {"synced"})
    assert service.stop() == 0

    assert {each["attempts"] for each in moved.run("status", "--former", "--json").json} == {0}


def states(ferryman: Ferryman) -> set[str]:
    return {each["status"] for each in ferryman.run("status", "--former", "--json").json}


def test_its_record_stands_apart_until_it_is_dropped(moved: Ferryman, target: RegistryServer) -> None:
    old = f"{target.host}/old/app"
    assert moved.run("status", "--json").json == []
    assert "and 1 former item: `ferryman status --former`" in moved.run("status").out
    assert [each["target"] for each in moved.run("status", "--former", "--json").json] == [old, old]
    assert "status --former" in moved.run("status", old).err
    assert len(moved.run("status", "--former", "app", "--json").json) == 2

    asked = moved.run("forget")
    assert (asked.code, asked.out) == (2, f"app, to {old}: 2 tags\n")
    assert "--yes" in asked.err
    assert len(states(moved)) == 1

    assert "the record of 2 tags was dropped" in moved.run("forget", "--yes").out
    assert states(moved) == set()
    assert moved.run("forget", "--yes").out == "there are no former items\n"
    assert set(held(target)) == {"old/app:1", "old/app:2"}


def test_what_items_yml_names_is_not_dropped(moved: Ferryman) -> None:
    moved.items.write_text(moved.items.read_text().replace("/new/", "/old/"))

    done = moved.run("forget", "app", "--yes")

    assert (done.code, done.err) == (2, "error: items.yml still names 'app'\n")
    assert len(moved.run("status", "--json").json) == 2


@pytest.mark.parametrize("command", ["sync", "run"])
def test_what_a_former_target_holds_is_not_remembered(moved: Ferryman, command: str) -> None:
    """What targets hold is believed to save requests; for a repository that is no target any more it only grows."""
    assert repositories_of_blobs(moved) == {"old/app"}
    if command == "sync":
        assert moved.run("sync").code == 0
    else:
        service = moved.start("run")
        service.until("only the new target's blobs", lambda: repositories_of_blobs(moved) == {"new/app"})
        assert service.stop() == 0

    assert repositories_of_blobs(moved) == {"new/app"}


def repositories_of_blobs(ferryman: Ferryman) -> set[str]:
    with contextlib.closing(sqlite3.connect(ferryman.database)) as database:
        return {name for (name,) in database.execute("SELECT DISTINCT repository FROM blobs")}
