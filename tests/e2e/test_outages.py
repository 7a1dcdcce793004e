"""The service lives through a full disk, a restarted database, ended connections, and a clock that is set."""

import contextlib
import math
import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.support import held, tiny
from tests.support import images
from tests.support.ferryman import Ferryman, Running
from tests.support.postgresql import PostgresServer
from tests.support.processes import RegistryServer
from tests.support.starting import Starter

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
# Without the second one a wait with a timeout returns at once, and threads that wait for Python's lock spin.
REAL_MONOTONIC = {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_FORCE_MONOTONIC_FIX": "0"}
EARLY = "the cycle ended early"

pytestmark = pytest.mark.slow


class Place:
    """A source, a target, and a Ferryman that looks every second and needs no engine."""

    def __init__(
        self, folder: Path, source: RegistryServer, target: RegistryServer, starter: Starter, **environment: str
    ) -> None:
        self.source, self.target = source, target
        usual = {"FERRYMAN_TRANSPORT": "direct", "FERRYMAN_INTERVAL": "1s", "FERRYMAN_RETRY_DELAY": "100ms"}
        self.ferryman = Ferryman(folder, engine="unix:///nowhere", environment=usual | environment, starter=starter)
        self.ferryman.items.write_text(f"items: [{{source: {source.host}/x/app, target: {target.host}/m/}}]")

    def push(self, tag: str) -> None:
        images.push(self.source.url, "x/app", tag, tiny(tag))

    def has(self, tag: str) -> Callable[[], bool]:
        return lambda: f"m/app:{tag}" in held(self.target)

    def goes_on(self, service: Running) -> None:
        """A cycle comes after now, and brings what is new; all say that all is well."""
        cycles = service.log.count("cycle done")
        self.push("after")
        service.until("the next cycle", lambda: service.log.count("cycle done") > cycles)
        service.until("the new tag", self.has("after"))
        service.until("good health", lambda: self.ferryman.run("health").code == 0)
        assert "looked last at" in self.ferryman.run("status").out
        assert service.stop() == 0
        assert "Traceback" not in service.log


@pytest.fixture
def place(
    tmp_path: Path, start_registry: Callable[..., RegistryServer], starter: Starter
) -> Iterator[Callable[..., Place]]:
    made: list[Place] = []

    def make(**environment: str) -> Place:
        made.append(Place(tmp_path / "ferryman", start_registry(), start_registry(), starter, **environment))
        return made[-1]

    yield make
    for each in made:
        each.ferryman.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_it_goes_on_after_the_disk_was_full(small_disk: Path, place: Callable[..., Place]) -> None:
    here = place(FERRYMAN_DATABASE_URL=f"sqlite+aiosqlite:///{small_disk}/ferryman.db")
    here.push("before")
    service = here.ferryman.start("run")
    service.until("the first tag", here.has("before"))
    ballast = small_disk / "ballast"
    _leave_no_log(small_disk / "ferryman.db")
    _fill(ballast)
    service.tells(EARLY)
    assert "the disk is full" in service.log
    ballast.unlink()
    here.goes_on(service)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_cycle_that_the_disk_cut_short_does_not_wait_for_hours(small_disk: Path, place: Callable[..., Place]) -> None:
    here = place(FERRYMAN_DATABASE_URL=f"sqlite+aiosqlite:///{small_disk}/ferryman.db", FERRYMAN_INTERVAL="6h")
    here.push("before")
    service = here.ferryman.start("run")
    service.until("the first tag", here.has("before"))
    service.until("the next cycle in six hours", lambda: _minutes_to_the_next(here.ferryman) > 300)
    _leave_no_log(small_disk / "ferryman.db")
    _fill(small_disk / "ballast")
    service.send(signal.SIGHUP)
    service.tells(EARLY)
    (small_disk / "ballast").unlink()

    service.until("the next cycle within minutes", lambda: _minutes_to_the_next(here.ferryman) <= 5)
    assert service.stop() == 0


def _minutes_to_the_next(ferryman: Ferryman) -> float:
    found = re.search(r"looks again at (\S+ \S+) UTC", ferryman.run("status").out)
    if found is None:
        return math.nan
    return (datetime.fromisoformat(f"{found[1]}+00:00") - datetime.now(UTC)).total_seconds() / 60


def _leave_no_log(database: Path) -> None:
    """SQLite writes its log over and over: what that takes already would be room enough."""
    with contextlib.closing(sqlite3.connect(database, timeout=30)) as connection:
        while connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            pass


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            return


def test_it_goes_on_after_postgresql_was_restarted(postgresql: PostgresServer, place: Callable[..., Place]) -> None:
    here = place(FERRYMAN_DATABASE_URL=postgresql.create_database("restarted"))
    here.push("before")
    service = here.ferryman.start("run")
    service.until("the first tag", here.has("before"))
    for _ in range(2):
        postgresql.restart()
        cycles = service.log.count("cycle done")
        service.until("a cycle", lambda before=cycles: service.log.count("cycle done") > before)  # type: ignore[misc]
    here.goes_on(service)


def test_it_goes_on_after_its_connections_were_ended(postgresql: PostgresServer, place: Callable[..., Place]) -> None:
    here = place(FERRYMAN_DATABASE_URL=postgresql.create_database("terminated"))
    here.push("before")
    service = here.ferryman.start("run")
    service.until("the first tag", here.has("before"))
    for _ in range(30):  # some of them in the middle of something
        postgresql.terminate_backends("terminated")
    here.goes_on(service)


@pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed")
@pytest.mark.parametrize("jumps", [("+5h", "+0"), ("+0", "+40d"), ("+0", "-3h"), ("+400d", "-2h")], ids="->".join)
def test_it_goes_on_when_the_clock_is_set(tmp_path: Path, place: Callable[..., Place], jumps: tuple[str, str]) -> None:
    clock = tmp_path / "clock"
    clock.write_text(jumps[0])
    here = place(
        LD_PRELOAD=str(FAKETIME), FAKETIME_TIMESTAMP_FILE=str(clock), FAKETIME_NO_CACHE="1", **REAL_MONOTONIC
    )  # fmt: skip
    here.push("before")
    service = here.ferryman.start("run")
    service.until("the first tag", here.has("before"))
    clock.write_text(jumps[1])
    here.goes_on(service)


@pytest.mark.skipif(not FAKETIME.exists(), reason="libfaketime is not installed")
def test_who_was_killed_with_a_clock_ahead_is_not_alive(place: Callable[..., Place]) -> None:
    here = place(LD_PRELOAD=str(FAKETIME), **REAL_MONOTONIC)
    here.push("before")
    service = here.ferryman.start("run", FAKETIME="+3h")
    service.tells("cycle done")
    assert here.ferryman.run("health", FAKETIME="+3h").code == 0
    service.stop(signal.SIGKILL)
    assert here.ferryman.run("health", FAKETIME="+3h").code == 1, "its lock is free"
    assert here.ferryman.run("health", FAKETIME="+0").code == 1


_BROKEN = """
import ferryman.cli, ferryman.service, ferryman.supervision

async def broken(service):
    raise RuntimeError("a defect")

ferryman.service._Service._timetable = broken
ferryman.supervision._FIRST_PAUSE = 0.01
ferryman.cli.main(["run"])
"""


def test_a_part_that_keeps_ending_ends_the_process(place: Callable[..., Place]) -> None:
    """A timetable that is gone must not leave a service that looks alive."""
    ferryman = place().ferryman
    done = subprocess.run(
        [sys.executable, "-c", _BROKEN],
        cwd=ferryman.folder, env=ferryman.environment, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("a background task ended; it is started again") == 5
    assert "timetable was ended 6 times within 10 minutes" in done.stderr
    assert "event=service_stopped" in done.stderr, "in order"
