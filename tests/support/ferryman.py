"""Runs the program as a user does: as a separate process, in its own folder."""

import contextlib
import itertools
import json
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.measuring import unmeasured
from tests.support.polling import polled
from tests.support.processes import undisturbed
from tests.support.starting import Starter

PROGRAM = str(Path(sys.executable).with_name("ferryman"))
_STRANGERS = ("FERRYMAN_", "DOCKER_", "TARGET_", "_FERRYMAN_")
_TIDYING = 3.0  # seconds
_LONGEST_WAIT = 240.0  # seconds; only a hang takes longer, even on a busy machine


@dataclass(frozen=True)
class Finished:
    """The result of a command."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Running:
    """A running command. Its output and log go to one file."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def until(self, what: str, condition: Callable[[], bool]) -> None:
        """Poll for a condition that cannot be awaited, while the command runs."""
        deadline = time.monotonic() + _LONGEST_WAIT
        while not polled(condition):
            assert not self.ended, f"it ended without {what}:\n{self.log}"
            assert time.monotonic() < deadline, f"never came: {what}\n{self.log}"

    def tells(self, text: str) -> None:
        """Wait until its log holds the text."""
        self.until(f"{text!r} in its log", lambda: text in self.log)

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def wait(self, *, seconds: float = _LONGEST_WAIT) -> int:
        """Its exit code."""
        return self._process.wait(timeout=seconds)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Signal it and wait for its exit code. Idempotent."""
        if not self.ended:
            self.send(number)
        return self.wait()


class Ferryman:
    """One installation: an items.yml, a database, and the commands run on them."""

    def __init__(
        self,
        folder: Path,
        *,
        engine: str,
        environment: Mapping[str, str] | None = None,
        starter: Starter | None = None,
        measured: bool = True,
    ) -> None:
        """`starter`: forks the commands that `run` calls; None: they are started. `measured`: by `pytest --cov`."""
        self.folder = folder
        self.items = folder / "items.yml"
        self._starter = starter
        self._outputs = folder / "outputs"
        self._outputs.mkdir(parents=True, exist_ok=True)
        ours = os.environ if measured else unmeasured()
        own = {name: value for name, value in ours.items() if not name.startswith(_STRANGERS)}
        self.environment = own | {"DOCKER_HOST": engine, "DOCKER_CONFIG": str(folder)} | dict(environment or {})
        self.environment.setdefault("FERRYMAN_LISTEN", "off")  # many run at once, and one port is for one of them
        self._started: list[Running] = []
        self._numbers = itertools.count(1)

    @property
    def database(self) -> Path:
        return self.folder / "data/ferryman.db"

    def show(self, *arguments: str) -> int:
        """Run a command that writes to our own output. Returns its exit code."""
        sys.stdout.flush()
        with contextlib.ExitStack() as stack:
            with undisturbed():
                process = subprocess.Popen([PROGRAM, *arguments], cwd=self.folder, env=self.environment)
                stack.callback(_end, process)
            return process.wait()

    def run(self, *arguments: str, **environment: str) -> Finished:
        """Run a command to its end, with additional environment variables."""
        out, err = self._output("out"), self._output("err")
        if self._starter is not None and self._starter.can_run(self.environment | environment):
            out.touch()
            err.touch()
            code = self._starter.run(
                *arguments,
                folder=self.folder,
                environment=self.environment | environment,
                out=out,
                err=err,
                seconds=_LONGEST_WAIT,
            )
            return Finished(code, out.read_text(), err.read_text())
        with out.open("wb") as stdout, err.open("wb") as stderr:
            done = subprocess.run(
                [PROGRAM, *arguments],
                cwd=self.folder,
                env=self.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                timeout=_LONGEST_WAIT,
                check=False,
            )
        return Finished(done.returncode, out.read_text(), err.read_text())

    def run_all(self, *commands: Sequence[str]) -> list[Finished]:
        """Run independent commands at the same time."""
        with ThreadPoolExecutor(max_workers=4) as pool:
            return list(pool.map(lambda arguments: self.run(*arguments), commands))

    def run_on_a_terminal(
        self,
        *arguments: str,
        columns: int = 160,
        errors: Path | None = None,
        interrupt_at: str | None = None,
        watch: Callable[[bytes], None] | None = None,
    ) -> tuple[int, str]:
        """Run a command as one who looks at it; its exit code and everything that the terminal was sent.

        errors: a file to which stderr goes. interrupt_at: what makes the user press Ctrl-C. watch: called with each
        piece when it comes.
        """
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, columns))
        with contextlib.ExitStack() as stack:
            process = subprocess.Popen(
                ["setsid", "--ctty", "--wait", PROGRAM, *arguments],  # Ctrl-C is for those whose terminal it is
                cwd=self.folder,
                env=self.environment | {"TERM": "xterm-256color"},
                stdin=theirs,
                stdout=theirs,
                stderr=stack.enter_context(errors.open("wb")) if errors else theirs,
                start_new_session=True,
            )
        os.close(theirs)
        received = bytearray()
        with contextlib.suppress(OSError):  # so a terminal says that nobody is at it any more
            while piece := os.read(ours, 65536):
                received += piece
                if watch is not None:
                    watch(piece)
                if interrupt_at is not None and interrupt_at.encode() in received:
                    os.write(ours, b"\x03")
                    interrupt_at = None
        os.close(ours)
        self._output("tty").write_bytes(received)
        return process.wait(timeout=_LONGEST_WAIT), received.decode(errors="replace")

    def start(self, *arguments: str, program: str = PROGRAM, **environment: str) -> Running:
        """Start a command; `close` stops it if it still runs. `program`: a modified program to run instead."""
        log = self._output("log")
        with log.open("wb") as output:
            process = subprocess.Popen(
                [program, *arguments],
                cwd=self.folder,
                env=self.environment | environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._started.append(Running(process, log))
        return self._started[-1]

    def status(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """What `status --json` says, by the target's last name and the tag: `web:1.2`."""
        done = self.run("status", "--json", *arguments)
        if "there is no state database" in done.err:  # who makes it has just been started
            return {}
        assert done.code == 0, done.err
        return {f"{record['target'].rpartition('/')[2]}:{record['tag']}": record for record in done.json}

    def close(self) -> None:
        """Kill all commands that still run."""
        for running in self._started:
            running.stop(signal.SIGKILL)

    def _output(self, kind: str) -> Path:
        return self._outputs / f"{next(self._numbers):03}.{kind}"


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Wait for a command that Ctrl-C has reached too, so that it can restore the terminal; else stop it."""
    for stop in (process.terminate, process.kill):
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_TIDYING)
            return
        stop()
    process.wait()
