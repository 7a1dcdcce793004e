"""A run of tests leaves nothing behind, and fails if its tests do."""

import contextlib
import gc
import os
import socket
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from tests.support.measuring import unmeasured
from tests.support.sources import CHECKOUT
from tests.support.upstreams import Upstream

WRITES = """
import pathlib, tempfile
def test_it(tmp_path):
    (tmp_path / "file").write_text("x")
    assert pathlib.Path(tempfile.mkdtemp()).parent == tmp_path.parent.parent
    assert (tmp_path / "file").exists() is {}
"""
STARTS = """
import subprocess
def test_it(tmp_path):
    subprocess.Popen(["sh", "-c", "sleep 600 & echo $!"], start_new_session=True, stdout=subprocess.DEVNULL).wait()
"""
pytestmark = pytest.mark.slow
BY_WORKERS = pytest.param(("-p", "xdist", "-n", "2"), id="by workers")
ways = pytest.mark.parametrize("way", [pytest.param((), id="alone"), BY_WORKERS])


def run_tests(folder: Path, text: str, *more: str) -> "subprocess.CompletedProcess[str]":
    """Run a file of tests as ours are run, with `folder/tmp` for its temporary files."""
    (folder / "tmp").mkdir()
    file = folder / "test_made_up.py"
    file.write_text(text)
    options = ("-q", "-c", os.devnull, "-p", "no:cacheprovider", "-p", "tests.support.hygiene")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, *more, str(file)],
        cwd=CHECKOUT, env=unmeasured() | {"TMPDIR": str(folder / "tmp")}, capture_output=True, text=True, check=False,
    )  # fmt: skip


@ways
@pytest.mark.parametrize("passes", [True, False])
def test_no_file_stays(tmp_path: Path, passes: bool, way: tuple[str, ...]) -> None:
    done = run_tests(tmp_path, WRITES.format(passes), *way)
    assert (done.returncode == 0) is passes, done.stdout
    assert list((tmp_path / "tmp").iterdir()) == []


@ways
def test_a_program_that_still_runs_is_ended_and_fails_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: tuple[str, ...]
) -> None:
    monkeypatch.setenv("FERRYMAN_TESTS_PATIENCE", "0.5")
    done = run_tests(tmp_path, STARTS, *way)
    assert done.returncode == 1, done.stdout
    assert "left by the tests: process " in done.stdout
    assert "still ran: sleep 600" in done.stdout
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_server_that_ends_closes_what_it_is_just_accepting() -> None:
    """Else it is told of in whatever test the garbage is collected, and fails that one."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for _ in range(20):
            with contextlib.ExitStack() as stack, Upstream() as upstream:
                host, port = upstream.host.split(":")
                for _ in range(10):
                    stack.enter_context(socket.create_connection((host, int(port))))
        gc.collect()
    assert [str(each.message) for each in told if "transport" in str(each.message)] == []
