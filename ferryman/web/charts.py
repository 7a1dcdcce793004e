"""The geometry of small charts: pure, from numbers to SVG coordinates."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

WIDTH, HEIGHT = 240, 48  # of the view box; the page stretches it
_GAP = 0.2  # of a bar's place
_MARGIN = 1.5  # half of the line's width would be cut off at the edge


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a bar chart."""

    x: str
    y: str
    width: str
    height: str


@dataclass(frozen=True, slots=True)
class Chart:
    """What the macro `chart` draws, and its table."""

    kind: Literal["line", "bars"]
    rows: tuple[tuple[str, str], ...]  # label and value, the oldest first
    latest: str | None = None
    line: str = ""  # SVG path data
    area: str = ""
    bars: tuple[Bar, ...] = ()
    width: int = WIDTH
    height: int = HEIGHT


def line_chart(labels: Sequence[str], values: Sequence[float | None], *, write: Callable[[float], str]) -> Chart:
    """A line through the values; None is a gap. `write`: a value as text."""
    runs = _runs(_points(values))
    line = " ".join(_path(run) for run in runs)
    area = " ".join(f"{_path(run)} L{_f(run[-1][0])} {HEIGHT} L{_f(run[0][0])} {HEIGHT} Z" for run in runs)
    return Chart("line", *_table(labels, values, write), line=line, area=area)


def bar_chart(labels: Sequence[str], values: Sequence[float | None], *, write: Callable[[float], str]) -> Chart:
    """A bar for each value; None is a gap."""
    top = max((value for value in values if value), default=1.0)
    place = WIDTH / max(1, len(values))
    bars = tuple(
        Bar(_f(number * place), _f(HEIGHT - tall), _f(place * (1 - _GAP)), _f(tall))
        for number, value in enumerate(values)
        if value and (tall := HEIGHT * value / top)
    )
    return Chart("bars", *_table(labels, values, write), bars=bars)


def _table(
    labels: Sequence[str], values: Sequence[float | None], write: Callable[[float], str]
) -> tuple[tuple[tuple[str, str], ...], str | None]:
    written = ["–" if value is None else write(value) for value in values]
    return tuple(zip(labels, written, strict=True)), written[-1] if written else None


def _points(values: Sequence[float | None]) -> list[tuple[float, float] | None]:
    top = max((value for value in values if value), default=1.0)
    step = WIDTH / max(1, len(values) - 1)
    room = HEIGHT - 2 * _MARGIN
    return [
        None if value is None else (number * step, HEIGHT - _MARGIN - room * value / top)
        for number, value in enumerate(values)
    ]


def _runs(points: Sequence[tuple[float, float] | None]) -> list[list[tuple[float, float]]]:
    """The points without the gaps between them."""
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if point is not None:
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]


def _path(run: Sequence[tuple[float, float]]) -> str:
    (x, y), *rest = run
    return " ".join([f"M{_f(x)} {_f(y)}", *(f"L{_f(a)} {_f(b)}" for a, b in rest or [(x + 0.1, y)])])


def _f(number: float) -> str:
    return f"{number:.1f}".removesuffix(".0")
