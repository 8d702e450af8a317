"""bp.train_model, which is what ``python -m bpnet train`` does: its data, options, files and runs that go on."""

from __future__ import annotations

import csv
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet.__main__ import build_parser, main
from bpnet.settings import DEFAULTS
from test_command_line import Run, bpnet, write_table  # noqa: F401
from test_files import tensors

QUICK: dict[str, Any] = {"layers": (8,), "epochs": 2, "verbose": 0}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_table(tmp_path / "data.csv")


def read(path: Path) -> dict[str, list[Any]]:
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        name: [row[name] if name in ("colour", "kind") else float(row[name]) for row in rows]
        for name in rows[0]
    }


def arrays() -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).normal(size=(60, 4))
    return X, (X[:, 0] > 0).astype(int)


def bits(model: bp.Model) -> list[bytes]:
    return [array.tobytes() for array in model.network.state_dict().values()]


def file_bits(path: Path) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in tensors(path).items()}


# It is what the command does.


def test_the_command_and_python_train_to_the_same_bits(tmp_path: Path, data: Path):
    options = (
        "--layers 16,8 --activation relu --dropout 0.1 --optimizer sgd --lr 0.1 --momentum 0.9 --epochs 3"
    )
    more = (
        "--schedule step:1:0.5 --warmup 3 --batch-size 16 --label-smoothing 0.1 --seed 4 --drop price --quiet"
    )
    save = ["--save", str(tmp_path / "a")]
    assert main(["train", str(data), "--target", "kind", *options.split(), *more.split(), *save]) == 0
    model = bp.train_model(
        data,
        "kind",
        drop=["price"],
        layers=(16, 8),
        activation="relu",
        dropout=0.1,
        optimizer="sgd",
        lr=0.1,
        momentum=0.9,
        epochs=3,
        schedule="step:1:0.5",
        warmup=3,
        batch_size=16,
        label_smoothing=0.1,
        seed=4,
        save=tmp_path / "b",
        verbose=0,
    )
    assert file_bits(tmp_path / "a") == file_bits(tmp_path / "b")
    settings = [bp.load_model(tmp_path / name).settings for name in "ab"]
    assert settings[0] == settings[1] == model.settings
    assert bits(model) == bits(bp.load_model(tmp_path / "a"))


def test_objects_train_as_their_names_do(data: Path):
    rest: dict[str, Any] = {"target": "kind", "drop": ["price"], **QUICK}
    by_name = bp.train_model(
        data, optimizer="sgd", lr=0.1, momentum=0.9, schedule="cosine", label_smoothing=0.1, **rest
    )
    schedule = bp.CosineAnnealingLR(2)
    loss = bp.CrossEntropy(label_smoothing=0.1)
    of_optimizer = bp.train_model(
        data, optimizer=bp.SGD(0.1, momentum=0.9, schedule=schedule), loss=loss, **rest
    )
    of_schedule = bp.train_model(
        data, optimizer="sgd", lr=0.1, momentum=0.9, schedule=schedule, loss=loss, **rest
    )
    assert bits(by_name) == bits(of_optimizer) == bits(of_schedule)
    assert by_name.settings is not None and of_schedule.settings is not None
    assert by_name.settings["label_smoothing"] == of_schedule.settings["label_smoothing"] == 0.1


def test_rows_in_memory_train_as_their_file_does(data: Path):
    rows = read(data)
    wanted = bits(bp.train_model(data, "kind", drop=["price"], **QUICK))
    as_list = [dict(zip(rows, values)) for values in zip(*rows.values())]
    for held in (rows, as_list, pytest.importorskip("pandas").DataFrame(rows)):
        model = bp.train_model(held, "kind", drop=["price"], **QUICK)
        assert bits(model) == wanted
        assert model.predict(data).tolist() == model.predict(held).tolist()


def test_pairs(tmp_path: Path):
    X, y = arrays()
    np.savez(tmp_path / "d.npz", X=X, y=y)
    assert bits(bp.train_model((X, y), **QUICK)) == bits(bp.train_model(tmp_path / "d.npz", **QUICK))
    frame = {"a": X[:, 0], "b": X[:, 1]}
    model = bp.train_model((frame, np.array(["no", "yes"])[y]), **QUICK)
    assert set(model.predict(frame)) <= {"no", "yes"}
    found = model.evaluate(frame, np.array(["no", "yes"])[y])
    assert found["count"] == 60


