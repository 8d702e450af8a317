"""The fields of one column: which are missing, which are numbers and in what format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from bpnet import _core
from bpnet.data.preprocessing import Preprocessing
from bpnet.data.table import Column, Table
from bpnet.options import option

__all__ = [
    "ASKED_FORMATS",
    "FORMATS",
    "Fields",
    "NumberFormat",
    "missing_words",
    "numbers_of",
    "texts_of",
    "words_of",
]

_OTHER_DTYPES = {"M": "dates", "m": "times", "c": "complex numbers"}


class NumberFormat(NamedTuple):
    """How numbers are written.

    Attributes:
        decimal: the decimal mark, "." or ",".
        thousands: the separator between thousands, or "" for none.
    """

    decimal: str = "."
    thousands: str = ""

    @classmethod
    def said(cls, decimal: str | None, thousands: str | None) -> NumberFormat | None:
        """What the options name, None where neither is given."""
        if decimal is None and thousands is None:
            return None
        return cls(decimal or ("," if thousands == "." else "."), thousands or "")

    def words(self) -> str:
        """``the decimal mark ',' and the thousands separator '.'``"""
        text = f"the decimal mark {self.decimal!r}"
        return f"{text} and the thousands separator {self.thousands!r}" if self.thousands else text

    def arguments(self) -> str:
        """``--decimal , and --thousands .``"""
        said = [option("decimal", self.decimal)] if self.decimal != "." or not self.thousands else []
        return " and ".join(said + ([option("thousands", self.thousands)] if self.thousands else []))


# What is recognised, and what is asked for, since such fields may be codes too.
FORMATS = (NumberFormat(), NumberFormat(",", ""), NumberFormat(".", ","), NumberFormat(",", "."))
ASKED_FORMATS = tuple(NumberFormat(decimal, thousands) for thousands in " '" for decimal in ".,")


def missing_words(config: Mapping[str, Any]) -> list[str]:
    """The fields that mean "no value": the usual ones, and the user's."""
    return [*_core.missing_words(), *(config.get("missing_values") or ())]


def words_of(preprocessing: Preprocessing) -> list[str]:
    """The fields that mean "no value" to a model."""
    words = preprocessing.missing_words
    return _core.missing_words() if words is None else words


def texts_of(column: Column) -> list[str]:
    """The column's fields as strings."""
    return column if isinstance(column, list) else _core.number_texts(column)


def numbers_of(column: Column, form: NumberFormat, words: list[str]) -> np.ndarray:
    """The column's numbers, NaN where one is missing or is none."""
    if isinstance(column, np.ndarray):
        return column
    return _core.parse_numbers(column, form.decimal, form.thousands, words)[0]


