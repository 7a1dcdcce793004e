"""A table that may be very long: it is printed page by page, so that it begins at once and takes little memory.

A table of one page is printed as a whole. A longer one has columns as wide as its first page needs. In a pipe its
headings are printed once, and its later rows keep to the columns: a wider cell moves the rest of its own line. On a
terminal each page is a table with headings of its own, because cells may be folded there.
"""

from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from rich.cells import cell_len
from rich.console import Console, RenderableType

PAGE = 1000  # rows

Row = TypeVar("Row")


class LongTable(Generic[Row]):
    """Collects rows, and prints each page when there is more."""

    def __init__(
        self,
        console: Console,
        page: Callable[[Sequence[Row]], RenderableType],
        columns: Sequence[str],
        cells: Callable[[Row], Sequence[str]],
    ) -> None:
        """`page`: a table of these rows. `columns`, `cells`: the same as texts, for a pipe."""
        self._console = console
        self._page = page
        self._columns = columns
        self._cells = cells
        self._rows: list[Row] = []
        self._plain: _PlainTable | None = None

    def add(self, row: Row) -> None:
        if len(self._rows) == PAGE:
            self._print_page()
        self._rows.append(row)

    def end(self) -> None:
        """Print what is left; of a table without rows its headings."""
        if self._plain is None:
            self._console.print(self._page(self._rows))
        else:
            self._print_page()
            self._plain.end()

    def _print_page(self) -> None:
        if self._console.is_terminal:
            self._console.print(self._page(self._rows))
        else:
            rows = [[_on_one_line(cell) for cell in self._cells(row)] for row in self._rows]
            if self._plain is None:
                self._plain = _PlainTable(self._console, self._columns, rows)
            self._plain.print(rows)
        self._rows.clear()


class _PlainTable:
    """The layout of `text_tables`, which is rich's SIMPLE_HEAD, written a thousand times as fast as rich renders."""

    def __init__(self, console: Console, columns: Sequence[str], first: Sequence[Sequence[str]]) -> None:
        self._file = console.file
        self._widths = [max(map(cell_len, cells)) for cells in zip(columns, *first, strict=True)]
        self._all = sum(self._widths) + 3 * (len(columns) - 1)
        self._file.write(f"{' ' * (self._all + 2)}\n{self._line(columns)} {'─' * self._all} \n")

    def print(self, rows: Sequence[Sequence[str]]) -> None:
        self._file.write("".join(map(self._line, rows)))
        self._file.flush()

    def end(self) -> None:
        self._file.write(" " * (self._all + 2) + "\n")

    def _line(self, cells: Sequence[str]) -> str:
        return f" {'   '.join(map(_padded, cells, self._widths))} \n"


def _padded(cell: str, width: int) -> str:
    return cell.ljust(width) if cell.isascii() else cell + " " * (width - cell_len(cell))


def _on_one_line(cell: str) -> str:
    """A registry's error may hold line feeds and control characters."""
    return cell if cell.isprintable() else "".join(each if each.isprintable() else " " for each in cell)
