"""One training of a network at a time: two at once would mix their steps."""

from __future__ import annotations

import threading

from bpnet import _core


class Claim:
    """A training's claim to a network.

    A network holds its claims in a dictionary, the first of which is that of the training in progress. Its
    operations are single steps for Python, so that neither another thread nor Ctrl-C comes in their middle::

        claim = Claim()
        try:
            claims[claim] = None
            claim.check("fit", claims)
            ...
        finally:
            claims.pop(claim, None)
    """

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._forks = _core.fork_count()

    def check(self, operation: str, claims: dict[Claim, None]) -> None:
        """Raise a RuntimeError unless this claim is the first."""
        first = list(claims)[0]
        if first is self:
            return
        # In a forked child only the thread that forked goes on.
        if first._forks != self._forks and first._thread != self._thread:
            raise RuntimeError(
                f"{operation}: this process was forked while another thread was training this network, which "
                "stands in the middle of that here; fork when no thread trains it, or train a copy"
            )
        raise RuntimeError(
            f"{operation}: this network is being trained by another fit; wait for its end, or train a copy"
        )
