"""prometheus_client is loaded by the long-running service alone."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import sys
from ferryman.cli import main
try:
    main()
except SystemExit as end:
    print(end.code, *sorted(sys.modules), sep="\\n")
"""


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], "0"), (["sync"], "2")])
def test_a_command_that_serves_nothing_does_not_load_it(arguments: list[str], code: str, tmp_path: Path) -> None:
    """`sync` ends where it finds no items.yml: it has imported all that it needs by then."""
    call = [sys.executable, "-c", PROGRAM, *arguments]
    done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=True)
    ended, *loaded = done.stdout.splitlines()[done.stdout.splitlines().index(code) :]
    assert ended == code
    assert "ferryman.cli" in loaded
    assert [name for name in loaded if name.startswith(("prometheus_client", "ferryman.metrics"))] == []
