"""Rows in memory: DataFrames, lists of dicts, dicts of columns and arrays become tables and arrays."""

from __future__ import annotations

import datetime
import decimal
import numbers
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bpnet import _core
from bpnet.data.table import Column, Table, distinct_names, shown_names
from bpnet.frames import column_names, column_of, is_missing

__all__ = ["is_one_hot", "to_column", "to_rows", "to_target"]

# Integers beyond are not all doubles.
_EXACT = 2**53


def to_rows(rows: Any) -> Table | np.ndarray:
    """A table of rows that have names, an array of those that have none.

    Args:
        rows: a DataFrame of pandas, of polars, or of anything that has names in ``columns`` or
            ``column_names`` and gives ``numpy.asarray(frame[name])``; a list of dicts; a dict of columns; a
            structured array; an array, or what becomes one.

    Raises:
        ValueError: a name twice, columns of different lengths, a column of what is neither numbers nor strings.
    """
    if isinstance(rows, Table):
        return rows
    if isinstance(rows, Mapping):
        return _table({_name(name): values for name, values in rows.items()}, len(rows))
    if isinstance(rows, (list, tuple)) and rows and all(isinstance(row, Mapping) for row in rows):
        keys = dict.fromkeys(key for row in rows for key in row)
        return _table({_name(key): [row.get(key) for row in rows] for key in keys}, len(keys))
    if hasattr(rows, "collect_schema") and hasattr(rows, "collect"):
        raise ValueError("the rows are a lazy frame; give rows.collect()")
    if hasattr(rows, "toarray"):
        raise ValueError("the rows are a sparse matrix; give rows.toarray()")
    names = _names(rows)
    if names is not None:
        distinct_names("the table", [_name(name) for name in names])
        columns = {_name(name): column_of(rows, index, name) for index, name in enumerate(names)}
        return _table(columns, len(names))
    return _array(rows)


def to_target(y: Any) -> np.ndarray:
    """The targets of a pair (X, y) as an array of numbers or strings.

    Args:
        y: an array (N,) or (N, outputs), a list, a column, or a DataFrame of one column, or one-hot, whose columns
            then are the classes, in whatever order.

    Raises:
        ValueError: a DataFrame of several columns of numbers, whose names no model keeps.
    """
    names = _names(y)
    if names is not None and len(names) == 1:
        y = column_of(y, 0, names[0])
    elif names is not None:
        distinct_names("y", [_name(name) for name in names])
        values = np.asarray(y)
        if not is_one_hot(values):
            raise ValueError(
                f"y has the columns {shown_names([_name(name) for name in names])}, and a model keeps the order of its "
                "outputs only; give an array, y.to_numpy()"
            )
        return np.array([_name(name) for name in names])[values.argmax(axis=1)]
    if not isinstance(y, np.ma.MaskedArray):
        array = np.asarray(y)
        if array.ndim != 1 or array.dtype.kind in "iufb" and isinstance(y, (np.ndarray, list, tuple)):
            return array
        y = y if isinstance(y, (list, tuple)) else array
    column = to_column("y", y)
    return np.array(column, dtype=str) if isinstance(column, list) else column


def is_one_hot(values: np.ndarray) -> bool:
    """Whether each row of (N, classes) has one 1, and else 0."""
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        return False
    return bool(np.isin(values, (0, 1)).all() and (values.sum(axis=1) == 1).all())


def to_column(name: str, values: Any) -> Column:
    """Strings as a list, numbers as float64 (missing ones NaN); an array of another dtype as it is.

    Booleans are the words True and False. None, NaN, NaT and pandas.NA are missing: NaN among numbers, ""
    among strings.
    """
    if isinstance(values, np.ma.MaskedArray):
        masked = np.ma.getmaskarray(values).ravel().tolist()
        values = [None if gone else value for value, gone in zip(values.data.ravel().tolist(), masked)]
    if isinstance(values, (list, tuple)):
        array = np.empty(len(values), object)
        array[:] = values
    else:
        array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"column {name!r} has shape {array.shape}, one value per row is needed")
    kind = array.dtype.kind
    if kind == "f":
        return array.astype(np.float64)
    if kind in "iu":
        return _integers(array)
    if kind == "b":
        return [str(value) for value in array.tolist()]
    if kind == "U":
        return [value.strip(_core.blanks) for value in array.tolist()]
    if kind == "S":
        return [_decoded(name, value).strip(_core.blanks) for value in array.tolist()]
    return array if kind in "cmMV" else _objects(name, array.tolist())


