"""Softmax, losses, activations and masks at sizes where a backend computes them otherwise: one row or column, very
wide rows, very many of them; and numbers that are none."""

from __future__ import annotations

import math

import numpy as np
import pytest

import bpnet as bp
from backend_names import OTHERS
from test_losses import loss_and_delta

others = pytest.mark.parametrize("backend", OTHERS)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
SIZES = [(1, 1), (1, 5000), (7, 1), (5, 128), (4, 129), (33, 128), (130, 10)]  # rows, columns
LOSSES = {
    "labels": bp.CrossEntropy(),
    "labels, smoothed": bp.CrossEntropy(label_smoothing=0.1),
    "probabilities": bp.CrossEntropy(),
    "probabilities, smoothed": bp.CrossEntropy(label_smoothing=0.1),
    "binary": bp.BinaryCrossEntropyWithLogits(),
    "huber": bp.Huber(delta=0.7),
}
# Cross-entropy needs two classes.
ONE_COLUMN = ["binary", "huber"]
CASES = [(name, size) for name in LOSSES for size in SIZES if size[1] > 1 or name in ONE_COLUMN]


def data(name: str, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs, what they should be, and weights of the samples, some of them 0."""
    numbers = np.random.default_rng(rows * columns)
    y = numbers.integers(0, columns, rows) if "labels" in name else numbers.dirichlet(np.ones(columns), rows)
    if name == "binary":
        y = numbers.integers(0, 2, (rows, columns)).astype("float64")
    weight = numbers.integers(0, 3, rows) / 2
    weight[0] = 1
    return numbers.normal(0, 3, (rows, columns)), y, weight


@others
@dtypes
@pytest.mark.parametrize("name, size", CASES, ids=str)
def test_losses_and_their_slopes(name: str, size: tuple[int, int], backend: str, dtype: str):
    logits, y, weight = data(name, *size)
    value, delta = loss_and_delta(LOSSES[name], logits, y, weight, dtype, backend)
    wanted, slopes = loss_and_delta(LOSSES[name], logits, y, weight, dtype, "reference")
    bound = float(np.finfo(dtype).eps) * (16 + 4 * math.sqrt(size[1]))  # a row's sum
    assert value == pytest.approx(wanted, rel=bound, abs=bound)
    assert abs(delta - slopes).max() <= bound * max(abs(slopes).max(), 1 / size[0])


@pytest.mark.slow
@others
@pytest.mark.parametrize(
    "name, columns", [*((name, 3) for name in LOSSES), *((name, 1) for name in ONE_COLUMN)]
)
def test_very_many_rows(name: str, columns: int, backend: str):
    logits, y, weight = data(name, 70_000, columns)

    def step(chosen: str) -> tuple[float, np.ndarray]:
        net = bp.Network(columns, [bp.Linear(columns, bias=False)], dtype="float64", backend=chosen)
        net.load_state_dict({"0.weight": np.eye(columns)})
        value = bp.Trainer(net, LOSSES[name], bp.SGD(lr=0.0)).step(logits, y, weight)
        return value, net.gradients()["0.weight"].copy()

    value, gradient = step(backend)
    wanted, slopes = step("reference")
    assert value == pytest.approx(wanted, rel=1e-12, abs=1e-12)
    assert abs(gradient - slopes).max() <= 1e-12 * max(abs(slopes).max(), 1)


@others
@pytest.mark.parametrize("name, size", [case for case in CASES if case[0] != "huber"], ids=str)
def test_how_many_are_right(name: str, size: tuple[int, int], backend: str):
    """Of equal outputs the first is the largest."""
    logits, y, weight = data(name, *size)
    logits = np.round(logits)
    results = []
    for chosen in (backend, "reference"):
        net = bp.Network(
            size[1], [bp.LeakyReLU(1.0)], dtype="float64", backend=chosen
        )  # which changes nothing
        results.append(net.evaluate(logits, y, LOSSES[name], sample_weight=weight)["accuracy"])
    assert results[0] == results[1]


@others
@pytest.mark.parametrize("only", [0, 64, 199])
@pytest.mark.parametrize("columns", [3, 200])
def test_all_classes_but_one_weigh_nothing(columns: int, only: int, backend: str):
    only %= columns
    loss = bp.CrossEntropy(class_weight=np.eye(columns)[only])
    logits, y, _ = data("labels", 9, columns)
    y[4] = only
    value, delta = loss_and_delta(loss, logits, y, backend=backend)
    wanted, slopes = loss_and_delta(loss, logits, y, backend="reference")
    assert value == pytest.approx(wanted, rel=1e-14)
    assert abs(delta - slopes).max() <= 1e-14
    assert not delta[y != only].any()


@others
@dtypes
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_softmax(size: tuple[int, int], backend: str, dtype: str):
    numbers = np.random.default_rng(5)
    x, grad = (numbers.normal(0, 3, size).astype(dtype) for _ in range(2))
    passes = []
    for chosen in (backend, "reference"):
        net = bp.Network(size[1], [bp.Softmax()], dtype=dtype, backend=chosen)
        passes.append((net.forward(x, training=True), net.backward(grad)))
    for actual, wanted in zip(*passes, strict=True):
        assert abs(actual - wanted).max() <= 16 * np.finfo(dtype).eps * max(
            abs(wanted).max(), np.finfo(dtype).tiny
        )


@others
@pytest.mark.parametrize("columns", [2, 40, 300])
def test_softmax_of_rows_that_are_no_numbers(columns: int, backend: str):
    """An infinite or undefined number makes its row undefined, and no other."""
    weight = np.zeros((columns, 3), "float32")
    weight[columns - 1] = [3e38, 1, -3e38]
    net = bp.Network(3, [bp.Linear(columns, bias=False), bp.Softmax()], backend=backend)
    net.load_state_dict({"0.weight": weight})
    y = net.forward(np.array([[9, 0, 0], [0, 1, 0], [0, 0, 9], [9, 1, 0], [0, 2, 0]], "float32"))
    assert np.isnan(y[[0, 3]]).all()
    assert y[[1, 2, 4]].sum(axis=1) == pytest.approx(1, rel=1e-6)
    assert y[2, -1] == 0


@others
@dtypes
@pytest.mark.parametrize("size", [*SIZES, (3, 10_001)], ids=str)
def test_masks(size: tuple[int, int], backend: str, dtype: str):
    x = np.ones(size, dtype)
    masks = []
    for chosen in (backend, "reference"):
        net = bp.Network(size[1], [bp.Dropout(0.3)], seed=3, dtype=dtype, backend=chosen)
        masks.append(net.forward(x, training=True).tobytes())
    assert masks[0] == masks[1]
