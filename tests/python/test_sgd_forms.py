"""SGD as the 2012 paper writes it, and rates and decay of the biases' own, against plain loops."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp

BACKENDS = pytest.mark.parametrize("backend", bp.backends())
STEPS = 12
WARMUP = 7  # a rate that changes with every step, then with every epoch


def schedule() -> bp.schedules.Schedule:
    return bp.LinearWarmup(WARMUP, start_factor=0.1, after=bp.StepLR(1, 0.5))


def data() -> tuple[np.ndarray, np.ndarray]:
    numbers = np.random.default_rng(0)
    return numbers.normal(size=(STEPS, 7)), numbers.normal(size=(STEPS, 5))


def network(backend: str | None = None, dtype: str = "float64") -> bp.Network:
    return bp.Network(7, [bp.Linear(13), bp.Tanh(), bp.Linear(5)], dtype=dtype, backend=backend)


def plain_loop(
    net: bp.Network,
    trainer: bp.Trainer,
    update: Callable[[str, np.ndarray, np.ndarray, float, dict], np.ndarray],
) -> float:
    """STEPS steps of one sample each; the largest relative difference from update(name, w, g, η, memory).
    The gradients are the library's own at its weights: they have their own tests."""
    X, y = data()
    wanted = {name: w.copy() for name, w in net.state_dict().items()}
    memory: dict[str, dict] = {name: {} for name in wanted}
    worst = 0.0
    for n in range(STEPS):
        rate = trainer.lr
        trainer.step(X[n : n + 1], y[n : n + 1])
        for name, g in net.gradients().items():
            wanted[name] = update(name, wanted[name], g, rate, memory[name])
        for name, w in net.state_dict().items():
            worst = max(worst, abs(w - wanted[name]).max() / abs(w).max())
        if n % 4 == 3:
            trainer._core.end_epoch(0.0)
    return worst


def paper(momentum: float, decay: float) -> Callable[..., np.ndarray]:
    """v ← μv − ληw − ηg; w ← w + v (Krizhevsky, Sutskever, Hinton 2012, section 5)"""

    def update(name: str, w: np.ndarray, g: np.ndarray, rate: float, memory: dict) -> np.ndarray:
        memory["v"] = momentum * memory.get("v", 0.0) - decay * rate * w - rate * g
        return w + memory["v"]

    return update


@BACKENDS
def test_the_papers_form_while_the_rate_changes(backend: str):
    net = network(backend)
    optimizer = bp.SGD(0.1, momentum=0.9, weight_decay=0.05, lr_in_velocity=True, schedule=schedule())
    assert plain_loop(net, bp.Trainer(net, "mse", optimizer), paper(0.9, 0.05)) <= 1e-13


def test_the_papers_form_is_not_pytorchs():
    """They part where the rate changes, and only there."""
    ends = []
    for rates in (None, schedule()):
        nets = [network(), network()]
        for net, form in zip(nets, (True, False)):
            plain_loop(
                net,
                bp.Trainer(
                    net, "mse", bp.SGD(0.1, 0.9, weight_decay=0.05, lr_in_velocity=form, schedule=rates)
                ),
                paper(0.9, 0.05),
            )
        one, other = (net.state_dict()["0.weight"] for net in nets)
        ends.append(abs(one - other).max() / abs(one).max())
    assert ends[0] <= 1e-13 and ends[1] >= 1e-3


def test_without_momentum_both_forms_are_one():
    nets = [network("avx2" if "avx2" in bp.backends() else None) for _ in range(2)]
    X, y = data()
    for net, form in zip(nets, (True, False)):
        trainer = bp.Trainer(net, "mse", bp.SGD(0.1, weight_decay=0.05, lr_in_velocity=form))
        for _ in range(3):
            trainer.step(X, y)
    for name, w in nets[0].state_dict().items():
        assert w.tobytes() == nets[1].state_dict()[name].tobytes()


RULES = {
    "a constant rate, no decay": (dict(bias_lr=0.02, bias_decay=False), lambda rate: 0.02, 0.0),
    "twice the rate, no decay": (dict(bias_lr_multiplier=2, bias_decay=False), lambda rate: 2 * rate, 0.0),
    "a constant rate": (dict(bias_lr=0.02), lambda rate: 0.02, 0.05),
    "frozen": (dict(bias_lr_multiplier=0), lambda rate: 0.0, 0.05),
}
rules = pytest.mark.parametrize("options, bias_rate, bias_decay", RULES.values(), ids=RULES)


