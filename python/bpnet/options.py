"""How an option is written in messages: as an argument of Python, or as one of the command line."""

from __future__ import annotations

import csv
import io
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

_command_line: ContextVar[bool] = ContextVar("bpnet_command_line", default=False)

# Options that the command line has for one value only.
_SWITCHES = {"standardise": (False, "--no-standardise")}


@contextmanager
def of_command_line() -> Iterator[None]:
    """Within it, messages write options as the command line does."""
    token = _command_line.set(True)
    try:
        yield
    finally:
        _command_line.reset(token)


def option(name: str, *value: Any) -> str:
    """``missing``, or ``missing='mean'`` with a value; on the command line ``--missing`` and ``--missing mean``.

    A list is written as CSV fields there, so that a name with a comma is one name.
    """
    if not _command_line.get():
        return f"{name}={value[0]!r}" if value else name
    switch = _SWITCHES.get(name)
    if switch and (not value or value[0] == switch[0]):
        return switch[1]
    written = "--" + name.replace("_", "-")
    if not value or value[0] is True:
        return written
    return f"{written} {shlex.quote(_field_text(value[0]))}"


def _field_text(value: Any) -> str:
    if not isinstance(value, (list, tuple)):
        return str(value)
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(value)
    return text.getvalue()
