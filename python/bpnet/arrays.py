"""What users hand in, as arrays the core can read; errors begin with the operation and show both sides."""

from __future__ import annotations

from typing import Any

import numpy as np

from bpnet.losses import Loss

# What the core converts by itself, batch by batch.
_READABLE = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.uint8))


def numeric(operation: str, name: str, value: Any) -> np.ndarray:
    """value as an array of real numbers, not copied where that is possible."""
    try:
        array = np.asarray(value)
    except ValueError as error:  # rows of different lengths
        raise ValueError(f"{operation}: {name} is not an array: {error}") from None
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{operation}: {name} has dtype {array.dtype}, real numbers are needed")
    return array


def dense(array: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """The array as C-contiguous, aligned memory of this dtype; itself where it is so already. A number
    too large for the dtype becomes infinite, which the caller's check of the values reports."""
    with np.errstate(over="ignore"):
        return np.require(array, dtype=dtype, requirements=["C", "A"])


def batch_text(shape: tuple[int, ...]) -> str:
    """``(N, 3, 8, 8)``"""
    return "(N, " + ", ".join(map(str, shape)) + ")"


def samples(
    operation: str, value: Any, shape: tuple[int, ...], dtype: np.dtype, convert: bool = False
) -> np.ndarray:
    """X of shape (N, *shape) with N ≥ 1, of a dtype the core reads (of ``dtype`` with convert)."""
    array = numeric(operation, "X", value)
    if array.shape[1:] != shape or array.ndim == 0:
        if len(shape) == 1 and array.ndim == 2:
            raise ValueError(f"{operation}: X has {array.shape[1]} features, the network expects {shape[0]}")
        hint = "; for one sample give X[None]" if array.shape == shape else ""
        raise ValueError(
            f"{operation}: X has shape {array.shape}, the network expects {batch_text(shape)}{hint}"
        )
    if len(array) == 0:
        raise ValueError(f"{operation}: X has 0 samples, at least 1 is needed")
    readable = array.dtype in _READABLE and array.dtype.isnative and not convert
    return dense(array, array.dtype if readable else dtype)


def targets(
    operation: str, value: Any, loss: Loss, count: int, outputs: int, dtype: np.dtype
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(targets (N, outputs), None), or (None, labels (N,)) for class indices."""
    if value is None:
        raise ValueError(f"{operation}: y is None, one target per sample is needed")
    array = numeric(operation, "y", value)
    if array.ndim == 0 or len(array) != count:
        rows = len(array) if array.ndim else 1
        raise ValueError(f"{operation}: X has {count} samples, y has {rows}")
    if loss.name == "cross_entropy" and array.ndim == 1:
        if array.dtype.kind == "f":
            raise TypeError(
                f"{operation}: y has dtype {array.dtype}, cross_entropy needs class indices (y.astype(int)) "
                f"or probabilities of shape (N, {outputs})"
            )
        return None, dense(array, np.dtype(np.int64))
    if array.ndim == 1 and outputs == 1:
        array = array[:, None]
    if array.shape != (count, outputs):
        raise ValueError(
            f"{operation}: y has shape {array.shape}, the network's output has shape ({count}, {outputs})"
        )
    array = dense(array, dtype)
    if loss.name in ("cross_entropy", "binary_cross_entropy_with_logits"):
        _check_probabilities(operation, array, loss.name == "cross_entropy")
    return array, None


def _check_probabilities(operation: str, array: np.ndarray, rows_sum_to_one: bool) -> None:
    with np.errstate(invalid="ignore"):  # NaN is reported later, with its row
        outside = ((array < 0) | (array > 1)).any(axis=1)
        if rows_sum_to_one:
            outside |= abs(array.sum(axis=1) - 1) > 1e-3
    if outside.any():
        row = int(outside.argmax())
        wanted = "probabilities that sum to 1 are" if rows_sum_to_one else "values from 0 to 1 are"
        raise ValueError(f"{operation}: row {row} of y is {array[row].tolist()[:10]}, {wanted} needed")


def weights(operation: str, value: Any, count: int, dtype: np.dtype) -> np.ndarray | None:
    """sample_weight of shape (N,), finite and not negative, not all zero."""
    if value is None:
        return None
    array = dense(numeric(operation, "sample_weight", value), dtype)
    if array.shape != (count,):
        raise ValueError(f"{operation}: X has {count} samples, sample_weight has shape {array.shape}")
    bad = ~(np.isfinite(array) & (array >= 0))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(
            f"{operation}: sample_weight is {array[row]} in row {row}, finite numbers of at least 0 are needed"
        )
    if not array.any():
        raise ValueError(f"{operation}: sample_weight is 0 everywhere")
    # Only their ratios count. A power of two takes them, exactly, to where sums neither overflow nor vanish.
    exponent = int(np.frexp(array.max())[1])
    return array if -64 < exponent < 64 else np.ldexp(array, -exponent)
