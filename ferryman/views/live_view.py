"""The live view of `ferryman sync` on a terminal: a progress bar for each running tag, and totals below them."""

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from types import TracebackType
from typing import Self

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.filesize import decimal
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from ferryman.events import CycleStarted, Event
from ferryman.store.records import Outstanding
from ferryman.views import text_tables as tables
from ferryman.views.progress import SyncProgress, TagProgress, seconds_left
from ferryman.views.reasons import shortened
from ferryman.wording import counted

# Columns. The margin leaves room in the last line for the "^C" of a terminal, which would otherwise scroll a bar away.
_MARGIN, _SPINNER, _PERCENT, _DOING, _BYTES = 3, 1, 4, 4, 9
_ROOM_FOR_BYTES = 60
_INDENT = "  "
MonotonicClock = Callable[[], float]  # in seconds


def screen(*, as_json: bool) -> Console | None:
    """The terminal for the live view: stderr, or else stdout, unless JSON is printed there. None: no terminal."""
    for console in (tables.console(stderr=True), *([] if as_json else [tables.console()])):
        if console.file.isatty() and not console.is_dumb_terminal:
            return console
    return None


class LiveView:
    """An oneshot.View that draws progress bars. A context manager; at its end the view is erased."""

    def __init__(self, console: Console, *, clock: MonotonicClock = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._began = clock()
        self._progress = SyncProgress()
        self._notice = ""
        self._lock = threading.Lock()  # Rich draws in a thread of its own
        self._spinner = Spinner("line" if console.options.ascii_only else "dots")
        self._name_width = 0  # the widest so far, so that the bars do not jump
        self._live = Live(
            self,
            console=console,
            transient=True,
            refresh_per_second=8,
            # Output that is redirected to a file must still go there.
            redirect_stdout=sys.stdout.isatty(),
            redirect_stderr=sys.stderr.isatty(),
        )

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._live.stop()

    def observe(self, event: Event) -> None:
        """Update the bars."""
        with self._lock:
            self._progress.observe(event)
        if isinstance(event, CycleStarted) and self._live.is_started:
            self._live.refresh()  # at once: at first there is nothing else to show

    def queue(self, outstanding: Outstanding) -> None:
        """Update the remaining work."""
        with self._lock:
            self._progress.queue(outstanding)

    def notice(self, text: str) -> None:
        """Show a warning below the bars, in one line, instead of the last one."""
        with self._lock:
            self._notice = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(options.max_width - _MARGIN, 1)
        with self._lock:
            bars, lines = self._total_bars(width), self._lines(width)
            yield from self._running_bars(width, rows=console.height - bars.row_count - len(lines) - 1)
            yield bars
            yield from lines[: max(console.height - bars.row_count - 1, 0)]

    def _running_bars(self, width: int, *, rows: int) -> Iterator[Table | Text]:
        tags = list(self._progress.running.values())
        shown = tags if len(tags) <= rows else tags[: max(rows - 1, 0)]
        if shown:
            yield self._bars(shown, width)
        if len(shown) < len(tags) and rows > 0:
            yield Text(shortened(f"{_INDENT}… and {len(tags) - len(shown)} more", width), style="dim")

    def _bars(self, tags: Iterable[TagProgress], width: int) -> Table:
        bar = _bar_width(width)
        more = (_DOING, _BYTES) if width >= _ROOM_FOR_BYTES else ()
        room = max(width - sum((_SPINNER, bar, _PERCENT, *more)) - 3 - len(more), 1)
        names = [shortened(tag.name, room) for tag in tags]
        self._name_width = min(max(self._name_width, *map(cell_len, names)), room)
        table = _grid(_SPINNER, self._name_width, bar, _PERCENT, *more)
        for tag, name in zip(tags, names, strict=True):
            percent = Text(f"{tag.fraction:.0%}", justify="right")
            moved = Text(decimal(tag.moved), justify="right")
            cells: list[RenderableType] = [
                self._spinner,
                Text(name),
                _bar(tag.fraction, bar),
                percent,
                Text(tag.doing),
                moved,
            ]
            table.add_row(*cells[: 4 + len(more)])
        return table

    def _total_bars(self, width: int) -> Table:
        progress, bar = self._progress, _bar_width(width)
        rows = []
        if progress.is_looking or progress.left is None:
            text = f"{progress.looked} of {counted(progress.items, 'item')}" if progress.items else ""
            rows.append(("looking at", progress.looked / max(progress.items, 1), text))
        if progress.tags:
            done = progress.done + sum(tag.fraction for tag in progress.running.values())
            rows.append(("copied", done / progress.tags, f"{progress.done} of {counted(progress.tags, 'tag')}"))
        heading = max((len(what) for what, _, _ in rows), default=0)
        room = max(width - bar - heading - 2, 1)
        table = _grid(heading, bar, room)
        for what, fraction, text in rows:
            table.add_row(Text(what), _bar(fraction, bar), Text(shortened(text, room)))
        return table

    def _lines(self, width: int) -> list[Text]:
        notice = [Text(shortened(self._notice, width), style="yellow")] if self._notice else []
        return [*_fold(self._summary(), width), *notice]

    def _summary(self) -> Iterator[str]:
        """The totals that the bars do not show."""
        progress, left = self._progress, self._progress.left
        outcomes = [(name, progress.outcomes[name]) for name in ("synced", "failed", "skipped")]
        waits = f"waiting until {left.next_at:%H:%M:%S} UTC" if left and left.next_at else "waiting"
        states = (
            [("queued", progress.queued), (waits, left.waiting), ("held", left.held), ("paused", left.paused)]
            if left
            else []
        )
        yield from (f"{number:,} {name}" for name, number in (*outcomes, *states) if number)
        now = self._clock()
        if progress.moved:
            yield f"{decimal(progress.moved)} at {decimal(int(progress.rate(now)))}/s"
        yield f"for {_time(now - self._began)}{self._estimated(now)}"

    def _estimated(self, now: float) -> str:
        progress = self._progress
        if progress.is_looking or not progress.queued + len(progress.running):
            return ""
        done = (progress.done + sum(tag.fraction for tag in progress.running.values())) / max(progress.tags, 1)
        left = seconds_left(now - self._began, done)
        return "" if left is None else f", about {_time(left)} left"


def _bar_width(width: int) -> int:
    return min(max(width // 4, 5), 30)


def _bar(fraction: float, width: int) -> ProgressBar:
    return ProgressBar(total=1.0, completed=min(fraction, 1.0), width=width)


def _grid(*widths: int) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    for width in widths:
        table.add_column(width=width, no_wrap=True, overflow="crop")
    return table


def _fold(pieces: Iterable[str], width: int) -> Iterator[Text]:
    """Join the pieces with commas, as many as fit into a line; no piece is split."""
    line = ""
    for piece in pieces:
        longer = f"{line}, {piece}" if line else shortened(piece, width - 1)
        if line and cell_len(longer) >= width:  # room for a comma
            yield Text(f"{line},")
            longer = shortened(piece, width - 1)
        line = longer
    yield Text(line)


def _time(seconds: float) -> str:
    return str(timedelta(seconds=max(int(seconds), 0)))
