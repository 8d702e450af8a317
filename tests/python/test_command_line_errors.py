"""What goes wrong on the command line is one line on standard error and exit status 2, never a traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from ctrl_c import HANG
from test_command_line import CLASSES, POSIX, PRICE, Run, bpnet, process, write_table  # noqa: F401
from test_data_files import idx

Make = Callable[[Path], tuple[Any, ...]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with data and models of every kind."""
    from bpnet.__main__ import main

    folder = tmp_path_factory.mktemp("errors")
    data = write_table(folder / "data.csv")
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(40, 6)), np.arange(40) % 2
    np.savez(folder / "data.npz", X=X, y=y)
    for name, options in (
        ("kind", (data, *CLASSES)),
        ("price", (data, *PRICE)),
        ("arrays", (folder / "data.npz",)),
    ):
        arguments = ("train", *options, "--epochs", 1, "--quiet", "--save", folder / name)
        assert main([str(argument) for argument in arguments]) == 0
    bp.load_model(folder / "kind").network.save(folder / "model")
    raw = (folder / "kind").read_bytes()
    (folder / "cut off").write_bytes(raw[:-9])
    (folder / "changed").write_bytes(raw[:200] + b"!" + raw[201:])
    trainer = bp.Trainer(bp.Network(6, [bp.Linear(2)]), "cross_entropy", "sgd")
    trainer.save(folder / "by hand")
    rows = data.read_text().splitlines()

    def table(name: str, lines: list[str]) -> None:
        (folder / name).write_text("\n".join(lines) + "\n")

    table("empty.csv", [])
    (folder / "empty.csv").write_text("")
    table("header.csv", rows[:1])
    table("one.csv", rows[:2])
    table("ragged.csv", [*rows[:5], "1,2,3", *rows[5:]])
    table("less.csv", [line.partition(",")[2] for line in rows])
    table("unknown.csv", [*rows[:9], "5000,0,purple,small,1", *rows[9:]])
    table("class.csv", [*rows[:9], "5000,0,red,gigantic,1", *rows[9:]])
    table("hole.csv", [*rows[:9], "5000,,red,small,1", *rows[9:]])
    table("typo.csv", [*rows[:9], "5000,O.1,red,small,1", *rows[9:]])
    table("nan.csv", [*rows[:9], "5000,nan,red,small,1", *rows[9:]])
    table("inf.csv", [*rows[:9], "5000,1e999,red,small,1", *rows[9:]])
    table("large.csv", [*rows[:9], "5000,1e300,red,small,1", *rows[9:]])
    table("target nan.csv", [*rows[:9], "5000,0,red,small,nan", *rows[9:]])
    table("target typo.csv", [*rows[:9], "5000,0,red,small,n/a", *rows[9:]])
    table("target hole.csv", [*rows[:9], "5000,0,red,small,", *rows[9:]])
    table("class hole.csv", [*rows[:9], "5000,0,red,,1", *rows[9:]])
    table("one class.csv", [rows[0], *[line for line in rows[1:] if ",small," in line]])
    (folder / "latin.csv").write_bytes("größe,b\n1,2\n".encode("latin-1"))
    (folder / "data.txt").write_text("1 2 3\n")
    arrays = {
        "no x": {"a": X},
        "no y": {"X": X},
        "fewer y": {"X": X, "y": y[:9]},
        "flat": {"X": y, "y": y},
        "complex": {"X": X.astype(complex), "y": y},
        "nan": {"X": np.where(np.arange(240).reshape(40, 6) == 57, np.nan, X), "y": y},
        "large": {"X": np.where(np.arange(240).reshape(40, 6) == 57, 1e300, X), "y": y},
        "nan target": {"X": X, "y": np.where(np.arange(40) == 7, np.nan, X[:, 0])},
        "wider": {"X": np.ones((40, 7)), "y": y},
        "other validation": {"x_train": X, "y_train": y, "x_val": X[:, :5], "y_val": y},
        "unknown label": {"X": X, "y": y + 5},
        "empty": {"X": X[:0], "y": y[:0]},
    }
    for name, held in arrays.items():
        np.savez(folder / f"{name}.npz", **held)
    (folder / "lonely-images-idx3-ubyte").write_bytes(idx(np.zeros((4, 2, 2))))
    (folder / "short-images-idx3-ubyte").write_bytes(idx(np.zeros((4, 2, 2)))[:-1])
    (folder / "folder").mkdir()
    return folder


