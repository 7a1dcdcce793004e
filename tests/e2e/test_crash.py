"""kill -9, at moments that nobody chose: a restart goes on at once, and the record tells the truth."""

import random
import re
import signal
import time
from collections.abc import Callable

import pytest

from tests.e2e.support import held, layers, names_in, several, tiny
from tests.support import images
from tests.support.ferryman import Ferryman, Running
from tests.support.processes import Engine, RegistryServer
from tests.support.proxy import FaultyProxy

TAGS = [f"1.{number}" for number in range(16)]


def test_the_whole_service_killed_again_and_again(
    ferryman: Ferryman, engine: Engine, upstream: RegistryServer, target: RegistryServer
) -> None:
    for tag in TAGS:
        images.push(upstream.url, "acme/one", tag, tiny(f"killed {tag}"))
        images.push(upstream.url, "acme/two", tag, several(f"killed {tag}", "linux/amd64", "linux/arm64"))
    ferryman.items.write_text(
        f"""
defaults: {{target: {target.host}/m/}}
items:
  - {{source: {upstream.host}/acme/one}}
  - {{source: {upstream.host}/acme/two, platforms: [linux/amd64, linux/arm64]}}
"""
    )
    logs = []
    for _ in range(4):
        service = ferryman.start("run")
        service.tells("event=tag_synced")
        time.sleep(random.uniform(0, 1))  # any moment will do, and a failure's log tells which it was
        service.stop(signal.SIGKILL)
        records = ferryman.status()
        mirrored = held(target)
        for name, record in records.items():  # what is recorded is there
            if record["status"] == "synced":
                assert mirrored[f"m/{name}"] == record["target_digest"]
        logs.append(service.log)

    done = ferryman.run("sync")
    assert done.code == 0, done.err
    records = ferryman.status()
    assert {record["status"] for record in records.values()} == {"synced"}
    assert {f"m/{name}": record["target_digest"] for name, record in records.items()} == held(target)
    assert len(records) == 2 * len(TAGS)
    assert {record["attempts"] for record in records.values()} == {1}
    assert names_in(engine, target) == []
    synced = [name for log in [*logs, done.err] for name in synced_in(log)]
    assert len(synced) <= len(records) + 4 * len(logs)  # only what was in flight at a kill may come twice


def synced_in(log: str) -> list[str]:
    return re.findall(r"event=tag_synced message=synced item=(\S+ tag=\S+)", log)


@pytest.fixture
def stuck(
    ferryman: Ferryman,
    upstream: RegistryServer,
    proxied: Callable[[RegistryServer], FaultyProxy],
    target: RegistryServer,
) -> FaultyProxy:
    """A source that stalls as soon as a layer is asked for."""
    proxy = proxied(upstream)
    made = [tiny(f"{proxy.host} {number}") for number in range(4)]  # the engine has no layer of theirs yet
    for number, image in enumerate(made):
        images.push(upstream.url, "acme/app", str(number), image)
    proxy.stall(layers(*made))
    ferryman.items.write_text(f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]")
    return proxy


def running(ferryman: Ferryman) -> int:
    return sum(record["status"] == "running" for record in ferryman.status().values())


def test_a_restart_takes_over_what_the_dead_one_held_at_once(
    ferryman: Ferryman, stuck: FaultyProxy, target: RegistryServer
) -> None:
    service = ferryman.start("run")
    service.until("four copies in flight", lambda: running(ferryman) == 4)
    service.stop(signal.SIGKILL)
    assert running(ferryman) == 4
    stuck.mend()
    restarted = ferryman.start("run")
    restarted.tells("the tags of stopped workers are queued again")
    restarted.until("all of them", lambda: len(held(target)) == 4)
    # The default lease is a minute: by then all is done.
    restarted.until("the record", lambda: finished(ferryman))
    assert {record["attempts"] for record in ferryman.status().values()} == {1}
    assert restarted.stop() == 0


def test_a_living_worker_takes_over_what_a_killed_one_held(
    ferryman: Ferryman, stuck: FaultyProxy, target: RegistryServer
) -> None:
    scheduler = ferryman.start("scheduler")
    scheduler.tells("cycle done")
    doomed = ferryman.start("worker")
    doomed.until("four copies in flight", lambda: running(ferryman) == 4)
    heir = ferryman.start("worker", FERRYMAN_LEASE="6s")  # it looks for dead ones every third of its lease
    heir.tells("event=service_started")
    assert "queued again" not in heir.log
    doomed.stop(signal.SIGKILL)
    stuck.mend()
    heir.tells("the tags of stopped workers are queued again")
    heir.until("all of them", lambda: finished(ferryman))
    assert set(held(target)) == {f"m/app:{number}" for number in range(4)}
    assert sorted(synced_in(heir.log)) == [f"app tag={number}" for number in range(4)]
    assert stop_both(scheduler, heir) == (0, 0)


def stop_both(one: Running, other: Running) -> tuple[int, int]:
    return one.stop(), other.stop()


def finished(ferryman: Ferryman) -> bool:
    return {record["status"] for record in ferryman.status().values()} == {"synced"}


def test_two_workers_on_one_engine_leave_nothing_in_it(
    ferryman: Ferryman, engine: Engine, upstream: RegistryServer, target: RegistryServer
) -> None:
    for tag in TAGS[:10]:
        images.push(upstream.url, "acme/app", tag, several(f"shared {tag}", "linux/amd64", "linux/arm64"))
    ferryman.items.write_text(
        f"""
items:
  - source: {upstream.host}/acme/app
    target: {target.host}/m/
    platforms: [linux/amd64, linux/arm64]
"""
    )
    service = ferryman.start("run", FERRYMAN_LEASE="6s")
    doomed = ferryman.start("worker")
    doomed.tells("event=service_started")
    service.tells("event=tag_synced")
    doomed.stop(signal.SIGKILL)
    service.until("all of them", lambda: finished(ferryman))
    assert service.stop() == 0
    done = ferryman.run("sync")  # whoever finds the engine clears up after the dead
    assert done.code == 0, done.err
    records = ferryman.status()
    assert {f"m/{name}": record["target_digest"] for name, record in records.items()} == held(target)
    assert names_in(engine, target) == []
