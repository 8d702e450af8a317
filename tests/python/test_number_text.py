"""Fields to numbers and back: the core's one grammar beside a plain Python one."""

from __future__ import annotations

import itertools
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bpnet import _core

WORDS = ["", "na", "n/a", "#n/a", "#na", "nan", "-nan", "null", "none", "nil", "<na>", "?", "-", "--", "."]
SEPARATORS = {"": "", ",": ",", ".": r"\.", " ": "[ \u00a0\u202f]", "'": "['\u2019]"}
FORMATS = [(d, t) for d, t in itertools.product(".,", SEPARATORS) if d != t]


def plain_number(field: str, decimal: str, thousands: str) -> tuple[float, int]:
    """What parse_numbers says of a field, by a regular expression and Python's float()."""
    field = field.strip(" \t\n\v\f\r")
    if field.isascii() and field.lower() in WORDS:
        return math.nan, _core.MISSING
    whole = "[0-9]+"
    if thousands:
        whole = f"(?:[1-9][0-9]{{0,2}}(?:{SEPARATORS[thousands]}[0-9]{{3}})+|{whole})"
    mark = re.escape(decimal)
    number = re.fullmatch(
        rf"([+-]?)(?:({whole})(?:{mark}([0-9]*))?|{mark}([0-9]+))(?:[eE]([+-]?[0-9]+))?", field
    )
    if number is None:
        return math.nan, _core.NOT_A_NUMBER
    sign, digits, fraction, fraction_alone, exponent = (part or "" for part in number.groups())
    value = float(f"{sign}{re.sub('[^0-9]', '', digits)}.{fraction or fraction_alone}e{exponent or 0}")
    return (value, _core.NUMBER) if math.isfinite(value) else (math.nan, _core.NOT_FINITE)


def agree(fields: list[str]) -> None:
    for decimal, thousands in FORMATS:
        values, statuses = _core.parse_numbers(fields, decimal, thousands, WORDS)
        expected = [plain_number(field, decimal, thousands) for field in fields]
        assert statuses.tolist() == [status for _, status in expected], (fields, decimal, thousands)
        wanted = np.array([value for value, _ in expected])
        assert np.array_equal(values, wanted, equal_nan=True), (fields, decimal, thousands)
        assert np.array_equal(np.signbit(values), np.signbit(wanted) & ~np.isnan(wanted))


# Pieces rather than characters, so that numbers with groups come up.
PIECES = [
    "0",
    "1",
    "12",
    "123",
    "234",
    "999",
    ",",
    ".",
    "'",
    " ",
    "\u00a0",
    "\u202f",
    "\u2019",
    "+",
    "-",
    "e",
]
PIECES += ["E", "e5", "e-3", "_", "x", "%", "\u0663", "\uff15", "\u2212", "inf", "nan", "\t", "\n", "?", "N"]


@settings(max_examples=400, deadline=None)
@given(st.lists(st.lists(st.sampled_from(PIECES), max_size=8).map("".join), max_size=20))
def test_any_field(fields: list[str]):
    agree(fields)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.text(max_size=6), max_size=20))
def test_any_text(fields: list[str]):
    agree(fields)


