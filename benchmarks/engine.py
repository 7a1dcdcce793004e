"""The cost of a Docker Engine, which unpacks and repacks every layer: `python -m benchmarks.engine [--tiny]`; root.

The same images through an engine and directly, in turns. CPU is the client's, without the engine's.
"""

import argparse
import itertools
import statistics

from benchmarks.job import PREFIX
from benchmarks.measured import Measured, measure
from benchmarks.scale import FULL, TINY
from benchmarks.sources import Source, fill
from benchmarks.stage import Stage
from tests.support.ferryman import PROGRAM, Ferryman

_ROUNDS = 3
_LIMIT = 600.0  # seconds of one run
_TRANSPORTS = ("docker", "direct")


def main() -> None:
    """Print a line for each transport."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="a small run, whose times are not meaningful")
    runs: dict[str, list[Measured]] = {transport: [] for transport in _TRANSPORTS}
    with Stage(TINY if parser.parse_args().tiny else FULL) as stage:
        source = fill(stage.registry(), "bench", stage.scale.engine)
        engine = stage.engine().host
        for order in itertools.islice(itertools.cycle([_TRANSPORTS, _TRANSPORTS[::-1]]), _ROUNDS):
            for transport in order:
                runs[transport].append(_run(stage, source, transport, engine))
    for transport, costs in runs.items():
        wall, cpu = (statistics.median(each) for each in zip(*((cost.wall, cost.cpu) for cost in costs), strict=True))
        print(f"{source.tags} tags, FERRYMAN_TRANSPORT={transport}: {wall:.2f} s, CPU {cpu:.2f} s")


def _run(stage: Stage, source: Source, transport: str, engine: str) -> Measured:
    with stage.fresh() as target:
        installed = Ferryman(stage.folder(), engine=engine, environment={"FERRYMAN_TRANSPORT": transport})
        items = ", ".join(f"{{source: {source.host}/{name}}}" for name in source.repositories)
        installed.items.write_text(f"defaults: {{target: {target.host}/{PREFIX}/}}\nitems: [{items}]\n")
        return measure([PROGRAM, "sync"], folder=installed.folder, environment=installed.environment, limit=_LIMIT)


if __name__ == "__main__":
    main()
