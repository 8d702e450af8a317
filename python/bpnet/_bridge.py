"""What network, trainer and lecture share on the way to the core: JSON, the core's classes by dtype, and data that is
checked and held for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np

from bpnet import _core, arrays, frames
from bpnet.losses import CustomLoss, Loss

#: A network and a data set of the core.
CoreNetwork = _core.NetworkF32 | _core.NetworkF64
Dataset = _core.DatasetF32 | _core.DatasetF64

#: The core's classes by the name of their dtype.
NETWORKS: dict[str, Any] = {"float32": _core.NetworkF32, "float64": _core.NetworkF64}
TRAINERS: dict[str, Any] = {"float32": _core.TrainerF32, "float64": _core.TrainerF64}
DATASETS: dict[str, Any] = {"float32": _core.DatasetF32, "float64": _core.DatasetF64}


def to_json(value: Any) -> str:
    """JSON as the core reads it; numbers of NumPy are plain numbers there."""
    return json.dumps(value, default=_plain)


def core_loss(loss: Loss) -> tuple[str, CustomLoss | None]:
    """The loss as the core takes it: its description, and the function of a custom one."""
    return to_json(loss.describe()), loss if isinstance(loss, CustomLoss) else None


def _plain(value: Any) -> Any:
    item = value.item() if isinstance(value, np.generic) else value
    if isinstance(item, (bool, int, float)):
        return item
    raise TypeError(f"network: {value!r} is a {type(value).__name__}, a plain number is needed")


def dtype_name(dtype: Any) -> str:
    """``"float32"`` or ``"float64"``, of a name or a NumPy dtype."""
    try:
        name = "None" if dtype is None else np.dtype(dtype).name
    except TypeError:
        name = str(dtype)
    if name not in NETWORKS:
        raise ValueError(f"network: dtype is {name!r}, 'float32' or 'float64' is needed")
    return name


def dtype_of(core: CoreNetwork) -> np.dtype:
    """The dtype of a network's weights and of all its arithmetic."""
    return np.dtype(np.float32 if isinstance(core, _core.NetworkF32) else np.float64)


def inputs(operation: str, core: CoreNetwork, X: Any) -> np.ndarray:
    """X as (N, *input_shape) in the network's dtype."""
    dtype, shape = dtype_of(core), core.input_shape
    if type(X) is np.ndarray and X.dtype == dtype and X.shape[1:] == shape and len(X):
        return arrays.dense(X, dtype)
    return arrays.samples(operation, X, shape, dtype, convert=True)


def dataset(
    operation: str,
    core: CoreNetwork,
    X: Any,
    y: Any,
    loss: Loss,
    sample_weight: Any = None,
    convert: bool = False,
) -> Dataset:
    """X, y and weights in forms that fit the network and the loss, held for the core.

    Args:
        convert: X in the network's dtype, as single steps need it; else in any that the core reads.
    """
    dtype = dtype_of(core)
    x = inputs(operation, core, X) if convert else arrays.samples(operation, X, core.input_shape, dtype)
    outputs = int(np.prod(core.output_shape))
    dense_targets, labels = arrays.targets(operation, y, loss, len(x), outputs, dtype)
    weight = arrays.weights(operation, sample_weight, len(x), dtype)
    return DATASETS[dtype.name](x, outputs, dense_targets, labels, weight)


def finite_dataset(
    operation: str,
    core: CoreNetwork,
    X: Any,
    y: Any,
    loss: Loss,
    sample_weight: Any = None,
    convert: bool = False,
) -> Dataset:
    """:func:`dataset` of finite numbers, which the core does not check again in whole epochs."""
    frames.check_rows(operation, X, y, sample_weight)
    names = frames.column_names(X)
    if names is not None:  # once: a DataFrame is copied column by column
        X = arrays.numeric(operation, "X", X, objects=True)
    data = dataset(operation, core, X, y, loss, sample_weight, convert)
    check_finite(operation, data, 0, X if names else None, names)
    return data


def check_finite(
    operation: str,
    data: Dataset,
    first: int = 0,
    x: np.ndarray | None = None,
    names: Sequence[Any] | None = None,
) -> None:
    """Raise a NumericError that names the first row of X or y that holds NaN or infinity.

    Args:
        first: the number of row 0.
        x, names: X and the names of its columns, if it was a DataFrame; the column is named too then.
    """
    for name, row in zip("Xy", data.bad_rows()):
        if row is None:
            continue
        column = ""
        if name == "X" and x is not None and names is not None:
            column = f", column {names[int(np.argmin(np.isfinite(x[row])))]!r}"
        raise _core.NumericError(f"{operation}: {name} has NaN or infinity in row {first + row}{column}")


def check_finite_inputs(
    operation: str, x: np.ndarray, first: int = 0, names: Sequence[Any] | None = None
) -> None:
    """check_finite for inputs (N, …) in the network's dtype that have no answers."""
    check_finite(operation, DATASETS[x.dtype.name](x, 1), first, x, names)
