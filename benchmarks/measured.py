"""Runs a program to its end, and measures time, CPU and memory."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_LAUNCHER = Path(__file__).with_name("launcher.py")


@dataclass(frozen=True, slots=True)
class Measured:
    """The cost of one run of a program, including its children."""

    wall: float  # seconds
    cpu: float  # seconds, user and system
    rss: int  # peak memory in bytes, of the largest process


def measure(command: Sequence[str], *, folder: Path, environment: Mapping[str, str], limit: float) -> Measured:
    """Run it in `folder`, and keep its output there. Raises RuntimeError unless it exits with 0 within `limit` seconds.

    A program that exceeds the limit is killed with its children.
    """
    output, report = folder / "output", folder / "report"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_LAUNCHER), str(report), *command],
            cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
        )  # fmt: skip
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"not done after {limit:.0f} s") from None
        finally:
            if process.returncode is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    if code:
        raise RuntimeError(f"{command[0]} ended with {code}:\n{output.read_text(errors='replace')[-2000:]}")
    wall, cpu, rss = report.read_text().split()
    return Measured(float(wall), float(cpu), int(rss))