def test_what_is_printed(tmp_path: Path, data: Path, bpnet: Run, capsys: pytest.CaptureFixture[str]):  # noqa: F811
    """The same lines from Python, with Python's words."""
    model = bp.train_model(data, "kind", drop=["price"], layers=(8,), epochs=2, verbose=2)
    out = capsys.readouterr().out
    command = ("train", data, "--target", "kind", "--drop", "price", "--layers", 8, "--epochs", 2)
    status, printed, _ = bpnet(*command)
    assert status == 0 and printed == out
    for line in (
        "weight: number, 120 distinct values in 120 rows",
        "colour: categories, 3 distinct values in 120 rows",
        "training on 96 rows, validating on 24; loss cross_entropy",
    ):
        assert line in out.splitlines()
    bp.train_model(data, "kind", drop=["price"], **QUICK)
    assert capsys.readouterr() == ("", "")
    assert model.classes is not None


# Options.


def test_every_setting_is_an_argument_and_an_option():
    parameters = inspect.signature(bp.train_model).parameters
    assert [name for name in parameters if name in DEFAULTS] != []
    assert set(DEFAULTS) <= set(parameters)
    help_text = build_parser()._subparsers._group_actions[0].choices["train"].format_help()  # type: ignore[union-attr, attr-defined]
    for name in DEFAULTS:
        option = "--no-standardise" if name == "standardise" else "--" + name.replace("_", "-")
        assert re.search(rf"{option}\b", help_text), option


def test_every_argument_is_described_with_its_default():
    text = inspect.getdoc(bp.train_model)
    assert text is not None
    described = text[text.index("Args:") : text.index("Raises:")]
    entries = re.split(r"\n    (?=[a-z_]+(?:, [a-z_]+)*: )", described)[1:]
    names = [name.strip() for entry in entries for name in entry.split(":")[0].split(",")]
    parameters = inspect.signature(bp.train_model).parameters
    assert sorted(names) == sorted(parameters)
    for entry in entries:
        name = entry.split(":")[0]
        default = DEFAULTS.get(name)
        if isinstance(default, (int, float)) and not isinstance(default, bool):
            assert f"({default:g}" in entry, entry
        elif isinstance(default, str):
            assert f"({default}" in entry or f'(``"{default}"``' in entry, entry


