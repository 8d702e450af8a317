"""python -m bpnet: train, predict, evaluate and info on every kind of data, and runs that go on."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet.__main__ import main
from bpnet.data import Preprocessing, read_csv
from bpnet.data.encoding import encode_table
from ctrl_c import HANG, heeded
from test_data_files import idx
from test_files import tensors

Run = Callable[..., tuple[int, str, str]]
COLOURS = ["blue", "green", "red"]
POSIX = pytest.mark.skipif(os.name != "posix", reason="POSIX signals and pipes")


@pytest.fixture
def bpnet(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: its status, what it printed, and its errors."""

    def run(*arguments: Any) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main([str(argument) for argument in arguments])
        except SystemExit as stop:
            status = stop.code if isinstance(stop.code, int) else 1
        return (status, *capsys.readouterr())

    return run


@pytest.fixture
def good(bpnet: Run) -> Callable[..., list[str]]:
    """Run a command that must succeed: the lines it printed."""

    def run(*arguments: Any) -> list[str]:
        status, out, err = bpnet(*arguments)
        assert status == 0, err
        return out.splitlines()

    return run


def write_table(path: Path, rows: int = 120, seed: int = 0) -> Path:
    """Two numbers of odd scales and a colour; a class of text and a price that follow from them."""
    rng = np.random.default_rng(seed)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["weight", "height", "colour", "kind", "price"])
        for _ in range(rows):
            weight, height, colour = rng.normal(5000, 900), rng.normal(0, 1e-3), rng.integers(3)
            score = (weight - 5000) / 900 + 1e3 * height + 2 * (colour - 1)
            kind = "small" if score < -1 else "mid-size, say" if score < 1 else 'large "XL"'
            writer.writerow(
                [f"{weight:.3f}", f"{height:.7f}", COLOURS[colour], kind, f"{300 + 40 * score:.4f}"]
            )
    return path


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_table(tmp_path / "data.csv")


CLASSES = ("--target", "kind", "--drop", "price", "--layers", "16", "--lr", "0.03", "--quiet")
PRICE = ("--target", "price", "--drop", "kind", "--layers", "16", "--lr", "0.03", "--quiet")


