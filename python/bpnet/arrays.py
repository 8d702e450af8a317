"""What users hand in, as arrays the core can read; errors begin with the operation and show both sides."""

from __future__ import annotations

import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from bpnet import _core, checks, frames
from bpnet.losses import CustomLoss, Loss

_TEXT = (
    "bpnet.train_model and bpnet.Model take text; for a network give integer indices, "
    "np.unique(values, return_inverse=True)[1]"
)

# What the core converts by itself, batch by batch.
_READABLE = (np.dtype(np.float32), np.dtype(np.float64), np.dtype(np.uint8))


def numeric(operation: str, name: str, value: Any, objects: bool = False) -> np.ndarray:
    """value as an array of real numbers, not copied where that is possible.

    Args:
        objects: DataFrames, Series and arrays of objects are taken too, if all that they hold is numbers.
    """
    _check_kind(operation, name, value)
    if objects and frames.column_names(value) is not None:
        return _of_columns(operation, name, value)
    array = _array(operation, name, value)
    if objects and array.dtype == object and array.ndim:
        return _of_objects(operation, name, array)
    _check_dtype(operation, name, array.dtype)
    return array


def _check_kind(operation: str, name: str, value: Any) -> None:
    """Refuse what NumPy would take for something else without a word."""
    if value is None:
        raise TypeError(f"{operation}: {name} is None, an array of real numbers is needed")
    if isinstance(value, Mapping):
        kind = type(value).__name__
        raise TypeError(
            f"{operation}: {name} is a {kind}, an array is needed; bpnet.Model takes columns by name"
        )
    if frames.is_lazy(value):
        raise TypeError(f"{operation}: {name} is a {type(value).__name__}; give {name}.collect()")
    if hasattr(value, "toarray") and hasattr(value, "nnz"):
        raise TypeError(f"{operation}: {name} is sparse; give {name}.toarray()")
    if isinstance(value, (list, tuple)) and any(isinstance(row, np.ma.MaskedArray) for row in value):
        value = np.ma.array(value)
    if isinstance(value, np.ma.MaskedArray) and np.ma.is_masked(value):
        row = int(np.argwhere(np.ma.getmaskarray(value))[0][0]) if value.ndim else 0
        raise ValueError(
            f"{operation}: {name} has masked entries, the first in row {row}; fill them with {name}.filled(value) "
            "or leave their rows out"
        )


def _array(operation: str, name: str, value: Any) -> np.ndarray:
    try:
        return np.asarray(value)
    except (
        ValueError,
        TypeError,
        RuntimeError,
    ) as error:  # ragged rows; a tensor that is on a GPU or has gradients
        hint = f"; give {name}.detach().cpu().numpy()" if hasattr(value, "requires_grad") else ""
        kind = ValueError if isinstance(error, ValueError) else TypeError
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise kind(f"{operation}: {name} is not an array: {reason}{hint}") from None


def _check_dtype(operation: str, what: str, dtype: np.dtype) -> None:
    if dtype.kind in "fiub":
        return
    hint = f"; {_TEXT}" if dtype.kind in "US" else ""
    raise TypeError(f"{operation}: {what} has dtype {dtype}, real numbers are needed{hint}")


def _of_columns(operation: str, name: str, table: Any) -> np.ndarray:
    """A DataFrame as (rows, columns)."""
    if frames.has_one_dtype(table):
        array = _array(operation, name, table)
        if array.dtype.kind in "fiub":
            return array
    names = frames.column_names(table) or []
    for index, each in enumerate(names):
        if each in names[:index]:
            raise ValueError(f"{operation}: {name} has the column {each!r} twice")
    columns = []
    for index, each in enumerate(names):
        what = f"column {each!r} of {name}"
        array = _array(operation, what, frames.column_of(table, index, each))
        if array.dtype == object:
            array = _of_objects(operation, what, array)
        _check_dtype(operation, what, array.dtype)
        columns.append(array)
    return np.stack(columns, axis=1) if columns else np.zeros((len(table), 0))


