"""Films `ferryman sync` and `ferryman status` on a terminal, as an animated SVG that needs no script and no font."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from xml.sax.saxutils import escape

from rich.ansi import AnsiDecoder
from rich.style import Style
from rich.terminal_theme import DIMMED_MONOKAI

from tests.examples.stage import MIB, Stage
from tests.support.screen import Screen

ITEMS = """\
defaults: {target: registry.example.com/mirror/, transport: direct}
items:
  - {source: registry.k8s.io/kube-apiserver, limit: 4}
  - {source: registry.k8s.io/etcd, limit: 3}
  - {source: quay.io/coreos/flannel, limit: 2}
"""
APISERVER = {f"v1.{number}.0": f"2026-0{number - 30}-15T08:20:00Z" for number in range(32, 37)}
ETCD = {f"3.{number}.0-0": f"2026-0{number - 2}-03T16:45:00Z" for number in range(5, 9)}
FLANNEL = {"v0.27.0": "2026-05-02T10:00:00Z", "v0.28.0": "2026-08-30T12:30:00Z"}
COMMANDS = ("sync", "status etcd")
COLUMNS = 84
_EVERY = 0.2  # seconds between two frames of the live view
_KEY = 0.07  # seconds a typed character
_LOOK, _LONG_LOOK = 1.2, 6.0  # seconds to read what a command has printed
_WIDTH, _HEIGHT, _FONT, _MARGIN, _BAR = 8.4, 19, 14, 14, 30  # pixels: a cell, its letters, the window


@dataclass(frozen=True)
class Run:
    """Characters of one style."""

    column: int
    text: str
    style: str


@dataclass(frozen=True)
class Frame:
    """What the terminal shows from this moment on."""

    at: float
    rows: Sequence[Sequence[Run]]


def film(stage: Stage, path: Path) -> None:
    """Run the commands on a terminal and write what it shows. The registries are slow enough to be watched."""
    stage.push("registry.k8s.io/kube-apiserver", APISERVER, sizes=[2 * MIB, MIB, 2 * MIB])
    stage.push("registry.k8s.io/etcd", ETCD, sizes=[2 * MIB, MIB])
    stage.push("quay.io/coreos/flannel", FLANNEL, sizes=[2 * MIB, MIB])
    stage.write_items(ITEMS, **{"registry.k8s.io": "7MB/s", "quay.io": "3MB/s"})
    frames, seen, now = [], "", 0.0
    for command in COMMANDS:
        words = f"ferryman {command}"
        for typed in range(len(words) + 1):
            frames.append(_frame(now, f"{seen}$ {words[:typed]}"))
            now += _KEY if typed else _LOOK
        seen += f"$ {words}\r\n"
        pieces = _pieces(stage, command)
        for at, sent in pieces:
            frames.append(_frame(now + at, seen + sent))
        now += pieces[-1][0]
        seen += pieces[-1][1]
    path.write_text(_svg(frames, until=now + _LONG_LOOK))


def _pieces(stage: Stage, command: str) -> list[tuple[float, str]]:
    """What was sent so far, at moments that are far enough apart; the last one is all."""
    began, sent, pieces = time.monotonic(), b"", [(0.0, "")]

    def watch(piece: bytes) -> None:
        nonlocal sent
        sent += piece
        at = time.monotonic() - began
        if at - pieces[-1][0] >= _EVERY:
            pieces.append((at, _whole(sent.decode(errors="ignore"))))

    code, told = stage.ferryman.run_on_a_terminal(*command.split(), columns=COLUMNS, watch=watch)
    assert code == 0, told
    return [*pieces, (time.monotonic() - began, told)]


def _whole(sent: str) -> str:
    """Without the live view's last drawing, which may have come in part only."""
    before, redrawn, _ = sent.rpartition("\r\x1b[2K")
    return before if redrawn else ""


def _frame(at: float, sent: str) -> Frame:
    screen = Screen(COLUMNS)
    screen.feed(sent)
    rows = [list(_runs(line, styles)) for line, styles in zip(screen.lines, screen.styles, strict=True)]
    while rows and not rows[-1]:
        del rows[-1]
    return Frame(at, rows)


def _runs(line: str, styles: Sequence[str]) -> Iterator[Run]:
    for style, cells in groupby(enumerate(zip(line, styles, strict=True)), key=lambda cell: cell[1][1]):
        first, *rest = cells
        text = "".join(character for _, (character, _) in (first, *rest))
        if text.strip():
            yield Run(first[0] + len(text) - len(text.lstrip()), text.strip(), style)


def _svg(frames: Sequence[Frame], *, until: float) -> str:
    """A strip of all frames behind a window that is as high as the highest. Without animation: the last one."""
    height = max(len(frame.rows) for frame in frames) * _HEIGHT
    width = COLUMNS * _WIDTH
    styles = sorted({run.style for frame in frames for row in frame.rows for run in row} - {""})
    steps = "".join(
        f"{frame.at / until:.3%}{{transform:translateY(-{number * height}px)}}" for number, frame in enumerate(frames)
    )
    last = (len(frames) - 1) * height
    classes = "".join(f".s{number}{{{_css(style)}}}" for number, style in enumerate(styles))
    drawn = "".join(_drawn(frame, number * height, styles) for number, frame in enumerate(frames))
    whole_width, whole_height = width + 2 * _MARGIN, height + _BAR + _MARGIN
    dots = "".join(
        f'<circle cx="{18 + 18 * number}" cy="16" r="5.5" fill="{colour}"/>'
        for number, colour in enumerate(("#ff5f56", "#ffbd2e", "#27c93f"))
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xml:space="preserve" '
        f'viewBox="0 0 {whole_width:g} {whole_height}" width="{whole_width:g}">'
        f"<title>ferryman {' and ferryman '.join(COMMANDS)}</title>\n"
        f"<style>text{{font:{_FONT}px ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace;"
        f"fill:#d9d9d9}}{classes}\n"
        f"#film{{transform:translateY(-{last}px);animation:film {until:.1f}s step-end infinite}}\n"
        f"@keyframes film{{{steps}}}\n"
        "@media(prefers-reduced-motion){#film{animation:none}}</style>\n"
        f'<rect width="100%" height="100%" rx="8" fill="#191919"/>{dots}\n'
        f'<svg x="{_MARGIN}" y="{_BAR}" width="{width:g}" height="{height}"><g id="film">\n{drawn}</g></svg></svg>\n'
    )


def _drawn(frame: Frame, top: int, styles: Sequence[str]) -> str:
    return "".join(
        f'<text x="{run.column * _WIDTH:g}" y="{top + row * _HEIGHT + _FONT}" textLength="{len(run.text) * _WIDTH:g}"'
        f"{_class(run.style, styles)}>{escape(run.text)}</text>\n"
        for row, runs in enumerate(frame.rows)
        for run in runs
    )


def _class(style: str, styles: Sequence[str]) -> str:
    return f' class="s{styles.index(style)}"' if style else ""


def _css(style: str) -> str:
    [span] = AnsiDecoder().decode_line(f"\x1b[{style}mx").spans
    assert isinstance(span.style, Style)
    declarations = []
    if span.style.color is not None:
        declarations.append(f"fill:{span.style.color.get_truecolor(DIMMED_MONOKAI).hex}")
    if span.style.bold:
        declarations.append("font-weight:bold")
    if span.style.dim:
        declarations.append("opacity:.6")
    return ";".join(declarations)
