"""How good answers are: by class, and of numbers."""

from __future__ import annotations

from collections.abc import Iterable
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


def mae(y: np.ndarray, answers: np.ndarray) -> float:
    """The mean of |x − y| over targets y and answers x, (N, outputs), as of all below."""
    return float(np.abs(answers - y).mean())


def mse(y: np.ndarray, answers: np.ndarray) -> float:
    """The mean of (x − y)²."""
    return float(((answers - y) ** 2).mean())


def rmse(y: np.ndarray, answers: np.ndarray) -> float:
    """The square root of :func:`mse`."""
    return float(np.sqrt(mse(y, answers)))


def r2(y: np.ndarray, answers: np.ndarray) -> float:
    """1 − Σ (y − x)² / Σ (y − ȳ)², the mean over the outputs; of a constant y 1 where every x is right, else 0."""
    residual = ((answers - y) ** 2).sum(axis=0)
    total = ((y - y.mean(axis=0)) ** 2).sum(axis=0)
    constant = (residual > 0).astype(np.float64)
    return float((1 - np.divide(residual, total, out=constant, where=total > 0)).mean())


def number_scores(y: np.ndarray, answers: np.ndarray) -> dict[str, float]:
    """``rmse``, ``mae`` and ``r2`` of targets and answers (N, outputs)."""
    return {"rmse": rmse(y, answers), "mae": mae(y, answers), "r2": r2(y, answers)}
