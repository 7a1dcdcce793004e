"""The temporary folder of a test run: it is removed, and processes that tests left running fail the run.

With `pytest -n` the folder is the controller's: each worker works in a folder inside it, and the controller looks at
what is left once all workers have ended. pytest calls the functions below as hooks; see conftest.py.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.processes import mounts_below, unmount_below

_DYING = float(os.environ.get("FERRYMAN_TESTS_PATIENCE", "15"))  # seconds for stopped processes to end
_OF_PYTHON = ("multiprocessing.resource_tracker", "multiprocessing.forkserver")  # end with the run
_RUN = pytest.StashKey["_Run"]()
_MEMORY = 8 << 30  # bytes that must be available: a run takes some of them for its files


class _Run:
    """The folder in which the run, and every program that it starts, makes its temporary files."""

    def __init__(self) -> None:
        self._before = os.environ.get("TMPDIR")
        self.folder = Path(tempfile.mkdtemp(prefix="fm-tests-"))  # short: the name of a socket has 107 characters
        self.folder.chmod(0o755)  # PostgreSQL's user must reach its own folder in there
        if os.geteuid() == 0 and _available_memory() >= _MEMORY:
            _mount_memory(self.folder)
        os.environ["TMPDIR"] = str(self.folder)
        tempfile.tempdir = None  # read TMPDIR again

    def end(self) -> list[str]:
        """Remove the folder; what was left beside files, each as a sentence."""
        left = [f"process {pid} still ran: {command}" for pid, command in self._processes().items()]
        left += [f"{place} was still mounted" for place in mounts_below(self.folder)]
        unmount_below(self.folder)
        if self.folder.is_mount():
            subprocess.run(["umount", "--lazy", self.folder], check=True)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self.folder.exists():
            left.append(f"{self.folder} could not be removed")
        os.environ.pop("TMPDIR")
        if self._before is not None:
            os.environ["TMPDIR"] = self._before
        tempfile.tempdir = None
        return left

    def _processes(self) -> dict[int, str]:
        """Kill processes that had time to end and still run. Returns them as sentences."""
        deadline = time.monotonic() + _DYING
        while (found := dict(self._running())) and time.monotonic() < deadline:
            time.sleep(0.1)  # the end of another program's child cannot be awaited
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return found

    def _running(self) -> Iterator[tuple[int, str]]:
        """Programs that were started with our TMPDIR, by us or by what we started."""
        mark = f"TMPDIR={self.folder}".encode()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
                if mark in (process / "environ").read_bytes().split(b"\0"):
                    command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if not any(each in command for each in _OF_PYTHON):
                        yield int(process.name), command.strip()


def _available_memory() -> int:
    """Bytes of memory that programs can still have."""
    values = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(values["MemAvailable"].removesuffix("kB")) << 10


def _mount_memory(folder: Path) -> None:
    """Keep what is in the folder in memory, where that is allowed.

    A disk's file system takes many times as long to make and remove files: PostgreSQL needs 20 ms of processor time for
    a new database there, and 250 on ext4.
    """
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", folder], check=False, capture_output=True)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Before pytest looks for the temporary folder."""
    if (worker := _number_of_worker(config)) is not None:
        # Not below the controller's, where pytest-xdist puts it: names of sockets in there would be too long.
        config.option.basetemp = f"{tempfile.gettempdir()}/{worker}"
        return
    config.stash[_RUN] = _Run()
    if not config.option.basetemp:
        config.option.basetemp = str(config.stash[_RUN].folder / "p")


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> Iterator[None]:
    """All fixtures are torn down, and all workers have ended. What they left fails the run."""
    yield
    if _number_of_worker(session.config) is not None:
        return
    left = session.config.stash[_RUN].end()
    report: Callable[[str], None] = session.config.get_terminal_writer().line
    for each in left:
        report(f"\nleft by the tests: {each}")
    if left and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def _number_of_worker(config: pytest.Config) -> str | None:
    """Which of pytest-xdist's workers this process is, if any. Not by environment: what a worker starts inherits it."""
    worker: dict[str, str] | None = getattr(config, "workerinput", None)
    return None if worker is None else worker["workerid"].removeprefix("gw")
