"""Formats results and their requirements as a Markdown table."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Row:
    """One figure of one case."""

    case: str
    figure: str
    required: str
    ferryman: str
    skopeo: str = ""
    ratio: str = ""
    reached: bool | None = None  # None: no requirement

    def __str__(self) -> str:
        verdict = {True: "yes", False: "**no**", None: ""}[self.reached]
        cells = (self.case, self.figure, self.required, self.ferryman, self.skopeo, self.ratio, verdict)
        return f"| {' | '.join(cells)} |"


HEAD = Row("Case", "Figure", "Required", "Ferryman", "skopeo", "Ratio (each pair's)")


def head() -> str:
    """The table's first two lines."""
    line = f"{HEAD}".removesuffix(" |  |")
    return f"{line} | Reached |\n|---|---|---|---:|---:|---:|---|"


def compared(
    case: str, figure: str, pairs: Sequence[tuple[float, float]], *, unit: str, digits: int = 2,
    most: float | None = None, least: float | None = None,
) -> Row:  # fmt: skip
    """Medians, and the median of the pairs' ratios: other load on the machine affects both runs of a pair."""
    ours, theirs = (statistics.median(each) for each in zip(*pairs, strict=True))
    ratios = [our / their for our, their in pairs]
    ratio = statistics.median(ratios)
    required, reached = "", None
    if most is not None:
        required, reached = f"≤ {most} × skopeo's", ratio <= most
    elif least is not None:
        required, reached = f"≥ {least} × skopeo's", ratio >= least
    spread = f"{ratio:.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    return Row(case, figure, required, f"{ours:.{digits}f} {unit}", f"{theirs:.{digits}f} {unit}", spread, reached)


def counted(case: str, figure: str, ours: int, theirs: int | None, *, most: int, unit: str = "") -> Row:
    """A figure with an absolute limit, whatever skopeo's is."""
    skopeo = "" if theirs is None else f"{theirs:,}{unit}"
    return Row(case, figure, f"≤ {most:,}{unit}", f"{ours:,}{unit}", skopeo, reached=ours <= most)
