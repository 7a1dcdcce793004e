"""Runs a program to its end, and measures time, CPU and memory."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measured:
    """The cost of one run of a program, including its children."""

    wall: float  # seconds
    cpu: float  # seconds, user and system
    rss: int  # peak memory in bytes


def measure(command: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None) -> Measured:
    """Run it in `folder`, and keep its output there. Raises RuntimeError unless it exits with 0.

    The peak memory includes the time between fork and exec, so the calling process must be smaller than the program.
    """
    output = folder / "output"
    with output.open("wb") as file:
        began = time.perf_counter()
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}:\n{output.read_text()[-4000:]}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)
