"""Raw rows in, answers out: a model answers the same whatever form the rows come in."""

from __future__ import annotations

import copy
import csv
import io
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet.__main__ import main
from test_command_line import CLASSES, PRICE, write_table
from test_files import tensors

Rows = dict[str, list[Any]]
COLUMNS = ("weight", "height", "colour")
KINDS = ['large "XL"', "mid-size, say", "small"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, and models of its classes, of its prices and of numbers alone."""
    folder = tmp_path_factory.mktemp("models")
    data = write_table(folder / "data.csv")
    numbers = ("--target", "price", "--drop", "kind,colour", "--quiet", "--epochs", "20")
    for name, options in (
        ("kind", (*CLASSES, "--epochs", "20")),
        ("price", (*PRICE, "--epochs", "20")),
        ("numbers", numbers),
    ):
        assert main(["train", str(data), *options, "--save", str(folder / name)]) == 0
    return folder


@pytest.fixture(scope="module")
def rows(folder: Path) -> Rows:
    """The table's columns, numbers as numbers."""
    with open(folder / "data.csv", encoding="utf-8", newline="") as file:
        read = list(csv.DictReader(file))
    return {
        name: [row[name] if name in ("colour", "kind") else float(row[name]) for row in read]
        for name in read[0]
    }


def expected_scores(model: bp.Model, rows: Rows) -> np.ndarray:
    """The network's outputs for rows that are encoded by hand."""
    p = model.preprocessing
    X = [
        [weight, height, *[float(colour == each) for each in ("blue", "green", "red")]]
        for weight, height, colour in zip(*(rows[name] for name in COLUMNS))
    ]
    return model.network.predict((np.array(X) - p.mean) / p.scale)


def as_list(rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(rows, values)) for values in zip(*rows.values())]


def as_pandas(rows: Rows) -> Any:
    return pytest.importorskip("pandas").DataFrame(rows)


def as_polars(rows: Rows) -> Any:
    return pytest.importorskip("polars").DataFrame(rows)


def as_structured(rows: Rows) -> np.ndarray:
    kinds = [(name, "U20" if name in ("colour", "kind") else "f8") for name in rows]
    return np.array(list(zip(*rows.values())), dtype=kinds)


class Frame:
    """What has names and columns, of no library in particular."""

    def __init__(self, rows: Rows) -> None:
        self.columns = list(rows)
        self._rows = rows

    def __getitem__(self, name: str) -> np.ndarray:
        return np.array(self._rows[name])


FORMS: dict[str, Callable[[Rows], Any]] = {
    "dict of columns": dict,
    "dict of arrays": lambda rows: {name: np.array(values) for name, values in rows.items()},
    "list of dicts": as_list,
    "pandas": as_pandas,
    "polars": as_polars,
    "structured array": as_structured,
    "another library's": Frame,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_rows_has_the_same_answers(folder: Path, rows: Rows, form: str):
    model = bp.load_model(folder / "kind")
    scores = expected_scores(model, rows)
    held = FORMS[form](rows)
    assert model.predict(held).tolist() == [KINDS[index] for index in scores.argmax(axis=1)]
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True).astype(np.float64))
    wanted = exponentials / exponentials.sum(axis=1, keepdims=True)
    assert np.abs(model.predict_proba(held) - wanted).max() <= 1e-6
    values = bp.load_model(folder / "price").predict(held)
    assert values.shape == (120,) and values.dtype == np.float64
    error = np.sqrt(((values - rows["price"]) ** 2).mean())
    assert error < 0.2 * np.std(rows["price"]), "in the target's unit"


def test_the_command_and_python_answer_alike(folder: Path, rows: Rows, capsys: pytest.CaptureFixture[str]):
    for name in ("kind", "price"):
        capsys.readouterr()
        assert main(["predict", str(folder / name), str(folder / "data.csv")]) == 0
        printed = [row[0] for row in csv.reader(io.StringIO(capsys.readouterr().out))][1:]
        answers = bp.load_model(folder / name).predict(folder / "data.csv")
        assert printed == [f"{each:.9g}" if name == "price" else each for each in answers]
        assert answers.tolist() == bp.load_model(folder / name).predict(rows).tolist()


