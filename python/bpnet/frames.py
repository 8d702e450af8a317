"""DataFrames and Series of pandas, polars and others: their columns, and which of their values are numbers."""

from __future__ import annotations

import decimal
import numbers
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

# The most names that an error lists.
_MOST_NAMES = 10


def column_names(table: Any) -> list[Any] | None:
    """The names of a DataFrame's columns, of whatever library; None for what is no DataFrame."""
    if isinstance(table, np.ndarray) or is_lazy(table):
        return None
    for attribute in ("column_names", "columns"):
        names = getattr(table, attribute, None)
        if names is not None and not callable(names):
            return list(names)
    return None


def column_of(table: Any, index: int, name: Any) -> Any:
    """A DataFrame's column, by its index where names may be there twice."""
    return table.iloc[:, index] if hasattr(table, "iloc") else table[name]


def has_one_dtype(table: Any) -> bool:
    """Whether all columns are alike, so that the library itself makes one array of them, often without a copy."""
    dtypes = getattr(table, "dtypes", None)
    return dtypes is not None and len({str(dtype) for dtype in dtypes}) == 1


def text_names(table: Any) -> tuple[str, ...] | None:
    """The names of a DataFrame's columns, or the labels of its row as a Series, if all are strings; None for numbers
    and for arrays."""
    names = column_names(table)
    if names is None and (labels := _index(table)) is not None:
        names = list(labels)
    if names is None or not names or not all(isinstance(name, str) for name in names):
        return None
    return tuple(str(name) for name in names)


def check_names(operation: str, names: Sequence[str], known: Sequence[str]) -> None:
    """Raise a ValueError unless the columns of X are those that the network was fitted on, in their order."""
    if list(names) == list(known):
        return
    fitted = f"the network was fitted on {listed(known)}"
    missing = [name for name in known if name not in names]
    if missing:
        raise ValueError(f"{operation}: X has no {_columns(missing)}; {fitted}")
    others = [name for name in names if name not in known]
    if others:
        raise ValueError(f"{operation}: X has the {_columns(others)} besides; {fitted}")
    raise ValueError(
        f"{operation}: X has its columns in another order, {listed(names)}; {fitted}; give X[[{listed(known)}]]"
    )


def check_rows(operation: str, X: Any, y: Any, sample_weight: Any) -> None:
    """Raise a ValueError where the index of y or sample_weight holds the labels of X's in another order.

    Rows are taken in their order. Where both have an index (pandas) and it has other labels, one of them was
    numbered anew, which is common and says nothing.
    """
    for name, rows in (("y", y), ("sample_weight", sample_weight)):
        own, other = _index(X), _index(rows)
        if own is None or other is None or len(own) != len(other) or own.equals(other):
            continue
        if Counter(own) == Counter(other):
            raise ValueError(
                f"{operation}: the rows of {name} are in another order than X's, by their index; give "
                f"{name}.loc[X.index], or {name}.to_numpy() to take them as they are"
            )


def _index(table: Any) -> Any:
    index = getattr(table, "index", None)
    return index if hasattr(index, "equals") else None


def listed(names: Sequence[str]) -> str:
    """``'age', 'income', … (12 in all)``"""
    shown = ", ".join(map(repr, names[:_MOST_NAMES]))
    return shown if len(names) <= _MOST_NAMES else f"{shown}, … ({len(names)} in all)"


def _columns(names: Sequence[str]) -> str:
    return f"column{'s' if len(names) > 1 else ''} {listed(names)}"


def is_lazy(table: Any) -> bool:
    """Whether the table is a plan of one, such as Polars' LazyFrame."""
    return hasattr(table, "collect") and not hasattr(table, "__len__")


def is_missing(value: Any) -> bool:
    """Whether the value is a missing one: None, pandas.NA or NaT. NaN is a number here."""
    return value is None or type(value).__name__ in ("NAType", "NaTType")


def is_number(value: Any) -> bool:
    """Whether the value is a real number, a decimal or a boolean."""
    return isinstance(value, (numbers.Real, decimal.Decimal, np.bool_))
