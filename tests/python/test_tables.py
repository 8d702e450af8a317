"""CSV files as people write them: delimiters, quotes, encodings, archives, wide ones; and lists of names."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import random
import sys
from pathlib import Path

import pytest

from bpnet.data import Table, names_from_csv, read_csv
from bpnet.data.columns import describe_columns, describe_target
from bpnet.options import of_command_line

ROWS = [["1", "a"], ["2", "b"], ["3", "a"]]


def table(tmp_path: Path, text: str | bytes, name: str = "t.csv", **options: str) -> Table:
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_csv(tmp_path / name, **options)


def rows_of(found: Table) -> list[list[str]]:
    return [list(row) for row in zip(*found.columns)]


def refused(tmp_path: Path, text: str | bytes, *fragments: str, name: str = "t.csv", **options: str) -> None:
    with of_command_line(), pytest.raises(ValueError) as caught:
        table(tmp_path, text, name, **options)
    message = str(caught.value)
    assert str(tmp_path / name) in message and "\n" not in message
    for fragment in fragments:
        assert fragment in message, message


# Delimiters.

HEADERS = {
    "commas in quoted names": (
        '"income, yearly, gross";"age";"class"\n1;2;a\n',
        ["income, yearly, gross", "age", "class"],
    ),
    "semicolons in quoted names": ('"a; b; c","d"\n1,2\n', ["a; b; c", "d"]),
    "a quoted name behind another": ('size;"a, b, c"\n1;2\n', ["size", "a, b, c"]),
    "quotes within quotes": ('"say ""a, b, c""";d\n1;2\n', ['say "a, b, c"', "d"]),
    "a newline in quotes": ('"a,\nb,\nc";d\n1;2\n', ["a,\nb,\nc", "d"]),
    "a quote within a name": ('5" pipe;b\n1;2\n', ['5" pipe', "b"]),
    "bars": ("a|b, c|d\n1|2|3\n", ["a", "b, c", "d"]),
    "tabs": ("a\tb, c\td\n1\t2\t3\n", ["a", "b, c", "d"]),
    "blanks before quotes": ('size, "class, of"\n1, "a"\n', ["size", "class, of"]),
    "what Excel writes first": ("sep=;\na;b\n1;2\n", ["a", "b"]),
    "one that gives no even rows": ("a, of;b, of;c\n1;2;3\n", ["a, of", "b, of", "c"]),
    "a blank line before": ("\n\na;b\n1;2\n", ["a", "b"]),
    "carriage returns": ("a;b\r1;2\r", ["a", "b"]),
    "one column": ("a\n1\n", ["a"]),
}


@pytest.mark.parametrize("name", HEADERS)
def test_the_delimiter_is_found_outside_quotes(tmp_path: Path, name: str):
    text, header = HEADERS[name]
    assert table(tmp_path, text).header == header


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n"])
def test_a_delimiter_is_one_character(tmp_path: Path, delimiter: str):
    (tmp_path / "t.csv").write_text("a;b\n1;2\n")
    with pytest.raises(ValueError, match=r"t\.csv: delimiter is .*one character is needed"):
        read_csv(tmp_path / "t.csv", delimiter=delimiter)


def test_a_delimiter_that_may_be_either_is_asked_for(tmp_path: Path):
    text = "a,b;c\n1,2;3\n"
    refused(tmp_path, text, "line 1", "','", "';'", "--delimiter")
    assert table(tmp_path, text, delimiter=",").header == ["a", "b;c"]
    assert table(tmp_path, text, delimiter=";").header == ["a,b", "c"]
    assert table(tmp_path, "a,b\tc\n1,2\t3\n", "t.tsv").header == ["a,b", "c"]


def test_points_between_semicolons_may_stand_between_thousands(tmp_path: Path):
    def format_of_x(text: str, target: str | None = None) -> tuple[str, str]:
        found = describe_columns(table(tmp_path, text), {"target": target})
        return next(tuple(each.format) for each in found if each.name == "x")

    with pytest.raises(ValueError, match=r"line 3: column 'x' is '1.921', which may be 1.921 .* or 1921"):
        format_of_x("x;y\n377;a\n1.921;b\n")
    with pytest.raises(ValueError, match=r"line 3: column 'x' is '1.921', which may be"):
        describe_target(table(tmp_path, "x;y\n377;a\n1.921;b\n"), "x", {})
    assert format_of_x("x,y\n377,a\n1.921,b\n") == (".", "")
    assert format_of_x("x;y\n0.377;a\n1.921;b\n") == (".", "")
    assert format_of_x("x;y\n377;2.5\n1.921;3\n") == (".", "")
    assert format_of_x("x;y\n377;2.5\n1.921;3\n", target="y") == (".", "")
    assert format_of_x("x;y\n377;4\n21;5\n") == (".", "")


def test_blanks_before_a_quote_are_skipped(tmp_path: Path):
    found = table(tmp_path, 'size, "class"\n1, "a"\n 2 ,"b, c"\n')
    assert (found.header, rows_of(found)) == (["size", "class"], [["1", "a"], ["2", "b, c"]])


def test_what_csv_writes_is_read_back(tmp_path: Path):
    """Random names and fields, with delimiters, quotes and newlines in them, as the csv module writes them."""
    rng = random.Random(0)
    letters = 'ab,;\t| "\n'
    for trial in range(200):
        columns = rng.randint(1, 5)
        names = [f"n{i}" + "".join(rng.choices(letters, k=rng.randint(0, 6))) for i in range(columns)]
        rows = [["".join(rng.choices(letters, k=rng.randint(0, 5))) + "x" for _ in names] for _ in range(3)]
        file = io.StringIO()
        delimiter = rng.choice(",;\t|")
        csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL).writerows([names, *rows])
        found = table(tmp_path, file.getvalue(), delimiter=delimiter)
        stripped = [[field.strip(" \t\n") for field in row] for row in [names, *rows]]
        assert [found.header, *rows_of(found)] == stripped, trial
        if columns > 1:  # quoted fields hide what is in them
            assert table(tmp_path, file.getvalue()).header == stripped[0]