def test_columns_come_by_name(folder: Path, rows: Rows):
    model = bp.load_model(folder / "kind")
    answers = model.predict(rows).tolist()
    needed = {name: rows[name] for name in reversed(COLUMNS)}
    assert model.predict({"another": ["?"] * 120, **needed}).tolist() == answers
    assert model.predict([dict(reversed(row.items())) for row in as_list(rows)]).tolist() == answers
    for missing in (["height"], ["weight", "colour"]):
        part = {name: values for name, values in rows.items() if name not in missing}
        with pytest.raises(ValueError) as caught:
            model.predict(part)
        for name in missing:
            assert repr(name) in str(caught.value)
        assert "kind" in str(caught.value), "the columns that there are"


def test_arrays(folder: Path, rows: Rows):
    """Where all columns are numbers, an array has them in the model's order."""
    numbers = bp.load_model(folder / "numbers")
    X = np.stack([rows["weight"], rows["height"]], axis=1)
    assert numbers.predict(X).tolist() == numbers.predict(rows).tolist()
    assert numbers.predict(X.tolist()).tolist() == numbers.predict(rows).tolist()
    assert numbers.evaluate(X, rows["price"]) == numbers.evaluate(rows)
    for wrong in (X[:, :1], np.hstack([X, X])):
        with pytest.raises(
            ValueError, match=f"the array has {wrong.shape[1]} columns, the model has 2: weight, height"
        ):
            numbers.predict(wrong)
    with pytest.raises(ValueError, match="weight, height, colour, of which some are categories"):
        bp.load_model(folder / "kind").predict(np.ones((3, 3)))


@pytest.mark.parametrize(
    "row",
    [
        {"weight": 1.0, "height": 2.0, "colour": "red"},
        [1.0, 2.0],
        (1, 2),
        np.array([1.0, 2.0]),
    ],
)
def test_a_row_by_itself_is_refused(folder: Path, row: Any):
    model = bp.load_model(folder / "numbers")
    for call in (model.predict, model.evaluate):
        with pytest.raises(ValueError, match=r"a single row; give a list of one, \[row\]"):
            call(row)
    assert model.predict([row]).shape == (1,)


def test_a_series_is_a_row_by_itself(folder: Path, rows: Rows):
    frame = as_pandas(rows)
    model = bp.load_model(folder / "numbers")
    with pytest.raises(ValueError, match="a single row"):
        model.predict(frame.iloc[0])
    assert model.predict(frame.iloc[:1])[0] == pytest.approx(model.predict(frame)[0], rel=1e-6)


def test_no_probabilities_of_numbers(folder: Path, rows: Rows):
    with pytest.raises(ValueError, match="gives numbers, not classes"):
        bp.load_model(folder / "price").predict_proba(rows)
    model = bp.train_model(rows, "kind", drop=["price"], loss="mse", epochs=1, verbose=0)
    assert set(model.predict(rows)) <= set(KINDS)
    with pytest.raises(ValueError, match="not trained with a cross-entropy"):
        model.predict_proba(rows)


def test_integer_classes_are_integers():
    X = np.arange(20.0)[:, None]
    model = bp.train_model((X, np.arange(20) % 2 + 3), epochs=1, verbose=0)
    assert model.classes is not None and model.classes.tolist() == [3, 4]
    assert model.predict(X).dtype.kind == "i"


# What is missing.


@pytest.fixture(scope="module")
def gaps() -> Rows:
    """Numbers with holes in rows 2 and 5, classes and values that follow."""
    x = [float(value) for value in range(40)]
    x[2] = x[5] = float("nan")
    return {
        "x": x,
        "kind": ["ab"[index > 20] for index in range(40)],
        "v": [2.0 * index for index in range(40)],
    }


def test_rows_that_are_dropped_keep_their_places(gaps: Rows):
    model = bp.train_model(gaps, "kind", drop=["v"], missing="drop", epochs=5, verbose=0)
    answers = model.predict(gaps)
    assert len(answers) == 40 and [index for index, each in enumerate(answers) if each is None] == [2, 5]
    p = model.predict_proba(gaps)
    assert np.flatnonzero(np.isnan(p).any(axis=1)).tolist() == [2, 5]
    assert model.evaluate(gaps)["count"] == 38
    only = {"x": [float("nan")]}
    assert model.predict(only).tolist() == [None] and np.isnan(model.predict_proba(only)).all()
    values = bp.train_model(gaps, "v", drop=["kind"], missing="drop", epochs=5, verbose=0)
    assert np.flatnonzero(np.isnan(values.predict(gaps))).tolist() == [2, 5]


