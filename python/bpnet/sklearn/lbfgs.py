"""The solver lbfgs: SciPy's L-BFGS-B over bpnet's loss and gradient of all samples, in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.optimize
from sklearn.utils.optimize import _check_optimize_result
from threadpoolctl import threadpool_limits

from bpnet.optimizers import SGD
from bpnet.sklearn.losses import TrainingLoss
from bpnet.sklearn.networks import Weights
from bpnet.sklearn.rows import DENSE_ROWS, TrainingRows
from bpnet.training import Trainer


class Objective:
    """mean loss + ½ alpha ‖W‖² / Σ weight, and its gradient, as functions of all parameters in one vector."""

    def __init__(self, weights: Weights, rows: TrainingRows, loss: TrainingLoss, alpha: float) -> None:
        self._rows, self._loss, self._alpha = rows, loss, float(alpha)
        self._order = np.arange(rows.count, dtype=np.uint64)
        # Steps of rate 0: loss and gradients are made, no weight changes.
        self._trainer = Trainer(weights.network, loss.loss, SGD(lr=0.0))
        self._core = self._trainer._core
        self._parameters = [view.reshape(-1) for view in weights.network._core.writable_parameters().values()]
        self._decays = [index % 2 == 0 for index in range(len(self._parameters))]  # weights, not biases
        self._parts = [
            (first, min(DENSE_ROWS, rows.count - first)) for first in range(0, rows.count, DENSE_ROWS)
        ]
        self._shares = [rows.weight_of(self._order, *part) for part in self._parts]
        self._total = sum(self._shares)
        self._views: list[np.ndarray] | None = None
        self._weights = weights

    def start(self) -> np.ndarray:
        """The network's parameters now."""
        return np.concatenate(self._parameters)

    def write(self, vector: np.ndarray) -> None:
        """Make these the network's parameters."""
        first = 0
        for view in self._parameters:
            view[...] = vector[first : first + view.size]
            first += view.size

    def __call__(self, vector: np.ndarray) -> tuple[float, np.ndarray]:
        self.write(vector)
        loss, gradient = 0.0, np.zeros_like(vector)
        for part, weight in zip(self._parts, self._shares):
            if weight == 0 and len(self._parts) > 1:
                continue
            share = weight / self._total if self._total else np.nan
            loss += share * self._rows.step(self._core, self._order, *part)
            if self._views is None:  # there from the first step on
                gradients = self._weights.network._core.gradients().values()
                self._views = [view.reshape(-1) for view in gradients]
            self._add(gradient, share)
        self.write(vector)  # which a gradient that is not finite has changed
        decay = self._alpha / self._total if self._total else np.nan
        first = 0
        for view, decays in zip(self._parameters, self._decays):
            if decays:
                gradient[first : first + view.size] += decay * view
            first += view.size
        return loss * self._loss.scale + 0.5 * decay * self._weights.squared_norm(), gradient

    def _add(self, gradient: np.ndarray, share: float) -> None:
        assert self._views is not None
        first = 0
        for view in self._views:
            gradient[first : first + view.size] += share * view
            first += view.size


def fit_lbfgs(estimator: Any, weights: Weights, rows: TrainingRows, loss: TrainingLoss) -> None:
    """Minimise; sets ``n_iter_`` and ``loss_``. A ConvergenceWarning where a limit was reached."""
    if not weights.on_host:
        raise ValueError(
            f"solver is 'lbfgs' and device {weights.network.device!r}; lbfgs is for device='cpu', give 'adam' or 'sgd'"
        )
    objective = Objective(weights, rows, loss, estimator.alpha)
    iterations = 0

    def report(intermediate_result: Any) -> None:
        nonlocal iterations
        iterations += 1
        print(f"Iteration {iterations}, loss = {intermediate_result.fun:.8f}")

    # SciPy's vectors are short, and the threads of its BLAS would go on spinning beside bpnet's.
    with threadpool_limits(limits=1, user_api="blas"):
        result = scipy.optimize.minimize(
            objective,
            objective.start(),
            method="L-BFGS-B",
            jac=True,
            callback=report if estimator.verbose else None,
            options={"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol},
        )
    objective.write(result.x)
    estimator.n_iter_ = _check_optimize_result("lbfgs", result, estimator.max_iter)
    estimator.loss_ = result.fun