@rules
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_rules_for_biases(
    options: dict, bias_rate: Callable[[float], float], bias_decay: float, momentum: float
):
    def update(name: str, w: np.ndarray, g: np.ndarray, rate: float, memory: dict) -> np.ndarray:
        bias = name.endswith("bias")
        return paper(momentum, bias_decay if bias else 0.05)(
            name, w, g, bias_rate(rate) if bias else rate, memory
        )

    net = network()
    optimizer = bp.SGD(0.1, momentum, weight_decay=0.05, lr_in_velocity=True, schedule=schedule(), **options)
    assert plain_loop(net, bp.Trainer(net, "mse", optimizer), update) <= 1e-13


@rules
@BACKENDS
def test_the_online_kernel_knows_the_rules(
    options: dict, bias_rate: Callable[[float], float], bias_decay: float, backend: str
):
    X, y = data()
    nets = [network(backend), network(backend)]
    optimizers = [bp.SGD(0.1, weight_decay=0.05, schedule=schedule(), **options) for _ in nets]
    nets[0].fit(X, y, loss="mse", optimizer=optimizers[0], epochs=3, batch_size=1, shuffle=False, verbose=0)
    trainer = bp.Trainer(nets[1], "mse", optimizers[1])
    for _ in range(3):
        for n in range(STEPS):
            trainer.step(X[n : n + 1], y[n : n + 1])
        trainer._core.end_epoch(0.0)
    for name, w in nets[0].state_dict().items():
        assert abs(w - nets[1].state_dict()[name]).max() <= 1e-13 * abs(w).max()


def test_backends_agree_in_float32():
    """On more weights than one thread takes at a time, and not a multiple of a vector."""
    numbers = np.random.default_rng(0)
    x, y = numbers.normal(size=(1, 203)), numbers.choice([-100.0, 100.0], (1, 203))
    nets = [bp.Network(203, [bp.Linear(203)], backend=backend) for backend in bp.backends()]
    for net in nets:
        trainer = bp.Trainer(
            net, "mae", bp.SGD(0.1, 0.9, weight_decay=0.1, lr_in_velocity=True, bias_lr_multiplier=2)
        )
        for _ in range(3):
            trainer.step(x, y)
    for name, wanted in nets[-1].state_dict().items():
        for net in nets:
            # Three updates of two roundings each, a fused one in some backends.
            tolerance = 6 * np.finfo(np.float32).eps * abs(wanted).max()
            assert abs(net.state_dict()[name] - wanted).max() <= tolerance


def test_a_saved_run_keeps_the_form(tmp_path: Path):
    X, y = data()
    optimizer = bp.SGD(
        0.1, 0.9, weight_decay=0.05, lr_in_velocity=True, bias_lr=0.02, bias_decay=False, schedule=schedule()
    )
    whole = network()
    whole.fit(X, y, loss="mse", optimizer=optimizer, epochs=4, batch_size=5, verbose=0)
    part = network()
    part.fit(X, y, loss="mse", optimizer=optimizer, epochs=2, batch_size=5, verbose=0)
    assert part._trainer is not None
    part._trainer.save(tmp_path / "run.safetensors")
    trainer = bp.Trainer.load(tmp_path / "run.safetensors")
    assert trainer.optimizer.options == optimizer.options
    trainer.fit(X, y, epochs=2, batch_size=5, verbose=0)
    for name, w in whole.state_dict().items():
        assert w.tobytes() == trainer.network.state_dict()[name].tobytes()


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(momentum=0.9, nesterov=True, lr_in_velocity=True), "sgd: nesterov and lr_in_velocity"),
        (dict(bias_lr=-1.0), "sgd: bias_lr is -1"),
        (dict(bias_lr_multiplier=-1.0), "sgd: bias_lr_multiplier is -1"),
        (dict(bias_lr=0.1, bias_lr_multiplier=2.0), "sgd: bias_lr is 0.1 and bias_lr_multiplier is 2"),
    ],
    ids=repr,
)
def test_options_that_make_no_sense_are_refused(options: dict, message: str):
    with pytest.raises(ValueError, match=message):
        bp.SGD(**options)


def test_a_bias_rate_that_is_no_number_is_refused():
    with pytest.raises(TypeError, match="sgd: bias_lr is 'slow'"):
        bp.SGD(bias_lr="slow")
