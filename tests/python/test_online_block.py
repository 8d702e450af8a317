"""The block form of per-sample SGD is the sample-by-sample loop in another order of additions."""

from __future__ import annotations

import numpy as np
import pytest

import bpnet as bp
from backend_names import FAST
from threading_layers import walk

WIDTHS = (70, 64, 9, 3)  # the first layer is large enough for blocks
STEPS = 1003  # no multiple of any block length below: the last block is a tail


def trained(
    block: int | None,
    backend: str | None = None,
    decay: float = 0.0,
    widths: tuple[int, ...] = WIDTHS,
    steps: int = STEPS,
    **options,
) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (steps, widths[0]))
    y = rng.uniform(-0.8, 0.8, (steps, widths[-1]))
    layers = [layer for width in widths[1:] for layer in (bp.Linear(width), bp.Tanh())]
    net = bp.Network((widths[0],), layers, seed=1, dtype="float64", backend=backend)
    optimizer = bp.SGD(lr=0.002, weight_decay=decay)
    options = {"loss": "half_squared_error", "batch_size": 1, "verbose": 0, **options}
    net.fit(x, y, optimizer=optimizer, online_block=block, **options)
    return [array.copy() for array in net.state_dict().values()]


def assert_near(actual: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    for a, b in zip(actual, wanted):
        assert np.abs(a - b).max() <= 1e-12 * np.abs(b).max()


@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("backend", bp.backends())
@pytest.mark.parametrize("block", [2, 3, 7, 16, 31, 32, 33, 64, 100, 1024, None])
def test_every_block_length_is_the_plain_loop(block: int | None, backend: str, decay: float):
    assert_near(trained(block, backend, decay), trained(1, "reference", decay))


# The inner layer is large enough for blocks of its own: beside the first, and alone.
@pytest.mark.parametrize("decay", [0.0, 0.01])
@pytest.mark.parametrize("widths", [(70, 200, 170, 3), (6, 200, 170)], ids=str)
@pytest.mark.parametrize("backend", bp.backends())
@pytest.mark.parametrize("block", [7, None])
def test_inner_layers_in_blocks(block: int | None, backend: str, widths: tuple[int, ...], decay: float):
    options = {"decay": decay, "widths": widths, "steps": 103}
    assert_near(trained(block, backend, **options), trained(1, "reference", **options))


@pytest.mark.skipif(not FAST, reason="the reference knows no blocks")
def test_inner_blocks_are_used_where_they_pay():
    blocked, plain = (trained(block, widths=(6, 200, 170), steps=103) for block in (None, 1))
    assert any((a != b).any() for a, b in zip(blocked, plain))


def test_samples_without_weight_are_passed_over():
    weight = np.random.default_rng(2).integers(0, 2, STEPS).astype(float)
    blocked, plain = (trained(block, decay=0.01, sample_weight=weight) for block in (None, 1))
    assert_near(blocked, plain)


@pytest.mark.parametrize("backend", bp.backends())
@pytest.mark.parametrize("hidden", [(64,), (6, 200, 200)], ids=str)
def test_what_has_no_weight_may_overflow(hidden: tuple[int, ...], backend: str):
    """0 times an infinite product must not enter the sums of the samples that follow."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 100)).astype(np.float32)
    x[3] = np.finfo(np.float32).max
    weight = np.where(np.arange(40) == 3, 0, 1)
    layers = [layer for width in hidden for layer in (bp.Linear(width), bp.ReLU())]
    net = bp.Network((100,), [*layers, bp.Linear(2)], seed=1, backend=backend)
    options = {"loss": "half_squared_error", "batch_size": 1, "shuffle": False, "verbose": 0}
    net.fit(x, rng.normal(size=(40, 2)), optimizer=bp.SGD(lr=1e-4), sample_weight=weight, **options)
    assert all(np.isfinite(array).all() for array in net.state_dict().values())


@pytest.mark.parametrize("backend", bp.backends())
@pytest.mark.parametrize("block", [1, None])
def test_what_nothing_is_learnt_from_may_overflow(block: int | None, backend: str):
    """Samples that are wholly right have δ = 0, beside products x_i·x_t that are infinite in float32."""
    x = (1e20 * np.random.default_rng(0).normal(size=(40, 100))).astype(np.float32)
    net = bp.Network((100,), [bp.Linear(64)], seed=1, backend=backend)
    before = [array.copy() for array in net.state_dict().values()]
    labels = net.predict(x).argmax(axis=1)
    net.fit(x, labels, optimizer=bp.SGD(lr=0.1), batch_size=1, verbose=0, online_block=block)
    assert all(np.array_equal(a, b) for a, b in zip(before, net.state_dict().values()))


@pytest.mark.skipif(not FAST, reason="the reference knows no blocks")
def test_blocks_are_used_where_they_pay():
    """Another order of additions shows in the last bits: else the tests above compare a loop with itself."""
    assert any((a != b).any() for a, b in zip(trained(None), trained(1)))


def test_the_bits_do_not_depend_on_the_number_of_threads():
    """The block's products are large enough for threads here."""
    rng = np.random.default_rng(0)
    x, y = rng.uniform(-1, 1, (100, 784)), rng.uniform(-0.8, 0.8, (100, 10))
    results = []
    for _ in walk():
        layers = [bp.Linear(512), bp.Tanh(), bp.Linear(512), bp.Tanh(), bp.Linear(10)]
        net = bp.Network((784,), layers, seed=0)
        net.fit(x, y, loss="half_squared_error", optimizer=bp.SGD(lr=0.001), batch_size=1, verbose=0)
        results.append([array.copy() for array in net.state_dict().values()])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other))


def test_a_loss_that_is_not_finite_keeps_the_updates_before_it():
    x = np.ones((40, 100))
    x[20] = 1e200
    y = np.zeros((40, 64))
    for block in (1, None):
        net = bp.Network((100,), [bp.Linear(64)], seed=0, dtype="float64")
        trainer = bp.Trainer(net, "squared_error", bp.SGD(lr=1e-4))
        with pytest.raises(bp.NumericError, match="step 21"):
            trainer.fit(x, y, batch_size=1, shuffle=False, verbose=0, online_block=block)


def test_block_length_is_a_whole_number_up_to_1024():
    for block in (0, -1):
        with pytest.raises(ValueError, match=f"fit: online_block is {block}, at least 1 is needed"):
            trained(block)
    with pytest.raises(ValueError, match="fit: online_block is 1025, at most 1024 is possible"):
        trained(1025)
    with pytest.raises(TypeError, match="fit: online_block is 2.5, an integer is needed"):
        trained(2.5)  # type: ignore[arg-type]
