"""The one progress bar, of trainings, of packing and of tests."""

from __future__ import annotations

import sys
from typing import Any


class _Lines:
    """Where there is no terminal, a bar cannot be drawn over: each of its states is a line."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def write(self, text: str) -> None:
        if text.strip():
            self._file.write(text.strip() + "\n")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def new_bar(verbose: int, total: int | None, unit: str, description: str = "", initial: int = 0) -> Any:
    """A tqdm bar on standard error, or at verbose 0 or 2 one that does not show."""
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    return tqdm(
        desc=description or None,
        total=total,
        initial=initial,
        unit=unit,
        unit_scale=True,
        leave=False,
        file=sys.stderr if terminal else _Lines(sys.stderr),
        mininterval=0.1 if terminal else 5.0,  # a log file wants fewer of them
        disable=verbose != 1,
    )
