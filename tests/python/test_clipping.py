"""clip_norm and clip_value of the optimizers: what becomes of the gradients, and when."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet._bridge import finite_dataset

BACKENDS = pytest.mark.parametrize("backend", bp.backends())
LIMITS = [
    {"clip_norm": 0.05},
    {"clip_norm": 1e9},
    {"clip_value": 0.01},
    {"clip_value": 1e9},
    {"clip_norm": 0.05, "clip_value": 0.01},
]
limits = pytest.mark.parametrize("limit", LIMITS, ids=str)
NUMBERS = np.random.default_rng(0)
X, Y = NUMBERS.normal(size=(24, 7)), NUMBERS.normal(size=(24, 3))

Arrays = Mapping[str, np.ndarray]


def chain(backend: str | None = None, dtype: str = "float64", width: int = 11) -> bp.Network:
    layers = [bp.Linear(width), bp.Tanh(), bp.Linear(3)]
    return bp.Network(7, layers, seed=2, dtype=dtype, backend=backend)


def graph(backend: str | None = None, dtype: str = "float64") -> bp.Network:
    layers = [bp.Linear(9), bp.BatchNorm1d(), bp.GELU(), bp.Residual([bp.Linear(9), bp.Tanh()]), bp.Linear(3)]
    return bp.Network(7, layers, seed=2, dtype=dtype, backend=backend)


NETWORKS = pytest.mark.parametrize("network", [chain, graph])


def weights(net: bp.Network) -> dict[str, bytes]:
    return {name: w.tobytes() for name, w in net.state_dict().items()}


def clipped(gradients: Arrays, clip_norm: float = 0.0, clip_value: float = 0.0) -> dict[str, np.ndarray]:
    result = {name: g.astype(np.float64) for name, g in gradients.items()}
    if clip_value:
        result = {name: np.clip(g, -clip_value, clip_value) for name, g in result.items()}
    if clip_norm:
        norm = np.sqrt(sum((g**2).sum() for g in result.values()))
        result = {name: g * min(1.0, clip_norm / (norm + 1e-6)) for name, g in result.items()}
    return result


@limits
@NETWORKS
@BACKENDS
def test_gradients_are_clipped(backend: str, network: Callable[..., bp.Network], limit: dict[str, float]):
    plain, net = network(backend), network(backend)
    bp.Trainer(plain, "mse", bp.SGD(0.0)).step(X, Y)
    before = net.state_dict()["0.weight"].copy()
    bp.Trainer(net, "mse", bp.SGD(0.5, **limit)).step(X, Y)
    wanted = clipped(plain.gradients(), **limit)
    for name, g in net.gradients().items():
        assert abs(g - wanted[name]).max() <= 1e-14 * abs(wanted[name]).max(), name
    change = net.state_dict()["0.weight"] - before
    assert abs(change + 0.5 * wanted["0.weight"]).max() <= 1e-15 * abs(before).max()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@BACKENDS
def test_the_norm_of_many(backend: str, dtype: str):
    """More than one chunk, and a rest: the sum of squares is in double."""
    nets = [chain(backend, dtype, width=6007) for _ in range(2)]
    bp.Trainer(nets[0], "mse", bp.SGD(0.0)).step(X, Y)
    bp.Trainer(nets[1], "mse", bp.SGD(0.0, clip_norm=1e-3)).step(X, Y)
    wanted = clipped(nets[0].gradients(), clip_norm=1e-3)
    rounding = max(2 * float(np.finfo(dtype).eps), 1e-13)  # of an element, or of some 70,000 terms in double
    for name, g in nets[1].gradients().items():
        assert abs(g - wanted[name]).max() <= rounding * abs(wanted[name]).max(), name
    norm = np.sqrt(sum((g.astype(float) ** 2).sum() for g in nets[1].gradients().values()))
    assert norm == pytest.approx(1e-3, rel=1e-5)


@BACKENDS
def test_every_number_of_threads_gives_the_same_bits(backend: str):
    before, found = bp.num_threads(), []
    try:
        for threads in (1, 2, 3):
            bp.set_num_threads(threads)
            net = chain(backend, "float32", width=6007)
            net.fit(
                X, Y, loss="mse", optimizer=bp.Adam(clip_norm=0.1, clip_value=0.05), batch_size=8, verbose=0
            )
            found.append(weights(net))
    finally:
        bp.set_num_threads(before)
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("batch_size", [1, 5, 24])
@NETWORKS
@BACKENDS
def test_limits_that_are_not_met_change_no_bit(
    backend: str, network: Callable[..., bp.Network], batch_size: int
):
    """Of a chain's fused kernel either; one sample at a time the kernel is another, with other roundings, which
    these steps enlarge a thousandfold an epoch."""
    if network is graph and batch_size == 1:
        pytest.skip("BatchNorm learns from batches")
    found = []
    for limit in ({}, {"clip_norm": 1e9, "clip_value": 1e9}):
        net = network(backend)
        data = (X, Y) if batch_size == 24 else (X[:20], Y[:20])
        optimizer = bp.SGD(0.1, momentum=0.9, **limit)
        epochs = 1 if batch_size == 1 else 3
        net.fit(*data, loss="mse", optimizer=optimizer, epochs=epochs, batch_size=batch_size, verbose=0)
        found.append(net.state_dict())
    for name, w in found[0].items():
        if batch_size > 1:
            assert w.tobytes() == found[1][name].tobytes()
        assert abs(w - found[1][name]).max() <= 1e-12 * abs(w).max()


@limits
@BACKENDS
def test_one_sample_at_a_time(backend: str, limit: dict[str, float]):
    """Layer by layer, as single steps are."""
    nets = [chain(backend) for _ in range(2)]
    nets[0].fit(X, Y, loss="mse", optimizer=bp.SGD(0.1, **limit), batch_size=1, shuffle=False, verbose=0)
    trainer = bp.Trainer(nets[1], "mse", bp.SGD(0.1, **limit))
    for x, y in zip(X, Y):
        trainer.step(x[None], y[None])
    assert weights(nets[0]) == weights(nets[1])


@BACKENDS
def test_the_lectures_loop(backend: str):
    """Draws of one sample each, with the samples that the online kernel draws."""
    nets = [chain(backend) for _ in range(3)]
    for net, limit in zip(nets, ({}, {"clip_norm": 1e9}, {"clip_norm": 1e-3})):
        trainer = bp.Trainer(net, "mse", bp.SGD(0.1, **limit))
        data = finite_dataset("test", net._core, X, Y, trainer.loss)
        trainer._core.run_draws(data, 50, 1e30)
        assert trainer.steps == 50
    for name, w in nets[0].state_dict().items():
        assert abs(w - nets[1].state_dict()[name]).max() <= 1e-12 * abs(w).max()
        moved = abs(nets[2].state_dict()[name] - chain(backend).state_dict()[name]).max()
        assert 0 < moved <= 50 * 0.1 * 1e-3


@BACKENDS
def test_with_a_reducer_the_norm_is_that_of_the_sum(backend: str):
    """Two trainers with the same part each: the sum is twice what one has, and its mean is the part's."""

    def double(name: str, values: np.ndarray) -> None:
        values *= 2

    nets = [graph_without_norm(backend) for _ in range(2)]
    optimizer = bp.SGD(0.1, clip_norm=0.05)
    trainers = [bp.Trainer(nets[0], "mse", optimizer), bp.Trainer(nets[1], "mse", optimizer, reducer=double)]
    for _ in range(5):
        losses = [trainer.step(X, Y) for trainer in trainers]
        assert losses[0] == losses[1]
    assert weights(nets[0]) == weights(nets[1])


