"""What `ferryman sync` shows on a terminal: a bar for each running tag, and the whole below them."""

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
from ferryman.views.progress import TagProgress, Tally
from ferryman.views.reasons import shortened
from ferryman.wording import counted

# Columns. What Ctrl-C makes a terminal write (^C) must find room in the last line, or it scrolls a bar away.
_KEPT_FREE, _SPINNER, _PERCENT, _DOING, _BYTES = 3, 1, 4, 4, 9
_ROOM_FOR_BYTES = 60
_INDENT = "  "
_ESTIMATED_FROM = 0.02  # of the whole: before that, what is left is anybody's guess
Clock = Callable[[], float]  # seconds, never going back


def screen(*, as_json: bool) -> Console | None:
    """The terminal on which a live view can be drawn: stderr, or else stdout if no JSON goes there."""
    for console in (tables.console(stderr=True), *([] if as_json else [tables.console()])):
        if console.file.isatty() and not console.is_dumb_terminal:
            return console
    return None


class LiveView:
    """An oneshot.View that draws. Use it as a context manager; nothing of it stays on the screen."""

    def __init__(self, console: Console, *, clock: Clock = time.monotonic) -> None:
        self._console = console
        self._clock = clock
        self._began = clock()
        self._tally = Tally()
        self._notice = ""
        self._lock = threading.Lock()  # it is drawn by a thread of its own
        self._spinner = Spinner("line" if console.options.ascii_only else "dots")
        self._name_width = 0  # the widest so far: bars that jump to and fro are hard to follow
        self._live = Live(
            self,
            console=console,
            transient=True,
            refresh_per_second=8,
            # What is redirected to a file goes there.
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
        """Move the bars."""
        with self._lock:
            self._tally.observe(event)
        if isinstance(event, CycleStarted) and self._live.is_started:
            self._live.refresh()  # at once: that it looks is all there is to see at first

    def queue(self, outstanding: Outstanding) -> None:
        """Tell how much is left."""
        with self._lock:
            self._tally.queue(outstanding)

    def notice(self, text: str) -> None:
        """Show the last warning below, in one line."""
        with self._lock:
            self._notice = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = max(options.max_width - _KEPT_FREE, 1)
        with self._lock:
            bars, lines = self._whole(width), self._lines(width)
            yield from self._running(width, rows=console.height - bars.row_count - len(lines) - 1)
            yield bars
            yield from lines[: max(console.height - bars.row_count - 1, 0)]

    def _running(self, width: int, *, rows: int) -> Iterator[Table | Text]:
        tags = list(self._tally.running.values())
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

    def _whole(self, width: int) -> Table:
        tally, bar = self._tally, _bar_width(width)
        rows = []
        if tally.is_looking or tally.left is None:
            told = f"{tally.looked} of {counted(tally.items, 'item')}" if tally.items else ""
            rows.append(("looking at", tally.looked / max(tally.items, 1), told))
        if tally.tags:
            done = tally.done + sum(tag.fraction for tag in tally.running.values())
            rows.append(("copied", done / tally.tags, f"{tally.done} of {counted(tally.tags, 'tag')}"))
        heading = max((len(what) for what, _, _ in rows), default=0)
        room = max(width - bar - heading - 2, 1)
        table = _grid(heading, bar, room)
        for what, fraction, told in rows:
            table.add_row(Text(what), _bar(fraction, bar), Text(shortened(told, room)))
        return table

    def _lines(self, width: int) -> list[Text]:
        notice = [Text(shortened(self._notice, width), style="yellow")] if self._notice else []
        return [*_joined(self._told(), width), *notice]

    def _told(self) -> Iterator[str]:
        """What the bars do not say."""
        tally, left = self._tally, self._tally.left
        outcomes = [(name, tally.outcomes[name]) for name in ("synced", "failed", "skipped")]
        waits = f"waiting until {left.next_at:%H:%M:%S} UTC" if left and left.next_at else "waiting"
        states = [("queued", tally.queued), (waits, left.waiting), ("held", left.held)] if left else []
        yield from (f"{number:,} {name}" for name, number in (*outcomes, *states) if number)
        now = self._clock()
        if tally.moved:
            yield f"{decimal(tally.moved)} at {decimal(int(tally.rate(now)))}/s"
        yield f"for {_time(now - self._began)}{self._estimated(now)}"

    def _estimated(self, now: float) -> str:
        tally = self._tally
        if tally.is_looking or not tally.queued + len(tally.running):
            return ""
        done = (tally.done + sum(tag.fraction for tag in tally.running.values())) / max(tally.tags, 1)
        if done < _ESTIMATED_FROM:
            return ""
        return f", about {_time((now - self._began) * (1 - done) / done)} left"


def _bar_width(width: int) -> int:
    return min(max(width // 4, 5), 30)


def _bar(fraction: float, width: int) -> ProgressBar:
    return ProgressBar(total=1.0, completed=min(fraction, 1.0), width=width)


def _grid(*widths: int) -> Table:
    table = Table.grid(padding=(0, 1, 0, 0), pad_edge=False)
    for width in widths:
        table.add_column(width=width, no_wrap=True, overflow="crop")
    return table


def _joined(pieces: Iterable[str], width: int) -> Iterator[Text]:
    """Pieces side by side, as many as fit into a line: none is broken."""
    line = ""
    for piece in pieces:
        longer = f"{line}, {piece}" if line else shortened(piece, width - 1)
        if line and cell_len(longer) >= width:  # a comma may follow
            yield Text(f"{line},")
            longer = shortened(piece, width - 1)
        line = longer
    yield Text(line)


def _time(seconds: float) -> str:
    return str(timedelta(seconds=max(int(seconds), 0)))