def train(*more: Any, data: str = "data.csv", base: tuple[str, ...] = CLASSES) -> Make:
    return lambda folder: ("train", folder / data, *base, "--epochs", 1, *more)


def arrays(data: str, *more: Any) -> Make:
    return lambda folder: ("train", folder / data, "--epochs", 1, "--quiet", *more)


def saved(*parts: str) -> Make:
    """train … --save to a path below the folder"""
    return lambda folder: train("--save", folder.joinpath(*parts))(folder)


def use(command: str, model: str, data: str | None = "data.csv", *more: Any) -> Make:
    return lambda folder: (command, folder / model, *([] if data is None else [folder / data]), *more)


def resume(model: str, *more: Any, data: str = "data.csv") -> Make:
    return lambda folder: (
        "train",
        folder / data,
        "--resume",
        folder / model,
        "--epochs",
        3,
        "--quiet",
        *more,
    )


ERRORS: dict[str, tuple[Make, tuple[str, ...]]] = {
    "nothing": (lambda folder: (), ("help",)),
    "unknown command": (lambda folder: ("learn",), ("learn", "train")),
    "no data": (lambda folder: ("train",), ("DATA",)),
    "unknown option": (train("--magic"), ("--magic",)),
    "layers of text": (train("--layers", "wide"), ("--layers", "wide", "64,64")),
    "layers of zero": (train("--layers", "8,0"), ("--layers", "8,0")),
    "layers beyond memory": (train("--layers", 2**62), (str(2**62),)),
    "layers beyond 64 bits": (train("--layers", 2**70), ("--layers", str(2**70))),
    "unknown activation": (train("--activation", "step"), ("--activation", "step", "tanh")),
    "dropout of 1": (train("--dropout", 1), ("--dropout", "1")),
    "dropout NaN": (train("--dropout", "nan"), ("--dropout", "nan")),
    "unknown loss": (train("--loss", "hinge"), ("--loss", "hinge")),
    "loss that does not fit": (train("--loss", "binary_cross_entropy_with_logits"), ("two classes", "3")),
    "huber": (train("--loss", "huber", "--huber-delta", 0, base=PRICE), ("huber", "0")),
    "unknown optimizer": (train("--optimizer", "newton"), ("--optimizer", "newton")),
    "lr of text": (train("--lr", "fast"), ("--lr", "fast")),
    "lr negative": (train("--lr", -1), ("lr", "-1")),
    "lr NaN": (train("--lr", "nan"), ("lr", "nan")),
    "lr infinite": (train("--lr", "inf"), ("lr", "inf")),
    "lr too large": (
        train("--optimizer", "sgd", "--lr", "1e30", base=PRICE),
        ("step", "epoch", "nothing was saved"),
    ),
    "momentum of adam": (train("--momentum", 0.9), ("--momentum", "adam")),
    "momentum of 1": (train("--optimizer", "sgd", "--momentum", 1), ("momentum", "1")),
    "unknown schedule": (train("--schedule", "lunar"), ("--schedule", "lunar", "cosine")),
    "schedule step": (train("--schedule", "step"), ("--schedule", "step", "step:EPOCHS")),
    "schedule step 0": (train("--schedule", "step:0"), ("step", "0", "at least 1")),
    "schedule step -1": (train("--schedule", "step:-1"), ("step", "-1")),
    "schedule gamma": (train("--schedule", "exponential:2"), ("gamma", "2")),
    "schedule NaN": (train("--schedule", "exponential:nan"), ("gamma", "nan")),
    "schedule with a tail": (train("--schedule", "plateau:0.1:10:5"), ("--schedule", "plateau:0.1:10:5")),
    "schedule empty": (train("--schedule", ""), ("--schedule", "cosine")),
    "epochs 0": (train("--epochs", 0), ("--epochs", "0", "at least 1")),
    "epochs of text": (train("--epochs", "ten"), ("--epochs", "ten")),
    "batch 0": (train("--batch-size", 0), ("--batch-size", "0", "at least 1")),
    "batch beyond 64 bits": (train("--batch-size", 2**70), ("batch", str(2**70))),
    "validation of 1": (train("--validation", 1), ("--validation", "1")),
    "seed negative": (train("--seed", -1), ("--seed",)),
    "seed large": (train("--seed", 2**64), ("seed", str(2**64))),
    "threads 0": (train("--threads", 0), ("--threads", "0")),
    "threads beyond 32 bits": (train("--threads", 2**31), ("threads", str(2**31))),
    "unknown backend": (train("--backend", "abacus"), ("--backend", "abacus", "reference")),
    "unknown dtype": (train("--dtype", "int8"), ("--dtype", "int8", "float32")),
    "no target": (lambda p: ("train", p / "data.csv"), ("--target", "weight, height, colour, kind, price")),
    "unknown target": (train(base=("--target", "age")), ("'age'", "weight, height, colour, kind, price")),
    "unknown drop": (train("--drop", "age"), ("'age'", "weight")),
    "unknown categorical": (train("--categorical", "age"), ("'age'", "weight")),
    "nothing left": (train("--drop", "weight,height,colour,price"), ("no column is left",)),
    "no such file": (train(data="nowhere.csv"), ("nowhere.csv", "No such file")),
    "no such folder": (train(data="nowhere/"), ("nowhere",)),
    "no IDX in the folder": (train(data="folder"), ("folder", "train-images-idx3-ubyte")),
    "a file of another kind": (train(data="data.txt"), ("data.txt", ".csv")),
    "empty": (train(data="empty.csv"), ("empty.csv", "empty")),
    "header only": (train(data="header.csv"), ("header.csv", "no rows")),
    "one row": (train(data="one.csv"), ("1 row", "2")),
    "ragged": (train(data="ragged.csv"), ("ragged.csv, line 6", "3 fields", "5")),
    "Latin-1": (train(data="latin.csv"), ("latin.csv", "UTF-8")),
    "hole": (train(data="hole.csv"), ("hole.csv, line 10", "'height'", "empty")),
    "typo": (train(data="typo.csv"), ("typo.csv, line 10", "'height'", "'O.1'")),
    "NaN": (train(data="nan.csv"), ("nan.csv, line 10", "'height'", "'nan'")),
    "infinity": (train(data="inf.csv"), ("inf.csv, line 10", "'height'", "'1e999'")),
    "beyond float32": (train("--no-standardise", data="large.csv"), ("large.csv, line 10", "'height'")),
    "hole in the classes": (train(data="class hole.csv"), ("class hole.csv, line 10", "empty")),
    "one class": (train(data="one class.csv"), ("one class", "'small'")),
    "NaN in the target": (train(data="target nan.csv", base=PRICE), ("target nan.csv, line 10", "nan")),
    "typo in the target": (train(data="target typo.csv", base=PRICE), ("target typo.csv, line 10", "n/a")),
    "hole in the target": (train(data="target hole.csv", base=PRICE), ("target hole.csv, line 10", "empty")),
    "mse of classes of text": (
        train("--loss", "mse", data="target typo.csv", base=PRICE),
        ("line 10", "n/a"),
    ),
    "npz without X": (arrays("no x.npz"), ("no x.npz", "X", "a")),
    "npz without y": (arrays("no y.npz"), ("targets", "y")),
    "npz with fewer y": (arrays("fewer y.npz"), ("fewer y.npz", "40", "(9,)")),
    "npz of one axis": (arrays("flat.npz"), ("flat.npz", "(40,)")),
    "npz complex": (arrays("complex.npz"), ("complex.npz", "complex128")),
    "npz empty": (arrays("empty.npz"), ("empty.npz", "(0, 6)")),
    "npz with NaN": (arrays("nan.npz"), ("row 9", "NaN")),
    "npz with NaN as it is": (arrays("nan.npz", "--no-standardise"), ("row 9", "NaN")),
    "npz beyond float32": (arrays("large.npz", "--no-standardise"), ("row 9",)),
    "npz with NaN targets": (arrays("nan target.npz"), ("row 7", "nan")),
    "npz with another validation": (arrays("other validation.npz"), ("5", "6")),
    "images without labels": (arrays("lonely-images-idx3-ubyte"), ("labels", "y")),
    "images cut off": (arrays("short-images-idx3-ubyte"), ("short-images-idx3-ubyte",)),
    "save nowhere": (saved("nowhere", "m"), ("nowhere", "no folder")),
    "save to a folder": (saved("folder"), ("folder",)),
    "save below a file": (saved("data.csv", "m"), ("data.csv",)),
    "plot nowhere": (train("--plot", "/nowhere/p.png"), ("/nowhere",)),
    "resume nowhere": (resume("nowhere"), ("nowhere", "No such file")),
    "resume a model": (resume("model"), ("model", "no run")),
    "resume by hand": (resume("by hand"), ("by hand", "bpnet.Trainer.load")),
    "resume what is cut off": (resume("cut off"), ("cut off", "not a whole bpnet file")),
    "resume with other data": (resume("kind", data="ragged.csv"), ("ragged.csv, line 6",)),
    "resume with another table": (resume("kind", data="class.csv"), ("class.csv", "not the data")),
    "resume with other options": (resume("kind", "--lr", 0.5), ("--lr", "0.5", "0.03")),
    "resume with other layers": (resume("kind", "--layers", "3"), ("--layers", "3", "16")),
    "resume with another target": (resume("kind", "--target", "price"), ("--target", "price", "kind")),
    "resume what is finished": (resume("kind", "--epochs", 1), ("1 epochs", "--epochs")),
    "predict nothing": (lambda p: ("predict", p / "kind"), ("DATA",)),
    "predict by nothing": (use("predict", "nowhere"), ("nowhere", "No such file")),
    "predict by a folder": (use("predict", "folder"), ("folder",)),
    "predict by a table": (use("predict", "data.csv"), ("data.csv", "not a whole bpnet file")),
    "predict by what is cut off": (use("predict", "cut off"), ("cut off", "not a whole bpnet file")),
    "predict by what is changed": (use("predict", "changed"), ("changed", "checksum")),
    "predict without a column": (use("predict", "kind", "less.csv"), ("less.csv", "'weight'", "height")),
    "predict an unknown category": (
        use("predict", "kind", "unknown.csv"),
        ("line 10", "'colour'", "'purple'"),
    ),
    "predict a hole": (use("predict", "kind", "hole.csv"), ("hole.csv, line 10", "'height'")),
    "predict a typo": (use("predict", "kind", "typo.csv"), ("typo.csv, line 10", "'height'", "'O.1'")),
    "predict NaN": (use("predict", "kind", "nan.csv"), ("nan.csv, line 10", "'height'", "'nan'")),
    "predict an empty table": (use("predict", "kind", "empty.csv"), ("empty.csv",)),
    "predict arrays": (
        use("predict", "kind", "data.npz"),
        ("weight, height, colour", "an array does not say"),
    ),
    "predict a table": (use("predict", "arrays"), ("data.csv", "not on a table")),
    "predict wider arrays": (use("predict", "arrays", "wider.npz"), ("7", "6")),
    "predict NaN in arrays": (use("predict", "arrays", "nan.npz"), ("row 9", "NaN")),
    "no probabilities": (use("predict", "price", "data.csv", "--probabilities"), ("numbers, not classes",)),
    "predict to nowhere": (use("predict", "kind", "data.csv", "--output", "/nowhere/x"), ("/nowhere/x",)),
    "evaluate without a target": (use("evaluate", "kind", "less.csv"), ("'weight'",)),
    "evaluate another target": (use("evaluate", "kind", "data.csv", "--target", "age"), ("'age'",)),
    "evaluate an unknown class": (use("evaluate", "kind", "class.csv"), ("class.csv, line 10", "'gigantic'")),
    "evaluate an unknown label": (use("evaluate", "arrays", "unknown label.npz"), ("row 0", "'5'", "0, 1")),
    "evaluate without a loss": (use("evaluate", "model"), ("model", "--loss")),
    "evaluate without a part": (
        use("evaluate", "model", "data.csv", "--loss", "mse", "--part", "validation"),
        (),
    ),
    "info of nothing": (use("info", "nowhere", None), ("nowhere", "No such file")),
    "info of a folder": (use("info", "folder", None), ("folder",)),
    "info of a table": (use("info", "data.csv", None), ("data.csv", "not a whole bpnet file")),
}