def test_dropped_rows_of_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    lines = ["id,x,kind", *(f"r{row},{'' if row in (2, 5) else row},{'ab'[row > 20]}" for row in range(40))]
    (tmp_path / "d.csv").write_text("\n".join(lines))
    data, model = str(tmp_path / "d.csv"), str(tmp_path / "m")
    options = [
        "--target",
        "kind",
        "--drop",
        "id",
        "--missing",
        "drop",
        "--epochs",
        "2",
        "--quiet",
        "--save",
        model,
    ]
    assert main(["train", data, *options]) == 0
    for more in ((), ("--probabilities",)):
        capsys.readouterr()
        assert main(["predict", model, data, "--keep", "id", *more]) == 0
        out = list(csv.reader(io.StringIO(capsys.readouterr().out)))
        assert out[0][:2] == ["id", "kind"] and [row[0] for row in out[1:]] == [
            f"r{row}" for row in range(40)
        ]
        assert [row[0] for row in out[1:] if not any(row[1:])] == ["r2", "r5"]


def test_the_answers_beside_a_kept_target_have_a_name_of_their_own(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    capsys.readouterr()
    assert main(["predict", str(folder / "kind"), str(folder / "data.csv"), "--keep", "kind"]) == 0
    assert capsys.readouterr().out.splitlines()[0] == "kind,prediction"


# How good it is.


def test_evaluate_of_classes(folder: Path, rows: Rows):
    model = bp.load_model(folder / "kind")
    found = model.evaluate(folder / "data.csv")
    answers = model.predict(rows).tolist()
    pairs = list(zip(rows["kind"], answers))
    confusion = [[pairs.count((right, answer)) for answer in KINDS] for right in KINDS]
    assert found["confusion"].tolist() == confusion
    assert found["count"] == 120
    assert found["accuracy"] == sum(right == answer for right, answer in pairs) / 120
    for index, name in enumerate(KINDS):
        assert found["recall"][name] == confusion[index][index] / sum(confusion[index])
        assert found["precision"][name] == confusion[index][index] / sum(row[index] for row in confusion)
    scores = expected_scores(model, rows).astype(np.float64)
    logs = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
    loss = -np.mean([logs[row, KINDS.index(name)] for row, name in enumerate(rows["kind"])])
    assert found["loss"] == pytest.approx(loss, rel=1e-5)
    inputs = {name: rows[name] for name in COLUMNS}
    again = model.evaluate(inputs, rows["kind"])
    assert {**again, "confusion": None} == {**found, "confusion": None}
    renamed = {**inputs, "class": rows["kind"]}
    assert model.evaluate(renamed, target="class")["accuracy"] == found["accuracy"]


def test_a_class_that_is_absent(folder: Path, rows: Rows):
    model = bp.load_model(folder / "kind")
    small = [index for index, kind in enumerate(rows["kind"]) if kind == "small"]
    found = model.evaluate({name: [values[index] for index in small] for name, values in rows.items()})
    assert np.isnan(found["recall"]['large "XL"']) and not np.isnan(found["recall"]["small"])


def test_evaluate_of_numbers(folder: Path, rows: Rows):
    model = bp.load_model(folder / "price")
    found = model.evaluate(rows)
    price, answers = np.array(rows["price"]), model.predict(rows)
    assert found["rmse"] == pytest.approx(np.sqrt(((answers - price) ** 2).mean()), rel=1e-5)
    assert found["mae"] == pytest.approx(abs(answers - price).mean(), rel=1e-5)
    unexplained = ((answers - price) ** 2).sum() / ((price - price.mean()) ** 2).sum()
    assert found["r2"] == pytest.approx(1 - unexplained, rel=1e-5)
    assert set(found) == {"loss", "count", "rmse", "mae", "r2"}


def test_evaluate_needs_answers(folder: Path, rows: Rows):
    model = bp.load_model(folder / "kind")
    with pytest.raises(ValueError, match="'kind'"):
        model.evaluate({name: rows[name] for name in COLUMNS})
    with pytest.raises(ValueError, match="y is for rows in memory"):
        model.evaluate(folder / "data.csv", rows["kind"])
    with pytest.raises(ValueError, match="'purple'"):
        model.evaluate({**rows, "kind": ["purple"] * 120})
    model.network.save(folder / "no run")
    with pytest.raises(ValueError, match="holds no run; give the loss"):
        bp.load_model(folder / "no run").evaluate(rows)
    found = bp.load_model(folder / "no run").evaluate(rows, loss="cross_entropy")
    assert found["accuracy"] == model.evaluate(rows)["accuracy"]


def test_the_held_out_rows(folder: Path, rows: Rows):
    model = bp.load_model(folder / "kind")
    found = model.evaluate(folder / "data.csv", part="validation")
    assert found["count"] == 24 and model.trainer is not None
    assert found["accuracy"] == pytest.approx(model.trainer.history["val_accuracy"][-1])
    with pytest.raises(ValueError, match="not the data"):
        model.evaluate({name: values[:50] for name, values in rows.items()}, part="validation")


def test_a_network_of_classes_without_their_names_is_measured_itself(tmp_path: Path):
    network = bp.Network(2, [bp.Linear(3)])
    X, y = np.ones((6, 2)), np.arange(6) % 3
    network.fit(X, y, loss="cross_entropy", optimizer=bp.SGD(0.1), epochs=1, verbose=0)
    network.trainer.save(tmp_path / "run")
    model = bp.load_model(tmp_path / "run")
    assert repr(model) == "<Model of encoded rows: numbers, 1 epochs>"
    with pytest.raises(ValueError, match=r"the model has no classes.*model\.network\.evaluate"):
        model.evaluate(X, y)
    with pytest.raises(ValueError, match="the model has no classes"):
        model.evaluate(X, y, loss="binary_cross_entropy_with_logits")


def test_there_are_two_parts(folder: Path, rows: Rows):
    with pytest.raises(ValueError, match="part is 'test', one of all, validation"):
        bp.load_model(folder / "kind").evaluate(rows, part="test")


def test_rows_written_otherwise(folder: Path, rows: Rows, tmp_path: Path):
    """With decimal commas, semicolons and another encoding, which the options name."""
    lines = (folder / "data.csv").read_text(encoding="utf-8").replace(",", ";").replace(".", ",")
    (tmp_path / "commas.csv").write_text(
        lines.replace("mid-size; say", "mid-size, say"), encoding="utf-16-le"
    )
    model, price = bp.load_model(folder / "kind"), bp.load_model(folder / "price")
    written = {"encoding": "utf-16-le", "delimiter": ";", "decimal": ","}
    data = tmp_path / "commas.csv"
    assert model.predict(data, **written).tolist() == model.predict(rows).tolist()
    assert np.array_equal(model.predict_proba(data, **written), model.predict_proba(rows))
    assert price.evaluate(data, **written) == price.evaluate(folder / "data.csv")
    with pytest.raises(ValueError, match="give decimal=','"):
        model.predict(data, encoding="utf-16-le")
    with pytest.raises(ValueError, match="decimal is for tables"):
        bp.load_model(folder / "numbers").predict(np.ones((2, 2)), decimal=",")


# The model itself.


def test_copies_and_files(folder: Path, rows: Rows, tmp_path: Path):
    for name in ("kind", "price"):
        model = bp.load_model(folder / name)
        model.save(tmp_path / name)
        answers = model.predict(rows).tolist()
        for other in (
            pickle.loads(pickle.dumps(model)),
            copy.deepcopy(model),
            bp.load_model(tmp_path / name),
        ):
            assert other.predict(rows).tolist() == answers
            assert repr(other) == repr(model) and other.network is not model.network
            other.save(tmp_path / "again")
            one, two = tensors(tmp_path / "again"), tensors(folder / name)
            assert {key: each.tobytes() for key, each in one.items()} == {
                key: each.tobytes() for key, each in two.items()
            }


def test_a_copy_continues_as_its_model_would(folder: Path, rows: Rows, tmp_path: Path):
    pickle.loads(pickle.dumps(bp.load_model(folder / "kind"))).save(tmp_path / "copy")
    goes_on = [
        bp.train_model(folder / "data.csv", resume=path, save=tmp_path / f"{index}", epochs=22, verbose=0)
        for index, path in enumerate((folder / "kind", tmp_path / "copy"))
    ]
    weights = [model.network.state_dict()["0.weight"].tobytes() for model in goes_on]
    assert weights[0] == weights[1]


def test_what_a_model_says_of_itself(folder: Path, capsys: pytest.CaptureFixture[str]):
    model = bp.load_model(folder / "kind")
    assert repr(model) == (
        '<Model of weight, height, colour for kind: classes large "XL", mid-size, say, small, 20 epochs>'
    )
    model.summary()
    printed = capsys.readouterr().out
    for text in (
        "0 Linear",
        "column weight: a number",
        "column colour: one of blue, green, red",
        "target: kind",
        'classes: large "XL", mid-size, say, small',
        "rows: 96 trained on, 24 held out",
        "loss: cross_entropy",
        "20 epochs",
    ):
        assert text in printed
    network = model.network
    assert "trained on weight, height, colour for kind" in repr(network)
    network.summary()
    assert (
        "trained on weight, height, colour for kind, by encoded rows; bpnet.load_model"
        in capsys.readouterr().out
    )
    plain = bp.Network(2, [bp.Linear(1)])
    plain.preprocessing = {"columns": 3, "mine": [1]}
    assert "trained" not in repr(plain)


WARN = """
import sys, warnings
import bpnet as bp
path, plain = sys.argv[1:]
bp.Network(2, [bp.Linear(1)]).save(plain)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    bp.load_model(path).network
    bp.Trainer.load(path)
    bp.load(plain)
    assert not caught, "these know what they do"
    for _ in range(3):
        bp.load(path)
(only,) = caught
assert only.category is UserWarning and only.filename == "<string>"
print(only.message)
"""


def test_load_says_once_what_the_network_takes(folder: Path, tmp_path: Path):
    command = [sys.executable, "-c", WARN, str(folder / "kind"), str(tmp_path / "plain")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for text in ("weight, height, colour for kind", "encoded rows", "bpnet.load_model"):
        assert text in done.stdout


# Settings that a file claims.

WRONG: dict[str, Any] = {
    "epochs of text": {"epochs": "many"},
    "negative epochs": {"epochs": -1},
    "a fraction beyond 1": {"validation": 7.0},
    "an unknown setting": {"speed": 3},
    "an unknown optimizer": {"optimizer": "newton"},
    "layers of text": {"layers": "wide"},
    "names that are numbers": {"drop": [3]},
    "no fingerprint": {"fingerprint": None},
    "rows of text": {"rows": ["a", "b"]},
    "dtype": {"dtype": "int8"},
}


@pytest.mark.parametrize("wrong", WRONG)
def test_settings_that_are_wrong(folder: Path, rows: Rows, tmp_path: Path, wrong: str):
    trainer = bp.Trainer.load(folder / "kind")
    trainer.notes["command"] = trainer.notes["command"] | WRONG[wrong]
    trainer.save(tmp_path / "m")
    model = bp.load_model(tmp_path / "m")
    assert len(model.predict(rows)) == 120, "the network and the preprocessing are whole"
    calls: list[Callable[[], object]] = [
        lambda: model.settings,
        lambda: model.evaluate(folder / "data.csv", part="validation"),
        lambda: bp.train_model(folder / "data.csv", resume=tmp_path / "m", verbose=0),
    ]
    for call in calls:
        with pytest.raises(
            bp.FileFormatError, match="the settings of the run in .* cannot be read"
        ) as caught:
            call()
        assert next(iter(WRONG[wrong])) in str(caught.value)


@pytest.mark.parametrize("notes", [{}, {"command": "fit.py"}, {"command": {"mine": 1}}])
def test_notes_of_someone_else(folder: Path, rows: Rows, tmp_path: Path, notes: dict[str, Any]):
    trainer = bp.Trainer.load(folder / "kind")
    trainer.notes = notes
    trainer.save(tmp_path / "m")
    model = bp.load_model(tmp_path / "m")
    assert model.settings is None and len(model.predict(rows)) == 120
    model.summary()
    with pytest.raises(ValueError, match="does not say how its data was split"):
        model.evaluate(folder / "data.csv", part="validation")
    with pytest.raises(ValueError, match="was not written by this command"):
        bp.train_model(folder / "data.csv", resume=tmp_path / "m", verbose=0)


def test_settings_of_an_older_file_have_their_defaults(folder: Path):
    trainer = bp.Trainer.load(folder / "kind")
    for name in ("task", "numeric", "missing", "rows", "class_weight"):
        del trainer.notes["command"][name]
    settings = bp.Model(trainer.network, trainer).settings
    assert settings is not None
    assert (settings["missing"], settings["numeric"], settings["rows"]) == ("error", [], None)
