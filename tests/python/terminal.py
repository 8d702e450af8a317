"""A terminal of a known width: what a program leaves on its screen."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from typing import Any

COLUMNS = 60

_CONTROL = re.compile(r"\x1b\[\d*([AK])|[\r\n]|[^\x1b\r\n]")


def screen(text: str, columns: int = COLUMNS) -> list[str]:
    """The lines that a terminal shows after this text, without blanks at their ends."""
    lines: list[list[str]] = [[]]
    row = column = 0
    for found in _CONTROL.finditer(text):
        character = found[0]
        if character == "\r":
            column = 0
        elif character == "\n":
            row += 1
        elif found[1] == "A":
            row = max(0, row - 1)
        elif found[1] == "K":
            del lines[row][column:]
        else:
            if column == columns:  # the line is full: the next character is on the next one
                row, column = row + 1, 0
            while len(lines) <= row:
                lines.append([])
            lines[row] += " " * (column + 1 - len(lines[row]))
            lines[row][column] = character
            column += 1
        while len(lines) <= row:
            lines.append([])
    return ["".join(line).rstrip() for line in lines]


class Terminal:
    """A process whose standard output and error are a terminal.

    Attributes:
        output: what it wrote so far.
    """

    def __init__(self, *arguments: Any) -> None:
        import fcntl
        import pty
        import struct
        import termios

        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            [sys.executable, *map(str, arguments)],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(theirs)
        self.output = ""

    def read_until(self, found: Callable[[str], Any]) -> None:
        """Read until what was written is this, or the process has ended."""
        while not found(self.output):
            try:
                piece = os.read(self._ours, 4096)
            except OSError:  # Linux's way to say that the other end is closed
                piece = b""
            if not piece:
                return
            self.output += piece.decode("utf-8", "replace")

    def type(self, text: bytes) -> None:
        """Press keys."""
        os.write(self._ours, text)

    def end(self) -> int:
        """Read to the end; the exit status."""
        self.read_until(lambda output: False)
        os.close(self._ours)
        return self.process.wait()
