"""The benchmarks come to their end; what they count, unlike what they time, is the same on every machine."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import cases
from benchmarks.contestants import Program
from benchmarks.floor import FLOOR
from benchmarks.installation import FERRYMAN
from benchmarks.race import Race
from benchmarks.result import Result
from benchmarks.scale import TINY
from tests.support.measuring import unmeasured
from tests.support.sources import CHECKOUT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def _run(*command: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command, cwd=CHECKOUT, env=unmeasured() | environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Of `make bench-smoke`, with the environment that runs the tests."""
    file = tmp_path_factory.mktemp("race") / "race.json"
    options = ["--assume-old=.venv/installed", f"BIN={Path(sys.executable).parent}", f"RACE=--json {file}"]
    done = _run("make", *options, "bench-smoke")
    assert done.returncode == 0, done.stderr
    document = json.loads(file.read_text())
    assert set(document["about"]["contestants"]) == {"ferryman run", "ferryman sync", "skopeo"}
    assert done.stdout.count("| ferryman run |") == done.stdout.count("| skopeo |") == 6
    found: list[dict[str, Any]] = document["results"]
    return found


def test_a_race_finds_every_mirror_right(results: list[dict[str, Any]]) -> None:
    assert [each["problem"] for each in results if each["problem"]] == []
    assert len(results) == 3 * 6
    assert all(each["wall"] > 0 and each["rss"] > 2**20 for each in results)


def test_ferryman_uploads_each_blob_once(results: list[dict[str, Any]]) -> None:
    ours = [each for each in results if each["contestant"].startswith("ferryman")]
    assert {each["repeated"] for each in ours} == {0}
    assert all(each["uploaded"] > 0 for each in ours if each["case"] != "unchanged")


def test_nothing_new_sends_nothing_to_the_target(results: list[dict[str, Any]]) -> None:
    sent = {
        each["contestant"]: (each["target_requests"], each["uploaded"])
        for each in results
        if each["case"] == "unchanged"
    }
    assert sent["ferryman run"] == sent["ferryman sync"] == (0, 0)
    assert sent["skopeo"][0] > 0  # or the log was not read


def test_a_race_says_who_is_left_out(tmp_path: Path) -> None:
    for program in ("docker-registry", "skopeo"):
        found = shutil.which(program)
        assert found
        (tmp_path / program).symlink_to(found)
    command = [sys.executable, "-m", "benchmarks", "--tiny", "--rounds=1", "--cases=cold", "--only=skopeo,crane"]
    done = _run(*command, f"--json={tmp_path / 'race.json'}", PATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "left out: crane: crane is not on the PATH\n" in done.stderr
    assert json.loads((tmp_path / "race.json").read_text())["about"]["left_out"].keys() == {"crane"}


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        (["true"], "2 of 2 tags are wrong (2 missing), such as app0:1.0"),
        (["sh", "-c", "echo no registry; exit 3"], "sh ended with 3:\nno registry\n"),
        (["sleep", "600"], "not done after 1 s"),
    ],
)
def test_a_contestant_that_mirrors_nothing_has_no_time(command: list[str], problem: str) -> None:
    results: list[Result] = []
    contestant = Program("idle", "mirrors nothing", command[0], lambda _: command)
    cases.run(Race([contestant], rounds=1, limit=1, record=results.append), TINY, ["cold"])
    assert [(each.problem, each.wall) for each in results] == [(problem, 0.0)]


def test_a_mirror_with_aiohttp_alone_is_right_and_asks_for_no_more_than_ferryman() -> None:
    results: list[Result] = []
    contestants = [FLOOR, *(each for each in FERRYMAN if each.name == "ferryman sync")]
    cases.run(Race(contestants, rounds=1, limit=300, record=results.append), TINY, ["cold", "indexes"])
    assert [each.problem for each in results] == [None] * 4
    for alone, ours in zip(results[::2], results[1::2], strict=True):
        assert (alone.contestant, ours.contestant) == (FLOOR.name, "ferryman sync")
        assert alone.source_requests <= ours.source_requests
        assert 0 < alone.target_requests <= ours.target_requests
        assert alone.uploaded == ours.uploaded
        assert alone.served > 0


def test_the_requests_are_as_few_as_allowed() -> None:
    done = _run(sys.executable, "-m", "benchmarks.requests", "--tiny")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| yes |") == 8


def test_images_are_timed_through_an_engine_and_directly() -> None:
    done = _run(sys.executable, "-m", "benchmarks.engine", "--tiny")
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "1 tags, FERRYMAN_TRANSPORT=docker",
        "1 tags, FERRYMAN_TRANSPORT=direct",
    ]
