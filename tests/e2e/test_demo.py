"""`make demo` keeps its promises, and leaves nothing behind however it ends."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.measuring import unmeasured
from tests.support.processes import undisturbed
from tests.support.sources import CHECKOUT


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a demo makes its own folder. A short path: a socket will have its name in there."""
    return tmp_path_factory.mktemp("demo")


def start(folder: Path) -> subprocess.Popen[str]:
    """As `make demo` does: Ctrl-C is held back until the demo can take it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])  # inherited: `env` does so only once it runs
    try:
        return subprocess.Popen(
            ["env", "--block-signal=INT", sys.executable, "-m", "tests.demo"],
            cwd=CHECKOUT,
            env=unmeasured() | {"TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


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


@pytest.mark.parametrize("moment", ["at once", "while the engine starts", "in a sync"])
def test_ctrl_c_leaves_nothing_and_tells_no_traceback(folder: Path, moment: str) -> None:
    with start(folder) as demo:
        assert demo.stdout is not None
        said: list[str] = []
        if moment == "while the engine starts":
            while not any("dockerd" in each for each in left_in(folder)):
                assert demo.poll() is None
        elif moment == "in a sync":
            said += [next(line for line in demo.stdout if "`ferryman sync` mirrors" in line)]
        os.killpg(demo.pid, signal.SIGINT)  # a terminal sends it to all that is in the foreground
        said += demo.stdout
    assert demo.returncode == 128 + signal.SIGINT, "".join(said)
    assert "Traceback" not in "".join(said)
    assert left_in(folder) == set()


def test_a_second_ctrl_c_does_not_stop_the_stopping(folder: Path) -> None:
    with start(folder) as demo:
        assert demo.stdout is not None
        said = [next(line for line in demo.stdout if "items.yml says" in line)]
        demo.send_signal(signal.SIGINT)
        said += [next(line for line in demo.stdout if "Stopping" in line)]
        demo.send_signal(signal.SIGINT)
        demo.send_signal(signal.SIGTERM)
        said += demo.stdout
    assert (demo.returncode, left_in(folder)) == (128 + signal.SIGINT, set()), "".join(said)


@pytest.mark.parametrize("goal", ["demo", "test", "bench"])
def test_make_says_at_once_that_it_needs_root(tmp_path: Path, goal: str) -> None:
    nobody = tmp_path / "id"
    nobody.write_text("#!/bin/sh\necho 1000\n")
    nobody.chmod(0o755)
    # As typed at a prompt: `make test`, which runs this test, hands its own flags and level down.
    usual = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["make", goal], cwd=CHECKOUT, env=usual | path, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert f"make {goal} starts a Docker Engine of its own, which needs root: run `sudo make {goal}`" in done.stderr


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