@pytest.mark.parametrize("name", ERRORS)
def test_one_line_and_status_2(folder: Path, bpnet: Run, name: str):  # noqa: F811
    make, fragments = ERRORS[name]
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    status, out, err = bpnet(*make(folder))
    assert status == 2, out
    assert err.endswith("\n") and err.count("\n") == 1, err
    assert err.startswith("bpnet: ") and "Traceback" not in err
    for wrong in (
        "incompatible function",
        "incompatible constructor",
        "json:",
        "object is not",
        "Invoked with",
    ):
        assert wrong not in err, err
    for fragment in fragments:
        assert fragment in err, err
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before, "no file was touched"


def test_a_loss_that_becomes_nan_says_what_was_kept(tmp_path: Path, bpnet: Run):  # noqa: F811
    data, path = write_table(tmp_path / "d.csv"), tmp_path / "m"
    options = (*PRICE[:-3], "--optimizer", "sgd", "--quiet")
    assert bpnet("train", data, *options, "--lr", "0.01", "--epochs", 2, "--save", path)[0] == 0
    old = path.read_bytes()
    status, out, err = bpnet(
        "train", data, *options, "--lr", "1e30", "--epochs", 2, "--save", path, "--overwrite"
    )
    assert status == 2 and err.count("\n") == 1
    for text in ("step", "epoch 1", "learning rate", "nothing was saved"):
        assert text in err
    assert path.read_bytes() == old


