"""Features and targets as float32, checked before anything changes."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np

from bpnet import frames
from bpnet._core import NumericError

_NO_NUMBERS = (str, bytes, complex, np.complexfloating, np.timedelta64, np.datetime64)
_LARGEST = float(np.finfo(np.float32).max)


def values_of(operation: str, x: Mapping[Hashable, Any]) -> np.ndarray:
    """The values of x (1, features), float32; a TypeError or NumericError where one is no finite number there."""
    values = _numbers(list(x.values()))
    if values is None:
        checked = [checked_number(operation, f"feature {name!r}", value) for name, value in x.items()]
        values = np.array(checked)
    return values.astype(np.float32)[np.newaxis]


def rows_of(operation: str, X: Any) -> np.ndarray:
    """The values of a pandas DataFrame (n, features), float32.

    Raises:
        TypeError: X is no pandas DataFrame, or a value is no number.
        ValueError: two columns have the same name.
        NumericError: a value is NaN, infinite or too large for float32.
    """
    names = frames.column_names(X)
    if names is None or not hasattr(X, "iloc"):
        raise TypeError(f"{operation}: X is a {type(X).__name__}, a pandas.DataFrame is needed")
    if len(set(names)) < len(names):
        raise ValueError(
            f"{operation}: several columns of X have the name {_repeated(names)!r}; give each another"
        )
    values = X.to_numpy()
    if not _are_numbers(values):
        checked = [
            [
                checked_number(operation, f"feature {name!r} in row {row}", value)
                for name, value in zip(names, each)
            ]
            for row, each in enumerate(values)
        ]
        values = np.array(checked).reshape(values.shape)
    return values.astype(np.float32)


def targets_of(operation: str, y: Any) -> np.ndarray:
    """Numbers (n,) as targets (n, 1), float32; a TypeError or NumericError where one is no finite number there."""
    values = _numbers(y)
    if values is None:
        checked = [
            checked_number(operation, f"the target in row {row}", value) for row, value in enumerate(y)
        ]
        values = np.array(checked)
    return values.astype(np.float32).reshape(-1, 1)


def check_as_many(operation: str, X: Any, y: Any) -> None:
    """A ValueError unless there is a target for each row."""
    if len(X) != len(y):
        raise ValueError(f"{operation}: X has {len(X)} rows, y has {len(y)}; give a target for each row")


def _numbers(values: Any) -> np.ndarray | None:
    """(n,), or None where one of them is no finite number in float32."""
    try:
        array = np.asarray(values)
    except ValueError:  # one of them is a sequence
        return None
    return array if array.ndim == 1 and _are_numbers(array) else None


def _repeated(names: list[Any]) -> Any:
    return next(name for index, name in enumerate(names) if name in names[:index])


def _are_numbers(values: np.ndarray) -> bool:
    if values.dtype.kind not in "biuf":
        return False
    return bool(np.abs(values, dtype=np.float64).max(initial=0) <= _LARGEST)


def checked_number(operation: str, what: str, value: Any) -> float:
    """The value; a TypeError or NumericError where it is no finite number in float32."""
    is_number = np.ndim(value) == 0 and not isinstance(value, _NO_NUMBERS)
    if is_number and isinstance(value, np.generic):
        value = value.item()  # whose repr is the number alone
    try:
        number = float(value) if is_number else None
    except (TypeError, ValueError):
        number = None
    except OverflowError:
        number = np.inf
    if number is None:
        raise TypeError(f"{operation}: {what} is {value!r:.80}, a number is needed")
    if not abs(number) <= _LARGEST:
        raise NumericError(f"{operation}: {what} is {value!r:.80}, a finite number in float32 is needed")
    return number
