"""Tables to a network's input, and its outputs to answers: the core beside plain Python."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import bpnet as bp
from bpnet import _core
from bpnet.data import Preprocessing
from test_files import opened, tiny, write

NUMBER = {"name": "n", "categories": []}
COLOUR = {"name": "c", "categories": ["red", "blue", "green"]}


class Refused(Exception):
    pass


def plain_field(column: dict[str, Any], field: str) -> list[float] | None:
    """The features of one field, None where its row is dropped."""
    categories, missing = column["categories"], column.get("missing", "error")
    field = field.strip(" \t\n\v\f\r")
    hole = field.lower() in _core.missing_words() and field not in categories
    if hole and missing in ("error", "drop"):
        if missing == "error":
            raise Refused
        return None
    if categories:
        if hole:
            field = column["fill"] if missing == "fill" else ""
        if field not in categories and column.get("unknown", "error") == "error":
            raise Refused
        return [float(field == category) for category in categories]
    flag = [float(hole)] if missing == "category" else []
    if hole:
        return [float(column["fill"]), *flag]
    if re.fullmatch(r"[+-]?[0-9]+(\.[0-9]*)?", field) is None:
        raise Refused
    return [float(field), *flag]


@st.composite
def columns(draw: st.DrawFn, name: str) -> dict[str, Any]:
    if draw(st.booleans()):
        column: dict[str, Any] = {"name": name, "categories": []}
        fill: Any = draw(st.floats(-5, 5))
    else:
        names = draw(st.lists(st.sampled_from(["", "a", "b", "?", "NA", "1", "ä"]), min_size=1, unique=True))
        column = {"name": name, "categories": names, "unknown": draw(st.sampled_from(["error", "ignore"]))}
        fill = draw(st.sampled_from(names))
    column["missing"] = draw(st.sampled_from(["error", "fill", "drop", "category"]))
    if column["missing"] == "category" and column["categories"] and "" not in column["categories"]:
        column["categories"].append("")
    if column["missing"] in ("fill", "category"):
        column["fill"] = fill
    return column


FIELDS = st.sampled_from(["1", "2.5", "-3", "1", "-2", "a", "b", "?", "NA", "", " a ", "n/a", "ä", "A", "x"])


@settings(max_examples=600, deadline=None)
@given(st.data())
def test_any_table(data: st.DataObject):
    table = [data.draw(columns(f"column {i}")) for i in range(data.draw(st.integers(1, 3)))]
    rows = data.draw(st.integers(0, 6))
    fields = [data.draw(st.lists(FIELDS, min_size=rows, max_size=rows)) for _ in table]
    features = len(_core.features(json.dumps({"columns": table}))[0])
    mean = [0.5 * i for i in range(features)]
    scale = [1.0 + i for i in range(features)]
    p = Preprocessing(table, mean, scale)
    try:
        encoded = [[plain_field(column, f) for f in of_column] for column, of_column in zip(table, fields)]
    except Refused:
        with pytest.raises(ValueError, match=r"^row \d: column 'column \d': '"):
            p.encode(fields)
        return
    X, kept = p.encode(fields)
    assert X.shape == (rows, features) and X.dtype == np.float64
    for row, of_row in enumerate(zip(*encoded)):
        assert kept[row] == (None not in of_row)
        if kept[row]:
            plain = [value for part in of_row for value in part or ()]
            assert X[row].tolist() == [(v - m) / s for v, m, s in zip(plain, mean, scale)]


def one(column: dict[str, Any], field: Any, dtype: str = "float64", **options: Any) -> list[float]:
    """The features of one field alone."""
    X, kept = Preprocessing([column], **options).encode(
        [field if isinstance(field, np.ndarray) else [field]], dtype
    )
    assert kept.all()
    return X[0].tolist()


def test_decimal_commas():
    assert one({**NUMBER, "decimal": ",", "thousands": "."}, "-1.234,5") == [-1234.5]
    with pytest.raises(ValueError, match="'1.5' is not a number with the decimal mark ','$"):
        one({**NUMBER, "decimal": ","}, "1.5")
    with pytest.raises(ValueError, match="'1 5' is not a number with the thousands separator ' '$"):
        one({**NUMBER, "thousands": " "}, "1 5")


@pytest.mark.parametrize(
    "column, field, message",
    [
        (NUMBER, "x", "column 'n': 'x' is not a number"),
        (NUMBER, "12%", "column 'n': '12%' is not a number"),
        (NUMBER, "", "column 'n': '' is missing; fill it in or leave the row out"),
        (NUMBER, "N/A", "column 'n': 'N/A' is missing; fill it in or leave the row out"),
        (NUMBER, "1e999", "column 'n': '1e999' is too large for a float64"),
        (
            COLOUR,
            "Red",
            "column 'c': 'Red' was not among the categories the model was trained on, red, blue, green",
        ),
        (COLOUR, "?", "column 'c': '?' is missing; fill it in or leave the row out"),
        (
            {"name": "c", "categories": [f"k{i}" for i in range(13)]},
            "k13",
            "column 'c': 'k13' was not among the categories the model was trained on, "
            "k0, k1, k2, k3, k4, k5, k6, k7, k8, k9 and 3 others",
        ),
        (NUMBER, "ä" * 100, f"column 'n': '{'ä' * 30}…' is not a number"),
    ],
)
def test_fields_that_are_refused(column: dict[str, Any], field: str, message: str):
    with pytest.raises(ValueError, match=f"^data.csv, line 3: {re.escape(message)}$"):
        Preprocessing([NUMBER, column] if column is COLOUR else [column]).encode(
            [["1", "1"], ["red", field]]
            if column is COLOUR
            else [[column["categories"][0] if column["categories"] else "1", field]],
            where=lambda row: f"data.csv, line {row + 2}",
        )


def test_a_wrong_field_is_told_in_a_dropped_row():
    p = Preprocessing([{**NUMBER, "missing": "drop"}, COLOUR])
    X, kept = p.encode([["1", "?", "3"], ["red", "blue", "green"]])
    assert kept.tolist() == [True, False, True] and np.isfinite(X).all()
    with pytest.raises(ValueError, match="row 1: column 'c': 'mauve'"):
        p.encode([["1", "?", "3"], ["red", "mauve", "green"]])


def test_a_listed_category_is_no_missing_word():
    """Files of old list "?" and "NA" where they were values."""
    assert one({"name": "c", "categories": ["NA", "?"]}, "?") == [0, 1]
    with pytest.raises(ValueError, match="'n/a' is missing"):
        one({"name": "c", "categories": ["NA", "?"]}, "n/a")


def test_missing_words_of_a_model():
    column = {**NUMBER, "missing": "fill", "fill": 7}
    assert one(column, "-999", missing_words=["-999"]) == [7]
    with pytest.raises(ValueError, match="'NA' is not a number"):
        one(column, "NA", missing_words=["-999"])
    p = Preprocessing([column], missing_words=["-999"])
    assert Preprocessing.from_description(p.describe()).missing_words == ["-999"]


def test_numbers_that_are_numbers_already():
    flagged = {**NUMBER, "missing": "category", "fill": -1}
    assert one(flagged, np.array([2.5])) == [2.5, 0]
    assert one(flagged, np.array([math.nan])) == [-1, 1]
    for wrong in (math.inf, -math.inf):
        with pytest.raises(ValueError, match=f"column 'n': '{wrong}' is not finite"):
            one(flagged, np.array([wrong]))
    years = {"name": "year", "categories": ["1999", "2000", "0.5"]}
    assert one(years, np.array([2000.0])) == [0, 1, 0]
    assert one(years, np.array([0.5])) == [0, 0, 1]
    with pytest.raises(ValueError, match="column 'year': '2001' was not among the categories"):
        one(years, np.array([2001.0]))
    with pytest.raises(ValueError, match="column 'year': 'nan' is missing"):
        one(years, np.array([math.nan]))
    gaps = np.arange(6.0)[::2]
    assert Preprocessing([NUMBER]).encode([gaps])[0].ravel().tolist() == [0, 2, 4]


@pytest.mark.parametrize(
    "wrong, kind",
    [
        (np.arange(3), TypeError),  # integers beyond 2^53 would become others
        (np.arange(3, dtype=np.float32), TypeError),
        (np.zeros((3, 1)), ValueError),
        ("123", TypeError),
        ([1, 2, 3], TypeError),
        (None, TypeError),
    ],
)
def test_what_is_no_column(wrong: Any, kind: type[Exception]):
    with pytest.raises(kind, match="column 0"):
        Preprocessing([NUMBER]).encode([wrong])


def test_columns_of_other_sizes():
    p = Preprocessing([NUMBER, COLOUR])
    with pytest.raises(ValueError, match="the table has 1 columns, the model expects 2"):
        p.encode([["1"]])
    with pytest.raises(ValueError, match="column 1 has 1 rows, column 0 has 2"):
        p.encode([["1", "2"], ["red"]])
    with pytest.raises(ValueError, match="trained on arrays, not on a table"):
        Preprocessing().encode([])


def test_wide_and_long_tables():
    """More fields than are looked up at once; rows keep their order."""
    for columns, rows in ((3000, 400), (3, 400_000)):
        table = [{"name": f"c{i}", "categories": []} for i in range(columns)]
        table[-1] = {"name": "last", "categories": ["a", "b"]}
        names = [str(row) for row in range(rows)]
        X, kept = Preprocessing(table).encode([*[names] * (columns - 1), ["a", "b"] * (rows // 2)])
        assert kept.all() and X.shape == (rows, columns + 1)
        assert (X[:, :-2] == np.arange(rows)[:, None]).all()
        assert (X[:, -2] == 1 - np.arange(rows) % 2).all() and (X[:, -1] == np.arange(rows) % 2).all()


def test_a_number_that_overflows_the_networks_dtype():
    largest = float(np.finfo(np.float32).max)
    p = Preprocessing([NUMBER], mean=[0.0], scale=[0.5])
    assert p.encode([[repr(largest / 2)]], "float32")[0].tolist() == [[largest]]
    rounds_down = largest + 2.0**102  # a quarter of the last bit
    assert np.float32(p.encode([[repr(rounds_down / 2)]], "float32")[0][0, 0]) == np.float32(largest)
    beyond = repr((largest + 2.0**103) / 2)
    with pytest.raises(
        ValueError, match=rf"row 1: column 'n': '{re.escape(beyond)}' is too large for the net"
    ):
        p.encode([["1", beyond]], "float32")
    with pytest.raises(
        ValueError, match="row 1: column 'n': '-2e[+]38' is too large for the network's dtype"
    ):
        p.encode([np.array([1, -2e38])], np.dtype(np.float32))
    assert p.encode([[beyond]])[0].tolist() == [[2 * float(beyond)]]
    with pytest.raises(ValueError, match="column 'n': '1e308' is too large for the network's dtype"):
        p.encode([["1e308"]])
    arrays = Preprocessing(mean=[0.0, 0.0], scale=[1.0, 1e-30])
    with pytest.raises(ValueError, match="^row 1: feature 1 is 1e[+]10, too large for float32 when it is st"):
        arrays.standardise(np.array([[1, 2], [1, 1e10]]), "float32")
    with pytest.raises(ValueError, match="^line 7: feature 0 is NaN, a finite number is needed"):
        arrays.standardise(np.array([[1, 2], [math.nan, 1]]), where=lambda row: f"line {row + 6}")
    with pytest.raises(ValueError, match="the dtype is int8"):
        arrays.standardise(np.ones((1, 2)), "int8")


def test_the_scale_of_columns():
    p = Preprocessing([{**NUMBER, "missing": "category", "fill": 2}, COLOUR, {**NUMBER, "name": "same"}])
    X, _ = p.encode([["1", "3", "?", "NA"], ["red", "red", "blue", "red"], ["4"] * 4])
    p.fit_scale(X)
    assert p.mean == [2, 0, 0, 0, 0, 4]
    assert p.scale == [math.sqrt(0.5), 1, 1, 1, 1, 1]
    X, _ = p.encode([["1"], ["green"], ["4"]])
    assert X.tolist() == [[-1 / math.sqrt(0.5), 0, 0, 0, 1, 0]]
    p = Preprocessing([COLOUR, NUMBER])
    X, _ = p.encode([["red", "red"], ["1e300", "-1e300"]])
    with pytest.raises(ValueError, match="^column 'n' has numbers too large to standardise"):
        p.fit_scale(X)
    with pytest.raises(ValueError, match="^feature 1 has numbers too large to standardise"):
        Preprocessing().fit_scale(np.array([[1, 1e200], [1, -1e200]]))


def test_a_description_comes_back():
    p = Preprocessing(
        [
            {**NUMBER, "decimal": ",", "thousands": " ", "missing": "fill", "fill": 1.5},
            {**COLOUR, "missing": "fill", "fill": "blue", "unknown": "ignore"},
            {"name": "plain", "categories": []},
        ],
        mean=[1, 0, 0, 0, 2],
        scale=[1, 1, 1, 1, 2],
        target="y",
        target_mean=3,
        target_decimal=",",
        target_thousands=".",
        missing_words=["."],
    )
    described = p.describe()
    assert vars(Preprocessing.from_description(json.loads(json.dumps(described)))) == vars(p)
    assert described["columns"][2] == {"name": "plain", "categories": []}  # what is usual is left out
    assert list(Preprocessing().describe()) == [
        *("columns", "mean", "scale", "target", "output", "classes", "target_mean", "target_scale")
    ]
    assert vars(Preprocessing.from_description(None)) == vars(Preprocessing())


def columns_of(**changes: Any) -> dict[str, Any]:
    return {"columns": [{**NUMBER, **changes}]}


def colours_of(**changes: Any) -> dict[str, Any]:
    return {"columns": [{**COLOUR, **changes}]}


INCONSISTENT: dict[str, tuple[dict[str, Any], str]] = {
    "an option of a newer bpnet": ({"crystal": 1}, "there is no option 'crystal'"),
    "a column's option of a newer bpnet": (columns_of(unit="kg"), "column 'n': there is no option 'unit'"),
    "no name": ({"columns": [{"categories": []}]}, "columns: "),
    "columns a number": ({"columns": 3}, "columns: an array expected, found an integer"),
    "a column a list": ({"columns": [[]]}, "columns: "),
    "categories numbers": (columns_of(categories=[1]), "column 'n': categories: a string expected"),
    "a column twice": ({"columns": [NUMBER, NUMBER]}, "the column 'n' is there twice"),
    "a category twice": (colours_of(categories=["a", "b", "a"]), "'a' is there twice"),
    "a category with blanks": (colours_of(categories=["a", " b"]), "the category ' b' has blanks"),
    "a class twice": ({"classes": ["a", "a"]}, "the class 'a' is there twice"),
    "missing unknown": (
        columns_of(missing="guess"),
        "missing: 'guess' is none of error, fill, drop, category",
    ),
    "missing a number": (columns_of(missing=1), "missing: a string expected"),
    "unknown unknown": (colours_of(unknown="drop"), "unknown: 'drop' is none of error, ignore"),
    "output unknown": ({"output": "logitz"}, "output: 'logitz' is none of values, logits, logit"),
    "decimal unknown": (columns_of(decimal=";"), "decimal: "),
    "decimal long": (columns_of(decimal=".."), "decimal: "),
    "thousands unknown": (columns_of(thousands="_"), "thousands: "),
    "one mark for both": (columns_of(decimal=",", thousands=","), "both the decimal mark and"),
    "the target's marks": ({"target_decimal": ",", "target_thousands": ","}, "both the decimal mark and"),
    "no fill": (columns_of(missing="fill"), "a finite number to fill is needed"),
    "no fill of a category": (colours_of(missing="fill"), "the fill is none of the categories"),
    "no fill beside a feature": (columns_of(missing="category"), "a finite number to fill is needed"),
    "a fill of text": (columns_of(missing="fill", fill="3"), "a finite number to fill is needed"),
    "a fill that is infinite": (columns_of(missing="fill", fill="inf"), "a finite number to fill is needed"),
    "a fill that is no category": (colours_of(missing="fill", fill="mauve"), "the fill is none of the cat"),
    "a fill that is a number": (colours_of(missing="fill", fill=1), "the fill is none of the categories"),
    "no category of missing": (colours_of(missing="category"), "'' is none of the categories"),
    "too few means": ({"columns": [COLOUR], "mean": [1, 2]}, "mean has 2 numbers, the data has 3 features"),
    "too many scales": (
        {"columns": [NUMBER], "scale": [1, 2]},
        "scale has 2 numbers, the data has 1 features",
    ),
    "means and scales": ({"mean": [1, 2], "scale": [1, 2, 3]}, "scale has 3 numbers, the data has 2"),
    "a mean that is text": ({"mean": ["x"]}, "mean: "),
    "a mean that is NaN": ({"mean": ["nan"]}, "a mean is nan"),
    "a scale of zero": ({"scale": [0]}, "a scale is 0"),
    "a negative scale": ({"scale": [-1.5]}, "a scale is -1.5"),
    "an infinite scale": ({"scale": ["inf"]}, "a scale is inf"),
    "a target's mean": ({"target_mean": "nan"}, "a target_mean is nan"),
    "a target's scale": ({"target_scale": 0}, "a target_scale is 0"),
    "missing words that are numbers": ({"missing_words": [1]}, "missing_words: a string expected"),
    "a logit of three": ({"output": "logit", "classes": ["a", "b", "c"]}, "a logit is for two classes"),
    "a logit of none": ({"output": "logit"}, "a logit is for two classes, there are 0"),
    "image a list": ({"image": [1]}, "image: "),
    "image empty": ({"image": {}}, "image: "),
}


@pytest.mark.parametrize("name", INCONSISTENT)
def test_descriptions_that_lie(name: str):
    description, message = INCONSISTENT[name]
    with pytest.raises(ValueError, match="^preprocessing: .*" + re.escape(message)):
        Preprocessing.from_description(description)


NETWORKS = [
    ({"columns": [NUMBER, COLOUR]}, (4,), (1,), None),
    ({"columns": [NUMBER, COLOUR]}, (5,), (1,), "the columns make 4 features, the network's input has 5"),
    (columns_of(missing="category", fill=0), (2,), (1,), None),
    ({"mean": [1, 2], "scale": [1, 2]}, (2,), (3,), None),
    ({"mean": [1, 2], "scale": [1, 2]}, (3,), (1,), "mean has 2 numbers, the data has 3 features"),
    ({"mean": [1], "scale": [255]}, (1, 28, 28), (10,), None),
    ({"output": "logits", "classes": ["a", "b", "c"]}, (2,), (3,), None),
    (
        {"output": "logits", "classes": ["a", "b", "c"]},
        (2,),
        (2,),
        "3 classes need 3 outputs, the network has 2",
    ),
    ({"output": "logits"}, (2,), (2,), "0 classes need 0 outputs, the network has 2"),
    ({"output": "values", "classes": ["a", "b"]}, (2,), (1,), "2 classes need 2 outputs, the network has 1"),
    ({"output": "logit", "classes": ["a", "b"]}, (2,), (1,), None),
    ({"output": "logit", "classes": ["a", "b"]}, (2,), (2,), "2 classes need 1 outputs, the network has 2"),
]


@pytest.mark.parametrize("description, inputs, outputs, message", NETWORKS)
def test_a_preprocessing_fits_its_network(
    description: dict[str, Any], inputs: tuple[int, ...], outputs: tuple[int, ...], message: str | None
):
    p = Preprocessing.from_description(description)
    if message is None:
        p.check_network(inputs, outputs)
    else:
        with pytest.raises(ValueError, match="^preprocessing: " + re.escape(message)):
            p.check_network(inputs, outputs)


def with_preprocessing(path: Path, description: dict[str, Any]) -> None:
    """A whole model file, 2 inputs and 2 outputs, with this preprocessing."""
    tiny().save(path)
    head, data = opened(path)
    head["__metadata__"]["bpnet.preprocessing"] = json.dumps(description)
    write(path, head, data)


@pytest.mark.parametrize("name", INCONSISTENT)
def test_files_whose_preprocessing_is_inconsistent(tmp_path: Path, name: str):
    description, message = INCONSISTENT[name]
    with_preprocessing(tmp_path / "model", description)
    with pytest.raises(bp.FileFormatError, match="^load: preprocessing: .*" + re.escape(message)):
        bp.load_model(tmp_path / "model")


def test_files_whose_preprocessing_does_not_fit(tmp_path: Path):
    two = {"columns": [NUMBER, {**NUMBER, "name": "m"}], "output": "logits", "classes": ["a", "b"]}
    with_preprocessing(tmp_path / "model", two)
    assert len(bp.load_model(tmp_path / "model").predict([{"n": 1, "m": 2}])) == 1
    for changed in (
        {"columns": [NUMBER]},
        {"classes": ["a", "b", "c"]},
        {"mean": [1, 2, 3]},
        {"output": "logit"},
    ):
        with_preprocessing(tmp_path / "model", two | changed)
        with pytest.raises(bp.FileFormatError, match="^load: preprocessing: "):
            bp.load_model(tmp_path / "model")


def test_probabilities():
    logits = np.array([[1.0, 2.0, 0.5], [1000, 999, -1000], [-3, -3, -3]], np.float32)
    p = Preprocessing(output="logits", classes=["a", "b", "c"])
    expected = [[math.exp(v - max(row)) for v in row] for row in logits.tolist()]
    expected = [[e / sum(row) for e in row] for row in expected]
    assert np.abs(p.probabilities(logits) - expected).max() < 4 * np.finfo(float).eps
    assert p.decide(logits).tolist() == [1, 0, 0]  # the first of equals
    two = Preprocessing(output="logit", classes=["no", "yes"])
    logit = np.array([[0.0], [2.0], [-800], [800], [1e-300]])
    sigmoid = [0.5, 1 / (1 + math.exp(-2)), 0, 1, 0.5]
    assert np.abs(two.probabilities(logit)[:, 1] - sigmoid).max() <= np.finfo(float).eps
    assert np.abs(two.probabilities(logit)[:, 0] - (1 - np.array(sigmoid))).max() <= np.finfo(float).eps
    assert two.decide(logit).tolist() == [0, 1, 0, 1, 1]
    values = Preprocessing(output="values", classes=["a", "b"])
    assert values.decide(np.array([[0.2, 0.1], [-1, 4]])).tolist() == [0, 1]
    with pytest.raises(ValueError, match="gives no probabilities"):
        values.probabilities(np.zeros((1, 2)))


def test_values_in_the_targets_unit():
    p = Preprocessing(target_mean=100, target_scale=0.1)
    outputs = np.array([[1.5], [-2]], np.float32)
    assert p.values(outputs).tolist() == [[1.5 * 0.1 + 100], [-2 * 0.1 + 100]]
    assert p.values(np.zeros((0, 1))).shape == (0, 1)
    with pytest.raises(ValueError, match="row 0: "):
        Preprocessing(target_scale=1e308).values(np.array([[10.0]]))


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_outputs_that_answer_nothing(bad: float):
    outputs = np.array([[1.0, 2.0], [3.0, bad]])
    p = Preprocessing(output="logits", classes=["a", "b"])
    for answer in (p.decide, p.probabilities, Preprocessing().values):
        with pytest.raises(
            bp.NumericError, match=f"^row 1: .*the network's output 1 is {bad}, a finite number"
        ):
            answer(outputs)
