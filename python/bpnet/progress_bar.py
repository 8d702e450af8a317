"""The one progress bar, of trainings, of packing and of tests."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable
from typing import Any

from bpnet.console import reader_has_left, say

# Columns at a terminal's edge that the bar leaves free, for the ^C that the terminal itself writes there.
_MARGIN = 4

# How tqdm moves up from a bar that is below another.
_UP = "\x1b[A"


class Bar:
    """A tqdm bar on standard error, of which nothing is left once it is closed; on a file or a pipe each of its
    states is a line. In a notebook it is tqdm's widget, or a bar of letters where ipywidgets is not installed.

    Args:
        total: how many units there will be; None where nobody knows.
        unit: what is counted, with a space before it.
        initial: units that were done before.
    """

    def __init__(self, total: int | None, unit: str, description: str = "", initial: int = 0) -> None:
        self._in_notebook = _in_notebook()
        self._columns = None if self._in_notebook else _columns()
        self._bar = _tqdm(self._in_notebook)(
            desc=description or None,
            total=total,
            initial=initial,
            unit=unit,
            unit_scale=True,
            leave=False,
            **self._form(),
        )

    def _form(self) -> dict[str, Any]:
        """Where the bar is written, how wide it is and how often it changes."""
        if self._in_notebook:
            return {"file": sys.stdout}  # with the lines, so that a notebook shows them as one output
        if self._columns is None:
            return {"file": _Lines(sys.stderr), "mininterval": 5.0}  # a log file needs fewer of them
        return {"file": sys.stderr, "ncols": max(_MARGIN, self._columns - _MARGIN)}

    def update(self, count: int) -> None:
        """Move the bar by so many units."""
        self._bar.update(count)

    def describe(self, text: str) -> None:
        """Put text before the bar."""
        self._bar.set_description(text, refresh=False)

    def note(self, text: str) -> None:
        """Put text behind the bar."""
        self._bar.set_postfix_str(text, refresh=False)

    def say(self, text: str) -> None:
        """Print a line on standard output, above the bar and those that other code shows."""
        if self._columns is None and not self._in_notebook:
            say(text)
            return
        with self._bar.external_write_mode(file=sys.stdout):
            say(text)

    def close(self) -> None:
        """Take the bar away, and what was typed behind it."""
        is_alone = self._bar.pos == 0
        if self._in_notebook:
            self._bar.total = self._bar.n  # tqdm leaves the widget of a loop that did not reach its end
        self._bar.close()
        if self._columns is not None and is_alone:
            sys.stderr.write("\r" + " " * (self._columns - 1) + "\r")
            sys.stderr.flush()


class _NoBar(Bar):
    """Where no bar is wanted."""

    def __init__(self) -> None:
        pass

    def update(self, count: int) -> None:
        pass

    def describe(self, text: str) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def say(self, text: str) -> None:
        say(text)

    def close(self) -> None:
        pass


def new_bar(verbose: int, total: int | None, unit: str, description: str = "", initial: int = 0) -> Bar:
    """A bar, or at verbose 0 or 2 one that does not show."""
    if verbose != 1 or sys.stderr is None:
        return _NoBar()
    return Bar(total, unit, description, initial)


def _columns() -> int | None:
    """The width of the terminal that standard error is; None of a file or a pipe."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80 if sys.stderr.isatty() else None
    except (OSError, ValueError):  # standard error was replaced by an object that is no file
        return None


def _in_notebook() -> bool:
    """Whether this process is the kernel of a notebook."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return "IPKernelApp" in getattr(shell, "config", ())


def _tqdm(in_notebook: bool) -> Any:
    """tqdm's bar; in a notebook its widget, where ipywidgets is installed."""
    if not in_notebook:
        from tqdm import tqdm

        return tqdm
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that ipywidgets is missing, and that the widget is experimental
        from tqdm.auto import tqdm as chosen
    return chosen


class _Lines:
    """Standard error without a terminal, where a bar cannot be drawn over: each of its states is a line. A reader
    that has left is no error."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, text: str) -> None:
        text = text.replace(_UP, "").strip()
        if text:
            self._unless_unread(lambda: self._file.write(text + "\n"))

    def flush(self) -> None:
        self._unless_unread(self._file.flush)

    def _unless_unread(self, action: Callable[[], object]) -> None:
        try:
            action()
        except OSError as error:
            if not reader_has_left(error):
                raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)