def _name(name: Any) -> str:
    return str(name).strip(_core.blanks)


def _names(rows: Any) -> list[Any] | None:
    """The names of a DataFrame's columns, or of a structured array's fields."""
    if isinstance(rows, np.ndarray):
        return list(rows.dtype.names) if rows.dtype.names and rows.ndim == 1 else None
    return column_names(rows)


def _table(columns: Mapping[str, Any], count: int) -> Table:
    if len(columns) != count:
        raise ValueError(
            f"the table: two of the names are one without the blanks around them: {', '.join(columns)}"
        )
    if not columns:
        raise ValueError("the table has no columns")
    categorical = [name for name, values in columns.items() if _is_categorical(values)]
    held: dict[str, Column] = {}
    for name, values in columns.items():
        if isinstance(values, (str, bytes)) or not hasattr(values, "__len__"):
            raise ValueError(
                f"column {name!r} is {values!r}, a list of values is needed; one row is a list of one dict: [row]"
            )
        held[name] = _strings(to_column(name, values)) if name in categorical else to_column(name, values)
    lengths = {name: len(column) for name, column in held.items()}
    first = next(iter(lengths))
    for name, length in lengths.items():
        if length != lengths[first]:
            raise ValueError(f"column {first!r} has {lengths[first]} values, column {name!r} has {length}")
    if lengths[first] == 0:
        raise ValueError("the table has no rows")
    return Table("", list(held), list(held.values()), categorical=categorical)


def _is_categorical(values: Any) -> bool:
    kind = str(getattr(values, "dtype", ""))
    return kind == "category" or kind.startswith(("Categorical", "Enum", "dictionary"))


def _array(rows: Any) -> Table | np.ndarray:
    """Numbers (N, ...), or a table of columns 0, 1, ... where there are strings."""
    if isinstance(rows, np.ma.MaskedArray) and np.ma.is_masked(rows):
        raise ValueError("X has masked entries, which hold no number; fill them in")
    array = np.asarray(rows)
    if array.dtype.kind in "fiubcmMV" or array.ndim != 2 or array.size == 0:
        return array
    columns = [to_column(str(index), column) for index, column in enumerate(array.T)]
    if all(isinstance(column, np.ndarray) and column.dtype == np.float64 for column in columns):
        return np.stack(columns, axis=1)
    return Table("", [str(index) for index in range(len(columns))], columns)


def _integers(array: np.ndarray) -> Column:
    if array.size and (array.max() > _EXACT or array.min() < -_EXACT):
        return [str(value) for value in array.tolist()]
    return array.astype(np.float64)


def _strings(column: Column) -> Column:
    if isinstance(column, np.ndarray) and column.dtype == np.float64:
        texts = _core.number_texts(column)
        return ["" if missing else text for text, missing in zip(texts, np.isnan(column))]
    return column


def _decoded(name: str, value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError(f"column {name!r}: {value!r} is not valid UTF-8") from None


def _objects(name: str, values: Sequence[Any]) -> Column:
    present = [value for value in values if not _is_missing(value)]
    if present and all(_is_number(value) for value in present):
        if all(isinstance(value, numbers.Integral) for value in present):
            whole = _integers(np.array([int(value) for value in present], dtype=object))
            if isinstance(whole, list):
                texts = iter(whole)
                return ["" if _is_missing(value) else next(texts) for value in values]
        return np.array([np.nan if _is_missing(value) else float(value) for value in values])
    return ["" if _is_missing(value) else _string(name, value) for value in values]


def _is_number(value: Any) -> bool:
    return isinstance(value, (numbers.Real, decimal.Decimal)) and not isinstance(value, (bool, np.bool_))


def _is_missing(value: Any) -> bool:
    if is_missing(value):
        return True
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return bool(np.isnat(value))
    return isinstance(value, (numbers.Real, decimal.Decimal)) and value != value


def _string(name: str, value: Any) -> str:
    if isinstance(value, str):
        return value.strip(_core.blanks)
    if isinstance(value, bytes):
        return _decoded(name, value).strip(_core.blanks)
    if _is_number(value):
        return (
            str(value)
            if isinstance(value, numbers.Integral)
            else _core.number_texts(np.array([float(value)]))[0]
        )
    if isinstance(value, (bool, np.bool_, datetime.date, datetime.time, datetime.timedelta, np.datetime64)):
        return str(value)
    raise ValueError(
        f"column {name!r} has a value of type {type(value).__name__}, numbers or strings are needed"
    )
