"""Formats the results of a race as a Markdown table."""

import statistics
from collections.abc import Callable, Mapping, Sequence

from benchmarks.result import Result

_MIB = 2**20
_HEAD = (
    "Case", "Contestant", "Wall, s", "Least to most", "To the fastest peer", "CPU, s", "Memory, MiB",
    "Requests: source", "Target", "Uploaded, MiB", "Others, cores",
)  # fmt: skip


def table(results: Sequence[Result], titles: Mapping[str, str], peers: set[str]) -> str:
    """Medians of each contestant in each case, the fastest first. `peers`: with whom the others are compared."""
    lines = [_line(_HEAD), "|---|---" + "|---:" * (len(_HEAD) - 2) + "|"]
    for case, title in titles.items():
        groups = _groups(case, results)
        walls = {name: _median(runs, lambda run: run.wall) for name, runs in groups.items()}
        fastest = min((wall for name, wall in walls.items() if name in peers), default=None)
        for number, name in enumerate(sorted(walls, key=walls.__getitem__)):
            lines.append(_row("" if number else title, name, groups[name], fastest))
    return "\n".join(lines)


def _groups(case: str, results: Sequence[Result]) -> dict[str, list[Result]]:
    """By contestant. One that had a problem in any run is not there."""
    groups: dict[str, list[Result]] = {}
    for result in results:
        if result.case == case:
            groups.setdefault(result.contestant, []).append(result)
    return {name: runs for name, runs in groups.items() if all(run.problem is None for run in runs)}


def _row(case: str, name: str, runs: Sequence[Result], fastest: float | None) -> str:
    walls = [run.wall for run in runs]
    wall = statistics.median(walls)
    return _line(
        (
            case, name, f"{wall:.2f}", f"{min(walls):.2f} to {max(walls):.2f}",
            f"{wall / fastest:.2f}" if fastest else "",
            f"{_median(runs, lambda run: run.cpu):.2f}", f"{max(run.rss for run in runs) / _MIB:.0f}",
            f"{_median(runs, lambda run: run.source_requests):,.0f}",
            f"{_median(runs, lambda run: run.target_requests):,.0f}",
            f"{_median(runs, lambda run: run.uploaded) / _MIB:,.1f}", f"{_median(runs, lambda run: run.others):.1f}",
        )
    )  # fmt: skip


def _median(runs: Sequence[Result], figure: Callable[[Result], float]) -> float:
    return statistics.median(map(figure, runs))


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
