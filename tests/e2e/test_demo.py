"""`make demo` keeps its promises, and leaves nothing behind however it ends."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import undisturbed
from tests.support.sources import CHECKOUT

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a demo makes its own folder. A short path: a socket will have its name in there."""
    return tmp_path_factory.mktemp("demo")


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.demo"],
        cwd=CHECKOUT,
        env=os.environ | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def left_in(folder: Path) -> set[str]:
    """Files in the folder, and processes that were started with a name in it."""
    found = {str(path) for path in folder.iterdir()}
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended meanwhile
            command = process.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            found |= {command} if f"{folder}/" in command else set()
    return found


def test_it_tells_its_story_to_the_end(folder: Path) -> None:
    with start(folder) as demo:
        said, _ = demo.communicate()
    assert demo.returncode == 0, said
    assert "The target holds these 8 tags, as recorded, and no others." in said
    assert "7 others stayed." in said
    assert left_in(folder) == set()


def test_it_stops_everything_when_it_is_told_to(folder: Path) -> None:
    with start(folder) as demo:
        assert demo.stdout is not None
        said = [next(line for line in demo.stdout if "`ferryman sync` mirrors" in line)]
        assert left_in(folder) != set()
        demo.send_signal(signal.SIGTERM)
        said += demo.stdout
    assert demo.returncode == 128 + signal.SIGTERM, "".join(said)
    assert left_in(folder) == set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_nobody_stops_it_between_starting_a_program_and_knowing_of_it(number: signal.Signals) -> None:
    known: list[str] = []

    def stop(*_: object) -> None:
        raise InterruptedError

    def start_a_program() -> None:
        with undisturbed():
            signal.raise_signal(number)
            known.append("the program")

    before = signal.signal(number, stop)
    try:
        with pytest.raises(InterruptedError):
            start_a_program()
    finally:
        restored = signal.signal(number, before)
    assert (known, restored) == (["the program"], stop)
