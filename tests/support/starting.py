"""Calls of the program in processes that are forked with its libraries loaded: a start takes a third of the time."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.support import prefork
from tests.support.measuring import unmeasured

_READ_AT_START = ("FAKETIME", "LANG", "LC_", "LD_", "PYTHON")  # the beginnings of names


class Starter:
    """The process that forks; a context manager. Threads may call it at the same time."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._folder = tempfile.TemporaryDirectory(prefix="starter-")
        self._address = f"{self._folder.name}/s"

    def __enter__(self) -> Self:
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(self._address)
            listener.listen()
            self._process = subprocess.Popen(
                [sys.executable, "-P", prefork.__file__, str(listener.fileno()), self._program],
                stdin=subprocess.PIPE,
                env=unmeasured(),  # the calls are measured
                pass_fds=[listener.fileno()],
                start_new_session=True,  # Ctrl-C is for the tests
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.communicate()  # it ends with its stdin
        self._folder.cleanup()

    def can_run(self, environment: Mapping[str, str]) -> bool:
        """Whether a forked process heeds this environment: some variables are read when a Python starts."""
        names = {name for name in {*environment, *os.environ} if name.startswith(_READ_AT_START)}
        return all(environment.get(name) == os.environ.get(name) for name in names)

    def run(
        self, *arguments: str, folder: Path, environment: Mapping[str, str], out: Path, err: Path, seconds: float
    ) -> int:
        """Run the program to its end: its exit code. Kills it after so many seconds, and raises TimeoutError."""
        call = {
            "arguments": arguments,
            "folder": str(folder),
            "environment": dict(environment),
            "out": str(out),
            "err": str(err),
        }
        code, pid = None, 0
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(seconds)
            connection.connect(self._address)
            with connection.makefile("rwb") as stream:
                stream.write(json.dumps(call).encode() + b"\n")
                stream.flush()
                pid = int(stream.readline())
                try:
                    code = int(stream.readline())
                finally:
                    if code is None:
                        os.kill(pid, signal.SIGKILL)
        return code
