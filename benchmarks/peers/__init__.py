"""One file per peer. Each has ``make(case, data, weights, threads)``, which gives a Runner, or None where the
peer has no such thing."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.cases import Case, Data

FILES = {
    "bpnet": "ours",
    "PyTorch": "pytorch",
    "PyTorch compiled": "pytorch_compiled",
    "JAX": "jax_scan",
    "scikit-learn": "sklearn_mlp",
    "FANN": "fann",
}


class Runner:
    """
    Attributes:
        run: one repeat: every sample of the data, case.epochs times. Gives the number of samples when it
            was fewer, None else.
        weights: the weights now, as make_weights gave them, or None where the peer cannot tell.
        outputs: the outputs (n, out) for x (n, in), or None where it is not needed.
    """

    def __init__(
        self,
        run: Callable[[], Any],
        weights: Callable[[], list[tuple[np.ndarray, np.ndarray]]] | None = None,
        outputs: Callable[[np.ndarray], np.ndarray] | None = None,
    ) -> None:
        self.run = run
        self.weights = weights
        self.outputs = outputs


class Peers:
    """The peers that are installed, bpnet first; those that are not are named once and left out."""

    def __init__(self, compiled: bool = False) -> None:
        self._modules: dict[str, Any] = {}
        for name, file in FILES.items():
            if name == "PyTorch compiled" and not compiled:
                continue
            try:
                self._modules[name] = importlib.import_module(f"benchmarks.peers.{file}")
            except ImportError as error:
                self._leave_out(name, error)

    def makers(self) -> dict[str, Callable[..., Runner | None]]:
        return {name: module.make for name, module in self._modules.items()}

    def make(self, case: Case, data: Data, weights: Any, threads: int) -> dict[str, Runner]:
        """A runner of every peer that can run the case."""
        runners = {}
        for name, make in self.makers().items():
            try:
                runner = make(case, data, weights, threads)
            except ImportError as error:
                self._leave_out(name, error)
                continue
            if runner is not None:
                runners[name] = runner
        return runners

    def _leave_out(self, name: str, error: ImportError) -> None:
        self._modules.pop(name, None)
        print(f"left out: {name} ({error})")