def test_a_classifier_on_a_table(tmp_path: Path, data: Path, good: Callable[..., list[str]]):
    model = tmp_path / "model.safetensors"
    lines = good("train", data, *CLASSES, "--epochs", 40, "--save", model)
    found = re.fullmatch(r"validation: loss \d+\.\d{4}, accuracy (\d+\.\d) %", lines[-1])
    assert found and float(found[1]) > 80
    assert good("evaluate", model, data, "--part", "validation")[-1] == (
        lines[-1].replace("validation: ", "24 samples, ")
    )
    assert re.fullmatch(r"120 samples, loss \d\.\d{4}, accuracy \d+\.\d %", good("evaluate", model, data)[-1])

    # The same from the file alone, by hand: numbers standardised, a colour one-hot.
    net = bp.load_model(model).network
    known = net.preprocessing
    assert known is not None
    with open(data, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    raw = [
        [float(row["weight"]), float(row["height"]), *[float(row["colour"] == name) for name in COLOURS]]
        for row in rows
    ]
    scores = net.predict((np.array(raw) - known["mean"]) / known["scale"])
    assert known["classes"] == sorted({row["kind"] for row in rows})
    answers = [known["classes"][i] for i in scores.argmax(axis=1)]
    assert np.mean([row["kind"] == answer for row, answer in zip(rows, answers)]) > 0.8

    predicted = list(csv.reader(io.StringIO("\n".join(good("predict", model, data)))))
    assert predicted == [["kind"], *[[answer] for answer in answers]]
    X, kept = encode_table(read_csv(data), Preprocessing.from_description(known))
    assert kept.all() and np.array_equal(net.predict(X), scores)

    good("predict", model, data, "--probabilities", "--output", tmp_path / "out.csv")
    with open(tmp_path / "out.csv", encoding="utf-8") as file:
        table = list(csv.reader(file))
    assert table[0] == ["kind", *[f"p({name})" for name in known["classes"]]]
    chances = np.array([row[1:] for row in table[1:]], float)
    assert [row[0] for row in table[1:]] == answers
    assert abs(chances.sum(axis=1) - 1).max() < 1e-5
    exponentials = np.exp(scores - scores.max(axis=1, keepdims=True))
    assert abs(exponentials / exponentials.sum(axis=1, keepdims=True) - chances).max() < 1e-5

    printed = "\n".join(good("info", model))
    for text in (
        "column weight: a number",
        "one of blue, green, red",
        "target: kind",
        "40 epochs",
        "float32",
    ):
        assert text in printed


def test_only_the_training_rows_are_measured(tmp_path: Path, data: Path, good: Callable[..., list[str]]):
    """mean and scale must not know the validation rows."""
    from bpnet.data.split import split_rows

    good("train", data, *CLASSES, "--epochs", 1, "--seed", 3, "--save", tmp_path / "m")
    known = bp.load_model(tmp_path / "m").network.preprocessing
    assert known is not None
    train, validation = split_rows(120, 0.2, 3)
    assert sorted([*train, *validation]) == list(range(120)) and len(validation) == 24
    weight = np.array([float(field) for field in read_csv(data).column("weight")])
    assert known["mean"][0] == pytest.approx(weight[train].mean(), rel=1e-12)
    assert known["scale"][0] == pytest.approx(weight[train].std(), rel=1e-12)
    assert known["mean"][2:] == [0, 0, 0] and known["scale"][2:] == [1, 1, 1]


def test_a_regression_on_a_table(tmp_path: Path, data: Path, good: Callable[..., list[str]]):
    model = tmp_path / "model"
    lines = good("train", data, *PRICE, "--epochs", 60, "--save", model)
    form = r"validation: loss \d+\.\d{4} \(of the standardised target\), root mean square error [\d.]+"
    assert re.fullmatch(form, lines[-1])
    predicted = np.array(good("predict", model, data)[1:], float)
    price = np.array(read_csv(data).column("price"), float)
    error = np.sqrt(((predicted - price) ** 2).mean())
    assert error < 0.2 * price.std(), "in the column's own units"
    printed = good("evaluate", model, data)[-1]
    assert float(printed.rpartition(" ")[2]) == pytest.approx(error, rel=1e-3)
    assert "kind" not in (bp.load_model(model).network.preprocessing or {})["columns"]


def test_columns_come_by_name_at_prediction(tmp_path: Path, data: Path, good: Callable[..., list[str]]):
    """In another order, with others between, without the target, separated by semicolons."""
    good("train", data, *CLASSES, "--epochs", 3, "--save", tmp_path / "m")
    with open(data, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    with open(tmp_path / "other.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["colour", "extra", "height", "weight"], delimiter=";")
        writer.writeheader()
        for row in rows:
            writer.writerow({key: row[key] for key in ("colour", "height", "weight")} | {"extra": "?"})
    assert good("predict", tmp_path / "m", tmp_path / "other.csv") == good("predict", tmp_path / "m", data)


def blobs(count: int = 90) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    y = np.arange(count) % 3
    return rng.normal(size=(count, 12)) * 0.3 + np.eye(3, 12)[y] * 3, y


FAST = ("--layers", "8", "--epochs", "15", "--lr", "0.05", "--quiet")


@pytest.mark.parametrize("form", ["X, y", "x_train", "text", "float labels", "images", "columns", "booleans"])
def test_npz(tmp_path: Path, good: Callable[..., list[str]], form: str):
    X, y = blobs()
    arrays: dict[str, np.ndarray] = {"X": X, "y": y}
    if form == "x_train":
        arrays = {"x_train": X[:60], "y_train": y[:60], "x_test": X[60:], "y_test": y[60:]}
    elif form == "text":
        arrays["y"] = np.array(["ä", "b c", "d,e"])[y]
    elif form == "float labels":
        arrays["y"] = y.astype(np.float32)
    elif form == "images":
        arrays["X"] = np.clip(X.reshape(90, 3, 4) * 40 + 60, 0, 255).astype(np.uint8)
    elif form == "columns":
        arrays["y"] = y[:, None]
    elif form == "booleans":
        arrays["y"] = y == 1
    np.savez(tmp_path / "d.npz", **arrays)
    line = good("train", tmp_path / "d.npz", *FAST, "--save", tmp_path / "m")[-1]
    assert float(re.fullmatch(r".*accuracy (\d+\.\d) %", line)[1]) > 90  # type: ignore[index]
    predicted = good("predict", tmp_path / "m", tmp_path / "d.npz")
    assert predicted[0] == "prediction"
    wanted = {"text": ["ä", "b c", '"d,e"'], "booleans": ["False", "True"]}.get(form, ["0", "1", "2"])
    assert set(predicted[1:]) == set(wanted)


def test_npz_of_many_numbers(tmp_path: Path, good: Callable[..., list[str]]):
    X, _ = blobs()
    np.savez(tmp_path / "d.npz", X=X, y=X[:, :2] * 5)
    good("train", tmp_path / "d.npz", *FAST, "--save", tmp_path / "m")
    predicted = good("predict", tmp_path / "m", tmp_path / "d.npz")
    assert predicted[0] == "prediction0,prediction1" and len(predicted) == 91


@pytest.mark.parametrize("packed", [False, True])
def test_idx_file_and_folder(tmp_path: Path, good: Callable[..., list[str]], packed: bool):
    X, y = blobs()
    images = np.clip(X.reshape(90, 3, 4) * 40 + 60, 0, 255).astype(np.uint8)
    end = ".gz" if packed else ""
    for part, rows in (("train", slice(0, 60)), ("t10k", slice(60, 90))):
        for kind, array in (("images-idx3", images[rows]), ("labels-idx1", y[rows])):
            raw = idx(array)
            (tmp_path / f"{part}-{kind}-ubyte{end}").write_bytes(gzip.compress(raw) if packed else raw)
    file = tmp_path / f"train-images-idx3-ubyte{end}"
    for source in (file, tmp_path):
        line = good("train", source, *FAST, "--save", tmp_path / "m", "--overwrite")[-1]
        assert float(re.fullmatch(r"validation: .*accuracy (\d+\.\d) %", line)[1]) > 90  # type: ignore[index]
        assert "divided by 255" in "\n".join(good("info", tmp_path / "m"))
    assert "30 samples" in good("evaluate", tmp_path / "m", tmp_path, "--part", "validation")[-1]
    labels = tmp_path / f"train-labels-idx1-ubyte{end}"
    labels.rename(tmp_path / "answers")
    good("train", file, *FAST, "--labels", tmp_path / "answers", "--save", tmp_path / "m", "--overwrite")
    assert len(good("predict", tmp_path / "m", file)) == 61, "without labels, too"


def test_digits(tmp_path: Path, good: Callable[..., list[str]]):
    pytest.importorskip("sklearn")
    line = good("train", "digits", "--epochs", 8, "--quiet", "--save", tmp_path / "m")[-1]
    assert float(re.fullmatch(r"validation: .*accuracy (\d+\.\d) %", line)[1]) > 93  # type: ignore[index]
    assert len(good("predict", tmp_path / "m", "digits")) == 1798


# Runs that go on.

RUNS: dict[str, tuple[str, ...]] = {
    "dropout": ("--dropout", "0.2", "--optimizer", "sgd", "--momentum", "0.9"),
    "cosine": ("--schedule", "cosine:5", "--warmup", "7"),
    "plateau": ("--schedule", "plateau:0.5:0", "--optimizer", "rmsprop"),
    "steps": ("--schedule", "multi_step:1,3:0.5", "--batch-size", "7", "--optimizer", "adamw"),
    "patience": ("--patience", "0", "--lr", "0.3", "--dropout", "0.1"),
    "single samples": ("--optimizer", "sgd", "--batch-size", "1"),
    "float64": ("--dtype", "float64", "--seed", "5", "--validation", "0", "--patience", "1"),
    "smoothing": ("--label-smoothing", "0.1", "--schedule", "exponential:0.8", "--activation", "gelu"),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_resumed_run_is_the_straight_one(
    tmp_path: Path, data: Path, good: Callable[..., list[str]], name: str
):
    straight, parts = tmp_path / "straight", tmp_path / "parts"
    common = (*CLASSES, *RUNS[name])
    line = good("train", data, *common, "--epochs", 5, "--save", straight)[-1]
    good("train", data, *common, "--epochs", 2, "--save", parts)
    resumed = good("train", data, "--resume", parts, "--epochs", 5, "--quiet")
    assert resumed[-1] == line and f"saved {parts}" in resumed
    one, other = tensors(straight), tensors(parts)
    assert list(one) == list(other)
    for key, array in one.items():
        assert array.tobytes() == other[key].tobytes(), key
    histories = [bp.Trainer.load(path).history for path in (straight, parts)]
    for key in ("epoch", "loss", "val_loss", "accuracy", "lr"):
        assert histories[0].get(key) == histories[1].get(key)


def test_a_run_that_a_cpp_program_went_on_with(tmp_path: Path, data: Path, good: Callable[..., list[str]]):
    """Trainer::load and Trainer::save keep what the command needs to go on."""
    run = tmp_path / "run"
    good("train", data, *CLASSES, "--epochs", 2, "--save", run)
    network = bp.load_model(run).network
    core, notes = bp._core.TrainerF32.load(network._core, os.fsencode(run))
    inputs = network.input_shape[0]
    X, y = np.zeros((10, inputs), np.float32), np.zeros(10, np.int64)
    core.run(bp._core.DatasetF32(X, network.output_shape[0], None, y), 10, True, 1e9)
    core.end_epoch(1.0)
    core.save(os.fsencode(run), notes)
    good("train", data, "--resume", run, "--epochs", 5, "--quiet")
    assert bp.Trainer.load(run).history["epoch"] == [1, 2, 4, 5]


def test_cosine_is_as_long_as_the_first_epochs(tmp_path: Path, data: Path, good: Callable[..., list[str]]):
    good("train", data, *CLASSES, "--schedule", "cosine:4", "--epochs", 2, "--save", tmp_path / "a")
    good("train", data, "--resume", tmp_path / "a", "--epochs", 4, "--quiet", "--save", tmp_path / "b")
    good("train", data, *CLASSES, "--schedule", "cosine", "--epochs", 4, "--save", tmp_path / "c")
    assert [a.tobytes() for a in tensors(tmp_path / "b").values()] == [
        c.tobytes() for c in tensors(tmp_path / "c").values()
    ]
    assert bp.Trainer.load(tmp_path / "a").epochs == 2, "--save names another file, the first stays"


def test_a_cosine_that_has_reached_0_does_not_go_on(tmp_path: Path, data: Path, bpnet: Run):
    first = ("train", data, *CLASSES, "--schedule", "cosine", "--epochs", 2, "--save", tmp_path / "a")
    assert bpnet(*first)[0] == 0
    status, _, err = bpnet("train", data, "--resume", tmp_path / "a", "--epochs", 4)
    assert status == 2 and "ends with epoch 2" in err


def test_the_data_is_never_written_over(data: Path, bpnet: Run):
    before = data.read_bytes()
    for option in ("--save", "--plot"):
        status, _, err = bpnet("train", data, *CLASSES, option, data)
        assert status == 2 and "this is the data" in err and data.read_bytes() == before


def test_the_validation_part_is_that_of_the_data_trained_on(tmp_path: Path, data: Path, bpnet: Run):
    assert bpnet("train", data, *CLASSES, "--epochs", 1, "--save", tmp_path / "m")[0] == 0
    other = tmp_path / "other.csv"
    other.write_text("".join(data.read_text().splitlines(keepends=True)[:50]))
    status, _, err = bpnet("evaluate", tmp_path / "m", other, "--part", "validation")
    assert status == 2 and "not the data" in err


@pytest.mark.parametrize("option", [("--threads", "1"), ("--threads", "2"), ("--threads", "7")])
def test_threads_change_nothing(
    tmp_path: Path, data: Path, good: Callable[..., list[str]], option: tuple[str, str]
):
    good("train", data, *CLASSES, "--epochs", 2, "--save", tmp_path / "a")
    good("train", data, *CLASSES, "--epochs", 2, "--save", tmp_path / "b", *option)
    assert tensors(tmp_path / "a")["0.weight"].tobytes() == tensors(tmp_path / "b")["0.weight"].tobytes()


def test_plot(tmp_path: Path, data: Path, good: Callable[..., list[str]]):
    pytest.importorskip("matplotlib")
    good("train", data, *CLASSES, "--epochs", 3, "--plot", tmp_path / "p.png")
    assert (tmp_path / "p.png").read_bytes()[:4] == b"\x89PNG"


def test_a_file_of_decimal_commas_for_a_model_of_points(
    tmp_path: Path, bpnet: Run, good: Callable[..., list[str]]
):
    for name, mark in (("points", "."), ("commas", ",")):
        lines = ["x;kind", *(f"{row}.5;{'ab'[row > 20]}".replace(".", mark) for row in range(40))]
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    points, commas, model = tmp_path / "points.csv", tmp_path / "commas.csv", tmp_path / "m"
    good("train", points, "--target", "kind", "--epochs", 2, "--quiet", "--save", model)
    assert bpnet("predict", model, commas)[2].rstrip().endswith("give --decimal ,")
    for command in ("predict", "evaluate"):
        assert good(command, model, commas, "--decimal", ",") == good(command, model, points)


# Processes of their own.


def process(*arguments: Any, **options: Any) -> subprocess.Popen[Any]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([sys.executable, "-m", "bpnet", *map(str, arguments)], **options)


def test_the_real_thing(tmp_path: Path, data: Path):
    running = process("train", data, *CLASSES[:-1], "--epochs", 2, "--save", tmp_path / "m")
    out, err = running.communicate(timeout=HANG)
    assert running.returncode == 0 and "Traceback" not in err
    lines = out.splitlines()
    assert lines[0].split() == ["layer", "output", "shape", "parameters"]
    assert [line for line in lines if line.startswith("epoch ")][1].startswith("epoch 2/2: loss ")
    assert lines[-1].startswith("validation: ") and lines[-1].endswith(" %")
    running = process("--version")
    assert running.communicate(timeout=HANG)[0] == f"bpnet {bp.__version__}\n"


@POSIX
@pytest.mark.parametrize("saved", [True, False])
def test_ctrl_c(tmp_path: Path, data: Path, saved: bool, good: Callable[..., list[str]]):
    path = tmp_path / "m"
    where = ("--save", path) if saved else ()
    with heeded():
        running = process("train", data, *CLASSES[:-1], "--epochs", 10**9, "--threads", 1, *where)
    assert running.stdout is not None
    while not running.stdout.readline().startswith("epoch 3/"):
        assert running.poll() is None
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=HANG)
    assert running.returncode == 130 and "Traceback" not in err
    last = re.fullmatch(r"stopped after epoch (\d+): .*", out.splitlines()[-1])
    assert last and (str(path) in out) == saved
    if saved:
        trainer = bp.Trainer.load(path)
        assert trainer.epochs == int(last[1])
        good("train", data, "--resume", path, "--epochs", trainer.epochs + 2, "--quiet")
        assert bp.Trainer.load(path).epochs == trainer.epochs + 2


def test_ctrl_c_before_the_checkpoint(
    tmp_path: Path, data: Path, bpnet: Run, monkeypatch: pytest.MonkeyPatch
):
    """Between an epoch's end and its file: what is said to be kept is what the file holds."""
    from bpnet.training import Checkpoint

    path, write = tmp_path / "m", Checkpoint.on_epoch_end

    def interrupted(self: Any, trainer: bp.Trainer, epoch: int, metrics: Any) -> Any:
        if epoch == 3:
            raise KeyboardInterrupt
        return write(self, trainer, epoch, metrics)

    monkeypatch.setattr(Checkpoint, "on_epoch_end", interrupted)
    status, out, _ = bpnet("train", data, *CLASSES, "--epochs", 9, "--save", path)
    printed = re.match(r"stopped after epoch (\d+): ", out.splitlines()[-1])
    assert status == 130 and printed
    assert int(printed[1]) == bp.Trainer.load(path).epochs


@POSIX
@pytest.mark.parametrize("command", ["predict", "info", "evaluate", "train", "--help", "--version"])
def test_a_reader_that_has_gone(tmp_path: Path, data: Path, command: str, good: Callable[..., list[str]]):
    """As with | head -1: no traceback."""
    model = tmp_path / "m"
    good("train", data, *CLASSES, "--epochs", 1, "--save", model)
    arguments = {
        "predict": (model, data),
        "info": (model,),
        "evaluate": (model, data),
        "train": (data, *CLASSES[:-1], "--epochs", 2, "--save", model),
    }.get(command, ())
    read, write = os.pipe()
    os.close(read)
    running = process(command, *arguments, stdout=write)
    os.close(write)
    _, err = running.communicate(timeout=HANG)
    assert "Traceback" not in err and "Exception ignored" not in err, err
    assert running.returncode == 0
