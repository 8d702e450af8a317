"""Fields that are neither plain numbers nor names of categories: dates, quantities with a unit, and the like."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import numpy as np

__all__ = ["first_code", "number_kind", "text_kind"]

_AMOUNT = r"\d[\d.,' ]*"
_CURRENCY = r"(?:[$€£¥₹₩₽₺]|EUR|USD|GBP|CHF|JPY|CNY|INR|CAD|AUD|SEK|NOK|DKK|PLN)"
_DAY, _MONTH, _YEAR = r"(?:0?[1-9]|[12]\d|3[01])", r"(?:0?[1-9]|1[0-2])", r"(?:\d{4}|\d{2})"
_MONTH_NAME = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_TIME = r"\d{1,2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?: ?[ap]\.?m\.?)?(?: ?(?:z|utc|[+-]\d{2}:?\d{2}))?"
_DATE = "|".join(
    (
        rf"\d{{4}}([-/.]){_MONTH}\1{_DAY}",
        rf"{_DAY}([-/.]){_MONTH}\2{_YEAR}",
        rf"{_MONTH}([-/.]){_DAY}\3{_YEAR}",
        r"(?:19|20)\d{2}-(?:0[1-9]|1[0-2])",
        rf"{_DAY}\.?[- ]{_MONTH_NAME}(?:[- ,]+{_YEAR})?",
        rf"{_MONTH_NAME}[- ]{_DAY},? {_YEAR}",
        rf"{_MONTH_NAME}(?:[- ]\d{{4}}|-\d\d)",
        rf"{_DAY}\.{_MONTH}\.",
    )
)

# In the order in which they are tried.
_KINDS = {
    "percentages": rf"[+-]?{_AMOUNT}%",
    "amounts of money": rf"[+-]?{_CURRENCY} ?[+-]?{_AMOUNT}[kmb]?|[+-]?{_AMOUNT}{_CURRENCY}",
    "dates": rf"(?:{_DATE})(?:[t ] ?{_TIME})?",
    "times": _TIME,
    "numbers with a unit": rf"[+-]?{_AMOUNT}(?!(?:st|nd|rd|th)$)[a-zµμ°ω'\"][a-z0-9µμ°ω²³/%·\"^-]*",
}
_PATTERNS = {kind: re.compile(pattern, re.IGNORECASE) for kind, pattern in _KINDS.items()}
_IDENTIFIER = re.compile(r"(?:^|[ _.-])(?i:id|key|index)$|(?<=[a-z])I[dD]$")
# Dates written as numbers, 20240131.
_FIRST_DATE, _LAST_DATE = 19000101, 21001231


_CODE = re.compile(r"[+-]?0\d+")


def first_code(fields: Iterable[str]) -> str | None:
    """The first of a column's numbers that is written as codes are, 01067, and would lose its zeros."""
    return next((field for field in fields if _CODE.fullmatch(field)), None)


def text_kind(counts: Mapping[str, int], numbers: int) -> tuple[str, str] | None:
    """What the fields are, "dates" say, and the first that is one; None for any other text.

    At least half of the fields are this, or numbers beside it.

    Args:
        counts: how often each different field occurs.
        numbers: how many fields are numbers.
    """
    rows = sum(counts.values())
    for kind, pattern in _PATTERNS.items():
        found = [field for field in counts if pattern.fullmatch(field)]
        if found and 2 * (numbers + sum(counts[field] for field in found)) >= rows:
            return kind, found[0]
    return None


def number_kind(name: str, values: np.ndarray, every_row: bool) -> str | None:
    """What is odd about a column of numbers: "looks like dates", "looks like an identifier", "counts the rows".

    Args:
        name: the column's.
        values: its different numbers, in the order in which they first occur.
        every_row: whether each row has another number.
    """
    if len(values) < 2 or not (values == np.round(values)).all():
        return None
    if every_row and values[0] in (0, 1) and np.array_equal(values, values[0] + np.arange(len(values))):
        return "counts the rows"
    if every_row and _IDENTIFIER.search(name):
        return "looks like an identifier"
    if ((values >= _FIRST_DATE) & (values <= _LAST_DATE)).all():
        month, day = values // 100 % 100, values % 100
        if ((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all():
            return "looks like dates"
    return None
