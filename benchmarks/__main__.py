"""The race: Ferryman and every other mirror on the PATH, on the same registries in one run, in turns."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from benchmarks import cases
from benchmarks.contestants import Contestant
from benchmarks.floor import FLOOR
from benchmarks.installation import FERRYMAN
from benchmarks.peers import PEERS
from benchmarks.race import Race
from benchmarks.record import Record, about
from benchmarks.result import Result
from benchmarks.scale import FULL, TINY
from benchmarks.table import table

_ALL: dict[str, Contestant] = {each.name: each for each in (*FERRYMAN, *PEERS, FLOOR)}
_USUAL = [case.name for case in cases.CASES.values() if case.always]


def main() -> int:
    """Print the table. 1: a run of Ferryman had a problem."""
    options = _options()
    wanted = [each for name, each in _ALL.items() if name in options.only and name not in options.skip]
    missing = {each.name: why for each in wanted if (why := each.missing())}
    racing = [each for each in wanted if each.name not in missing]
    for name, why in missing.items():
        print(f"left out: {name}: {why}", file=sys.stderr)
    if not racing:
        print("nobody is left to race", file=sys.stderr)
        return 1
    record = Record(options.json, about(racing, missing))
    began = time.monotonic()
    scale = TINY if options.tiny else FULL
    race = Race(racing, options.rounds, options.limit, record.add)
    try:
        cases.run(race, scale, options.cases)
    finally:
        _report(record.results, {case.name: case.title(scale) for case in cases.CASES.values()})
        print(f"\n{time.monotonic() - began:.0f} s; load {_load()}; results are in {options.json}", file=sys.stderr)
    return int(any(result.problem is not None and _is_ours(result) for result in record.results))


def _report(results: Sequence[Result], titles: Mapping[str, str]) -> None:
    peers = {each.name for each in PEERS if not each.trusts_names}
    print(table(results, titles, peers))
    for result in results:
        if result.problem is not None:
            print(f"\nnot in the table: {result}")


def _is_ours(result: Result) -> bool:
    return any(result.contestant == each.name for each in FERRYMAN)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--cases", type=_one_of(cases.CASES), default=_USUAL, metavar="CASE,…",
        help=f"of {', '.join(cases.CASES)}; default: {','.join(_USUAL)}",
    )  # fmt: skip
    parser.add_argument("--rounds", type=int, default=3, help="runs of each contestant in each case; default: 3")
    parser.add_argument(
        "--only",
        type=_one_of(_ALL),
        default=[name for name in _ALL if name != FLOOR.name],
        metavar="NAME,…",
        help=f"of {', '.join(_ALL)}; default: all but the last",
    )
    parser.add_argument("--skip", type=_one_of(_ALL), default=[], metavar="NAME,…", help="contestants to leave out")
    parser.add_argument("--limit", type=float, default=600, metavar="SECONDS", help="for one run; default: 600")
    parser.add_argument("--tiny", action="store_true", help="a small race, whose times are not meaningful")
    parser.add_argument("--json", type=Path, default=Path(".cache/race.json"), metavar="FILE", help="for the results")
    return parser.parse_args()


def _one_of(known: Iterable[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := set(names) - set(known):
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
        return names

    return parse


def _load() -> str:
    return " ".join(f"{each:.1f}" for each in os.getloadavg())


if __name__ == "__main__":
    sys.exit(main())