def _of_objects(operation: str, what: str, array: np.ndarray) -> np.ndarray:
    """An array of objects, all of which must be numbers, as int64 if all are integers, else as float64."""
    values = array.ravel().tolist()
    for index, value in enumerate(values):
        if not frames.is_number(value):
            row, *column = (int(i) for i in np.unravel_index(index, array.shape))
            where = f"in row {row}" + (f", column {column[0]}" if len(column) == 1 else "")
            if frames.is_missing(value):
                raise _core.NumericError(
                    f"{operation}: {what} holds {value} {where}, a number is needed; fill it in or leave the row out"
                )
            hint = f"; {_TEXT}" if isinstance(value, (str, bytes)) else ""
            raise TypeError(f"{operation}: {what} holds {value!r:.80} {where}, real numbers are needed{hint}")
    integers = all(isinstance(value, (numbers.Integral, np.bool_)) for value in values)
    if integers and all(-(2**63) <= value < 2**63 for value in values):
        return np.array(values, dtype=np.int64).reshape(array.shape)
    return np.array([float(value) for value in values]).reshape(array.shape)


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
    array = numeric(operation, "X", value, objects=True)
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


def answers(operation: str, value: Any) -> np.ndarray:
    """y as an array of real numbers; a DataFrame of one column is that column, (N,)."""
    names = frames.column_names(value)
    if names is not None and len(names) == 1:
        value = frames.column_of(value, 0, names[0])
    return numeric(operation, "y", value, objects=True)


def targets(
    operation: str, value: Any, loss: Loss, count: int, outputs: int, dtype: np.dtype
) -> tuple[np.ndarray | None, np.ndarray | None]:
    """(targets (N, outputs), None), or (None, labels (N,)) for class indices."""
    if value is None:
        raise ValueError(f"{operation}: y is None, one target per sample is needed")
    array = answers(operation, value)
    if array.ndim == 0 or len(array) != count:
        rows = len(array) if array.ndim else 1
        raise ValueError(f"{operation}: X has {count} samples, y has {rows}")
    if loss.name == "cross_entropy" and outputs == 1:
        raise ValueError(
            f"{operation}: cross_entropy needs an output per class, the network has 1; with one output two classes are "
            "told apart by binary_cross_entropy_with_logits"
        )
    if loss.name == "cross_entropy" and array.ndim == 1:
        if array.dtype.kind == "f":
            if np.isnan(array).any():
                raise _core.NumericError(f"{operation}: y has NaN in row {int(np.isnan(array).argmax())}")
            raise TypeError(
                f"{operation}: y has dtype {array.dtype}, cross_entropy needs class indices (y.astype(int)) "
                f"or probabilities of shape (N, {outputs})"
            )
        return None, dense(array, np.dtype(np.int64))
    if isinstance(loss, CustomLoss) and array.ndim == 1 and outputs > 1 and array.dtype.kind in "iu":
        return None, dense(array, np.dtype(np.int64))
    if array.ndim == 1 and outputs == 1:
        array = array[:, None]
    if array.shape != (count, outputs):
        labels = loss.name == "cross_entropy" and array.shape == (count, 1)
        hint = "; class indices have shape (N,): y.ravel()" if labels else ""
        raise ValueError(
            f"{operation}: y has shape {array.shape}, the network's output has shape ({count}, {outputs}){hint}"
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
    array = dense(numeric(operation, "sample_weight", value, objects=True), dtype)
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


def split_rows(count: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The rows that are trained on and those that are held out, each in their order, drawn from the seed alone."""
    held_out = round(count * fraction)
    if fraction > 0:
        held_out = min(max(1, held_out), count - 1)
    order = _core.split_order(checks.seed("split", seed), count).astype(np.int64)
    return np.sort(order[held_out:]), np.sort(order[:held_out])
