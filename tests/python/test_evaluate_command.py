"""python -m bpnet evaluate: scores by class and confusions, of few classes and of many; errors of a regression."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp
from test_command_line import CLASSES, PRICE, Run, bpnet, good, write_table  # noqa: F401

Good = Callable[..., list[str]]


def table(lines: list[str], header: str) -> list[list[str]]:
    """The fields of the table below this header."""
    start = next(index for index, line in enumerate(lines) if line.startswith(header))
    return [re.split(r"\s{2,}", line) for line in lines[start:]]


def test_few_classes(tmp_path: Path, good: Good):  # noqa: F811
    data, path = write_table(tmp_path / "d.csv"), tmp_path / "m"
    good("train", data, *CLASSES, "--epochs", 20, "--save", path)
    lines = good("evaluate", path, data)
    found = bp.load_model(path).evaluate(data)
    names = list(found["recall"])
    matrix = table(lines, "right \\ answer")
    assert matrix[0] == ["right \\ answer", *names]
    assert [row[0] for row in matrix[1:4]] == names
    assert [[int(field) for field in row[1:]] for row in matrix[1:4]] == found["confusion"].tolist()
    scores = table(lines, "class ")
    assert scores[0] == ["class", "samples", "recall", "precision"]
    for row, name in zip(scores[1:4], names):
        count = found["confusion"][names.index(name)].sum()
        parts = [f"{100 * found[kind][name]:.1f} %" for kind in ("recall", "precision")]
        assert row == [name, str(count), *parts]
    assert lines[-1] == f"120 samples, loss {found['loss']:.4f}, accuracy {100 * found['accuracy']:.1f} %"
    assert len({len(line) for line in lines[:4]}) == 1, "columns are aligned"


def test_many_classes(tmp_path: Path, good: Good):  # noqa: F811
    """The tables stay short: what is confused most, and the first classes."""
    y = np.arange(400) % 40
    np.savez(tmp_path / "d.npz", X=np.eye(40)[y], y=y)
    options = ("--task", "classification", "--epochs", 1, "--quiet")
    good("train", tmp_path / "d.npz", *options, "--save", tmp_path / "m")
    lines = good("evaluate", tmp_path / "m", tmp_path / "d.npz")
    confusion = bp.load_model(tmp_path / "m").evaluate(tmp_path / "d.npz")["confusion"]
    pairs = table(lines, "right ")
    assert pairs[0] == ["right", "answer", "samples"]
    listed = [(int(right), int(answer), int(count)) for right, answer, count in pairs[1:13]]
    wrong = confusion * (1 - np.eye(40, dtype=int))
    assert [count for _, _, count in listed] == sorted(wrong.ravel(), reverse=True)[:12]
    assert all(confusion[right, answer] == count and right != answer for right, answer, count in listed)
    assert "… and 10 more classes" in lines
    assert len(lines) <= 50


def test_a_class_without_samples(tmp_path: Path, good: Good):  # noqa: F811
    data, path = write_table(tmp_path / "d.csv"), tmp_path / "m"
    good("train", data, *CLASSES, "--epochs", 1, "--save", path)
    with open(data, encoding="utf-8", newline="") as file:
        rows = [row for row in csv.reader(file) if row[3] != "small"]
    with open(tmp_path / "part.csv", "w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    row = next(
        fields
        for fields in table(good("evaluate", path, tmp_path / "part.csv"), "class ")
        if fields[0] == "small"
    )
    assert row[1:3] == ["0", "-"]


def test_a_regression(tmp_path: Path, good: Good):  # noqa: F811
    data, path = write_table(tmp_path / "d.csv"), tmp_path / "m"
    good("train", data, *PRICE, "--epochs", 20, "--save", path)
    (line,) = good("evaluate", path, data)
    found = bp.load_model(path).evaluate(data)
    assert line == (
        f"120 samples, loss {found['loss']:.4f} (of the standardised target), R² {found['r2']:.4f}, "
        f"mean absolute error {found['mae']:.6g}, root mean square error {found['rmse']:.6g}"
    )
    assert found["r2"] > 0.5


def test_options_without_effect(tmp_path: Path, bpnet: Run, good: Good):  # noqa: F811
    y = np.arange(20) % 2
    np.savez(tmp_path / "d.npz", X=np.eye(2)[y], y=y)
    good("train", tmp_path / "d.npz", "--epochs", 1, "--quiet", "--save", tmp_path / "m")
    for option, text in (
        (("--target", "kind"), "--target is for tables"),
        (("--labels", "nowhere"), "--labels is for IDX images"),
        (("--encoding", "latin-1"), "--encoding is for CSV files"),
    ):
        status, _, err = bpnet("evaluate", tmp_path / "m", tmp_path / "d.npz", *option)
        assert status == 2 and text in err


@pytest.mark.parametrize("name", ["predict", "evaluate"])
def test_an_encoding(tmp_path: Path, good: Good, bpnet: Run, name: str):  # noqa: F811
    rows = "".join(f"{row};{['größe', 'kleid'][row > 19]}\n" for row in range(40))
    (tmp_path / "d.csv").write_bytes(("x;kind\n" + rows).encode("latin-1"))
    options = ("--encoding", "latin-1", "--delimiter", ";")
    command = (
        "train",
        tmp_path / "d.csv",
        "--target",
        "kind",
        *options,
        "--epochs",
        60,
        "--lr",
        0.05,
        "--quiet",
    )
    good(*command, "--save", tmp_path / "m")
    out = "\n".join(good(name, tmp_path / "m", tmp_path / "d.csv", *options))
    assert "größe" in out
    status, _, err = bpnet(name, tmp_path / "m", tmp_path / "d.csv")
    assert status == 2 and "--encoding" in err
