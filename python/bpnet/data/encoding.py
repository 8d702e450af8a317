"""A table's columns as a network's features: what is learnt of them from the training rows, and its use."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bpnet import _core
from bpnet.data.columns import CATEGORIES, LEFT_OUT, ColumnDecision, describe_columns, report_lines
from bpnet.data.fields import (
    ASKED_FORMATS,
    FORMATS,
    NumberFormat,
    missing_words,
    numbers_of,
    texts_of,
    words_of,
)
from bpnet.data.preprocessing import Preprocessing
from bpnet.data.table import Column, Table, shown_names
from bpnet.options import option

__all__ = ["TableColumns", "category_names", "encode_table"]

# The name of a missing value's category.
_NO_VALUE = ""


class TableColumns:
    """The columns that a network is trained on.

    Attributes:
        decisions: what each column of the table becomes.
        used: those of them that are not left out.
    """

    def __init__(self, table: Table, config: Mapping[str, Any]) -> None:
        """Decide, and refuse a missing value where that is an error.

        Args:
            table: the table.
            config: as for describe_columns, and missing and unknown.
        """
        self._table = table
        self._config = config
        self._missing = config.get("missing") or "error"
        self.decisions = describe_columns(table, config)
        self.used = [found for found in self.decisions if found.kind != LEFT_OUT]
        if not self.used:
            raise ValueError(f"{table}: no column is left beside the target")
        for found in self.used:
            if self._missing == "error" and found.missing.any():
                raise self._missing_value(found)

    def _missing_value(self, found: ColumnDecision) -> ValueError:
        row = int(found.missing.argmax())
        field = self._table.columns[found.index][row]
        shown = "empty" if field == "" else repr(field) if isinstance(field, str) else "NaN"
        ways = f"fill it in, give {option('missing', 'mean')} (or median, most-frequent, drop, category), or "
        ways += option("drop", [found.name])
        if found.kind == CATEGORIES and field and isinstance(field, str):
            ways += f"; {option('categorical', [found.name])} makes {shown} a category"
        return ValueError(
            f"{self._table.where(row)}: column {found.name!r} is {shown}, a value is missing; {ways}"
        )

    def kept(self) -> np.ndarray:
        """(N,) bool: the rows that are used at all."""
        kept = np.ones(len(self._table), bool)
        if self._missing == "drop":
            for found in self.used:
                kept &= ~found.missing
            if not kept.any():
                raise ValueError(
                    f"{self._table}: every row has a missing value, {option('missing', 'drop')} leaves none"
                )
        return kept

    def names(self) -> list[Sequence[str | None]]:
        """Of each column of categories, the category in each row; None where it has none."""
        as_category = self._missing == "category"
        return [
            _names(self._table.columns[found.index], found.missing, found.kind == CATEGORIES, as_category)
            for found in self.used
            if found.kind == CATEGORIES or as_category and found.missing.any()
        ]

    def fit(self, train: np.ndarray) -> Preprocessing:
        """The preprocessing, of what the training rows hold; not standardised yet.

        Args:
            train: the indices of the training rows.
        """
        words = missing_words(self._config) if self._config.get("missing_values") else None
        return Preprocessing(
            columns=[self._fit_column(found, train) for found in self.used],
            target=self._config.get("target") or "",
            missing_words=words,
        )

    def _fit_column(self, found: ColumnDecision, train: np.ndarray) -> dict[str, Any]:
        column = self._table.columns[found.index]
        present = train[~found.missing[train]]
        if len(present) == 0:
            raise ValueError(
                f"{self._table}: column {found.name!r} has no value in the training rows; {option('drop', [found.name])} "
                "leaves it out"
            )
        missing = self._missing
        if missing == "category" and not found.missing.any():
            missing = "error"
        if missing == "drop":
            found.treatment = "such rows are left out"
        if found.kind == CATEGORIES:
            texts = texts_of(column)
            fitted = self._fit_categories(found, Counter(texts[row] for row in present.tolist()), missing)
        else:
            fitted = self._fit_number(found, numbers_of(column, found.format, [])[present], missing)
        return {"name": found.name, **fitted}

    def _fit_categories(self, found: ColumnDecision, counts: Counter[str], missing: str) -> dict[str, Any]:
        """The categories; the most frequent is the fill, whatever numbers are filled with."""
        categories = sorted(counts)
        unknown = self._config.get("unknown") or "error"
        if missing == "category":
            found.treatment = "a category of their own"
            return {"categories": [_NO_VALUE, *categories], "unknown": unknown, "missing": missing}
        if missing in ("error", "drop"):
            return {"categories": categories, "unknown": unknown, "missing": missing}
        fill = max(categories, key=counts.__getitem__)  # the first of equals
        found.treatment = f"the most frequent, {fill!r}"
        return {"categories": categories, "unknown": unknown, "missing": "fill", "fill": fill}

    def _fit_number(self, found: ColumnDecision, values: np.ndarray, missing: str) -> dict[str, Any]:
        fitted = {"decimal": found.format.decimal, "thousands": found.format.thousands}
        if missing in ("error", "drop"):
            return {**fitted, "missing": missing}
        fill = _fill(values, missing)
        if missing == "category":
            found.treatment = f"a feature of their own, beside the mean {fill:g}"
            return {**fitted, "missing": missing, "fill": fill}
        found.treatment = f"the {missing.replace('-', ' ')}, {fill:g}"
        return {**fitted, "missing": "fill", "fill": fill}

    def report(self) -> list[str]:
        """What train prints of the columns."""
        return report_lines(self.decisions)


def _names(column: Column, missing: np.ndarray, categories: bool, as_category: bool) -> Sequence[str | None]:
    absent = _NO_VALUE if as_category else None
    if not categories:
        return [absent if none else None for none in missing.tolist()]
    if not missing.any():
        return texts_of(column)
    return [absent if none else text for text, none in zip(texts_of(column), missing.tolist())]


def _fill(values: np.ndarray, missing: str) -> float:
    """What replaces a missing number: the mean, the median, or the most frequent (the smallest of equals)."""
    if missing == "median":
        return float(np.median(values))
    if missing == "most-frequent":
        distinct, counts = np.unique(values, return_counts=True)
        return float(distinct[counts.argmax()])
    with np.errstate(over="ignore"):
        return float(values.mean())


def category_names(table: Table, preprocessing: Preprocessing) -> list[Sequence[str | None]]:
    """TableColumns.names() of a model that is known."""
    words = words_of(preprocessing)
    found = []
    for column in preprocessing.columns:
        as_category, categories = column["missing"] == "category", set(column["categories"])
        if not categories and not as_category:
            continue
        fields = table.column(column["name"])
        if isinstance(fields, np.ndarray):
            missing = np.isnan(fields)
        else:
            statuses = _core.parse_numbers(fields, ".", "", words)[1]
            absent = {field for field, status in zip(fields, statuses) if status == _core.MISSING}
            absent -= categories - {_NO_VALUE}
            missing = np.array([field in absent for field in fields])
        found.append(_names(fields, missing, bool(categories), as_category))
    return found


def encode_table(
    table: Table,
    preprocessing: Preprocessing,
    dtype: str = "float64",
    said: NumberFormat | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """The features of all rows (N, features), and (N,) bool, False for a row that gets no answer.

    Args:
        table: has the model's columns in any order, and may have others.
        preprocessing: the model's.
        dtype: the network's.
        said: how the user says that the numbers are written, or None for the model's way.

    Raises:
        ValueError: a column is missing; a field cannot be what it is to the model. The message has the line, and
            the option that reads the numbers, where they are written in another way.
    """
    absent = [column["name"] for column in preprocessing.columns if column["name"] not in table]
    if absent:
        raise ValueError(
            f"{table}: the model's columns {shown_names([repr(name) for name in absent])} are not there; there are "
            f"{shown_names(table.header)}"
        )
    if said is not None:
        preprocessing = copy.copy(preprocessing)
        preprocessing.columns = [
            column
            if column["categories"]
            else {**column, "decimal": said.decimal, "thousands": said.thousands}
            for column in preprocessing.columns
        ]
    columns = [table.column(column["name"]) for column in preprocessing.columns]
    for column, held in zip(preprocessing.columns, columns):
        if isinstance(held, np.ndarray) and held.dtype != np.float64:
            raise ValueError(
                f"{table}: column {column['name']!r} has dtype {held.dtype}, numbers or strings are needed"
            )
    try:
        return preprocessing.encode(columns, dtype, table.where)
    except ValueError as error:
        hint = _other_format(preprocessing, columns)
        raise ValueError(f"{error}{hint}") from None


def _other_format(preprocessing: Preprocessing, columns: Sequence[Column]) -> str:
    """Which format reads the first column of numbers that the model's does not."""
    words = words_of(preprocessing)
    for column, fields in zip(preprocessing.columns, columns):
        if column["categories"] or isinstance(fields, np.ndarray):
            continue
        own = NumberFormat(column["decimal"], column["thousands"])
        for form in (own, *FORMATS, *ASKED_FORMATS):
            statuses = _core.parse_numbers(fields, form.decimal, form.thousands, words)[1]
            if ((statuses == _core.NUMBER) | (statuses == _core.MISSING)).all():
                break
        else:
            continue
        if form != own:
            return (
                f"; the model reads column {column['name']!r} with {own.words()}, here it is written with "
                f"{form.words()}: give {form.arguments()}"
            )
    return ""
