"""The optimizers against their formulas in plain Python, over ten steps, to 1e-12."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

import bpnet as bp

BACKENDS = pytest.mark.parametrize("backend", bp.backends())
STEPS = 10

# An update takes one weight, its gradient g, the step t counted from 1, and the weight's own memory.
Update = Callable[[float, float, int, dict], float]


def sgd(lr: float, momentum: float = 0.0, weight_decay: float = 0.0, nesterov: bool = False) -> Update:
    def update(w: float, g: float, t: int, memory: dict) -> float:
        g = g + weight_decay * w
        memory["v"] = momentum * memory.get("v", 0.0) + g
        return w - lr * (g + momentum * memory["v"] if nesterov else memory["v"])

    return update


def adam(lr: float, betas: tuple[float, float], eps: float, weight_decay: float, decoupled: bool) -> Update:
    def update(w: float, g: float, t: int, memory: dict) -> float:
        if decoupled:
            w -= lr * weight_decay * w
        else:
            g = g + weight_decay * w
        memory["m"] = betas[0] * memory.get("m", 0.0) + (1 - betas[0]) * g
        memory["v"] = betas[1] * memory.get("v", 0.0) + (1 - betas[1]) * g * g
        m, v = memory["m"] / (1 - betas[0] ** t), memory["v"] / (1 - betas[1] ** t)
        return w - lr * m / (math.sqrt(v) + eps)

    return update


def rmsprop(lr: float, alpha: float, eps: float, weight_decay: float, momentum: float) -> Update:
    def update(w: float, g: float, t: int, memory: dict) -> float:
        g = g + weight_decay * w
        memory["v"] = alpha * memory.get("v", 0.0) + (1 - alpha) * g * g
        memory["b"] = momentum * memory.get("b", 0.0) + g / (math.sqrt(memory["v"]) + eps)
        return w - lr * memory["b"]

    return update


CASES = [
    (bp.SGD(), sgd(0.01)),
    (bp.SGD(lr=0.3), sgd(0.3)),
    (bp.SGD(lr=0.3, weight_decay=0.1), sgd(0.3, 0.0, 0.1)),
    (bp.SGD(lr=0.1, momentum=0.9), sgd(0.1, 0.9)),
    (bp.SGD(lr=0.1, momentum=0.9, weight_decay=0.1), sgd(0.1, 0.9, 0.1)),
    (bp.SGD(lr=0.1, momentum=0.9, nesterov=True), sgd(0.1, 0.9, 0.0, True)),
    (bp.SGD(lr=0.1, momentum=0.5, weight_decay=0.1, nesterov=True), sgd(0.1, 0.5, 0.1, True)),
    (bp.Adam(), adam(1e-3, (0.9, 0.999), 1e-8, 0.0, False)),
    (bp.Adam(0.05, (0.8, 0.95), 1e-3, 0.1), adam(0.05, (0.8, 0.95), 1e-3, 0.1, False)),
    (bp.AdamW(), adam(1e-3, (0.9, 0.999), 1e-8, 1e-2, True)),
    (bp.AdamW(0.05, (0.8, 0.95), 1e-3, 0.1), adam(0.05, (0.8, 0.95), 1e-3, 0.1, True)),
    (bp.RMSprop(), rmsprop(1e-2, 0.99, 1e-8, 0.0, 0.0)),
    (bp.RMSprop(0.05, 0.9, 1e-3, 0.1), rmsprop(0.05, 0.9, 1e-3, 0.1, 0.0)),
    (bp.RMSprop(0.02, 0.9, 1e-3, 0.1, momentum=0.8), rmsprop(0.02, 0.9, 1e-3, 0.1, 0.8)),
]
cases = pytest.mark.parametrize("optimizer, update", CASES, ids=[repr(optimizer) for optimizer, _ in CASES])


def regression() -> tuple[list, np.ndarray, np.ndarray]:
    numbers = np.random.default_rng(0)
    layers = [bp.Linear(13), bp.Tanh(), bp.Linear(5, bias=False)]
    return layers, numbers.normal(size=(20, 7)), numbers.normal(size=(20, 5))


@cases
@BACKENDS
def test_ten_steps(optimizer: bp.optimizers.Optimizer, update: Update, backend: str):
    """The gradients are the library's own, at the library's weights: they have their own tests."""
    layers, x, y = regression()
    net = bp.Network(7, layers, dtype="float64", backend=backend)
    wanted = {name: w.ravel().tolist() for name, w in net.state_dict().items()}
    memory = {name: [{} for _ in values] for name, values in wanted.items()}
    trainer = bp.Trainer(net, "mse", optimizer)
    for t in range(1, STEPS + 1):
        trainer.step(x, y)
        for name, g in net.gradients().items():
            wanted[name] = [
                update(*each) for each in zip(wanted[name], g.ravel().tolist(), [t] * g.size, memory[name])
            ]
        for name, w in net.state_dict().items():
            error = abs(w.ravel() - wanted[name]).max() / abs(w).max()
            assert error <= 1e-12, f"{name} at step {t}: {error:.3g}"
    assert trainer.steps == STEPS


BIASES_FREE = [
    (bp.SGD(0.1, momentum=0.9, weight_decay=0.3, bias_decay=False), lambda decay: sgd(0.1, 0.9, decay)),
    (
        bp.Adam(0.05, (0.8, 0.95), 1e-3, 0.3, bias_decay=False),
        lambda decay: adam(0.05, (0.8, 0.95), 1e-3, decay, False),
    ),
    (
        bp.AdamW(0.05, (0.8, 0.95), 1e-3, 0.3, bias_decay=False),
        lambda decay: adam(0.05, (0.8, 0.95), 1e-3, decay, True),
    ),
    (
        bp.RMSprop(0.05, 0.9, 1e-3, 0.3, 0.5, bias_decay=False),
        lambda decay: rmsprop(0.05, 0.9, 1e-3, decay, 0.5),
    ),
]


@pytest.mark.parametrize("optimizer, update", BIASES_FREE, ids=[repr(each) for each, _ in BIASES_FREE])
@pytest.mark.parametrize("batch_size", [1, 20])
def test_biases_may_be_left_out_of_the_decay(
    optimizer: bp.optimizers.Optimizer, update: Callable[[float], Update], batch_size: int
):
    _, x, y = regression()
    net = bp.Network(7, [bp.Linear(5)], dtype="float64")
    weight, bias = (net.state_dict()[f"0.{name}"].copy() for name in ("weight", "bias"))
    memory: dict = {}
    trainer = bp.Trainer(net, "squared_error", optimizer)
    trainer.fit(x, y, epochs=2, batch_size=batch_size, shuffle=False, verbose=0)
    for t, first in enumerate([*range(0, 20, batch_size)] * 2):
        rows = slice(first, first + batch_size)
        delta = 2 * (x[rows] @ weight.T + bias - y[rows]) / batch_size
        for values, gradient, decay in ((weight, delta.T @ x[rows], 0.3), (bias, delta.sum(axis=0), 0.0)):
            for place, g in np.ndenumerate(gradient):
                kept = memory.setdefault((decay, place), {})
                values[place] = update(decay)(values[place], g, t + 1, kept)
    for name, wanted in (("0.weight", weight), ("0.bias", bias)):
        np.testing.assert_allclose(net.state_dict()[name], wanted, rtol=1e-9)


@cases
def test_backends_agree_in_float32(optimizer: bp.optimizers.Optimizer, update: Update):
    """On more weights than one thread takes at a time, and not a multiple of a vector. The absolute
    error of far targets has a gradient of single products, the same bits in every backend, and two steps
    are few: g / √v makes much of a rounding where g + λw nearly vanishes."""
    numbers = np.random.default_rng(0)
    x, y = numbers.normal(size=(1, 203)), numbers.choice([-100.0, 100.0], (1, 203))
    nets = [bp.Network(203, [bp.Linear(203)], backend=backend) for backend in bp.backends()]
    for net in nets:
        trainer = bp.Trainer(net, "mae", optimizer)
        for _ in range(2):
            trainer.step(x, y)
    for name, wanted in nets[-1].state_dict().items():
        for net in nets:
            assert np.array_equal(net.gradients()[name], nets[-1].gradients()[name])
            assert abs(net.state_dict()[name] - wanted).max() <= 1e-5 * abs(wanted).max()


@cases
@BACKENDS
def test_a_batch_of_weight_zero_updates_nothing(
    optimizer: bp.optimizers.Optimizer, update: Update, backend: str
):
    """Neither weights nor slots, whatever decays or still has momentum: what follows is as without the batch."""
    layers, x, y = regression()
    nets = [bp.Network(7, layers, dtype="float64", backend=backend) for _ in range(2)]
    weighed, halved = (bp.Trainer(net, "mse", optimizer) for net in nets)
    for _ in range(2):
        weight = np.repeat([1.0, 0.0], 10)
        weighed.fit(x, y, sample_weight=weight, epochs=1, batch_size=10, shuffle=False, verbose=0)
        halved.fit(x[:10], y[:10], epochs=1, batch_size=10, shuffle=False, verbose=0)
        if "Adam" in repr(optimizer):
            break  # whose corrections count steps
    for name, w in nets[0].state_dict().items():
        assert w.tobytes() == nets[1].state_dict()[name].tobytes()


def test_fit_is_stepping():
    """fit's batches are slices of the data in order when it does not shuffle, the last one shorter."""
    layers, x, y = regression()
    nets = [bp.Network(7, layers, dtype="float64") for _ in range(2)]
    nets[0].fit(x, y, loss="mse", optimizer=bp.Adam(0.01), epochs=3, batch_size=6, shuffle=False, verbose=0)
    trainer = bp.Trainer(nets[1], "mse", bp.Adam(0.01))
    for _ in range(3):
        for begin in range(0, 20, 6):
            trainer.step(x[begin : begin + 6], y[begin : begin + 6])
    for name, w in nets[0].state_dict().items():
        assert w.tobytes() == nets[1].state_dict()[name].tobytes()