@settings(max_examples=150, deadline=None)
@given(st.decimals(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_the_nearest_doubles(long: object, short: float):
    agree([str(long), repr(short), f"{short:.25e}", f"{short:,.3f}", f"+{abs(short)!r}"])


@pytest.mark.parametrize(
    "field, expected",
    [
        ("1e308", 1e308),
        ("1.7976931348623158e308", 1.7976931348623157e308),  # the largest, and half a bit above it
        ("-1e-400", -0.0),
        ("0e99999999999999999999", 0.0),
        ("1e-99999999999999999999", 0.0),
        ("5e-324", 5e-324),
        ("2.4703282292062327e-324", 0.0),
        ("0" * 500 + "1" + "0" * 300 + "e-300", 1.0),
        ("9007199254740993", 9007199254740992.0),
        ("007", 7.0),
        (".5", 0.5),
        ("5.", 5.0),
    ],
)
def test_the_edges_of_a_double(field: str, expected: float):
    values, statuses = _core.parse_numbers([field], ".", "", WORDS)
    assert statuses.tolist() == [_core.NUMBER]
    assert repr(values[0].item()) == repr(expected)


@pytest.mark.parametrize("field", ["1e309", "-1e309", "1.8e308", "9" * 400, "1e99999999999999999999"])
def test_too_large_for_a_double(field: str):
    values, statuses = _core.parse_numbers([field], ".", "", WORDS)
    assert statuses.tolist() == [_core.NOT_FINITE] and math.isnan(values[0])


@pytest.mark.parametrize("thousands", [",", ".", " ", "'"])
@pytest.mark.parametrize(
    "shape, number",
    [
        ("1,234", 1234),
        ("12,345,678", 12345678),
        ("123,456", 123456),
        ("1234567", 1234567),
        ("1234,567", None),  # all groups, or none
        ("1,2345", None),
        ("1,23", None),
        ("1,,234", None),
        ("+,123", None),
        ("1,234,e1", None),
        ("0,123", None),  # a fraction with a decimal comma
        ("1,234567", None),
    ],
)
def test_groups_of_three(thousands: str, shape: str, number: float | None):
    decimal = "," if thousands == "." else "."
    values, statuses = _core.parse_numbers([shape.replace(",", thousands)], decimal, thousands, WORDS)
    if number is None:
        assert statuses.tolist() == [_core.NOT_A_NUMBER]
    else:
        assert values.tolist() == [number]
        fraction = shape.replace(",", thousands) + decimal + "5"
        assert _core.parse_numbers([fraction], decimal, thousands, WORDS)[0].tolist() == [number + 0.5]
    _, statuses = _core.parse_numbers([f"1{decimal}234{thousands}567"], decimal, thousands, WORDS)
    assert statuses.tolist() == [_core.NOT_A_NUMBER]


def test_the_missing_words():
    assert _core.missing_words() == WORDS
    fields = [*WORDS, *(word.upper() for word in WORDS), " NaN\t", "\n"]
    assert _core.parse_numbers(fields, ".", "", WORDS)[1].tolist() == [_core.MISSING] * len(fields)


def test_missing_words_of_ones_own():
    """They come before the number; the empty field is always missing; case counts beyond A to Z."""
    fields = ["-999", "-999.0", " Unbekannt ", "ÜBER", "über", "", "nan", "?"]
    statuses = _core.parse_numbers(fields, ".", "", ["-999", "unbekannt ", "über"])[1].tolist()
    expected = [_core.MISSING, _core.NUMBER, _core.MISSING, _core.NOT_A_NUMBER, _core.MISSING, _core.MISSING]
    assert statuses == [*expected, _core.NOT_A_NUMBER, _core.NOT_A_NUMBER]


@pytest.mark.parametrize(
    "decimal, thousands, message",
    [
        (";", "", "the decimal mark is ';'"),
        ("", "", "the decimal mark is ''"),
        (".,", "", "the decimal mark is '.,'"),
        ("\u066b", "", "the decimal mark is '\u066b'"),
        (".", ";", "the thousands separator is ';'"),
        (".", "\u00a0", "the thousands separator is"),
        (".", ",,", "the thousands separator is ',,'"),
        (".", "\0", "the thousands separator is"),
        (".", ".", "'.' is both the decimal mark and the thousands separator"),
    ],
)
def test_formats_that_there_are_not(decimal: str, thousands: str, message: str):
    with pytest.raises(ValueError, match="^number format: " + re.escape(message)):
        _core.parse_numbers(["1"], decimal, thousands, WORDS)


def test_what_is_no_list_of_strings():
    for wrong in ("12", b"12", [1.5], [b"1"], 7):
        with pytest.raises(TypeError):
            _core.parse_numbers(wrong, ".", "", WORDS)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="^row 2: numbers: a string is needed, not float$"):
        _core.parse_numbers(["1", None, 1.5], ".", "", WORDS)  # type: ignore[list-item]
    values, statuses = _core.parse_numbers(("1", None, "\udc80", "\ud800"), ".", "", WORDS)
    assert statuses.tolist() == [_core.NUMBER, _core.MISSING, _core.NOT_A_NUMBER, _core.NOT_A_NUMBER]
    assert values[0] == 1 and np.isnan(values[1:]).all()
    of_array, _ = _core.parse_numbers(np.array(["1", "2.5"]), ".", "", WORDS)
    assert of_array.tolist() == [1, 2.5]


@settings(max_examples=400, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_the_text_of_a_number(value: float):
    """Python's shortest, without ".0" and the sign of zero."""
    (text,) = _core.number_texts(np.array([value]))
    assert text == ("0" if value == 0 else repr(value).removesuffix(".0"))
    assert _core.parse_numbers([text], ".", "", WORDS)[0].tolist() == [value]


def test_the_text_of_round_numbers():
    values = np.array([3, 100000, -1e15, 1e16, 1e22, 0.0001, 0.00001, 0.1, -0.0, 2.0**53])
    texts = ["3", "100000", "-1000000000000000", "1e+16", "1e+22", "0.0001", "1e-05", "0.1", "0"]
    assert _core.number_texts(values) == [*texts, "9007199254740992"]
