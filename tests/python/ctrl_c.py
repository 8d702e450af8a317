"""Ctrl-C at a counted point: the core asks whether to stop at every opportunity, and SIGINT comes at the n-th."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

from bpnet import _core

# A guard against hanging for what waits for another process or thread, in seconds; no test is decided by it.
HANG = 900


@contextlib.contextmanager
def heeded() -> Iterator[None]:
    """SIGINT is heeded, here and by processes that are started, also where a shell has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def opportunities(call: Callable[[], Any]) -> int:
    """How often the call could have been interrupted."""
    _core.count_opportunities()
    try:
        call()
    finally:
        count = _core.stop_counting_opportunities()
    return count


def interrupted(call: Callable[[], Any], at: int) -> bool:
    """Whether a SIGINT at opportunity number ``at`` of the call, counted from 1, ended it."""
    assert threading.current_thread() is threading.main_thread(), "signals come to the main thread"
    with heeded():
        _core.count_opportunities(at)
        try:
            call()
            for _ in range(2):  # where the core left the signal to Python, it is raised here
                pass
        except KeyboardInterrupt:
            return True
        finally:
            reached = _core.stop_counting_opportunities()
    assert reached < at, "the signal was lost"
    return False


def press() -> None:
    """Ctrl-C from Python code, as if it had come while this was running."""
    with heeded():
        signal.raise_signal(signal.SIGINT)
