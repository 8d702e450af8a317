"""A C++ program answers raw rows from the files that Python wrote as Python does, bit for bit."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp
from bpnet.data import Preprocessing
from builds import Build, run
from test_cpp_package import CONSUMER, program

FORMAT1 = Path(__file__).parents[1] / "golden" / "format1"
Rows = list[list[str]]
Answers = Callable[[Path, Rows], list[str]]


@pytest.fixture(scope="module")
def cpp_answers(tmp_path_factory: pytest.TempPathFactory) -> Answers:
    """What tests/cpp/consumer/model.cpp prints of a model file and rows."""
    cmake = Path(bp.get_cmake_dir())
    if not cmake.is_dir():
        pytest.skip(f"{cmake} is not there: bpnet is run from its sources, not installed")
    folder = tmp_path_factory.mktemp("consumer")
    Build()(CONSUMER, folder / "build", f"-Dbpnet_DIR={cmake}", target="model")
    model_program = program(folder / "build", "model")

    def answers(model: Path, rows: Rows) -> list[str]:
        data = folder / "rows"
        data.write_bytes("".join("\x1f".join([*row, ""]) + "\x1e" for row in rows).encode())
        return run(model_program, model, data).splitlines()

    return answers


def line(p: Preprocessing, outputs: np.ndarray) -> str:
    """Python's answer for outputs (1, count), as the program prints it."""
    if not p.classes:
        return " ".join(["values", *(float(v).hex() for v in p.values(outputs)[0])])
    index = int(p.decide(outputs)[0])
    chances = [] if p.output == "values" else p.probabilities(outputs)[0]
    return " ".join(["class", str(index), p.classes[index], *(float(v).hex() for v in chances)])


def numbers_as_python(text: str) -> str:
    """C's %a and Python's float.hex() differ in the zeros at the end."""
    words = [float.fromhex(word).hex() if "0x" in word else word for word in text.split(" ")]
    return " ".join(words)


def check_every_answer(cpp_answers: Answers, path: Path, rows: Rows) -> None:
    model = bp.load_model(path)
    network, p = model.network, model.preprocessing
    if p.columns:
        X, kept = p.encode(list(map(list, zip(*rows))), network.dtype)
    else:
        X = p.standardise(np.array(rows, np.float64), network.dtype)
        kept = np.ones(len(rows), bool)
    X = X.astype(network.dtype)
    alone = [line(p, network.predict(X[i : i + 1])) if kept[i] else "dropped" for i in range(len(rows))]
    batch = [line(p, outputs[None]) for outputs in network.predict(X[kept])]
    found = [numbers_as_python(text) for text in cpp_answers(path, rows)]
    assert found == alone + batch
    assert len(set(batch)) > 1  # the answers depend on the rows
    if p.columns:
        names = [column["name"] for column in p.columns]
        raw: object = [dict(zip(names, row)) for row in rows]
    else:
        raw = np.array(rows, np.float64)
    answers = [answer for answer, has_one in zip(model.predict(raw).tolist(), kept) if has_one]
    if p.classes:
        assert [str(answer) for answer in answers] == [text.split(" ")[2] for text in found[len(rows) :]]
    else:
        values = np.reshape(answers, (len(answers), -1)).tolist()
        assert [" ".join(["values", *(v.hex() for v in row)]) for row in values] == found[len(rows) :]


def saved(path: Path, p: Preprocessing, features: int, outputs: int, dtype: str) -> Path:
    network = bp.Network(features, [bp.Linear(8), bp.Tanh(), bp.Linear(outputs)], seed=3, dtype=dtype)
    network.preprocessing = p.describe()
    network.save(path)
    return path


COLUMNS = [
    {"name": "price", "categories": [], "decimal": ",", "thousands": ".", "missing": "fill", "fill": 99.5},
    {"name": "age", "categories": [], "missing": "category", "fill": 40.25},
    {"name": "colour", "categories": ["rot", "grün", "NA"], "unknown": "ignore"},
    {"name": "soil", "categories": ["", "sand"], "missing": "category"},
    {"name": "leaf", "categories": ["a", "b"], "missing": "fill", "fill": "b"},
    {"name": "height", "categories": [], "missing": "drop"},
]
SCALE = {
    "mean": [1000.1, 1 / 3, 0, 0, 0, 0, 0, 0, 0, 0, 1e-3],
    "scale": [333.3, 17.7, 1, 1, 1, 1, 1, 1, 1, 1, 0.1],
}
ROWS = [
    ["1.234,56", " 7 ", "rot", "sand", "a", "0.1"],
    ["-,5e1", "n/a", "grün", "", "?", "+.3"],
    ["", "NaN", "NA", "null", "b", "1e-2"],
    ["12", "3", "lila", "sand", "a", "--"],
    ["999.999,25", "1e2", " rot\t", "N/A", "None", "-0"],
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "name, options, outputs",
    [
        ("logits", {"output": "logits", "classes": ["ä", "日本", "🙂"]}, 3),
        ("logit", {"output": "logit", "classes": ["no", "yes"]}, 1),
        ("scores", {"classes": ["no", "yes"]}, 2),
        ("regression", {"target": "y", "target_mean": 1234.5678, "target_scale": 0.1}, 1),
    ],
)
def test_a_table(
    cpp_answers: Answers, tmp_path: Path, name: str, options: dict[str, object], outputs: int, dtype: str
):
    p = Preprocessing(COLUMNS, **SCALE, **options)  # type: ignore[arg-type]
    check_every_answer(cpp_answers, saved(tmp_path / name, p, 11, outputs, dtype), ROWS)


def test_arrays(cpp_answers: Answers, tmp_path: Path):
    p = Preprocessing(mean=[0.1, 0.2], scale=[3, 7], target_mean=-1, target_scale=1 / 3)
    rows = [["1", "2"], ["-0.5", "1e3"], ["0", "0.3333333333333333"]]
    check_every_answer(cpp_answers, saved(tmp_path / "arrays", p, 2, 2, "float32"), rows)


def test_a_run_file(cpp_answers: Answers, tmp_path: Path):
    p = Preprocessing([{"name": "x", "categories": []}], output="logits", classes=["a", "b"])
    trainer = bp.Trainer(bp.Network(1, [bp.Linear(2)], seed=1), "cross_entropy", bp.Adam(0.1))
    trainer.network.preprocessing = p.describe()
    trainer.fit(np.arange(8.0)[:, None], np.arange(8) // 4, epochs=3, verbose=0)
    trainer.save(tmp_path / "run")
    check_every_answer(cpp_answers, tmp_path / "run", [[str(i / 2)] for i in range(-3, 20)])


def golden_rows(name: str) -> Sequence[list[str]]:
    if name == "run_of_command":
        with open(FORMAT1 / "flowers.csv", encoding="utf-8", newline="") as file:
            return [row[:2] for row in csv.reader(file)][1:]
    return [["1.5", "blue"], ["-2", "red, dark"], [" 7e-1", 'a "quoted" one']]


@pytest.mark.parametrize("name", ["dense_float32", "dense_float64", "run_of_command"])
def test_files_of_format_1(cpp_answers: Answers, tmp_path: Path, name: str):
    shutil.copy(FORMAT1 / f"{name}.safetensors", tmp_path / name)
    check_every_answer(cpp_answers, tmp_path / name, [list(row) for row in golden_rows(name)])