def graph_without_norm(backend: str) -> bp.Network:
    layers = [bp.Linear(9), bp.GELU(), bp.Residual([bp.Linear(9), bp.Tanh()]), bp.Linear(3)]
    return bp.Network(7, layers, seed=2, dtype="float64", backend=backend)


def overflowing(backend: str) -> tuple[bp.Network, np.ndarray, np.ndarray]:
    """A loss of 2 whose gradient is beyond float32, and batches before it that are harmless."""
    layers = [bp.Linear(1, bias=False), bp.BatchNorm1d(affine=False, eps=1.0), bp.Linear(1, bias=False)]
    net = bp.Network(1, layers, backend=backend)
    net.load_state_dict(net.state_dict() | {"0.weight": [[1.0]], "2.weight": [[2e38]]})
    x = np.array([[1.0], [1.0], [1.0], [1.0], [1e-30], [-1e-30]], np.float32)
    return net, x, np.array([0, 0, 0, 0, 2, -2], np.float32)


@BACKENDS
def test_a_norm_that_is_not_finite_stops(backend: str):
    net, x, y = overflowing(backend)
    trainer = bp.Trainer(net, "half_squared_error", bp.SGD(1e-3, momentum=0.9, clip_norm=1.0))
    before = weights(net)
    with pytest.raises(
        bp.NumericError, match=r"the norm of the gradients is not finite at step 1 \(epoch 1\)"
    ):
        trainer.step(x[4:], y[4:])
    assert weights(net) == before and trainer.steps == 0
    with pytest.raises(
        bp.NumericError, match=r"the norm of the gradients is not finite at step 3 \(epoch 1\)"
    ):
        trainer.fit(x, y, batch_size=2, shuffle=False, verbose=0)
    assert weights(net) == before and trainer.steps == 0
    trainer.step(x[:2], y[:2])
    assert trainer.steps == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@BACKENDS
