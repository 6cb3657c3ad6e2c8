"""A terminal of a few lines of code: just enough of ECMA-48 to see what a program leaves standing on the screen."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class TinyTerminal:
    """`rows` on the screen; what scrolls off the top is kept in `scrolled`. Wraps at `columns`. No wide characters."""

    def __init__(self, columns: int, rows: int) -> None:
        self.columns = columns
        self.rows = rows
        self.scrolled: list[str] = []
        self._lines = [""]
        self._row = self._column = 0

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, without blank lines at the end."""
        shown = [line.rstrip() for line in self._lines]
        while shown and not shown[-1]:
            shown.pop()
        return shown

    def feed(self, text: str) -> None:
        """Take in output. Fails on what this terminal does not know."""
        at = 0
        while at < len(text):
            token = _TOKEN.match(text, at)
            assert token is not None, f"unknown output {text[at : at + 20]!r}"
            at = token.end()
            parameters, command, move, printed = token.groups()
            if printed is not None:
                self._print(printed)
            elif move == "\n":
                self._down()
                self._column = 0
            elif move == "\r":
                self._column = 0
            else:
                self._control(parameters, command)

    def _control(self, parameters: str, command: str) -> None:
        if command == "A":
            self._row = max(0, self._row - int(parameters or 1))
        elif command == "K" and parameters in ("", "0"):
            self._lines[self._row] = self._lines[self._row][: self._column]
        elif command == "J" and parameters in ("", "0"):
            self._lines[self._row] = self._lines[self._row][: self._column]
            del self._lines[self._row + 1 :]
        else:
            assert command == "m", f"unknown control {parameters}{command}"

    def _print(self, text: str) -> None:
        for character in text:
            assert character.isprintable(), f"control character {character!r}"
            if self._column >= self.columns:
                self._down()
                self._column = 0
            line = self._lines[self._row].ljust(self._column)
            self._lines[self._row] = line[: self._column] + character + line[self._column + 1 :]
            self._column += 1

    def _down(self) -> None:
        self._row += 1
        if self._row == len(self._lines):
            self._lines.append("")
        if self._row == self.rows:
            self.scrolled.append(self._lines.pop(0))
            self._row -= 1
