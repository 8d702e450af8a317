"""One training of a network at a time: two at once would mix their steps."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from bpnet import _core

T = TypeVar("T")


class Claim:
    """A training's claim to a network, which holds its claims in a dictionary; the first is that of the training in
    progress."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._forks = _core.fork_count()

    def check(self, operation: str, claims: dict[Claim, None]) -> None:
        """Raise a RuntimeError unless this claim is the first."""
        first = list(claims)[0]
        if first is self:
            return
        # In a forked child only the thread that forked continues.
        if first._forks != self._forks and first._thread != self._thread:
            raise RuntimeError(
                f"{operation}: this process was forked while another thread was training this network, which "
                "is in the middle of that here; fork when no thread trains it, or train a copy"
            )
        raise RuntimeError(
            f"{operation}: this network is being trained by another fit; wait for its end, or train a copy"
        )


def alone(operation: str, claims: dict[Claim, None], work: Callable[[], T]) -> T:
    """work(), with a claim to the network; a RuntimeError if another training has the first."""
    claim = Claim()
    try:  # each operation on the dictionary is one step for Python: neither a thread nor Ctrl-C comes in its middle
        claims[claim] = None
        claim.check(operation, claims)
        return work()
    finally:
        claims.pop(claim, None)