WRONG: dict[str, tuple[dict[str, Any], type[Exception], str]] = {
    "epochs": ({"epochs": 0}, ValueError, "train: epochs is 0, at least 1 is needed"),
    "epochs of text": ({"epochs": "ten"}, TypeError, "train: epochs is 'ten'"),
    "widths": ({"layers": (8, 0)}, ValueError, "train: a width of layers is 0"),
    "layers": ({"layers": 8}, TypeError, "train: layers is 8, a list is needed"),
    "activation": ({"activation": "step"}, ValueError, "train: activation is 'step', one of tanh, "),
    "dropout": ({"dropout": 1}, ValueError, "train: dropout is 1, a fraction from 0 to below 1 is needed"),
    "NaN": ({"validation": float("nan")}, ValueError, "train: validation is nan, a fraction"),
    "drop": ({"drop": "price"}, TypeError, "train: drop is 'price', a list of names is needed"),
    "missing": ({"missing": "zero"}, ValueError, "train: missing is 'zero', one of error, mean, "),
    "unknown": ({"unknown": "skip"}, ValueError, "train: unknown is 'skip', one of error, ignore"),
    "task": ({"task": "ranking"}, ValueError, "train: task is 'ranking', one of classification, regression"),
    "loss": ({"loss": "hinge"}, ValueError, "train: loss is 'hinge', one of "),
    "another's loss": ({"loss": "l2"}, ValueError, "is needed; did you mean 'mse'?"),
    "optimizer": ({"optimizer": "newton"}, ValueError, "train: optimizer is 'newton', one of sgd, "),
    "optimizer's class": (
        {"optimizer": bp.SGD},
        TypeError,
        "train: optimizer is the class SGD, give an object: SGD(",
    ),
    "lr": ({"lr": "fast"}, TypeError, "train: lr is 'fast', a number is needed"),
    "schedule": ({"schedule": "lunar"}, ValueError, "train: schedule 'lunar' is not one of constant, "),
    "schedule's number": ({"schedule": "step:x"}, ValueError, "train: schedule 'step:x' is not one of"),
    "seed": ({"seed": -1}, ValueError, "train: seed is -1, at least 0"),
    "dtype": ({"dtype": "int8"}, ValueError, "train: dtype is 'int8', one of float32, float64"),
    "standardise": ({"standardise": "no"}, TypeError, "train: standardise is 'no', True or False"),
    "class_weight": ({"class_weight": "equal"}, ValueError, "train: class_weight is 'equal', only the word"),
    "classes' weights": (
        {"class_weight": [1, 2]},
        ValueError,
        "train: class_weight has 2 weights, there are 3",
    ),
    "an unknown class": (
        {"class_weight": {"huge": 2}},
        ValueError,
        "train: class_weight names the class 'huge'",
    ),
    "a loss that needs two": ({"loss": "binary_cross_entropy_with_logits"}, ValueError, "two classes"),
    "a column": ({"categorical": ["age"]}, ValueError, "'age'"),
    "a callback": ({"callbacks": [3]}, TypeError, "fit: callback 3 is neither"),
    "callbacks": ({"callbacks": print}, TypeError, "train: callbacks is <built-in function print>, a list"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_options_have_python_s_names(data: Path, name: str):
    options, kind, text = WRONG[name]
    with pytest.raises(kind) as caught:
        bp.train_model(data, **({"target": "kind", "drop": ["price"]} | QUICK | options))
    assert text in str(caught.value) and "--" not in str(caught.value)


# Options that can have no effect: what is said, on which data, and what the message holds.
USELESS: dict[str, tuple[dict[str, Any], str, str]] = {
    "huber_delta of mse": (
        {"loss": "mse", "huber_delta": 5.0},
        "prices",
        "is for the loss huber, the loss is mse",
    ),
    "huber_delta of what is guessed": ({"huber_delta": 5.0}, "prices", "the loss is mse"),
    "label_smoothing of mse": ({"label_smoothing": 0.5}, "prices", "is for the loss cross_entropy"),
    "class_weight of mse": ({"class_weight": "balanced"}, "prices", "is for the loss cross_entropy"),
    "momentum of adam": ({"momentum": 0.9}, "kinds", "is for sgd and rmsprop, the optimizer is adam"),
    "activation without layers": ({"layers": [], "activation": "relu"}, "kinds", "there are none"),
    "dropout without layers": ({"layers": [], "dropout": 0.5}, "kinds", "there are none"),
    "target of arrays": ({"target": "kind"}, "arrays", "is for tables"),
    "drop of arrays": ({"drop": ["age"]}, "arrays", "is for tables"),
    "numeric of arrays": ({"numeric": ["age"]}, "arrays", "is for tables"),
    "categorical of arrays": ({"categorical": ["age"]}, "arrays", "is for tables"),
    "missing of arrays": ({"missing": "mean"}, "arrays", "is for tables"),
    "unknown of arrays": ({"unknown": "ignore"}, "arrays", "is for tables"),
    "unknown without categories": (
        {"drop": ["price", "colour"], "unknown": "ignore"},
        "kinds",
        "is for categories, and no column has any",
    ),
    "decimal of arrays": ({"decimal": ","}, "arrays", "is for tables"),
    "thousands of arrays": ({"thousands": "."}, "arrays", "is for tables"),
    "encoding of arrays": ({"encoding": "latin-1"}, "arrays", "is for CSV files"),
    "labels of a table": ({"labels": "nowhere"}, "kinds", "is for IDX images"),
    "labels of arrays": ({"labels": "nowhere"}, "arrays", "is for IDX images"),
    "validation of its own": ({"validation": 0.5}, "with validation", "has no effect"),
}


@pytest.mark.parametrize("name", USELESS)
def test_an_option_without_effect_is_refused(tmp_path: Path, data: Path, bpnet: Run, name: str):  # noqa: F811
    options, kind, text = USELESS[name]
    X, y = arrays()
    np.savez(tmp_path / "arrays.npz", X=X, y=y)
    np.savez(tmp_path / "own.npz", x_train=X, y_train=y, x_val=X, y_val=y)
    path = {"arrays": tmp_path / "arrays.npz", "with validation": tmp_path / "own.npz"}.get(kind, data)
    base: dict[str, Any] = {
        "kinds": {"target": "kind", "drop": ["price"]},
        "prices": {"target": "price", "drop": ["kind"]},
    }
    said = base.get(kind, {}) | options
    named = next(reversed(options))
    with pytest.raises(ValueError) as caught:
        bp.train_model(path, **QUICK | said)
    assert text in str(caught.value) and f"{named} " in str(caught.value) and "--" not in str(caught.value)
    command: list[Any] = ["train", path, "--epochs", 1]
    for option, value in said.items():
        command += ["--" + option.replace("_", "-"), ",".join(value) if isinstance(value, list) else value]
    status, _, err = bpnet(*command)
    assert status == 2 and text in err and "--" + named.replace("_", "-") in err


OWN: dict[str, Any] = {
    "lr": ({"optimizer": bp.Adam(), "lr": 0.1}),
    "weight_decay": ({"optimizer": bp.Adam(), "weight_decay": 0.1}),
    "schedule": ({"optimizer": bp.Adam(), "schedule": "cosine"}),
    "warmup": ({"optimizer": bp.Adam(), "warmup": 10}),
    "label_smoothing": ({"loss": bp.CrossEntropy(), "label_smoothing": 0.1}),
    "huber_delta": ({"loss": bp.Huber(), "huber_delta": 2.0}),
    "class_weight": ({"loss": bp.CrossEntropy(), "class_weight": "balanced"}),
}


@pytest.mark.parametrize("name", OWN)
def test_what_an_object_says_is_not_said_beside_it(data: Path, name: str):
    with pytest.raises(ValueError, match=f"train: {name} is the (loss|optimizer)'s own"):
        bp.train_model(data, "kind", drop=["price"], **QUICK | OWN[name])


def test_class_weights(data: Path):
    rows = read(data)
    rest: dict[str, Any] = {"target": "kind", "drop": ["price"], **QUICK}
    model = bp.train_model(data, class_weight="balanced", **rest)
    assert isinstance(model.loss, bp.CrossEntropy) and model.classes is not None
    weights = model.loss.describe()["class_weight"]
    assert len(weights) == 3 and max(weights) > min(weights)
    rare = min(model.classes, key=rows["kind"].count)
    assert weights[model.classes.tolist().index(rare)] == max(weights)
    by_name = dict(zip(model.classes.tolist(), weights))
    for same in (weights, by_name, {str(name): weight for name, weight in by_name.items()}):
        assert bits(bp.train_model(data, class_weight=same, **rest)) == bits(model)
    assert bits(bp.train_model(data, **rest)) != bits(model)


# Early stopping.


def only_rising(folder: Path) -> Path:
    """A validation part whose loss only rises."""
    X, y = arrays()
    np.savez(folder / "d.npz", x_train=X, y_train=y, x_val=X, y_val=1 - y)
    return folder / "d.npz"


def test_patience_watches_the_data_s_own_validation_part(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    model = bp.train_model(only_rising(tmp_path), patience=1, epochs=9, layers=(8,), verbose=2)
    out = capsys.readouterr().out
    assert "stopped: val_loss has not improved for 1 epoch; back to epoch 1" in out
    assert model.trainer is not None and model.trainer.epochs == 1


def test_patience_without_validation_watches_the_loss(data: Path):
    model = bp.train_model(
        data, "kind", drop=["price"], patience=2, validation=0, epochs=3, layers=(8,), verbose=0
    )
    assert model.trainer is not None and model.trainer.epochs == 3


# Files, and runs that go on.


def test_callbacks_are_called(tmp_path: Path, data: Path):
    called: list[int] = []
    stop = lambda epoch, metrics: epoch == 3  # noqa: E731
    model = bp.train_model(
        data,
        "kind",
        drop=["price"],
        epochs=9,
        layers=(8,),
        verbose=0,
        save=tmp_path / "m",
        callbacks=[lambda epoch, metrics: called.append(epoch), stop],
    )
    assert called == [1, 2, 3] and model.trainer is not None and model.trainer.epochs == 3
    assert bp.Trainer.load(tmp_path / "m").epochs == 3


@pytest.mark.parametrize("form", ["path", "rows", "frame", "pair"])
def test_a_resumed_run_is_the_straight_one(tmp_path: Path, data: Path, form: str):
    rows = read(data)
    forms: dict[str, Callable[[], Any]] = {
        "path": lambda: data,
        "rows": lambda: rows,
        "frame": lambda: pytest.importorskip("pandas").DataFrame(rows),
        "pair": lambda: ({"weight": rows["weight"], "height": rows["height"]}, np.array(rows["kind"])),
    }
    options = {} if form == "pair" else {"target": "kind", "drop": ["price"]}
    options |= {"layers": (8,), "dropout": 0.2, "optimizer": bp.SGD(0.1, momentum=0.9), "verbose": 0}
    bp.train_model(forms[form](), epochs=5, save=tmp_path / "straight", **options)
    bp.train_model(forms[form](), epochs=2, save=tmp_path / "parts", **options)
    model = bp.train_model(forms[form](), epochs=5, resume=tmp_path / "parts", **options)
    assert file_bits(tmp_path / "straight") == file_bits(tmp_path / "parts")
    assert model.trainer is not None and model.trainer.history["epoch"] == [1, 2, 3, 4, 5]
    again = bp.train_model(forms[form](), epochs=6, resume=tmp_path / "parts", verbose=0)
    assert again.trainer is not None and again.trainer.epochs == 6, "nothing need be said again"


def test_a_run_goes_on_as_it_was(tmp_path: Path, data: Path, bpnet: Run):  # noqa: F811
    path = tmp_path / "m"
    bp.train_model(data, "kind", drop=["price"], save=path, **QUICK)
    for options, text in (
        ({"layers": (9,)}, "layers is (9,) but the run was begun with [8]"),
        ({"lr": 0.5}, "lr is 0.5 but the run was begun without it"),
        ({"optimizer": bp.SGD(0.1)}, "optimizer is SGD(lr=0.1) but the run was begun with adam"),
        ({"missing": "mean"}, "missing is mean but the run was begun with error"),
    ):
        with pytest.raises(ValueError, match=re.escape(text)):
            bp.train_model(data, resume=path, verbose=0, **{"epochs": 4, **options})
    status, _, err = bpnet("train", data, "--resume", path, "--weight-decay", "0.5", "--epochs", 4)
    assert status == 2 and "--weight-decay is 0.5 but the run was begun without it" in err
    with pytest.raises(ValueError, match="is not the data that the run in .* was begun with"):
        bp.train_model(
            {name: each[:50] for name, each in read(data).items()}, resume=path, epochs=4, verbose=0
        )
    with pytest.raises(ValueError, match="has its 2 epochs already; give a larger epochs"):
        bp.train_model(data, resume=path, verbose=0)


def begun(path: Path, data: Path, **options: Any) -> bp.Model:
    return bp.train_model(data, **({"target": "kind", "drop": ["price"], "save": path} | QUICK | options))


def test_a_training_can_be_repeated(tmp_path: Path, data: Path, bpnet: Run):  # noqa: F811
    """With the same settings and data, and at least as many epochs."""
    path = tmp_path / "m"
    first = bits(begun(path, data))
    assert bits(begun(path, data)) == first
    begun(path, data, epochs=3)
    path.unlink()
    command = ("train", data, "--target", "kind", "--drop", "price", "--epochs", 2, "--save", path)
    for _ in range(2):
        assert bpnet(*command)[0] == 0
    bp.train_model(data, resume=path, epochs=3, verbose=0)
    with pytest.raises(
        ValueError, match="holds a run of 3 epochs, this one has 2; resume=.* continues it, overwrite=True"
    ):
        begun(path, data, layers=(64, 64))
    status, _, err = bpnet(*command)
    assert (
        status == 2
        and "a run of 3 epochs" in err
        and f"--resume {path} continues it, --overwrite replaces" in err
    )
    assert bp.Trainer.load(path).epochs == 3
    assert bpnet(*command, "--overwrite")[0] == 0
    assert bp.Trainer.load(path).epochs == 2


def test_what_is_not_replaced(tmp_path: Path, data: Path):
    path = tmp_path / "m"
    begun(path, data)
    other = write_table(tmp_path / "other.csv", seed=1)
    kept = path.read_bytes()
    with pytest.raises(ValueError, match=r"holds a run with layers=\[8\], not layers=\[9\]"):
        begun(path, data, layers=(9,))
    with pytest.raises(ValueError, match="holds a run on other data"):
        begun(path, other)
    assert path.read_bytes() == kept
    network = bp.load_model(path).network
    network.save(path)
    with pytest.raises(
        ValueError, match="holds a model that was not trained by this command; overwrite=True replaces it"
    ):
        begun(path, data)
    bp.Trainer(network, "cross_entropy", "sgd").save(path)
    with pytest.raises(ValueError, match="not trained by this command; overwrite=True"):
        begun(path, data)
    path.write_text("notes of mine")
    with pytest.raises(ValueError, match="is there already and holds no run; overwrite=True"):
        begun(path, data)
    assert path.read_text() == "notes of mine"
    begun(path, data, overwrite=True)
    assert bp.Trainer.load(path).epochs == 2


def test_overwrite_is_for_save(tmp_path: Path, data: Path):
    begun(tmp_path / "m", data)
    for options in ({"save": None}, {"save": None, "resume": tmp_path / "m"}, {"resume": tmp_path / "m"}):
        with pytest.raises(ValueError, match="overwrite is for save"):
            begun(tmp_path / "m", data, epochs=3, overwrite=True, **options)
    begun(tmp_path / "n", data)
    bp.train_model(data, resume=tmp_path / "m", save=tmp_path / "n", epochs=3, verbose=0)
    assert bp.Trainer.load(tmp_path / "n").epochs == 3 and bp.Trainer.load(tmp_path / "m").epochs == 2


def test_a_plot(tmp_path: Path, data: Path):
    pytest.importorskip("matplotlib")
    begun(tmp_path / "m", data, plot=tmp_path / "p.svg")
    assert (tmp_path / "p.svg").read_bytes().startswith(b"<?xml")
