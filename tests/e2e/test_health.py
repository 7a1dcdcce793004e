"""`health` speaks for the processes of its own container, or host: a living one elsewhere excuses no dead one here."""

import asyncio
import contextlib
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ferryman.store.database.database import open_database
from ferryman.store.queue.lease_owners import Owner, this_host
from ferryman.store.services import Services
from tests.e2e.support import held, layers, tiny
from tests.support import images
from tests.support.clock import ManualClock
from tests.support.ferryman import Ferryman
from tests.support.processes import RegistryServer
from tests.support.proxy import FaultyProxy
from tests.support.starting import Starter

HERE = this_host()
IN_ANOTHER_CONTAINER = f"{HERE}.1.7.0a1b2c3d"  # which is on the host's network, and so has its name
ON_ANOTHER_HOST = "db-2.4026531836.812.0a1b2c3d"


@pytest.fixture
def ferryman(tmp_path: Path, starter: Starter) -> Iterator[Ferryman]:
    direct = {"FERRYMAN_TRANSPORT": "direct"}
    made = Ferryman(tmp_path / "ferryman", engine="unix:///nowhere", environment=direct, starter=starter)
    made.items.write_text("items: [{source: 127.0.0.1:9/acme/app, target: 127.0.0.1:9/m/}]")
    yield made
    made.close()


def beat(ferryman: Ferryman, role: str, owner: str | None = None, *, ago: timedelta = timedelta()) -> str:
    """Send a heartbeat, by default as a process of this host that has ended since; its owner."""

    async def give() -> str:
        database = await open_database(f"sqlite+aiosqlite:///{ferryman.database}")
        me = Owner.claim(database)
        await Services(database, clock=ManualClock(datetime.now(UTC) - ago)).heartbeat(owner or me.name, role)
        me.release()
        await database.close()
        return owner or me.name

    return asyncio.run(give())


def make_stale(ferryman: Ferryman, role: str = "run") -> None:
    """As if the last heartbeat had been sent long ago: no test waits for a minute."""
    with contextlib.closing(sqlite3.connect(ferryman.database, timeout=30)) as connection, connection:
        connection.execute("UPDATE services SET beat_at = '2026-01-01 12:00:00.000000' WHERE role = ?", [role])


def test_a_living_scheduler_elsewhere_excuses_no_dead_worker(ferryman: Ferryman) -> None:
    beat(ferryman, "scheduler", IN_ANOTHER_CONTAINER)
    beat(ferryman, "run", ON_ANOTHER_HOST)
    worker = ferryman.start("worker")
    worker.until("good health", lambda: ferryman.run("health").code == 0)
    assert ferryman.run("health").out == f"worker on {HERE} is alive\n"

    worker.stop(signal.SIGKILL)

    done = ferryman.run("health")
    assert (done.code, done.out) == (1, "")
    assert f"error: no service here, on {HERE}, has sent a heartbeat in the last minute\n" in done.err
    for elsewhere in (f"scheduler on {HERE}", "run on db-2"):
        assert f"not judged: {elsewhere}, which runs in another container or on another host\n" in done.err
        assert f"{elsewhere}: alive since" in ferryman.run("status").out


def test_a_dead_worker_elsewhere_makes_no_other_container_unhealthy(ferryman: Ferryman) -> None:
    beat(ferryman, "worker", IN_ANOTHER_CONTAINER, ago=timedelta(hours=3))
    scheduler = ferryman.start("scheduler")
    scheduler.until("good health", lambda: ferryman.run("health").out == f"scheduler on {HERE} is alive\n")
    assert scheduler.stop() == 0


@pytest.mark.parametrize(("seconds", "code"), [(30, 0), (90, 1), (12 * 3600, 1)])
def test_a_stale_heartbeat_is_not_alive(ferryman: Ferryman, seconds: int, code: int) -> None:
    beat(ferryman, "run", ago=timedelta(seconds=seconds))
    assert ferryman.run("health").code == code
    shown = ferryman.run("status").out
    assert ("alive since" in shown, "no service is running" in shown) == (code == 0, code == 1)


def test_a_process_that_is_there_but_silent_is_not_well(ferryman: Ferryman) -> None:
    silent, well = ferryman.start("worker"), ferryman.start("scheduler")
    for each, role in ((silent, "worker"), (well, "scheduler")):
        each.until("a heartbeat", lambda role=role: f"{role} on" in ferryman.run("health").out)  # type: ignore[misc]
    silent.send(signal.SIGSTOP)
    make_stale(ferryman, "worker")

    done = ferryman.run("health")
    problem = f"worker on {HERE}: its last heartbeat was at 2026-01-01 12:00 UTC, but its process still exists"
    assert (done.code, done.out) == (1, f"scheduler on {HERE} is alive\n")
    assert done.err == f"error: {problem}: see its log, and start it again\n"
    shown = ferryman.run("status")
    assert f"warning: {problem}\n" in shown.err
    assert f"worker on {HERE}: alive" not in shown.out

    silent.send(signal.SIGCONT)
    silent.until("a heartbeat again", lambda: ferryman.run("health").code == 0)
    assert [silent.stop(), well.stop()] == [0, 0]


_IMPATIENT = """
from datetime import timedelta
import ferryman.cli, ferryman.service

ferryman.service._LONGEST_STALL = timedelta(seconds=2)
ferryman.service._HEARTBEAT_INTERVAL = 0.1
ferryman.cli.main(["run"])
"""


def test_a_crew_that_hangs_is_not_well(
    ferryman: Ferryman,
    start_registry: Callable[..., RegistryServer],
    proxied: Callable[[RegistryServer], FaultyProxy],
) -> None:
    upstream, target = start_registry(), start_registry()
    proxy, image = proxied(upstream), tiny("hangs")
    images.push(upstream.url, "acme/app", "1", image)
    proxy.stall(layers(image))
    ferryman.items.write_text(f"items: [{{source: {proxy.host}/acme/app, target: {target.host}/m/}}]")
    service = ferryman.start("-c", _IMPATIENT, program=sys.executable, FERRYMAN_WORKERS="1")
    service.until("good health", lambda: ferryman.run("health").code == 0)

    service.tells("no worker makes progress")
    make_stale(ferryman)
    done = ferryman.run("health")
    assert (done.code, done.out) == (1, "")
    assert "but its process still exists" in done.err

    proxy.mend()
    proxy.hang_up()
    service.until("the tag", lambda: set(held(target)) == {"m/app:1"})
    service.until("good health", lambda: ferryman.run("health").code == 0)
    assert service.stop() == 0
    assert service.log.count("no worker makes progress") == 1