@pytest.mark.parametrize("backend", ["reference", "abacus", ""])
def test_the_environments_backend(folder: Path, backend: str):
    running = process(
        "predict", folder / "kind", folder / "data.csv", env={**os.environ, "BPNET_BACKEND": backend}
    )
    out, err = running.communicate(timeout=HANG)
    if backend == "abacus":
        assert running.returncode == 2 and err.count("\n") == 1
        assert err.startswith("bpnet: ") and "abacus" in err and "reference" in err
    else:
        assert running.returncode == 0 and len(out.splitlines()) == 121


@POSIX
@pytest.mark.parametrize("command", ["predict", "info", "train"])
def test_a_full_disk_behind_the_output(folder: Path, command: str):
    if not os.path.exists("/dev/full"):
        pytest.skip("there is no /dev/full here")
    arguments = {
        "predict": (folder / "kind", folder / "data.csv"),
        "info": (folder / "kind",),
        "train": (folder / "data.csv", *CLASSES, "--epochs", 1),
    }[command]
    with open("/dev/full", "w") as full:
        running = process(command, *arguments, stdout=full)
        _, err = running.communicate(timeout=HANG)
    assert running.returncode == 2 and err.count("\n") == 1, err
    assert err.startswith("bpnet: ") and "No space left" in err


def test_a_traceback_for_those_who_ask(folder: Path):
    done = subprocess.run(
        [sys.executable, "-m", "bpnet", "info", str(folder / "nowhere")],
        env={**os.environ, "BPNET_TRACEBACK": "1"},
        capture_output=True,
        text=True,
        timeout=HANG,
    )
    assert done.returncode == 1 and "Traceback" in done.stderr and "FileNotFoundError" in done.stderr
