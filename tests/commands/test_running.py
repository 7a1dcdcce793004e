"""How a command runs: in a process of its own, for the C library's heaps are the process's."""

import ctypes
import subprocess
import sys

import pytest

_THREADS = 4  # that allocate at the same time
_ALLOCATE = f"""
import asyncio, ctypes, threading
from ferryman.commands import running

together = threading.Barrier({_THREADS})

def allocate():
    together.wait()
    ctypes.CDLL(None).malloc(100_000)
    together.wait()

async def work():
    threads = [threading.Thread(target=allocate) for _ in range({_THREADS})]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ctypes.CDLL(None).malloc_stats()

"""


def heaps(how: str) -> int:
    """How many heaps glibc has after some threads have allocated."""
    done = subprocess.run(
        [sys.executable, "-c", f"{_ALLOCATE}running.{how}(work())"], capture_output=True, text=True, check=True
    )
    return done.stderr.count("Arena ")


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_stats"), reason="not glibc")
def test_a_service_allocates_from_one_heap() -> None:
    assert heaps("run") > 1, "glibc gives threads heaps of their own"
    assert heaps("run_service") == 1
