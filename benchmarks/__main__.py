"""Ferryman against skopeo, on the same registries in one run: `python -m benchmarks [--quick] [CASE…]`."""

import argparse
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from benchmarks import mirror, unchanged
from benchmarks.scale import FULL, QUICK
from benchmarks.stage import Stage
from benchmarks.table import Row, head

_CASES: dict[str, Callable[[Stage], Iterator[Row]]] = {
    "cold": mirror.cold,
    "large": mirror.large,
    "layers": mirror.layers,
    "unchanged": unchanged.nothing_new,
    "engine": mirror.engine,
    "listed": unchanged.listed,  # last, because it increases this process's memory
}


def main() -> None:
    """Print the table, row by row."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small run, whose times are not meaningful")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"one of {', '.join(_CASES)}; default: all")
    arguments = parser.parse_args()
    if unknown := set(arguments.cases) - _CASES.keys():
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    scale, began, missed = QUICK if arguments.quick else FULL, time.monotonic(), 0
    _print_machine()
    print(head())
    for name, case in _CASES.items():
        if name in (arguments.cases or _CASES):
            with Stage(scale) as stage:
                for row in case(stage):
                    print(row, flush=True)
                    missed += row.reached is False
    print(f"\n{time.monotonic() - began:.0f} s; load at the end {_load()}; not reached: {missed}", file=sys.stderr)


def _print_machine() -> None:
    skopeo = subprocess.run(["skopeo", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    print(
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {skopeo}; load at the start {_load()}",
        file=sys.stderr,
    )


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


if __name__ == "__main__":
    main()
