"""Times how long commands take that have little to do: `python -m benchmarks.start`.

They start in turns with `python -c pass`, many times: other programs on the machine then affect all of them alike. The
time of the CPU is affected less than the time on the wall.
"""

import statistics
import subprocess
import sys
from collections.abc import Sequence

from benchmarks.measured import Measured, measure
from benchmarks.scale import FULL, Shape
from benchmarks.sources import ordinary
from benchmarks.stage import Stage
from tests.support import ferryman
from tests.support.upstreams import Google

_ROUNDS = 15
_LIMIT = 300.0  # seconds of a command: only a hang takes longer
_SHAPE = Shape(repositories=5, tags=200, base_size=1024, own_size=1024)
_PYTHON = "python -c pass"
_COUNTED = "import sys; from ferryman.cli import main\ntry: main()\nfinally: print(len(sys.modules), file=sys.stderr)"


def main() -> None:
    """Print the table."""
    with Stage(FULL) as stage, Google() as source:
        installed = _installed(stage, source)
        commands = {
            _PYTHON: [sys.executable, "-c", "pass"],
            **{name: [ferryman.PROGRAM, name] for name in ("--help", "version", "status", "sync", "plan")},
        }
        runs: dict[str, list[Measured]] = {name: [] for name in commands}
        for _ in range(_ROUNDS):
            for name, command in commands.items():
                runs[name].append(
                    measure(command, folder=installed.folder, environment=installed.environment, limit=_LIMIT)
                )
        print("| Command | wall | CPU | wall of `python -c pass` | CPU | modules |\n|---|---:|---:|---:|---:|---:|")
        for name, measured in runs.items():
            modules = "" if name == _PYTHON else f"{_modules(installed, name):,}"
            print(f"| `{name}` | {_figures(measured, runs[_PYTHON])} | {modules} |")


def _installed(stage: Stage, source: Google) -> ferryman.Ferryman:
    """A record of 1,000 mirrored tags in five repositories, whose lists have nothing new."""
    names = [f"bench/app{number}" for number in range(_SHAPE.repositories)]
    for name in names:
        for tag in range(_SHAPE.tags):
            source.push(name, f"1.{tag}", ordinary(_SHAPE, "same", tag))
    folder = stage.folder()
    installed = ferryman.Ferryman(folder, engine="unix:///nonexistent", environment={"FERRYMAN_TRANSPORT": "direct"})
    installed.items.write_text(
        f"defaults: {{target: {stage.registry().host}/mirror/}}\n"
        f"registries: {{'{source.host}': {{lister: google, api: '{source.url}'}}}}\n"
        f"items: [{', '.join(f'{{source: {source.host}/{name}}}' for name in names)}]\n"
    )
    measure([ferryman.PROGRAM, "sync"], folder=folder, environment=installed.environment, limit=_LIMIT)
    return installed


def _figures(measured: Sequence[Measured], python: Sequence[Measured]) -> str:
    """Medians in seconds, and the medians of the rounds' ratios."""
    wall, cpu = statistics.median(each.wall for each in measured), statistics.median(each.cpu for each in measured)
    pairs = list(zip(measured, python, strict=True))
    walls, cpus = [one.wall / other.wall for one, other in pairs], [one.cpu / other.cpu for one, other in pairs]
    return f"{wall:.3f} s | {cpu:.3f} s | {statistics.median(walls):.1f} × | {statistics.median(cpus):.1f} ×"


def _modules(installed: ferryman.Ferryman, name: str) -> int:
    """How many modules a command has imported at its end."""
    done = subprocess.run(
        [sys.executable, "-c", _COUNTED, name],
        cwd=installed.folder, env=installed.environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return int(done.stderr.split()[-1])


if __name__ == "__main__":
    main()