def test_infinite_elements_are_clamped_by_value(backend: str, dtype: str):
    """And NaN is not: as PyTorch's clamp."""
    largest = float(np.finfo(dtype).max)
    net = bp.Network(2, [bp.Linear(1, bias=False)], dtype=dtype, backend=backend)
    net.load_state_dict({"0.weight": [[0.0, 0.0]]})
    x = np.array([[largest, 1.0]] * 2, dtype)
    bp.Trainer(net, "half_squared_error", bp.SGD(1.0, clip_value=0.5)).step(x, [-4.0, -4.0])
    assert net.gradients()["0.weight"].tolist() == [[0.5, 0.5]]
    assert net.state_dict()["0.weight"].tolist() == [[-0.5, -0.5]]


@limits
@pytest.mark.parametrize("make", [bp.SGD, bp.Adam, bp.AdamW, bp.RMSprop])
def test_a_resumed_run_clips_on(make: Callable[..., Any], limit: dict[str, float], tmp_path: Path):
    trainers = [bp.Trainer(graph(), "mse", make(lr=0.01, **limit)) for _ in range(2)]
    for trainer in trainers:
        trainer.fit(X, Y, epochs=2, batch_size=8, verbose=0)
    trainers[0].save(tmp_path / "run")
    resumed = bp.Trainer.load(tmp_path / "run")
    assert resumed.optimizer == make(lr=0.01, **limit)
    stored = json.loads(resumed._core.optimizer)
    assert {name: stored[name] for name in limit} == limit
    for trainer in (trainers[1], resumed):
        trainer.fit(X, Y, epochs=2, batch_size=8, verbose=0)
    assert weights(trainers[1].network) == weights(resumed.network)


@pytest.mark.parametrize("name", ["clip_norm", "clip_value"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("make", [bp.SGD, bp.Adam, bp.AdamW, bp.RMSprop])
def test_limits_that_make_no_sense_are_refused(make: Callable[..., Any], value: float, name: str):
    with pytest.raises(ValueError, match=f"{make.name}: {name} is {value:g}, a positive number is needed"):
        bp.Trainer(chain(), "mse", make(**{name: value}))


OPTIMIZERS = [
    (bp.SGD(0.1, momentum=0.9, weight_decay=0.1), "SGD", {"momentum": 0.9, "weight_decay": 0.1}),
    (bp.Adam(0.1), "Adam", {}),
    (bp.AdamW(0.1), "AdamW", {}),
    (bp.RMSprop(0.1), "RMSprop", {}),
]


@limits
@pytest.mark.parametrize("ours, name, options", OPTIMIZERS, ids=[name for _, name, _ in OPTIMIZERS])
@BACKENDS
@pytest.mark.parity
def test_ten_steps_are_pytorchs(
    backend: str, ours: bp.optimizers.Optimizer, name: str, options: dict, limit: dict[str, float]
):
    """The second layer is frozen: its gradients count in no norm."""
    torch = pytest.importorskip("torch", reason="PyTorch comes with the parity extra")
    layers = [bp.Linear(9), bp.Tanh(), bp.Linear(8, trainable=False), bp.Tanh(), bp.Linear(3)]
    net = bp.Network(7, layers, dtype="float64", backend=backend)
    model = torch.nn.Sequential(
        torch.nn.Linear(7, 9), torch.nn.Tanh(), torch.nn.Linear(9, 8), torch.nn.Tanh(), torch.nn.Linear(8, 3)
    ).double()
    model.load_state_dict({key: torch.tensor(w) for key, w in net.state_dict().items()})
    model[2].requires_grad_(False)
    theirs = getattr(torch.optim, name)([p for p in model.parameters() if p.requires_grad], lr=0.1, **options)
    trainer = bp.Trainer(net, "mse", type(ours)(**ours.options | limit))
    for _ in range(10):
        trainer.step(X, Y)
        theirs.zero_grad()
        torch.nn.functional.mse_loss(model(torch.tensor(X)), torch.tensor(Y)).backward()
        if "clip_value" in limit:
            torch.nn.utils.clip_grad_value_(model.parameters(), limit["clip_value"])
        if "clip_norm" in limit:
            torch.nn.utils.clip_grad_norm_(model.parameters(), limit["clip_norm"])
        theirs.step()
    for key, w in model.state_dict().items():
        assert abs(net.state_dict()[key] - w.numpy()).max() <= 1e-11 * abs(w.numpy()).max(), key
