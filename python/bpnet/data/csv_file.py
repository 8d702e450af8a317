"""CSV files: a header, fields separated by commas, semicolons, tabs or bars, quoted as RFC 4180 has it."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterator

from bpnet import _core
from bpnet.data.table import Table, distinct_names
from bpnet.options import option

__all__ = ["names_from_csv", "read_csv"]

DELIMITERS = ",;\t|"

_MARKS = (  # UTF-32's begins as UTF-16's does
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_QUOTED = re.compile(r' *"(?:[^"]|"")*"')
_SEPARATOR = re.compile(f"[{DELIMITERS}\r\n]")
_SEP_LINE = re.compile(f"sep=([{DELIMITERS}])(\r\n|\r|\n)")  # the first line that Excel writes


def names_from_csv(text: str) -> list[str]:
    """The names in an option's value, written as the fields of a CSV line: ``age,"income, yearly"``.

    The empty text is one name, "", of the columns that have none.
    """
    try:
        rows = list(csv.reader([text], skipinitialspace=True, strict=True))
    except csv.Error as error:
        raise ValueError(f"{text!r} is not a list of names like 'age,\"income, yearly\"': {error}") from None
    return [name.strip(_core.blanks) for name in (rows[0] if rows and rows[0] else [""])]


def read_csv(
    path: str | os.PathLike[str], encoding: str | None = None, delimiter: str | None = None
) -> Table:
    """Read a table, gzipped or not.

    Blanks around a field, and before its quote, do not count; blank lines do not either.

    Args:
        path: the file.
        encoding: of its text, a name that Python's codecs know, ``latin-1`` say; by default UTF-8, or what
            its byte order mark says.
        delimiter: between fields; by default a tab if the name ends in .tsv, or that of comma, semicolon,
            tab and bar which the header has outside its quotes.

    Raises:
        OSError: the file cannot be read.
        ValueError: no header or rows, a row of another length (with its line), two columns of one name,
            bytes that are not of the encoding, a delimiter that cannot be recognised.
    """
    name = os.fsdecode(path)
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ValueError(
            f"{name}: {option('delimiter')} is {delimiter!r}, one character is needed, neither a quote nor a line's end"
        )
    text = _text(name, _bytes(name), encoding)
    first = 1
    said = _SEP_LINE.match(text)
    if said:
        text, first = text[said.end() :], 2
        delimiter = delimiter or said[1]
    if delimiter is None:
        tabs = name.lower().removesuffix(".gz").endswith(".tsv")
        delimiter = "\t" if tabs else _delimiter(name, text)
    return _read(name, text, delimiter, first)


def _bytes(name: str) -> bytes:
    with open(name, "rb") as file:
        data = file.read()
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{name}: broken gzip data: {error}") from None


def _text(name: str, data: bytes, encoding: str | None) -> str:
    codec = encoding or next((codec for mark, codec in _MARKS if data.startswith(mark)), "utf-8")
    if codec.lower().replace("_", "-") in ("utf-8", "utf8"):
        codec = "utf-8-sig"  # passes over a byte order mark
    try:
        text = data.decode(codec)
    except LookupError:
        raise ValueError(
            f"{name}: there is no encoding {encoding!r}; utf-8, utf-16, latin-1 and cp1252 are"
        ) from None
    except UnicodeDecodeError as error:
        mark = len(codecs.BOM_UTF8) if codec == "utf-8-sig" and data.startswith(codecs.BOM_UTF8) else 0
        offset = mark + error.start
        line = len(re.findall(rb"\r\n|\r|\n", data[:offset])) + 1
        asked = (
            f"another {option('encoding')}"
            if encoding
            else f"{option('encoding', 'latin-1')} (or cp1252, utf-16)"
        )
        raise ValueError(
            f"{name}, line {line}: not valid {encoding or 'UTF-8'}: byte {offset} is 0x{data[offset]:02x}; "
            f"give {asked}"
        ) from None
    except UnicodeError as error:
        raise ValueError(f"{name}: not valid {encoding or codec}: {error}") from None
    if "\0" in text:
        line = len(text[: text.index("\0")].splitlines()) or 1
        raise ValueError(
            f"{name}, line {line}: a NUL character; is the text UTF-16? then give {option('encoding', 'utf-16')}"
        )
    return text


def _delimiter(name: str, text: str) -> str:
    """That of the delimiters in the header, outside its quotes, which gives all rows the same length."""
    counts = dict.fromkeys(DELIMITERS, 0)
    offset, end = re.match(r"[ \r\n]*", text).end(), None  # type: ignore[union-attr]
    while end is None:
        quoted = _QUOTED.match(text, offset)
        found = _SEPARATOR.search(text, quoted.end() if quoted else offset)
        if found and found[0] in DELIMITERS:
            counts[found[0]] += 1
            offset = found.end()
        else:
            end = found.start() if found else len(text)
    candidates = [each for each in DELIMITERS if counts[each]]
    if len(candidates) < 2:
        return candidates[0] if candidates else ","
    fitting = [each for each in candidates if _fits(text, each)] or candidates
    fitting.sort(key=lambda each: -counts[each])
    if len(fitting) > 1 and counts[fitting[0]] == counts[fitting[1]]:
        raise ValueError(
            f"{name}, line 1: {fitting[0]!r} or {fitting[1]!r} may separate the fields; name it with {option('delimiter')}"
        )
    return fitting[0]


def _reader(text: str, delimiter: str) -> csv._reader:  # type: ignore[name-defined]
    lines = io.StringIO(text, newline="")
    return csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)


def _fits(text: str, delimiter: str) -> bool:
    try:
        return len({len(row) for row in _reader(text, delimiter) if row}) == 1
    except csv.Error:
        return False


def _rows(name: str, text: str, delimiter: str, first: int) -> Iterator[tuple[int, list[str]]]:
    """The line on which a row ends, and its fields without the blanks around them."""
    reader = _reader(text, delimiter)
    try:
        for row in reader:
            if row:
                yield reader.line_num + first - 1, [field.strip(_core.blanks) for field in row]
    except csv.Error as error:
        raise ValueError(f"{name}, line {reader.line_num + first - 1}: {error}") from None


def _read(name: str, text: str, delimiter: str, first: int) -> Table:
    all_rows = _rows(name, text, delimiter, first)
    line, header = next(all_rows, (1, []))
    if not any(header):
        raise ValueError(f"{name}: the file is empty, a header and rows are needed")
    distinct_names(f"{name}, line {line}", header)
    rows: list[list[str]] = []
    lines: list[int] = []
    for line, row in all_rows:
        if len(row) != len(header):
            raise ValueError(
                f"{name}, line {line}: the row has {_fields(len(row))}, the header has {len(header)}"
            )
        rows.append(row)
        lines.append(line)
    if not rows:
        raise ValueError(f"{name}: there are no rows below the header")
    table = Table(name, header, [list(column) for column in zip(*rows)], lines, delimiter=delimiter)
    _check_header(table)
    return table


def _fields(count: int) -> str:
    return "1 field" if count == 1 else f"{count} fields"


def _check_header(table: Table) -> None:
    """A first line that looks like the others is data: each name a number, or a string that its column has too."""
    numbers = _core.parse_numbers(table.header, ".", "", [])[1] == _core.NUMBER
    if not all(
        number or name in column for name, number, column in zip(table.header, numbers, table.columns)
    ):
        return
    again = next(
        (row for row, fields in enumerate(zip(*table.columns)) if list(fields) == table.header), None
    )
    if again is not None and not numbers.any():
        raise ValueError(f"{table.where(again)}: the header again; leave the line out")
    raise ValueError(
        f"{table.path}, line 1: the first line is data ({', '.join(table.header[:3])}…), names of the columns are "
        "needed; write a header above it"
    )
