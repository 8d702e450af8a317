"""One file per peer. Each has ``make(case, data, weights, threads)``, which gives a function that runs one
repeat of the case, or None where the peer has no such thing, and ``weights()`` of the runner's result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class Runner:
    """
    Attributes:
        run: does one repeat: every sample of the data once.
        weights: the weights now, as make_weights gave them, or None where the peer cannot tell.
        exact: the peer does the same arithmetic, so its weights must agree.
    """

    def __init__(
        self,
        run: Callable[[], Any],
        weights: Callable[[], list[tuple[np.ndarray, np.ndarray]]] | None = None,
    ) -> None:
        self.run = run
        self.weights = weights
