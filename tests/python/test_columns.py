"""What a column of a table becomes: a number in one of the ways of writing, categories, left out, or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpnet.data import Table
from bpnet.data.columns import ColumnDecision, describe_columns, describe_target, report_lines
from bpnet.options import of_command_line

ROWS = 40
OTHER = [str(1 + i * i) for i in range(ROWS)]  # a column of numbers beside the one that is looked at


def repeated(fields: Sequence[str], rows: int = ROWS) -> list[str]:
    return [fields[i % len(fields)] for i in range(rows)]


def table(**columns: Sequence[str]) -> Table:
    held = [repeated(fields) for fields in columns.values()]
    return Table("t.csv", list(columns), held, range(2, 2 + ROWS))


def decide(columns: Mapping[str, Sequence[str]], **config: Any) -> dict[str, ColumnDecision]:
    return {found.name: found for found in describe_columns(table(**columns), config)}


def refused(columns: Mapping[str, Sequence[str]], *fragments: str, **config: Any) -> None:
    with of_command_line(), pytest.raises(ValueError) as caught:
        decide(columns, **config)
    message = str(caught.value)
    assert "\n" not in message
    for fragment in ("t.csv", *fragments):
        assert fragment in message, message


# Numbers.

WRITTEN = {
    "points": (["1.5", "-2", "+3e2", ".5", "5."], (".", "")),
    "integers": (["1", "20", "007"], (".", "")),
    "exactly three decimals": (["1.234", "5.678"], (".", "")),
    "commas": (["1,5", "2", "-3,25"], (",", "")),
    "commas and a first 0": (["0,123", "1,234"], (",", "")),
    "commas and exponents": (["1,5e3", "2,5E-3"], (",", "")),
    "thousands": (["1,234,567", "12"], (".", ",")),
    "thousands and points": (["1,234.5", "999"], (".", ",")),
    "thousands and commas": (["1.234,5", "999"], (",", ".")),
    "thousands with points": (["1.234.567", "1.234"], (",", ".")),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_numbers_are_recognised_by_the_whole_column(name: str):
    fields, form = WRITTEN[name]
    found = decide({"x": fields})["x"]
    assert (found.kind, tuple(found.format)) == ("number", form)
    assert found.distinct == len(set(fields))


@pytest.mark.parametrize("fields", [["1,234"], ["1,234", "12"], ["1,234", "-56,789", "7"]])
def test_what_may_be_either_is_asked_for(fields: list[str]):
    refused({"x": fields}, "line 2", "'1,234'", "1.234", "1234", "--decimal ,", "--thousands ,")
    assert tuple(decide({"x": fields}, decimal=",")["x"].format) == (",", "")
    assert tuple(decide({"x": fields}, thousands=",")["x"].format) == (".", ",")


def test_a_point_beside_decimal_commas_may_stand_between_thousands():
    refused({"a": ["1,5"], "x": ["1.234", "12.345"]}, "line 2", "'1.234'", "--decimal , and --thousands .")
    said = {"decimal": ",", "thousands": "."}
    assert {tuple(found.format) for found in decide({"a": ["1,5"], "x": ["1.234"]}, **said).values()} == {
        (",", ".")
    }
    assert tuple(decide({"a": ["1,5"], "x": ["1.25"]})["x"].format) == (".", "")  # no thousands


def test_integers_beside_decimal_commas_may_have_them_too():
    assert tuple(decide({"a": ["1,5"], "x": ["1", "2"]})["x"].format) == (",", "")


def target_of(columns: Mapping[str, Sequence[str]], **config: Any) -> ColumnDecision:
    return describe_target(table(**columns), "y", {"target": "y", **config})


def test_the_target_is_written_as_the_columns_beside_it():
    for fields in (["1.234", "12.345"], ["20.377"]):
        with of_command_line(), pytest.raises(ValueError, match="--decimal , and --thousands ."):
            target_of({"a": ["1,5"], "y": fields})
        refused({"y": ["1,5"], "x": fields}, f"'{fields[0]}'", "--decimal , and --thousands .", target="y")
    assert tuple(target_of({"a": ["1,5"], "y": ["1", "2"]}).format) == (",", "")
    assert tuple(target_of({"a": ["1,5"], "y": ["1.25"]}).format) == (".", "")
    assert tuple(target_of({"a": ["1,234"], "y": ["1.234"]}).format) == (".", "")  # a may have either
    assert tuple(decide({"y": ["1,5"], "x": ["1", "2"]}, target="y")["x"].format) == (",", "")


@pytest.mark.parametrize("fields", [["1 234", "5"], ["1\u00a0234"], ["1'234"]])
def test_thousands_that_are_not_recognised_are_asked_for(fields: list[str]):
    mark = "'" if "'" in fields[0] else " "
    refused({"x": fields}, "line 2", f"thousands separator {mark!r}", "give --thousands ")
    assert tuple(decide({"x": fields}, thousands=mark)["x"].format) == (".", mark)
    refused({"x": [f"{fields[0]},5"]}, "give --decimal , and --thousands ")


def test_numbers_in_another_way_than_was_said():
    refused({"x": ["1.5", "2.5"]}, "'1.5'", "decimal mark '.'", "--decimal", decimal=",")
    refused({"x": ["1 234"]}, "'1 234'", numeric=["x"])
    assert tuple(decide({"x": ["1 234", "5"]}, thousands=" ")["x"].format) == (".", " ")
    with pytest.raises(ValueError, match="thousands separator is '_'"):
        decide({"x": ["1"]}, thousands="_")


def test_columns_that_mix_ways_of_writing():
    refused({"x": ["1.5", "2,5"]}, "line 3", "'2,5'")


# Strays.


def test_words_among_numbers_are_listed_with_their_lines():
    fields = [*OTHER]
    fields[3], fields[8], fields[9] = "abc", "n.a.", "abc"
    refused(
        {"x": fields},
        "line 5",
        "'abc' (line 5), 'n.a.' (line 10)",
        "--missing-values",
        "--categorical x",
        "--drop x",
    )
    assert decide({"x": fields}, missing_values=["abc", "N.A."])["x"].missing.nonzero()[0].tolist() == [
        3,
        8,
        9,
    ]
    found = decide({"x": fields}, categorical=["x"])["x"]
    assert (found.kind, found.distinct) == ("categories", ROWS - 1)
    assert decide({"x": fields}, drop=["x"])["x"].kind == "left out"


def test_only_the_first_strays_are_listed():
    fields = [f"w{i}" if i % 3 == 0 else str(i) for i in range(ROWS)]
    refused({"x": fields}, "'w0' (line 2)", "and 9 others")


@pytest.mark.parametrize(
    "field", ["1_000", "0x1F", "inf", "Infinity", "1e999", "١٢", "1 2", "5-", "(5)", "1,2,3", "1e"]
)
def test_what_is_no_number(field: str):
    refused({"x": [*OTHER[:-1], field]}, "line 41", repr(field))


def test_codes_among_numbers_are_warned_of():
    found = decide({"zip": ["01067", "80331", "10115"]})["zip"]
    assert found.kind == "number"
    assert found.warnings == [
        "has '01067', which is a code rather than a number; categorical=['zip'] takes it as it is"
    ]
    assert decide({"x": ["0", "0.5", "-0.25", "00.5", "10"]})["x"].warnings == []


def test_missing_words_are_no_strays():
    words = ["", "NA", "n/a", "NaN", "null", "None", "?", "-", "--", "."]
    found = decide({"x": [*OTHER[: ROWS - len(words)], *words]})["x"]
    assert found.kind == "number" and found.missing.sum() == len(words)


# Strings that are no categories.

KINDS = [
    ("percentages", ["12 %", "7%", "3.5 %"]),
    ("amounts of money", ["$5", "$1,200.50", "$12"]),
    ("amounts of money", ["5 €", "12,50 €"]),
    ("amounts of money", ["EUR 5", "USD 12"]),
    ("numbers with a unit", ["12 kg", "7.5 kg", "3kg"]),
    ("numbers with a unit", ["5'", '6"', "12 µm"]),
    ("dates", ["2024-01-31", "2023-12-01"]),
    ("dates", ["31.1.2024", "1.12.23"]),
    ("dates", ["01/31/2024", "12/01/2023"]),
    ("dates", ["2024-01-31 10:30:00", "2024-01-31T10:30:00Z"]),
    ("dates", ["31 Jan 2024", "March 5, 2023"]),
    ("dates", ["2024-01", "2023-12"]),
    ("dates", ["Jan 2024", "March 2023"]),
    ("dates", ["Jan-24", "Feb-24"]),
    ("dates", ["31.1.", "1.12."]),
    ("times", ["10:30", "23:59:59"]),
    ("times", ["1:30 PM", "11:05 am"]),
]


@pytest.mark.parametrize(("kind", "fields"), KINDS)
def test_quantities_dates_and_the_like_are_refused_by_name(kind: str, fields: list[str]):
    refused({"x": fields}, "line 2", repr(fields[0]), f"it holds {kind}", "--drop x", "--categorical x")
    refused({"x": [*fields, "3", "words"]}, "line 2", kind)
    assert decide({"x": fields}, categorical=["x"])["x"].kind == "categories"
    assert decide({"x": fields}, drop=["x"])["x"].kind == "left out"


@pytest.mark.parametrize(
    "fields",
    [
        ["red", "green"],
        ["Bachelors", "11th", "HS-grad", "5th-6th"],
        ["1st", "2nd", "3rd"],
        ["<=50K", ">50K"],
        ["18-24", "25-34", "35+"],
        ["A", "B", "3"],
        ["V6", "V8"],
        ["True", "False"],
        ["a b c d e", "f g h i j"],
        ["may", "march on"],
        ["Mark 1", "Mark 12"],
    ],
)
def test_names_are_categories(fields: list[str]):
    found = decide({"x": fields})["x"]
    assert (found.kind, found.distinct, found.warnings) == ("categories", len(fields), [])


def test_identifiers_and_free_text_are_refused():
    identifiers = [f"id-{i}" for i in range(ROWS)]
    text = [f"the cat sat on mat {i}" for i in range(ROWS)]
    for fields, words in ((identifiers, "identifiers"), (text, "free text rather")):
        refused({"x": fields}, "line 2", repr(fields[0]), "40 distinct strings in 40 rows", words, "--drop x")
        assert decide({"x": fields}, categorical=["x"])["x"].kind == "categories"


def test_many_categories_are_warned_of():
    found = decide({"x": [f"c{i % 12}" for i in range(ROWS)]})["x"]
    assert found.kind == "categories" and "12 categories in 40 rows" in found.warnings[0]


def test_too_many_categories_are_refused():
    fields = [f"c{i}" for i in range(1001)]
    found = Table("t.csv", ["x"], [fields], range(1001))
    with pytest.raises(ValueError, match="1,001 distinct values, at most 1,000"):
        describe_columns(found, {"categorical": ["x"]})


# Columns without a name.


@pytest.mark.parametrize("first", [0, 1])
@pytest.mark.parametrize("name", ["", "Unnamed: 0"])
def test_an_unnamed_index_is_left_out_unless_asked_for(first: int, name: str):
    columns = {name: [str(first + i) for i in range(ROWS)], "a": OTHER}
    found = decide(columns)[name]
    assert found.kind == "left out" and "counts the rows" in found.reason
    assert decide(columns, numeric=[name])[name].kind == "number"
    assert decide(columns, drop=[name])[name].reason == "as asked"
    assert decide(columns, categorical=[name])[name].kind == "categories"


def test_a_column_that_only_the_delimiters_make_is_left_out():
    found = decide({"a": OTHER, "": [""]})[""]
    assert (found.kind, found.reason) == ("left out", "it has no value in any row")
    assert "column 2, which has no name" in found.report()


def test_other_columns_without_a_name_are_refused():
    refused({"a": OTHER, "": OTHER}, "line 1", "column 2", "--drop")
    refused({"": OTHER, "a": OTHER}, "line 1", "column 1")
    assert decide({"a": OTHER, "": OTHER}, drop=[""])[""].kind == "left out"


def test_two_columns_without_a_name():
    held = Table("t.csv", ["", "a", ""], [OTHER, OTHER, OTHER], range(2, 2 + ROWS))
    assert [found.kind for found in describe_columns(held, {"drop": [""]})] == [
        "left out",
        "number",
        "left out",
    ]
    with pytest.raises(ValueError, match="2 columns have no name"):
        describe_columns(held, {"numeric": [""]})


# What is said of columns.


def test_names_that_there_are_not_are_refused_with_those_that_are_meant():
    columns = {"income, yearly": OTHER, "colour": ["red", "blue"]}
    for option in ("drop", "numeric", "categorical"):
        refused(columns, "no column 'color'", "did you mean 'colour'?", **{option: ["color"]})
    for names in (["income, yearly"], ["income", "yearly"]):  # as a shell passes 'income, yearly' on
        assert decide(columns, drop=names)["income, yearly"].kind == "left out"
    assert [found.kind for found in decide(columns, drop=["colour", "income", "yearly"]).values()] == [
        "left out"
    ] * 2


def test_words_that_contradict_each_other_are_refused():
    refused({"a": OTHER}, "'a'", "--drop", "--numeric", drop=["a"], numeric=["a"])
    refused({"a": OTHER}, "'a'", "--numeric", "--categorical", numeric=["a"], categorical=["a"])
    refused({"a": OTHER, "b": OTHER}, "'a'", "target", drop=["a"], target="a")
    refused({"a": ["red", "2"]}, "'red'", numeric=["a"])


def test_the_report():
    columns = {
        "age": OTHER,
        "weight": ["1,5", "2,5", "?"],
        "colour": ["red", "blue"],
        "empty": ["", "NA"],
        "PassengerId": [str(100 + 3 * i) for i in range(ROWS)],
        "day": [f"202401{i:02d}" for i in range(1, 31)],
        "nr": [str(i) for i in range(ROWS)],
        "one": ["7"],
        "target": OTHER,
    }
    with of_command_line():
        lines = report_lines(list(decide(columns, target="target", drop=["colour"]).values()))
    assert lines == [
        "age: number, 40 distinct values in 40 rows, decimal mark ','",
        "weight: number, 2 distinct values in 40 rows, decimal mark ',', 13 missing",
        "colour: left out, as asked",
        "empty: left out, it has no value in any row",
        "PassengerId: number, 40 distinct values in 40 rows, decimal mark ','",
        "day: number, 30 distinct values in 40 rows, decimal mark ','",
        "nr: number, 40 distinct values in 40 rows, decimal mark ','",
        "one: number, 1 distinct value in 40 rows, decimal mark ','",
        "warning: PassengerId looks like an identifier; --drop PassengerId leaves it out",
        "warning: day looks like dates; --drop day leaves it out",
        "warning: nr counts the rows; --drop nr leaves it out",
        "warning: one is the same number in every row",
    ]


def test_the_report_of_a_wide_table_is_short():
    held = Table("t.csv", [f"g{i}" for i in range(1000)], [OTHER] * 1000, range(ROWS))
    lines = report_lines(describe_columns(held, {}))
    assert len(lines) == 61 and lines[-1] == "and 940 more columns: number 940"


def test_columns_of_arrays():
    numbers = np.arange(ROWS) * 0.5
    numbers[3] = np.nan
    held = Table("", ["a", "b"], [numbers, ["x", "y"] * 20])
    a, b = describe_columns(held, {})
    assert (a.kind, a.distinct, a.missing.nonzero()[0].tolist(), b.kind) == ("number", 39, [3], "categories")
    assert describe_columns(held, {"categorical": ["a"]})[0].kind == "categories"
    assert describe_columns(held, {"decimal": ","})[0].format.decimal == "."
    for wrong, words in ((np.arange(ROWS).astype("M8[D]"), "dates"), (numbers * 1j, "complex")):
        with pytest.raises(ValueError, match=words):
            describe_columns(Table("", ["a"], [wrong]), {})
    numbers[7] = np.inf
    with pytest.raises(ValueError, match="row 7: column 'a' is inf"):
        describe_columns(held, {})


def test_the_path_is_named(tmp_path: Path):
    held = Table(str(tmp_path / "t.csv"), ["a"], [["12 kg"] * 30], range(2, 32))
    with pytest.raises(ValueError, match=r"t\.csv, line 2: column 'a'"):
        describe_columns(held, {})
