"""The benchmarks come to their end; what they count, unlike what they time, is the same on every machine."""

import subprocess
import sys

import pytest

from tests.support.measuring import unmeasured
from tests.support.sources import CHECKOUT

_TIMED = ("wall", "rate", "CPU")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_a_quick_run_tells_every_figure() -> None:
    command = [sys.executable, "-m", "benchmarks", "--quick"]
    done = subprocess.run(command, cwd=CHECKOUT, env=unmeasured(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

    head, _, *rows = ([cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines())
    assert head[:4] == ["Case", "Figure", "Required", "Ferryman"]
    reached = {f"{row[0]}: {row[1]}": row[-1] for row in rows if row[2] and not row[1].startswith(_TIMED)}
    assert {name: told for name, told in reached.items() if told != "yes"} == {}
    assert sum(name.endswith("bytes uploaded") for name in reached) == 4
    assert len(rows) > len(reached) > 9
