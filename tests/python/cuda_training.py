"""Whole trainings on a GPU beside the processor's: the same numbers but for the order of sums, the same bits on every
run, and where a run stops. test_cuda_suite.py runs this file with the emulated GPU; with BPNET_CUDA_LIBRARY it runs on a
real one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

import bpnet as bp

STEPS = 20
BOUNDS = {"float32": 1e-5, "float64": 1e-10}  # of a parameter's difference to its change, both as norms


class Way(NamedTuple):
    """A network without kinks (a sum near 0 may be on one side of a ReLU here and on the other there), and its
    training."""

    shape: tuple[int, ...]
    layers: Callable[[], list[bp.layers.Layer]]
    optimizer: bp.optimizers.Optimizer
    batch_size: int
    loss: str = "cross_entropy"


def wide() -> list[bp.layers.Layer]:
    return [bp.Linear(160), bp.Tanh(), bp.Linear(130), bp.GELU(), bp.Dropout(0.2), bp.Linear(5)]


def narrow() -> list[bp.layers.Layer]:
    return [bp.Linear(24), bp.Tanh(), bp.Linear(24), bp.Sigmoid(), bp.Linear(5)]


def convolutions() -> list[bp.layers.Layer]:
    return [
        *(
            bp.Conv2d(6, 5, stride=2, padding=2),
            bp.Tanh(),
            bp.LocalResponseNorm(3, alpha=0.1),
            bp.AvgPool2d(2),
        ),
        *(bp.Conv2d(8, 3, padding=1, groups=2), bp.BatchNorm2d(), bp.SiLU(), bp.Flatten()),
        *(bp.Dropout(0.5), bp.Linear(5)),
    ]


WAYS = {
    "layer by layer": Way((30,), wide, bp.SGD(0.05, momentum=0.9), 12),
    "a narrow chain": Way((16,), narrow, bp.Adam(0.01), 12),
    "a narrow chain, a large batch": Way((16,), narrow, bp.SGD(0.1), 130),
    "one sample at a time": Way((16,), narrow, bp.SGD(0.05), 1),
    "one sample at a time, momentum": Way((16,), narrow, bp.SGD(0.01, momentum=0.9), 1),
    "the lecture": Way(
        (2,), lambda: [bp.Linear(2), bp.Tanh(), bp.Linear(5), bp.Tanh()], bp.SGD(0.1), 1, "half_squared_error"
    ),
    "convolutions": Way((2, 12, 12), convolutions, bp.SGD(0.02, momentum=0.9, weight_decay=1e-3), 8),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=list(WAYS))
dtypes = pytest.mark.parametrize("dtype", BOUNDS)


def data(way: Way, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    count = STEPS * way.batch_size
    x = rng.normal(size=(count, *way.shape)).astype(dtype)
    labels = rng.integers(0, 5, count)
    return (x, np.eye(5, dtype=dtype)[labels] * 0.8) if way.loss == "half_squared_error" else (x, labels)


def network(way: Way, dtype: str, device: str) -> bp.Network:
    return bp.Network(way.shape, way.layers(), seed=7, dtype=dtype, device=device)


def fit(net: bp.Network, way: Way, epochs: int = 1) -> bp.History:
    x, y = data(way, net.dtype)
    options: dict[str, Any] = {"loss": way.loss, "optimizer": way.optimizer, "batch_size": way.batch_size}
    return net.fit(x, y, epochs=epochs, verbose=0, **options)


def state(net: bp.Network) -> dict[str, np.ndarray]:
    return {name: array.copy() for name, array in net.state_dict().items()}


@dtypes
@ways
def test_twenty_steps_are_the_processors(way: Way, dtype: str):
    here, there = (network(way, dtype, device) for device in ("cpu", "cuda"))
    before = state(here)
    assert all(np.array_equal(array, before[name]) for name, array in state(there).items())
    losses = [fit(net, way)["loss"][0] for net in (here, there)]
    assert losses[0] == pytest.approx(losses[1], rel=BOUNDS[dtype])
    for name, wanted in state(here).items():
        found = there.state_dict()[name]
        if name.endswith("num_batches_tracked"):
            assert found == wanted
            continue
        change = np.linalg.norm(wanted - before[name])
        assert change > 0, name
        scale = max(change, np.linalg.norm(wanted))
        assert np.linalg.norm(found - wanted) <= BOUNDS[dtype] * scale, name
    x = data(way, dtype)[0][:50]
    predicted = here.predict(x)
    assert np.linalg.norm(there.predict(x) - predicted) <= BOUNDS[dtype] * 10 * np.linalg.norm(predicted)


@dtypes
@ways
def test_two_runs_have_the_same_bits(way: Way, dtype: str):
    nets = [network(way, dtype, "cuda") for _ in range(2)]
    for net in nets:
        fit(net, way, epochs=2)
    first, second = (state(net) for net in nets)
    assert all(np.array_equal(first[name], second[name]) for name in first)


@ways
def test_a_run_goes_on_to_the_same_bits(way: Way, tmp_path: Path):
    whole, net = (network(way, "float32", "cuda") for _ in range(2))
    fit(whole, way, epochs=3)
    fit(net, way, epochs=1)
    assert net.trainer is not None
    net.trainer.save(tmp_path / "run")
    trainer = bp.Trainer.load(tmp_path / "run", device="cuda")
    x, y = data(way, "float32")
    trainer.fit(x, y, epochs=2, batch_size=way.batch_size, verbose=0)
    wanted, found = state(whole), state(trainer.network)
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


@ways
def test_training_learns(way: Way):
    """What is learned by heart has a smaller loss."""
    losses = fit(network(way, "float32", "cuda"), way, epochs=6)["loss"]
    assert losses[-1] < losses[0]
