"""A table: named columns of strings or numbers."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

import numpy as np

__all__ = ["Column", "Table"]

Column = list[str] | np.ndarray

# How many names an error lists.
_MOST_NAMES = 20


class Table:
    """Named columns of equal length.

    Attributes:
        path: where it was read from, for messages; "" for rows in memory.
        header: the columns' names; "" for a column without one.
        columns: in the header's order, the fields of each: a list of strings, or an array of float64 in which
            NaN is a missing value. An array of another dtype (dates, say) is refused where it is used.
        lines: the line of the file on which each row ends, or None.
        categorical: the names of the columns whose own dtype says that they are categories.
        delimiter: what separates the fields of the file, or "".
    """

    def __init__(
        self,
        path: str,
        header: Sequence[str],
        columns: Sequence[Column],
        lines: Sequence[int] | None = None,
        categorical: Iterable[str] = (),
        delimiter: str = "",
    ) -> None:
        self.path = path
        self.header = list(header)
        self.columns = list(columns)
        self.lines = lines
        self.categorical = frozenset(categorical)
        self.delimiter = delimiter
        self._index = {name: index for index, name in reversed(list(enumerate(self.header)))}

    def __len__(self) -> int:
        return len(self.columns[0])

    def __contains__(self, column: str) -> bool:
        return column in self._index

    def index(self, column: str) -> int:
        """The index of a column; a ValueError that names the columns there are."""
        if column not in self._index:
            raise ValueError(f"{self}: there is no column {column!r}{self._instead(column)}")
        return self._index[column]

    def column(self, column: str) -> Column:
        """The fields of one column."""
        return self.columns[self.index(column)]

    def where(self, row: int) -> str:
        """``data.csv, line 7``, or ``row 7`` of rows in memory, counted from 0."""
        return f"row {row}" if self.lines is None else f"{self.path}, line {self.lines[row]}"

    def __str__(self) -> str:
        return self.path or "the table"

    def _instead(self, name: str) -> str:
        close = difflib.get_close_matches(name, self.header, 1)
        there = f"there are {shown_names(self.header)}"
        return f", did you mean {close[0]!r}? ({there})" if close else f"; {there}"


def shown_names(names: Sequence[str]) -> str:
    """The names, the first ones of many."""
    more = len(names) - _MOST_NAMES
    text = ", ".join(name or "one without a name" for name in names[:_MOST_NAMES])
    return f"{text} and {more:,} more" if more > 0 else text


def distinct_names(where: str, names: Sequence[str]) -> None:
    """No name twice; columns without a name are none."""
    seen: set[str] = set()
    for name in names:
        if name and name in seen:
            raise ValueError(f"{where}: the header names {name!r} twice")
        seen.add(name)