class Fields:
    """A column's different fields, in the order in which they first occur.

    Attributes:
        name: the column's.
        counts: how often each field occurs, those that are missing excepted.
        count: how many rows have a value.
        missing: (rows,) bool, where there is none.
        is_text: False for a column of numbers, whose fields are their shortest digits.
    """

    def __init__(self, table: Table, index: int, words: list[str]) -> None:
        column = table.columns[index]
        self.name = table.header[index]
        self.is_text = isinstance(column, list)
        self._table, self._column, self._words = table, column, words
        self._read: dict[NumberFormat, tuple[np.ndarray, np.ndarray]] = {}
        if isinstance(column, list):
            self._take_strings(column)
        else:
            self._take_numbers(column)
        self.count = len(table) - int(self.missing.sum())

    def _take_strings(self, column: list[str]) -> None:
        counts = Counter(column)
        statuses = _core.parse_numbers(list(counts), ".", "", self._words)[1]
        absent = {field for field, status in zip(counts, statuses) if status == _core.MISSING}
        self.counts = {field: count for field, count in counts.items() if field not in absent}
        self.missing = np.zeros(len(column), bool)
        if absent:
            self.missing[:] = [field in absent for field in column]

    def _take_numbers(self, column: np.ndarray) -> None:
        if column.dtype != np.float64:
            what = _OTHER_DTYPES.get(column.dtype.kind, "neither numbers nor strings")
            raise ValueError(
                f"{self._table}: column {self.name!r} holds {what} ({column.dtype}); give them as numbers or strings, "
                f"or leave it out with {option('drop', [self.name])}"
            )
        self.missing = np.isnan(column)
        infinite = np.isinf(column)
        if infinite.any():
            row = int(infinite.argmax())
            raise ValueError(
                f"{self._table.where(row)}: column {self.name!r} is {column[row]}, a finite number is needed"
            )
        values, first, counts = np.unique(column[~self.missing], return_index=True, return_counts=True)
        order = first.argsort()
        texts = _core.number_texts(values[order])
        self.counts = dict(zip(texts, counts[order].tolist()))
        self._read[FORMATS[0]] = values[order], np.full(len(values), _core.NUMBER)

    def _numbers(self, each: NumberFormat) -> tuple[np.ndarray, np.ndarray]:
        """Of each different field: its number, NaN where it is none, and its status."""
        if each not in self._read:
            if not self.is_text:
                return self._read[FORMATS[0]]
            self._read[each] = _core.parse_numbers(
                list(self.counts), each.decimal, each.thousands, self._words
            )
        return self._read[each]

    def values(self, each: NumberFormat) -> np.ndarray:
        """The different fields' numbers, NaN where one is none."""
        return self._numbers(each)[0]

    def is_numbers(self, each: NumberFormat) -> bool:
        """Whether every field is a number in this format."""
        return bool((self._numbers(each)[1] == _core.NUMBER).all())

    def count_of_numbers(self, each: NumberFormat) -> int:
        """How many rows have a number."""
        counts = np.fromiter(self.counts.values(), np.int64, len(self.counts))
        return int(counts[self._numbers(each)[1] == _core.NUMBER].sum())

    def count_in_any(self, formats: Sequence[NumberFormat]) -> int:
        """How many rows have a number in one of the formats."""
        counts = np.fromiter(self.counts.values(), np.int64, len(self.counts))
        return int(counts[np.any([self._numbers(each)[1] == _core.NUMBER for each in formats], axis=0)].sum())

    def same_numbers(self, one: NumberFormat, other: NumberFormat) -> bool:
        """Whether the fields are the same numbers in both formats."""
        return np.array_equal(self.values(one), self.values(other))

    def strays(self, each: NumberFormat) -> list[str]:
        """The fields that are no numbers in this format."""
        return [field for field, status in zip(self.counts, self._numbers(each)[1]) if status != _core.NUMBER]

    def first_read_differently(self, one: NumberFormat, other: NumberFormat) -> str:
        """The first field that is another number in the other format."""
        return list(self.counts)[int((self.values(one) != self.values(other)).argmax())]

    def number(self, field: str, each: NumberFormat) -> float:
        """A field's number."""
        return float(self.values(each)[list(self.counts).index(field)])

    @property
    def counts_rows(self) -> bool:
        """Whether the numbers are 0, 1, 2, … or 1, 2, 3, …"""
        values = self.values(FORMATS[0])
        if len(values) != len(self._column) or values[0] not in (0, 1):
            return False
        return np.array_equal(values, values[0] + np.arange(len(values)))

    @property
    def first(self) -> str:
        """The first field that is not missing."""
        return next(iter(self.counts))

    def row(self, field: str) -> int:
        """The first row with this field."""
        if isinstance(self._column, list):
            return self._column.index(field)
        return int((self._column == float(field)).argmax())

    def line(self, field: str) -> str:
        """``line 7``, where the field first is."""
        return self._table.where(self.row(field)).rpartition(", ")[2]

    def where(self, field: str | None = None) -> str:
        """``data.csv, line 7``, where the field first is."""
        return self._table.where(self.row(self.first if field is None else field))
