"""Tables as a training takes them: missing values, unknown categories, classes, ways of writing numbers, parts."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bpnet.data import Preprocessing
from bpnet.data.prepare import Prepared, examples, features, prepare
from bpnet.data.source import Source, open_source
from bpnet.data.split import Split, split_rows
from bpnet.data.targets import ordered_classes
from bpnet.options import of_command_line

CONFIG: dict[str, Any] = {
    "target": "kind",
    "validation": 0.25,
    "seed": 3,
    "dtype": "float64",
    "standardise": False,
}
ROWS = 40
TRAIN, HELD_OUT = split_rows(ROWS, 0.25, 3)


def write(folder: Path, columns: dict[str, list[str]], name: str = "t.csv", delimiter: str = ";") -> Path:
    count = max(map(len, columns.values()))
    lines = [delimiter.join(columns)]
    lines += [
        delimiter.join(column[row % len(column)] for column in columns.values()) for row in range(count)
    ]
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


def opened(folder: Path, columns: dict[str, list[str]], name: str = "t.csv", **options: str) -> Source:
    return open_source(write(folder, columns, name), **options)


def prepared(folder: Path, columns: dict[str, list[str]], **config: Any) -> Prepared:
    return prepare(opened(folder, columns), CONFIG | config)


def refused(folder: Path, columns: dict[str, list[str]], *fragments: str, **config: Any) -> None:
    with of_command_line(), pytest.raises(ValueError) as caught:
        prepared(folder, columns, **config)
    message = str(caught.value)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message, message


def numbers(*gaps: int) -> list[str]:
    return ["?" if row in gaps else str(1 + (row * row) % 17) for row in range(ROWS)]


KIND = ["a", "b"] * (ROWS // 2)
COLOUR = ["red", "blue", "red", "green"] * (ROWS // 4)

# A number that is missing in a training row, and one that is in a row held out.
GAPS = (int(TRAIN[2]), int(HELD_OUT[1]))


# Missing values.


@pytest.mark.parametrize("missing", ["mean", "median", "most-frequent"])
def test_numbers_are_filled_from_the_training_rows(tmp_path: Path, missing: str):
    found = prepared(tmp_path, {"x": numbers(*GAPS), "kind": KIND}, missing=missing)
    known = [float(numbers()[row]) for row in TRAIN if row not in GAPS]
    counts = Counter(known)
    fill = {
        "mean": statistics.fmean(known),
        "median": statistics.median(known),
        "most-frequent": min(value for value in counts if counts[value] == max(counts.values())),
    }[missing]
    assert found.preprocessing.columns[0]["fill"] == pytest.approx(fill, rel=1e-15)
    assert found.X[2, 0] == found.preprocessing.columns[0]["fill"]
    assert found.X_val is not None and found.X_val[1, 0] == found.preprocessing.columns[0]["fill"]
    assert f"2 missing: the {missing.replace('-', ' ')}, {fill:g}" in found.report[0]
    new = opened(tmp_path, {"x": ["NA", "3"]}, "new.csv")
    assert features(new, found.preprocessing)[0].tolist() == [[found.preprocessing.columns[0]["fill"]], [3]]


@pytest.mark.parametrize("missing", ["mean", "median", "most-frequent"])
def test_categories_are_filled_with_the_most_frequent(tmp_path: Path, missing: str):
    colours = [*COLOUR]
    colours[GAPS[0]] = "NA"
    found = prepared(tmp_path, {"x": colours, "kind": KIND}, missing=missing)
    counts = Counter(colours[row] for row in TRAIN if row != GAPS[0])
    column = found.preprocessing.columns[0]
    assert column["categories"] == ["blue", "green", "red"] and column["fill"] == counts.most_common(1)[0][0]
    assert found.X[2].tolist() == [0, 0, 1]
    assert "1 missing: the most frequent, 'red'" in found.report[0]


def test_rows_are_dropped(tmp_path: Path):
    kind = [*KIND]
    kind[int(TRAIN[5])] = ""
    found = prepared(tmp_path, {"x": numbers(*GAPS), "kind": kind}, missing="drop")
    left = [row for row in TRAIN if row not in (GAPS[0], TRAIN[5])]
    assert found.X[:, 0].tolist() == [float(numbers()[row]) for row in left]
    assert found.X_val is not None and len(found.X_val) == len(HELD_OUT) - 1
    assert "left out, for a value is missing: 3 of 40 rows" in found.report
    assert "2 missing: such rows are left out" in found.report[0]
    source = open_source(tmp_path / "t.csv")
    X, kept = features(source, found.preprocessing)
    assert len(X) == 38 and np.flatnonzero(~kept).tolist() == sorted(GAPS)
    assert len(examples(source, found.preprocessing, "cross_entropy")[0]) == 37


def test_missing_values_are_a_category_of_their_own(tmp_path: Path):
    colours = [*COLOUR]
    colours[GAPS[0]] = "?"
    columns = {"x": numbers(*GAPS), "colour": colours, "whole": numbers(), "kind": KIND}
    found = prepared(tmp_path, columns, missing="category")
    p = found.preprocessing
    mean = statistics.fmean(float(numbers()[row]) for row in TRAIN if row not in GAPS)
    assert p.columns[1]["categories"] == ["", "blue", "green", "red"]
    assert [column["missing"] for column in p.columns] == ["category", "category", "error"]
    row = found.X[2].tolist()
    assert row[:6] == [pytest.approx(mean), 1, 1, 0, 0, 0] and found.X.shape[1] == 7
    assert found.X[0].tolist()[1:3] == [0, 0]
    with pytest.raises(ValueError, match="'whole'"):
        features(opened(tmp_path, {"x": ["1"], "colour": ["red"], "whole": [""]}, "new.csv"), p)


def test_a_gap_that_only_held_out_rows_have_is_trained_on_too(tmp_path: Path):
    found = prepared(tmp_path, {"x": numbers(GAPS[1]), "kind": KIND}, missing="category")
    assert found.X[:, 1].sum() == 1 and found.X_val is not None and found.X_val[:, 1].sum() == 0
    assert len(found.X) == len(TRAIN) + 1


def test_missing_values_are_an_error_unless_it_is_said(tmp_path: Path):
    refused(
        tmp_path,
        {"x": numbers(GAPS[0]), "kind": KIND},
        f"line {GAPS[0] + 2}",
        "'x'",
        "'?'",
        "--missing mean",
        "--drop x",
    )
    refused(tmp_path, {"x": ["red", "", "blue", "red"], "kind": KIND}, "line 3", "'x' is empty")
    refused(
        tmp_path,
        {"x": ["red", "None", "blue"] * 13, "kind": KIND},
        "'None'",
        "--categorical x makes 'None' a category",
    )
    refused(
        tmp_path,
        {"x": ["1", "", "2"] * 13, "kind": ["a", "b", ""] * 13},
        "line 4",
        "'kind' is empty",
        "--missing drop",
    )
    refused(
        tmp_path, {"x": numbers(), "y": ["", "1"], "z": ["1", ""], "kind": KIND}, "every row", missing="drop"
    )


def test_categories_that_are_missing_words_elsewhere(tmp_path: Path):
    """Who says --categorical has the fields as they are; they stay categories in the model."""
    columns = {"pain": ["none", "mild", "severe", "none"], "kind": ["None", "NA", "NA", "None"] * 10}
    said = {"categorical": ["pain", "kind"]}
    found = prepared(tmp_path, columns, **said)
    assert found.preprocessing.columns[0]["categories"] == ["mild", "none", "severe"]
    assert found.preprocessing.classes == ["NA", "None"]
    source = open_source(tmp_path / "t.csv")
    assert len(examples(source, found.preprocessing, "cross_entropy")[0]) == ROWS
    refused(tmp_path, columns | {"pain": ["", "mild"]}, "line 2", "empty", **said)


def test_words_that_mean_no_value_are_kept_in_the_model(tmp_path: Path):
    columns = {"x": ["1", "unknown", "3", "2"], "kind": KIND}
    found = prepared(tmp_path, columns, missing="mean", missing_values=["unknown", "99"])
    assert found.preprocessing.missing_words is not None and "unknown" in found.preprocessing.missing_words
    new = opened(tmp_path, {"x": ["Unknown", "99", "NA"]}, "new.csv")
    assert len(set(features(new, found.preprocessing)[0].ravel().tolist())) == 1


# Categories.


def test_categories_come_from_the_training_rows(tmp_path: Path):
    """A category of held out rows only: they are trained on. The parts are the same when a run continues."""
    colours = [*COLOUR]
    for row in HELD_OUT[:3]:
        colours[int(row)] = "mauve"
    found = prepared(tmp_path, {"x": colours, "kind": KIND})
    assert found.preprocessing.columns[0]["categories"] == ["blue", "green", "mauve", "red"]
    assert len(found.X) == len(TRAIN) + 3 and found.X[:, 2].sum() == 3
    assert (
        "trained on rather than held out, for no other row has their category or class: 3 of 40 rows"
        in found.report
    )
    source = open_source(tmp_path / "t.csv")
    again = prepare(
        source, CONFIG | {"loss": found.loss}, Preprocessing.from_description(found.preprocessing.describe())
    )
    assert np.array_equal(again.X, found.X) and np.array_equal(again.y, found.y)
    settings = CONFIG | {"fingerprint": source.fingerprint()}
    part = examples(source, found.preprocessing, found.loss, part="validation", settings=settings)
    assert np.array_equal(part[0], found.X_val) and np.array_equal(part[1], found.y_val)


@pytest.mark.parametrize("unknown", ["error", "ignore"])
def test_categories_that_the_model_does_not_know(tmp_path: Path, unknown: str):
    found = prepared(tmp_path, {"x": COLOUR, "kind": KIND}, unknown=unknown)
    new = opened(tmp_path, {"x": ["red", "mauve"]}, "new.csv")
    if unknown == "error":
        with pytest.raises(ValueError, match=r"new\.csv, line 3: column 'x': 'mauve'"):
            features(new, found.preprocessing)
    else:
        assert features(new, found.preprocessing)[0].tolist() == [[0, 0, 1], [0, 0, 0]]


def test_parts_are_drawn_from_the_seed_alone():
    everything = np.ones(ROWS, bool)
    assert Split(everything, 0.25, 3).train.tolist() == TRAIN.tolist()
    kept = everything.copy()
    kept[TRAIN[0]] = kept[HELD_OUT[0]] = False
    split = Split(kept, 0.25, 3)
    assert split.train.tolist() == TRAIN[1:].tolist() and split.validation.tolist() == HELD_OUT[1:].tolist()
    names = ["x"] * ROWS
    names[HELD_OUT[4]] = "y"
    split = Split(everything, 0.25, 3, [names, [None] * ROWS])
    assert split.train.tolist() == sorted([*TRAIN, HELD_OUT[4]]) and split.moved == 1


def test_no_row_held_out_is_warned_of(tmp_path: Path):
    found = prepared(tmp_path, {"x": [f"c{row}" for row in range(ROWS)], "kind": KIND}, categorical=["x"])
    assert found.X_val is None and "warning: no row is held out to validate" in found.report


# Classes.


def test_the_order_of_classes_is_total():
    names = ["1", "01", "1.0", "10", "9", "-2", "1e1"]
    assert ordered_classes(names) == ["-2", "01", "1", "1.0", "9", "10", "1e1"]
    assert ordered_classes([*names, "x"]) == sorted([*names, "x"])
    for trial in range(20):
        rng = np.random.default_rng(trial)
        assert ordered_classes(rng.permutation(names).tolist()) == ordered_classes(names)


def test_the_order_of_classes_is_the_same_in_every_process(tmp_path: Path):
    path = write(tmp_path, {"x": numbers(), "code": ["1", "01", "1.0", "2"]})
    script = (
        "from bpnet.data.prepare import prepare; from bpnet.data.source import open_source;"
        f"p = prepare(open_source({str(path)!r}), {{'target': 'code', 'validation': 0.2, 'seed': 0}});"
        "print(p.preprocessing.classes, p.y.tolist())"
    )
    messages = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(messages) == 1 and "['01', '1', '1.0', '2']" in messages.pop()


def test_classes_are_strings_as_they_are_written(tmp_path: Path):
    found = prepared(tmp_path, {"x": numbers(), "kind": ["1", "1.0", "2", "2"]})
    assert found.preprocessing.classes == ["1", "1.0", "2"]
    assert any("'1' and '1.0' are the same number, and two classes" in line for line in found.report)


TARGETS: dict[str, tuple[list[str], dict[str, Any], str, str]] = {
    # fields, options, loss, the report's line
    "words": (["a", "b"], {}, "cross_entropy", "target kind: 2 classes, a, b: classification"),
    "few integers": (
        ["0", "1", "2"],
        {},
        "cross_entropy",
        "target kind: 3 classes, 0, 1, 2: classification; guessed, for these are few integers; --task regression "
        "takes them as numbers",
    ),
    "few integers as numbers": (
        ["0", "1"],
        {"task": "regression"},
        "mse",
        "target kind: number, 2 distinct values in 40 rows: regression",
    ),
    "numbers": (
        [f"{row / 2}" for row in range(ROWS)],
        {},
        "mse",
        "target kind: number, 40 distinct values in 40 rows: regression; --task classification takes each as a class",
    ),
    "decimal commas": (
        ["1,5", "2", "0,25"],
        {},
        "mse",
        "target kind: number, 3 distinct values in 40 rows, decimal mark ',': regression; --task classification takes "
        "each as a class",
    ),
    "decimals as classes": (
        ["0.5", "1.5"],
        {"task": "classification"},
        "cross_entropy",
        "target kind: 2 classes, 0.5, 1.5: classification",
    ),
    "a loss that decides": (
        ["3", "4"],
        {"loss": "huber"},
        "huber",
        "target kind: number, 2 distinct values in 40 rows: regression",
    ),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_task_is_guessed_and_said(tmp_path: Path, name: str):
    fields, options, loss, line = TARGETS[name]
    with of_command_line():
        found = prepared(tmp_path, {"x": numbers(), "kind": (fields * ROWS)[:ROWS]}, **options)
    assert found.loss == loss and line in found.report


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (["12 %", "13 %"], "percentages"),
        (["12 kg", "13 kg"], "--task classification takes each as a class"),
        (["2024-01-01", "2024-01-02"], "dates"),
        ([f"id{row}" for row in range(ROWS)], "40 distinct strings"),
        (["1", "2", "x", "3"], "'x'"),
        (["1,234"], "--decimal"),
        (["a"], "one class only"),
        (["NA"], "missing"),
        (["1e999", "1"], "1e999"),
    ],
)
def test_targets_that_are_neither(tmp_path: Path, fields: list[str], words: str):
    refused(tmp_path, {"x": numbers(), "kind": (fields * ROWS)[:ROWS]}, words)


def test_targets_that_are_not_said_well(tmp_path: Path):
    columns = {"x": numbers(), "kind": KIND}
    refused(tmp_path, columns, "no column 'Kind'", "did you mean 'kind'", target="Kind")
    refused(tmp_path, columns, "--target is missing", "x, kind", target=None)
    refused(tmp_path, columns, "'a'", "--task regression", task="regression")
    refused(tmp_path, columns, "'a'", "numbers are written", numeric=["kind"])
    with pytest.raises(ValueError, match="target.*'kind'.*beside it"):
        prepare(open_source(({"x": [1, 2]}, ["a", "b"])), CONFIG)


def test_a_pair_of_a_table_and_its_targets():
    pair = ({"x": [float(row) for row in range(ROWS)], "colour": COLOUR}, KIND)
    found = prepare(open_source(pair), CONFIG | {"target": None})
    assert found.preprocessing.classes == ["a", "b"] and found.preprocessing.target == ""
    assert found.X.shape == (30, 4)
    assert examples(open_source(pair), found.preprocessing, found.loss)[1].tolist() == [0, 1] * 20
    table = open_source({"x": [1.0], "colour": ["red"]})
    with pytest.raises(ValueError, match="does not say which column"):
        examples(table, found.preprocessing, found.loss)


# Ways of writing numbers.


def commas(fields: list[str]) -> list[str]:
    return [field.replace(".", ",") for field in fields]


DECIMALS = [f"{row * 0.37:.2f}" for row in range(ROWS)]


def test_a_class_that_says_that_there_is_no_value_may_be_asked_for(tmp_path: Path):
    columns = {"x": numbers(), "y": ["none", "mild"] * (ROWS // 2)}
    with pytest.raises(
        ValueError, match=r"the target is missing; .*categorical=\['y'\] makes 'none' a class"
    ):
        prepared(tmp_path, columns, target="y")
    assert prepared(tmp_path, columns, target="y", categorical=["y"]).preprocessing.classes == [
        "mild",
        "none",
    ]


def test_decimal_commas_give_what_points_give(tmp_path: Path):
    """A table, its target and new rows, written in both ways."""
    dots = prepared(tmp_path, {"x": DECIMALS, "n": numbers(), "kind": DECIMALS}, standardise=True)
    found = prepared(
        tmp_path, {"x": commas(DECIMALS), "n": numbers(), "kind": commas(DECIMALS)}, standardise=True
    )
    assert np.array_equal(dots.X, found.X) and np.array_equal(dots.y, found.y)
    assert (found.preprocessing.target_decimal, found.preprocessing.columns[0]["decimal"]) == (",", ",")
    X, y = examples(open_source(tmp_path / "t.csv"), found.preprocessing, "mse")
    assert np.array_equal(X[TRAIN], found.X) and np.array_equal(y[TRAIN], found.y)


def test_the_models_way_of_writing_holds(tmp_path: Path):
    """Three decimals are no thousands to a model of points, nor points to one of thousands."""
    points = prepared(tmp_path, {"x": DECIMALS, "kind": KIND}).preprocessing
    thousands = prepared(tmp_path, {"x": ["1.234.567", "1.234", "5"], "kind": KIND}).preprocessing
    new = opened(tmp_path, {"x": ["1.234", "2.345"]}, "new.csv")
    assert features(new, points)[0].ravel().tolist() == [1.234, 2.345]
    assert features(new, thousands)[0].ravel().tolist() == [1234, 2345]


def test_another_way_of_writing_is_refused_until_it_is_said(tmp_path: Path):
    p = prepared(tmp_path, {"x": DECIMALS, "kind": KIND}).preprocessing
    columns = {"x": ["1,5", "2,25", "3"], "kind": ["a"]}
    new = opened(tmp_path, columns, "new.csv")
    with of_command_line(), pytest.raises(ValueError) as caught:
        features(new, p)
    for words in (
        "new.csv, line 2",
        "'x'",
        "'1,5'",
        "decimal mark '.'",
        "decimal mark ','",
        "give --decimal ,",
    ):
        assert words in str(caught.value)
    said = opened(tmp_path, columns, "new.csv", decimal=",")
    assert features(said, p)[0].ravel().tolist() == [1.5, 2.25, 3]
    strays = opened(tmp_path, {"x": ["1.5", "abc"]}, "new.csv")
    with pytest.raises(ValueError) as caught:
        features(strays, p)
    assert "line 3" in str(caught.value) and "say" not in str(caught.value)


def test_a_target_in_another_way_of_writing(tmp_path: Path):
    p = prepared(tmp_path, {"x": numbers(), "kind": DECIMALS}).preprocessing
    columns = {"x": ["1", "2"], "kind": ["1,5", "2,5"]}
    with of_command_line(), pytest.raises(ValueError, match="line 2.*'1,5'.*decimal mark '.'.*--decimal"):
        examples(opened(tmp_path, columns, "new.csv"), p, "mse")
    found = examples(opened(tmp_path, columns, "new.csv", decimal=","), p, "mse")[1]
    assert found * p.target_scale + p.target_mean == pytest.approx([1.5, 2.5])


# A model's tables.


def test_columns_come_by_name(tmp_path: Path):
    found = prepared(tmp_path, {"x": numbers(), "colour": COLOUR, "kind": KIND})
    p = found.preprocessing
    new = {"more": ["?"] * 4, "colour": COLOUR[:4], "x": numbers()[:4]}
    assert np.array_equal(
        features(opened(tmp_path, new, "new.csv"), p)[0], features(open_source(tmp_path / "t.csv"), p)[0][:4]
    )
    frame = {name: np.array(column, dtype=object) for name, column in new.items()}
    assert np.array_equal(
        features(open_source(frame), p)[0], features(open_source(tmp_path / "t.csv"), p)[0][:4]
    )
    with pytest.raises(ValueError, match="the model's columns 'x', 'colour' are not there; there are y"):
        features(opened(tmp_path, {"y": ["1"]}, "new.csv"), p)
    with pytest.raises(ValueError, match="columns x, colour, not on arrays"):
        features(open_source(np.ones((3, 2))), p)
    dates = {"x": np.array(["2024-01-01"], "M8[D]"), "colour": ["red"]}
    with pytest.raises(ValueError, match="'x' has dtype datetime64"):
        features(open_source(dates), p)


def test_a_model_of_arrays_is_not_given_tables(tmp_path: Path):
    found = prepare(open_source((np.arange(80.0).reshape(40, 2), KIND)), CONFIG | {"target": None})
    with pytest.raises(ValueError, match="trained on arrays, not on a table"):
        features(opened(tmp_path, {"x": ["1"]}), found.preprocessing)


def test_numbers_are_the_classes_that_are_written_otherwise(tmp_path: Path):
    p = prepared(tmp_path, {"x": numbers(), "kind": ["1.0", "2.0"]}).preprocessing
    assert p.classes == ["1.0", "2.0"]
    frame = {"x": [1.0, 2.0], "kind": [2, 1]}
    assert examples(open_source(frame), p, "cross_entropy")[1].tolist() == [1, 0]
    with pytest.raises(ValueError, match="row 1: the class '3' is not one of 1.0, 2.0"):
        examples(open_source({"x": [1.0, 2.0], "kind": [2, 3]}), p, "cross_entropy")


def test_a_number_that_overflows_is_named_with_its_line_and_column(tmp_path: Path):
    fields = [*DECIMALS]
    fields[int(TRAIN[7])] = "1e300"
    line = f"line {TRAIN[7] + 2}"
    refused(tmp_path, {"a": numbers(), "x": fields, "kind": KIND}, line, "'x'", standardise=True)
    refused(tmp_path, {"a": numbers(), "x": fields, "kind": KIND}, line, "'x'", dtype="float32")


def test_work_grows_as_the_columns_do(tmp_path: Path):
    """Twice as many columns are twice as many calls: nothing looks at all the others for each column."""

    def calls(count: int) -> int:
        found = 0

        def counted(frame: object, event: str, argument: object) -> None:
            nonlocal found
            found += event in ("call", "c_call")

        source = opened(tmp_path, {f"g{i}": DECIMALS for i in range(count)} | {"kind": KIND})
        sys.setprofile(counted)
        try:
            prepare(source, CONFIG)
        finally:
            sys.setprofile(None)
        return found

    calls(10)  # what is imported when it is first needed
    assert calls(400) < 2.1 * calls(200)


def test_parts_that_there_are_not(tmp_path: Path):
    source = opened(tmp_path, {"x": numbers(), "kind": KIND})
    p = prepare(source, CONFIG).preprocessing
    settings = CONFIG | {"fingerprint": source.fingerprint()}
    for changed, words in (
        (None, "does not say how"),
        (settings | {"fingerprint": "other"}, "not the data"),
        (settings | {"validation": 0.0}, "held out no rows"),
    ):
        with pytest.raises(ValueError, match=words):
            examples(source, p, "cross_entropy", part="validation", settings=changed)


def test_a_table_with_nothing_to_learn_from(tmp_path: Path):
    refused(tmp_path, {"x": numbers(), "kind": KIND}, "no column is left", drop=["x"])
    refused(tmp_path, {"": [str(row) for row in range(ROWS)], "kind": KIND}, "no column is left")
    refused(tmp_path, {"x": ["1"], "kind": ["a"]}, "1 row")
