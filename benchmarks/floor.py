"""What a mirror with aiohttp takes at least, which Ferryman can be compared with."""

import sys
from pathlib import Path

from benchmarks.contestants import Program
from benchmarks.job import Job

_MIRROR = Path(__file__).with_name("aiohttp_mirror.py")


def _prepare(job: Job) -> list[str]:
    return [sys.executable, str(_MIRROR), job.source, job.target, *(f"{name}={to}" for name, to in job.pairs())]


FLOOR = Program(
    "aiohttp alone", "no mirror for use: it has no record, limits and retries (aiohttp_mirror.py)", sys.executable,
    _prepare, ("-c", "import aiohttp; print(aiohttp.__version__)"),
)  # fmt: skip
