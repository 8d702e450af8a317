"""Chains of narrow layers, whose activations stay in registers, are the reference's plain loop."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import bpnet as bp
from backend_names import FAST

# One output is held in every lane, the others are padded to whole vectors: every edge of 4, 8 and 16 lanes.
WIDTHS = [
    (2, 2, 1),
    (1, 1, 1),
    (3, 1, 4, 1, 2),
    (8, 32, 32, 1),
    (5, 7, 9),
    (17, 15, 16, 17),
    (30, 31, 33, 3),
    (4, 4),
    (6, 1),
]
STEPS = 300


def trained(
    widths: tuple[int, ...],
    backend: str,
    activation: bp.layers.Layer | None = None,
    loss: str = "half_squared_error",
    bias: bool = True,
    decay: float = 0.0,
    **options,
) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (STEPS, widths[0])), rng.uniform(-0.8, 0.8, (STEPS, widths[-1]))
    labels = loss == "cross_entropy"
    layers = [each for w in widths[1:] for each in (bp.Linear(w, bias=bias), activation or bp.Tanh())]
    net = bp.Network(
        (widths[0],), layers[:-1] if labels else layers, seed=1, dtype="float64", backend=backend
    )
    target = rng.integers(0, widths[-1], STEPS) if labels else y
    optimizer = bp.SGD(lr=0.02, weight_decay=decay)
    history = net.fit(x, target, loss=loss, optimizer=optimizer, batch_size=1, verbose=0, **options)
    return [*(array.copy() for array in net.state_dict().values()), np.array(history["loss"])]


def assert_near(actual: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    for a, b in zip(actual, wanted):
        assert np.abs(a - b).max() <= 1e-12 * np.abs(b).max()


@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("block", [None, 1])
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
@pytest.mark.parametrize("backend", FAST)
def test_widths(backend: str, widths: tuple[int, ...], block: int | None, decay: float):
    options = {"decay": decay, "online_block": block}
    assert_near(trained(widths, backend, **options), trained(widths, "reference", **options))


@pytest.mark.parametrize(
    "widths, loss",
    [
        *itertools.product([(2, 2, 1), (5, 7, 9)], ["squared_error", "mse", "mae", "huber"]),
        *itertools.product([(2, 2, 2), (5, 7, 9)], ["cross_entropy"]),
    ],
    ids=str,
)
@pytest.mark.parametrize("backend", FAST)
def test_losses(backend: str, widths: tuple[int, ...], loss: str):
    assert_near(trained(widths, backend, loss=loss), trained(widths, "reference", loss=loss))


@pytest.mark.parametrize("backend", FAST)
def test_a_deep_chain(backend: str):
    """More links than a GPU's block keeps near, and more than are sent to it at once."""
    widths = (4,) + 50 * (3,)
    assert_near(trained(widths, backend, decay=0.01), trained(widths, "reference", decay=0.01))


LABELS = ["cross_entropy", bp.CrossEntropy(label_smoothing=0.1, class_weight=[0.0, 2.0, 1.0, 0.5])]


@pytest.mark.parametrize("loss", LABELS, ids=repr)
@pytest.mark.parametrize("backend", FAST)
def test_as_many_samples_are_right(backend: str, loss: str | bp.Loss):
    """A class of weight 0 is passed over, and counted."""
    numbers = np.random.default_rng(3)
    x, labels = numbers.uniform(-1, 1, (STEPS, 5)), numbers.integers(0, 4, STEPS)
    results = []
    for name in (backend, "reference"):
        net = bp.Network(
            (5,), [bp.Linear(40), bp.Tanh(), bp.Linear(4)], seed=1, dtype="float64", backend=name
        )
        history = net.fit(x, labels, loss=loss, optimizer=bp.SGD(lr=0.02), batch_size=1, epochs=2, verbose=0)
        results.append([np.array(history["loss"]), np.array(history["accuracy"])])
    assert_near(*results)


# Sigmoid and Softplus of the padding are not 0.
@pytest.mark.parametrize(
    "activation", [bp.ReLU(), bp.Sigmoid(), bp.Softplus(), bp.GELU(), bp.LeakyReLU()], ids=repr
)
@pytest.mark.parametrize("widths", [(2, 2, 1), (5, 7, 1, 9)], ids=str)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("backend", FAST)
def test_activations(backend: str, bias: bool, widths: tuple[int, ...], activation: bp.layers.Layer):
    assert_near(*(trained(widths, name, activation, bias=bias) for name in (backend, "reference")))


@pytest.mark.parametrize("backend", FAST)
def test_samples_without_weight_are_passed_over(backend: str):
    weight = np.random.default_rng(2).integers(0, 2, STEPS).astype(float)
    options = {"decay": 0.01, "sample_weight": weight}
    assert_near(trained((5, 7, 9), backend, **options), trained((5, 7, 9), "reference", **options))


@pytest.mark.skipif(not FAST, reason="the reference has no narrow form")
def test_the_next_sample_is_begun_early():
    """Another order of additions shows in the last bits: else the tests above compare a loop with itself."""
    early, plain = (trained((8, 12, 3), FAST[0], online_block=block) for block in (None, 1))
    assert any((a != b).any() for a, b in zip(early, plain))


def test_a_rate_too_large_is_reported():
    """The padding must not turn a loss that is not finite into one that is."""
    x = np.full((50, 2), 10.0)
    net = bp.Network((2,), [bp.Linear(3), bp.Linear(1)], seed=0)
    with pytest.raises(bp.NumericError, match="loss is"):
        net.fit(x, x[:, :1], loss="mse", optimizer=bp.SGD(lr=1e6), batch_size=1, verbose=0)
