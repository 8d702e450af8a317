"""Batches of narrow chains, which take one kernel forward and back, learn what the reference learns."""

from __future__ import annotations

import functools
import itertools

import numpy as np
import pytest

import bpnet as bp
from backend_names import FAST, GPU
from threading_layers import walk

# Widths beside whole vectors of 4, 8 and 16 lanes and tiles of 6 and 12 rows.
WIDTHS = [(1, 1, 1), (4, 32, 16, 4), (16, 64, 64, 2), (5, 7, 1, 9), (17, 13, 33), (64, 128, 10), (290, 3, 2)]
# One layer, too wide, and too many weights: these go layer by layer.
OTHERS = [(5, 3), (400, 3, 2), (20, 150, 150, 2)]
# From the least batch that takes the kernel to several slices (48 to 112 rows), and several a part.
BATCHES = [8, 13, 47, 49, 113, 700, 5000]


def trained(
    widths: tuple[int, ...],
    backend: str,
    batch: int = 49,
    activation: bp.layers.Layer | None = None,
    loss: bp.losses.Loss | str = "half_squared_error",
    bias: bool = True,
    labels: bool = False,
    first: bp.layers.Layer | None = None,
    extra: bp.layers.Layer | None = None,
    dtype: str = "float64",
    **options,
) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    samples = max(100, batch + 3)  # the last batch is smaller
    x = rng.uniform(-1, 1, (samples, widths[0])).astype(dtype)
    y = rng.dirichlet(np.ones(widths[-1]), samples).astype(dtype)  # from 0 to 1, with the sum 1
    layers = [each for w in widths[1:] for each in (bp.Linear(w, bias=bias), activation or bp.Tanh())][:-1]
    layers = [each for each in (first, extra, *layers) if each]
    net = bp.Network((widths[0],), layers, seed=1, dtype=dtype, backend=backend)
    target = rng.integers(0, widths[-1], samples) if labels else y
    history = net.fit(
        x,
        target,
        loss=loss,
        optimizer=bp.SGD(lr=0.1, momentum=0.5),
        batch_size=batch,
        epochs=2,
        verbose=0,
        **options,
    )
    return [*(array.copy() for array in net.state_dict().values()), np.array(history["loss"])]


def assert_near(actual: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    for a, b in zip(actual, wanted):
        assert np.abs(a - b).max() <= 1e-12 * np.abs(b).max()


@functools.cache
def wanted(widths: tuple[int, ...], batch: int) -> list[np.ndarray]:
    return trained(widths, "reference", batch)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize(
    "widths, batch",
    [*itertools.product(WIDTHS, BATCHES), *itertools.product(OTHERS, BATCHES[:-1])],
    ids=str,
)
def test_widths_and_batches(backend: str, widths: tuple[int, ...], batch: int):
    assert_near(trained(widths, backend, batch), wanted(widths, batch))


@pytest.mark.parametrize(
    "loss",
    [
        bp.losses.SquaredError(),
        bp.losses.MSE(),
        bp.losses.MAE(),
        bp.losses.Huber(delta=0.3),
        bp.losses.BinaryCrossEntropyWithLogits(),
        bp.losses.BinaryCrossEntropyWithLogits(outputs="sum"),
        bp.losses.CrossEntropy(label_smoothing=0.1, class_weight=[0.5, 1, 2, 0, 1, 1, 1, 1, 3]),
    ],
    ids=repr,
)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("backend", FAST)
def test_losses(backend: str, weighted: bool, loss: bp.losses.Loss):
    options = {"loss": loss, "batch": 113}
    if weighted:
        options["sample_weight"] = np.random.default_rng(2).integers(0, 3, 116).astype(float)
    assert_near(trained((5, 7, 9), backend, **options), trained((5, 7, 9), "reference", **options))


@pytest.mark.parametrize("class_weight", [None, [0.5, 1, 2, 0, 1, 1, 1, 1, 3]])
@pytest.mark.parametrize("backend", FAST)
def test_labels(backend: str, class_weight: list[float] | None):
    options = {"loss": bp.losses.CrossEntropy(class_weight=class_weight), "labels": True, "batch": 113}
    assert_near(trained((5, 7, 9), backend, **options), trained((5, 7, 9), "reference", **options))


@pytest.mark.parametrize(
    "activation",
    [
        bp.ReLU(),
        bp.LeakyReLU(),
        bp.Sigmoid(),
        bp.Softplus(),
        bp.GELU(),
        bp.GELU("tanh"),
        bp.SiLU(),
    ],
    ids=repr,
)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("first", [None, bp.Tanh(), bp.SiLU()], ids=repr)
@pytest.mark.parametrize("backend", FAST)
def test_activations(backend: str, first: bp.layers.Layer | None, bias: bool, activation: bp.layers.Layer):
    """An activation before the first layer, or after another one, is a link without weights."""
    options = {"activation": activation, "bias": bias, "first": first, "batch": 113}
    assert_near(trained((5, 7, 1, 9), backend, **options), trained((5, 7, 1, 9), "reference", **options))
    second = {**options, "extra": bp.GELU()}
    assert_near(trained((5, 7, 9), backend, **second), trained((5, 7, 9), "reference", **second))


@pytest.mark.skipif(not FAST, reason="the reference has no such kernel")
def test_the_kernel_is_taken():
    """Another order of additions shows in the last bits: else the tests above try nothing of it. Dropout,
    here of nothing, makes a network go layer by layer."""
    for widths in WIDTHS + OTHERS:
        one, other = (trained(widths, FAST[0], extra=extra) for extra in (None, bp.Dropout(0.0)))
        assert_near(one, other)
        taken = any((a != b).any() for a, b in zip(one, other))
        assert taken == (widths in WIDTHS), widths


# What a GPU's kernel takes in one launch, in several slices, by several blocks, and without space for the weights.
@pytest.mark.parametrize(
    "widths, batch", [((290, 70, 64, 9), 64), ((784, 32, 10), 200), ((1000, 20, 3), 33)], ids=str
)
@pytest.mark.parametrize("backend", FAST)
def test_wide_inputs(backend: str, widths: tuple[int, ...], batch: int):
    assert_near(trained(widths, backend, batch), trained(widths, "reference", batch))


@pytest.mark.parametrize("backend", FAST)
def test_a_deep_chain(backend: str):
    """As many links as a GPU's launch takes, and more."""
    for links in (32, 33):
        widths = (4,) + links * (3,)
        assert_near(trained(widths, backend), trained(widths, "reference"))


@pytest.mark.skipif(not GPU, reason="bpnet has no GPU's backend here")
def test_a_gpu_takes_narrow_chains():
    """As the test above; one layer saves launches too."""
    taken = [(5, 3), (784, 32, 10), (290, 70, 64, 9), (4,) + 32 * (3,), *WIDTHS[1:]]
    for widths in [*taken, (20, 150, 150, 2), (290, 120, 10), (1025, 2), (4,) + 33 * (3,)]:
        one, other = (trained(widths, GPU[0], extra=extra) for extra in (None, bp.Dropout(0.0)))
        assert_near(one, other)
        assert any((a != b).any() for a, b in zip(one, other)) == (widths in taken), widths


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [32, 5000])
def test_the_bits_do_not_depend_on_the_number_of_threads(batch: int, dtype: str):
    results = [trained((16, 64, 64, 2), bp.backends()[0], batch, dtype=dtype) for _ in walk()]
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other))


