"""One file per peer. Each has ``forms(case)``, the names of the ways in which it can run a case, the benchmark
taking the fastest and naming it; none where the peer has no such thing; and ``make(case, data, weights,
threads, form)``, which gives a Runner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

FILES = {
    "bpnet": "ours",
    "JAX": "jax_scan",
    "PyTorch": "pytorch",
    "scikit-learn": "sklearn_mlp",
    "FANN": "fann",
    "genann": "genann",
}


class Runner:
    """
    Attributes:
        run: one repeat: every sample of the data, case.epochs times. Gives the number of samples when it
            was fewer, None else.
        weights: the weights now, as make_weights gave them, or None where the peer cannot tell.
        outputs: the outputs (n, out) for x (n, in), or None where it is not needed.
        results: by name, what a run computes where there are no weights to change, or None.
    """

    def __init__(
        self,
        run: Callable[[], Any],
        weights: Callable[[], list[tuple[np.ndarray, np.ndarray]]] | None = None,
        outputs: Callable[[np.ndarray], np.ndarray] | None = None,
        results: Callable[[], dict[str, np.ndarray]] | None = None,
    ) -> None:
        self.run = run
        self.weights = weights
        self.outputs = outputs
        self.results = results
