"""The solver lbfgs: SciPy's L-BFGS-B over bpnet's loss and gradient of all samples, in float64."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.optimize
from sklearn.utils.optimize import _check_optimize_result
from threadpoolctl import threadpool_limits

from bpnet.optimizers import SGD
from bpnet.sklearn.losses import TrainingLoss
from bpnet.sklearn.networks import Weights
from bpnet.sklearn.reports import Reports, printed
from bpnet.sklearn.rows import DENSE_ROWS, TrainingRows
from bpnet.training import Trainer

_limit = threading.Lock()


@contextmanager
def _one_blas_thread() -> Iterator[None]:
    """One thread of BLAS: SciPy's vectors are short, and the other threads would spin beside bpnet's.

    Their number is the process's. So the limits of two fits must not overlap: the second one would take the first one's
    for the number to restore. A fit that begins while another holds the limit sets none.
    """
    if not _limit.acquire(blocking=False):
        yield
        return
    try:
        with threadpool_limits(limits=1, user_api="blas"):
            yield
    finally:
        _limit.release()


class Objective:
    """mean loss + ½ alpha ‖W‖² / Σ weight, and its gradient, as functions of all parameters in one vector."""

    def __init__(self, weights: Weights, rows: TrainingRows, loss: TrainingLoss, alpha: float) -> None:
        self._rows, self._loss, self._alpha = rows, loss, float(alpha)
        self._order = np.arange(rows.count, dtype=np.uint64)
        # Steps of rate 0: loss and gradients are made, no weight changes.
        self.trainer = Trainer(weights.network, loss.loss, SGD(lr=0.0))
        self._core = self.trainer._core
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
    reports = Reports(estimator, objective.trainer, " iterations")
    estimator.n_iter_ = 0
    try:
        if not reports.begin():
            _minimise(estimator, objective, reports)
    finally:
        reports.close()
    reports.end()


def _minimise(estimator: Any, objective: Objective, reports: Reports) -> None:
    e = estimator
    stopped = False

    def report(intermediate_result: Any) -> None:
        nonlocal stopped
        e.n_iter_ += 1
        if printed(e.verbose):
            print(f"Iteration {e.n_iter_}, loss = {intermediate_result.fun:.8f}")
        objective.write(intermediate_result.x)
        stopped = reports.end_epoch(e.n_iter_, {"epoch": e.n_iter_, "loss": float(intermediate_result.fun)})
        if stopped:
            raise StopIteration
        if e.n_iter_ < e.max_iter:
            reports.begin_epoch(e.n_iter_ + 1)

    reports.begin_epoch(1)
    with _one_blas_thread():
        result = scipy.optimize.minimize(
            objective,
            objective.start(),
            method="L-BFGS-B",
            jac=True,
            callback=report if e.verbose or e.callbacks else None,
            options={"maxfun": e.max_fun, "maxiter": e.max_iter, "gtol": e.tol},
        )
    objective.write(result.x)
    e.n_iter_ = result.nit if stopped else _check_optimize_result("lbfgs", result, e.max_iter)
    e.loss_ = result.fun
