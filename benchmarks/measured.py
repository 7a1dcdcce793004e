"""A program run to its end, and what it cost."""

import os
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Measured:
    """What one run of a program took. The kernel counts for its children as well."""

    wall: float  # seconds
    cpu: float  # seconds, user and system
    rss: int  # bytes of memory, at the most


def measure(command: Sequence[str], *, folder: Path, environment: Mapping[str, str] | None = None) -> Measured:
    """Run it in `folder`, where its output stays. Raises RuntimeError unless it ends with 0.

    The kernel counts its memory from before it is a program of its own: whoever calls this has to be smaller.
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