@pytest.mark.parametrize("backend", FAST)
def test_a_loss_that_is_not_finite_leaves_the_weights_alone(backend: str):
    net = bp.Network((3,), [bp.Linear(4), bp.ReLU(), bp.Linear(2)], seed=0, backend=backend)
    before = {name: array.copy() for name, array in net.state_dict().items()}
    x = np.full((20, 3), 1e30, np.float32)
    trainer = bp.Trainer(net, "squared_error", bp.SGD(lr=0.1))
    with pytest.raises(bp.NumericError, match="step 1"):
        trainer.step(x, np.zeros((20, 2), np.float32))
    assert all(np.array_equal(before[name], array) for name, array in net.state_dict().items())


@pytest.mark.parametrize("backend", FAST)
def test_steps_take_no_memory_after_the_first(backend: str):
    """Whatever the batch, once the largest has been."""
    net = bp.Network((5,), [bp.Linear(7), bp.Tanh(), bp.Linear(2)], seed=0, backend=backend)
    trainer = bp.Trainer(net, "mse", bp.Adam())
    rng = np.random.default_rng(0)
    x, y = (rng.uniform(-1, 1, (500, n)).astype(np.float32) for n in (5, 2))
    trainer.step(x, y)
    before = bp._core.arena_allocations()
    for batch in (500, 1, 7, 8, 49, 113, 499):
        trainer.step(x[:batch], y[:batch])
    assert bp._core.arena_allocations() == before


@pytest.mark.parametrize("backend", FAST)
def test_samples_in_a_row_are_taken_from_where_they_lie(backend: str):
    """Unshuffled data of the network's own type is not copied, and is left as it was."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (100, 5)), rng.uniform(-1, 1, (100, 2))
    states = []
    for dtype in ("float64", "float32"):
        net = bp.Network(
            (5,), [bp.Linear(7), bp.Tanh(), bp.Linear(2)], seed=0, dtype="float64", backend=backend
        )
        data = x.astype(np.float32).astype(dtype)
        kept = data.copy()
        net.fit(data, y, loss="mse", optimizer=bp.SGD(lr=0.1), batch_size=33, shuffle=False, verbose=0)
        assert np.array_equal(data, kept)
        states.append([array.copy() for array in net.state_dict().values()])
    assert all(np.array_equal(a, b) for a, b in zip(*states))
