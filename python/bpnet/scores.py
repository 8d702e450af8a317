"""How good answers are: by class, and of numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np


def confusion_matrix(labels: np.ndarray, decided: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) int64: row i, column j counts the samples of class i that were taken for class j."""
    counts = np.bincount(labels * classes + decided, minlength=classes * classes)
    return counts.reshape(classes, classes)


def class_scores(confusion: np.ndarray, classes: Iterable[Any]) -> dict[str, Any]:
    """``accuracy``; ``recall`` and ``precision`` by class, NaN where a class has no samples, or is never the answer;
    and ``confusion``."""
    names = list(classes)
    right = confusion.diagonal()

    def of_each(total: np.ndarray) -> dict[Any, float]:
        parts = np.divide(right, total, out=np.full(len(names), np.nan), where=total > 0)
        return dict(zip(names, parts.tolist()))

    return {
        "accuracy": float(right.sum() / confusion.sum()),
        "recall": of_each(confusion.sum(axis=1)),
        "precision": of_each(confusion.sum(axis=0)),
        "confusion": confusion,
    }


def in_top(outputs: np.ndarray, labels: np.ndarray, k: int) -> np.ndarray:
    """(N,) bool: whether the class is among the k largest of (N, classes), where an output as large as the class's
    own is behind it."""
    own = outputs[np.arange(len(outputs)), labels]
    return np.asarray((outputs > own[:, None]).sum(axis=1) < k)


def _mae(y: np.ndarray, outputs: np.ndarray) -> float:
    return float(np.abs(outputs - y).mean())


def _mse(y: np.ndarray, outputs: np.ndarray) -> float:
    return float(((outputs - y) ** 2).mean())


def _rmse(y: np.ndarray, outputs: np.ndarray) -> float:
    return float(np.sqrt(_mse(y, outputs)))


def _r2(y: np.ndarray, outputs: np.ndarray) -> float:
    """1 − Σ (y − x)² / Σ (y − ȳ)², the mean over the outputs; of a constant y 1 where every x is right, else 0."""
    residual = ((y - outputs) ** 2).sum(axis=0)
    total = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    constant = (residual > 0).astype(np.float64)
    ratio = np.divide(residual, total, out=constant, where=total > 0)
    return float((1 - ratio).mean())


#: Of targets and outputs (N, outputs).
OF_NUMBERS: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "mae": _mae,
    "mse": _mse,
    "rmse": _rmse,
    "r2": _r2,
}


def number_scores(y: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    """``rmse``, ``mae`` and ``r2`` of targets and answers (N, outputs)."""
    return {name: OF_NUMBERS[name](y, answers) for name in ("rmse", "mae", "r2")}