# Encodings.


@pytest.mark.parametrize(
    ("encoding", "mark"),
    [
        ("utf-8", b""),
        ("utf-8", codecs.BOM_UTF8),
        ("utf-16-le", codecs.BOM_UTF16_LE),
        ("utf-16-be", codecs.BOM_UTF16_BE),
        ("utf-32-le", codecs.BOM_UTF32_LE),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t.tsv.gz"])
def test_encodings_that_say_themselves(tmp_path: Path, encoding: str, mark: bytes, name: str):
    delimiter = "\t" if ".tsv" in name else ";"
    text = f"größe{delimiter}日本\n1{delimiter}é\n"
    raw = mark + text.encode(encoding)
    found = table(tmp_path, gzip.compress(raw) if name.endswith("gz") else raw, name)
    assert (found.header, rows_of(found)) == (["größe", "日本"], [["1", "é"]])


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16-le", "utf-8"])
def test_encodings_that_are_said(tmp_path: Path, encoding: str):
    raw = "größe;kind\n1;é\n".encode(encoding)
    if encoding != "utf-8":
        refused(tmp_path, raw, "line 1", "--encoding")
    assert table(tmp_path, raw, encoding=encoding).header == ["größe", "kind"]


def test_a_bad_byte_is_named_with_its_line(tmp_path: Path):
    raw = b"a,b\r\n1,2\r\n3,\xff\r\n"
    refused(tmp_path, raw, "line 3", "byte 12", "0xff", "--encoding latin-1")
    refused(tmp_path, codecs.BOM_UTF8 + raw, "line 3", "byte 15", "0xff")
    refused(tmp_path, raw, "line 3", "ascii", "another --encoding", encoding="ascii")
    refused(tmp_path, raw, "no encoding 'latin-one'", encoding="latin-one")


def test_nul_characters_are_refused(tmp_path: Path):
    refused(tmp_path, b"a,b\n1,x\0y\n", "line 2", "NUL")


def test_broken_archives(tmp_path: Path):
    raw = gzip.compress(b"a,b\n1,2\n", mtime=0)
    for length in range(3, len(raw)):
        refused(tmp_path, raw[:length], "gzip", name="t.csv.gz")


# Headers.


@pytest.mark.parametrize(
    "text",
    [
        "5.1,3.5,1.4\n4.9,3.0,1.4\n",
        "1\n2\n",
        "5.1,3.5,setosa\n4.9,3.0,setosa\n5.0,3.1,virginica\n",
        "39, State-gov, Bachelors\n50, Private, Bachelors\n38, State-gov, HS-grad\n",
    ],
)
def test_a_file_without_a_header_is_refused(tmp_path: Path, text: str):
    refused(tmp_path, text, "line 1", "header")


@pytest.mark.parametrize("text", ["label,0,1\n7,0,0\n", "a,b\na,c\n", "5.1,3.5,kind\n1,2,setosa\n"])
def test_a_header_with_some_numbers_is_one(tmp_path: Path, text: str):
    assert table(tmp_path, text).header == text.partition("\n")[0].split(",")


def test_a_header_that_comes_again_is_refused(tmp_path: Path):
    """As in files that were put one behind another."""
    refused(tmp_path, "a,b\n1,2\na,b\n3,4\n", "line 3", "the header again")


def test_names_twice_and_no_names(tmp_path: Path):
    refused(tmp_path, "a,b, a\n1,2,3\n", "line 1", "'a' twice")
    assert table(tmp_path, ",a,\n1,2,3\n").header == ["", "a", ""]


def test_ragged_rows_are_named_with_their_line(tmp_path: Path):
    refused(tmp_path, 'a,b\n"1\n1",2\n\n3,4,\n', "line 5", "3 fields", "2")
    refused(tmp_path, "sep=;\na;b\n1;2\n3\n", "line 4", "1 field", "2")


def test_a_wide_table_is_read_field_by_field(tmp_path: Path):
    """20,000 columns: nothing looks at all the other columns for each."""
    count = 20_000
    names = [f"g{i}" for i in range(count)]
    text = "\n".join([",".join(names), *[",".join(["1.5"] * count)] * 3])
    steps = 0

    def counted(frame: object, event: str, argument: object) -> None:
        nonlocal steps
        steps += event == "call"

    sys.setprofile(counted)
    try:
        found = table(tmp_path, text)
        indices = [found.index(name) for name in names]
    finally:
        sys.setprofile(None)
    assert found.header == names and indices == list(range(count))
    assert steps < 20 * count


# Names in options.

NAMES = {
    "age": ["age"],
    "age,kind": ["age", "kind"],
    '"income, yearly"': ["income, yearly"],
    'age, "income, yearly" ,kind': None,
    'age, "income, yearly",kind': ["age", "income, yearly", "kind"],
    '"say ""hi"""': ['say "hi"'],
    "": [""],
    ",age": ["", "age"],
    '""': [""],
    '"open': None,
}


@pytest.mark.parametrize("text", NAMES)
def test_names_are_csv_fields(text: str):
    names = NAMES[text]
    if names is None:
        with pytest.raises(ValueError, match="list of names"):
            names_from_csv(text)
    else:
        assert names_from_csv(text) == names
