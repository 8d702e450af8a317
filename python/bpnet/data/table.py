"""Tables: a CSV file with a header, read by the standard library."""

from __future__ import annotations

import codecs
import csv
import io
import os
from collections import Counter
from collections.abc import Sequence

__all__ = ["Table", "read_csv"]


class Table:
    """Named columns of equal length.

    Attributes:
        path: where it was read from, for messages.
        header: the columns' names.
        columns: the fields of each column, in the header's order.
        lines: the line of the file on which each row ends.
    """

    def __init__(
        self, path: str, header: Sequence[str], columns: Sequence[list[str]], lines: Sequence[int]
    ) -> None:
        self.path = path
        self.header = list(header)
        self.columns = list(columns)
        self.lines = lines
        self._index = {name: index for index, name in enumerate(self.header)}

    def __len__(self) -> int:
        return len(self.lines)

    def __contains__(self, column: str) -> bool:
        return column in self._index

    def index(self, column: str) -> int:
        """The index of a column; a ValueError that lists the columns there are."""
        if column not in self._index:
            raise ValueError(
                f"{self.path}: there is no column {column!r}, there are {', '.join(self.header)}"
            )
        return self._index[column]

    def column(self, column: str) -> list[str]:
        """The fields of one column."""
        return self.columns[self.index(column)]

    def where(self, row: int) -> str:
        """``data.csv, line 7``"""
        return f"{self.path}, line {self.lines[row]}"


def read_csv(path: str | os.PathLike[str]) -> Table:
    """Read a table: UTF-8, a header, fields separated by commas, semicolons or tabs (whichever the
    header has most of), quoted as RFC 4180 has it.

    Raises:
        OSError: the file cannot be read.
        ValueError: no header or rows, a row of another length (with its line), two columns of one name,
            bytes that are not UTF-8.
    """
    name = os.fspath(path)
    with open(path, "rb") as file:
        data = file.read()
    mark = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    try:
        text = data[mark:].decode("utf-8")
    except UnicodeDecodeError as error:
        place = mark + error.start
        raise ValueError(f"{name}: not a UTF-8 text: byte {place} is 0x{data[place]:02x}") from None
    first = text.partition("\n")[0]
    return _read(
        name, csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count), strict=True)
    )


def _read(name: str, reader: csv._reader) -> Table:  # type: ignore[name-defined]
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = [field.strip() for field in next(reader, [])]
        if not any(header):
            raise ValueError(f"{name}: the file is empty, a header and rows are needed")
        counts = Counter(header)
        for field in header:
            if counts[field] > 1:
                raise ValueError(f"{name}, line 1: the header names {field!r} twice")
        for row in reader:
            if not row:  # a blank line
                continue
            if len(row) != len(header):
                raise ValueError(
                    f"{name}, line {reader.line_num}: the row has {len(row)} fields, the header has {len(header)}"
                )
            rows.append([field.strip() for field in row])
            lines.append(reader.line_num)
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num}: {error}") from None
    if not rows:
        raise ValueError(f"{name}: there are no rows below the header")
    return Table(name, header, [list(column) for column in zip(*rows)], lines)
