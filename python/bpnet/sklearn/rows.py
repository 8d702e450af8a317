"""Training data as the core takes it: dense arrays as they are, of a sparse matrix one batch of rows at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.utils.sparsefuncs import mean_variance_axis

from bpnet._bridge import DATASETS
from bpnet.evaluation import evaluate
from bpnet.sklearn.losses import TrainingLoss

#: Rows of a sparse matrix, or of one that is standardised, that are dense at once outside of training steps.
DENSE_ROWS = 4096


class Standardisation:
    """(x − mean) / scale of columns, scale being the standard deviation, and 1 of a constant column.

    A column is constant where its variance is within rounding of 0, n ε σ² + (n ε mean)², as scikit-learn's
    ``StandardScaler`` has it. Both are float64, whatever the columns are.
    """

    def __init__(self, mean: np.ndarray, scale: np.ndarray) -> None:
        self.mean, self.scale = mean, scale

    @classmethod
    def of(cls, X: Any) -> Standardisation:
        """That of the columns of X (n, features)."""
        if sparse.issparse(X):
            mean, variance = (each.astype(np.float64) for each in mean_variance_axis(X, axis=0))
        else:
            mean, variance = X.mean(axis=0, dtype=np.float64), X.var(axis=0, dtype=np.float64)
        rounding = X.shape[0] * np.finfo(np.float64).eps
        constant = variance <= rounding * variance + (rounding * mean) ** 2
        return cls(mean, np.where(constant, 1.0, np.sqrt(variance)))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return ((x - self.mean) / self.scale).astype(x.dtype, copy=False)


def dense_rows(X: Any, rows: Any, dtype: np.dtype, standardisation: Standardisation | None) -> np.ndarray:
    """Rows of X as the network takes them, C-contiguous, in its dtype."""
    part = X[rows]
    x = np.ascontiguousarray(part.toarray() if sparse.issparse(part) else part, dtype=dtype)
    return x if standardisation is None else standardisation(x)


class TrainingRows:
    """X (n, features) with its targets (n, outputs) and weights (n,) or None, of which steps take rows.

    Args:
        y: class indicators or targets (n, outputs).
        dtype: the network's.
    """

    def __init__(
        self,
        X: Any,
        y: np.ndarray,
        sample_weight: np.ndarray | None,
        loss: TrainingLoss,
        dtype: np.dtype,
        standardisation: Standardisation | None,
    ) -> None:
        self.count, self._outputs = y.shape
        self._loss = loss
        self.weights = None if sample_weight is None else np.ascontiguousarray(sample_weight, dtype=dtype)
        self._dataset = DATASETS[dtype.name]
        self._labels = y.argmax(axis=1).astype(np.int64) if loss.labels else None
        self._targets = None if loss.labels else np.ascontiguousarray(y, dtype=dtype)
        self._dtype, self._standardisation = dtype, standardisation
        self._sparse = X.tocsr() if sparse.issparse(X) else None
        self._whole = None if self._sparse is not None else self._held(X)

    def _held(self, X: np.ndarray) -> Any:
        x = dense_rows(X, slice(None), self._dtype, self._standardisation)
        return self._dataset(x, self._outputs, self._targets, self._labels, self.weights)

    def weight_of(self, order: np.ndarray, first: int, count: int) -> float:
        """Σ weight of rows order[first … first+count−1]."""
        return count if self.weights is None else float(self.weights[order[first : first + count]].sum())

    def step(self, core: Any, order: np.ndarray, first: int, count: int) -> float:
        """One step of the core's trainer on these rows; the mean of their losses before it."""
        if self._whole is not None:
            return core.step_rows(self._whole, order, first, count)
        part = self._dense(order[first : first + count].astype(np.int64))
        return core.step_rows(part, np.arange(count, dtype=np.uint64), 0, count)

    def _dense(self, rows: Any) -> Any:
        return self._dataset(
            dense_rows(self._sparse, rows, self._dtype, self._standardisation),
            self._outputs,
            None if self._targets is None else self._targets[rows],
            None if self._labels is None else self._labels[rows],
            None if self.weights is None else self.weights[rows],
        )

    def mean_loss(self, core: Any) -> float:
        """The network's loss of all rows, in evaluation mode, averaged by weight."""
        if self._whole is not None:
            return evaluate(core, self._whole, self._loss.loss)["loss"] * self._loss.scale
        total = weight = 0.0
        for first in range(0, self.count, DENSE_ROWS):
            rows = np.arange(first, min(first + DENSE_ROWS, self.count))
            part = self.weight_of(rows, 0, len(rows))
            total += part * evaluate(core, self._dense(rows), self._loss.loss)["loss"]
            weight += part
        return total / weight * self._loss.scale if weight else 0.0