@pytest.mark.parametrize(
    "name, cls", [("sgd", bp.SGD), ("adam", bp.Adam), ("adamw", bp.AdamW), ("rmsprop", bp.RMSprop)]
)
def test_a_name_means_the_defaults(name: str, cls: type):
    layers, x, y = regression()
    nets = [bp.Network(7, layers) for _ in range(2)]
    for net, optimizer in zip(nets, (name, cls())):
        bp.Trainer(net, "mse", optimizer).step(x, y)
    for key, w in nets[0].state_dict().items():
        assert w.tobytes() == nets[1].state_dict()[key].tobytes()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: bp.SGD(lr=-0.1), "sgd: lr is -0.1"),
        (lambda: bp.SGD(momentum=1.0), "sgd: momentum is 1"),
        (lambda: bp.SGD(nesterov=True), "sgd: nesterov is on but momentum is 0"),
        (lambda: bp.Adam(betas=(1.0, 0.9)), "adam: beta1 is 1"),
        (lambda: bp.AdamW(weight_decay=-1.0), "adamw: weight_decay is -1"),
        (lambda: bp.RMSprop(alpha=1.5), "rmsprop: alpha is 1.5"),
        (lambda: bp.SGD(lr=math.nan), "sgd: lr is nan"),
    ],
)
def test_options_that_make_no_sense_are_refused(make: Callable[[], bp.optimizers.Optimizer], message: str):
    with pytest.raises(ValueError, match=message):
        make()
