"""Ferryman as a contestant: `sync`, which is started anew for each run, and a service that is up already."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.contestants import Program, environment, version_of
from benchmarks.job import PREFIX, Job
from benchmarks.measured import Measured
from benchmarks.processes import cpu, peak
from tests.support.ferryman import PROGRAM
from tests.support.processes import undisturbed

WARM_UP = "warm-up"  # a repository of the source with one small image, which a service mirrors at its start
_SETTINGS = {
    "FERRYMAN_TRANSPORT": "direct", "FERRYMAN_LOG_FORMAT": "json", "FERRYMAN_LISTEN": "off",
    "DOCKER_HOST": "unix:///nonexistent/docker.sock",
}  # fmt: skip
_FINAL = {"tag_synced", "tag_skipped", "tag_failed"}
_STARTING = 600.0  # seconds
_POLL = 0.01  # seconds between two looks at the log


@dataclass(frozen=True, slots=True)
class Service:
    """`ferryman run`. A run lasts from SIGHUP to the end of the cycle, or of the last copy that it has queued."""

    name: str = "ferryman run"
    note: str = "a service that is up already, from SIGHUP to the cycle's end or the last copy's"
    trusts_names: bool = False

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return version_of(PROGRAM, "version")

    @contextmanager
    def ready(self, job: Job) -> Iterator["Running"]:
        write_items(job, [WARM_UP])
        log = job.folder / "run.log"
        with log.open("wb") as output, undisturbed():
            process = subprocess.Popen(
                [PROGRAM, "run"], cwd=job.folder, env=environment(job.folder) | _SETTINGS,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        try:
            running = Running(process, _Log(log))
            running.until_idle(_STARTING)
            write_items(job, job.repositories)
            yield running
        finally:
            process.terminate()
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class _Log:
    """The log's events, in their order."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._path = path
        self._incomplete = b""

    def new(self) -> list[dict[str, Any]]:
        *lines, self._incomplete = (self._incomplete + self._file.read()).split(b"\n")
        return [json.loads(line) for line in lines if line.startswith(b"{")]

    def tail(self) -> str:
        return self._path.read_text(errors="replace")[-2000:]


class Running:
    """A running service."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: _Log) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    def run(self, limit: float) -> Measured:
        pid = self._process.pid
        self._log.new()
        cpu_before, began = cpu(pid), time.time()
        os.kill(pid, signal.SIGHUP)
        ended = self.until_idle(limit)
        return Measured(ended - began, cpu(pid) - cpu_before, peak(pid))

    def until_idle(self, limit: float) -> float:
        """Wait until a cycle has ended and its tags are copied. Returns when the last of that happened, by the log."""
        deadline = time.monotonic() + limit
        queued, copied, last = None, 0, 0.0
        while queued is None or copied < queued:
            for line in self._log.new():
                if line["event"] == "cycle_ended":
                    queued, last = line["enqueued"], _seconds(line)
                elif line["event"] in _FINAL:
                    copied, last = copied + 1, _seconds(line)
            if self._process.poll() is not None:
                raise RuntimeError(f"ferryman run has ended:\n{self._log.tail()}")
            if time.monotonic() > deadline:
                raise RuntimeError(f"not done after {limit:.0f} s:\n{self._log.tail()}")
            time.sleep(_POLL)  # another program's log cannot be awaited, only polled
        return last


def _seconds(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["time"]).timestamp()


def _sync(job: Job) -> list[str]:
    write_items(job, job.repositories)
    return [PROGRAM, "sync"]


def write_items(job: Job, repositories: Sequence[str]) -> None:
    """Write an items.yml that mirrors these."""
    document = {
        "defaults": {"target": f"{job.target}/{PREFIX}/", "platforms": "all"},
        "items": [{"source": f"{job.source}/{name}"} for name in repositories],
    }
    new = job.folder / "items.new"
    new.write_text(json.dumps(document))  # JSON is YAML as well
    new.replace(job.folder / "items.yml")


FERRYMAN = (
    Service(),
    Program(
        "ferryman sync", "every setting is the default, except FERRYMAN_TRANSPORT=direct", PROGRAM, _sync,
        ("version",), _SETTINGS,
    ),
)  # fmt: skip
