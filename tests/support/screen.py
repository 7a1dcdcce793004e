"""A terminal emulator with the features that Ferryman uses."""

import re

from rich.cells import get_character_cell_size

_SEQUENCE = re.compile(r"\x1b\[(?P<arguments>[?0-9;]*)(?P<command>[A-Za-z])|(?P<character>.)", re.DOTALL)


class Screen:
    """The content of the terminal, including lines that have scrolled off."""

    def __init__(self, columns: int) -> None:
        self.lines: list[str] = [""]
        self.styles: list[list[str]] = [[]]  # by cell: the last colour codes, as in ESC [ 1;32 m
        self.wrapped = 0  # how often a line was too long
        self.cursor_is_shown = True
        self._columns = columns
        self._row = self._column = 0
        self._style = ""

    def feed(self, sent: str) -> None:
        """Show what was sent. Raises ValueError for what it does not understand."""
        for found in _SEQUENCE.finditer(sent):
            if found["command"]:
                self._obey(found["command"], found["arguments"])
            elif found["character"] == "\n":
                self._row += 1
                if self._row == len(self.lines):
                    self.lines.append("")
                    self.styles.append([])
            elif found["character"] == "\r":
                self._column = 0
            else:
                self._write(found["character"])

    def _obey(self, command: str, arguments: str) -> None:
        if command == "A":
            self._row = max(self._row - int(arguments or 1), 0)
        elif (command, arguments) == ("K", "2"):
            self.lines[self._row] = ""
            self.styles[self._row] = []
        elif command in "hl" and arguments == "?25":
            self.cursor_is_shown = command == "h"
        elif command == "m":
            self._style = arguments.removeprefix("0")
        else:
            raise ValueError(f"not understood: ESC [ {arguments} {command}")

    def _write(self, character: str) -> None:
        width = get_character_cell_size(character)
        if self._column + width > self._columns:
            self.wrapped += 1
            self._column = 0
            self.feed("\n")
        line = self.lines[self._row].ljust(self._column)
        self.lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
        styles = self.styles[self._row]
        styles += [""] * (self._column + 1 - len(styles))
        styles[self._column] = self._style
        self._column += width
