"""One sample at a time under other rules than plain SGD: what the reference and single steps learn."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp
from backend_names import FAST
from bpnet._bridge import finite_dataset
from threading_layers import walk

RULES = {
    "momentum": bp.SGD(lr=0.002, momentum=0.9, weight_decay=0.01),
    "nesterov": bp.SGD(lr=0.002, momentum=0.9, nesterov=True),
    "lr in velocity": bp.SGD(lr=0.002, momentum=0.9, weight_decay=0.01, lr_in_velocity=True),
    "bias rates": bp.SGD(lr=0.002, momentum=0.9, weight_decay=0.01, bias_lr_multiplier=2, bias_decay=False),
    "frozen biases": bp.SGD(lr=0.002, momentum=0.9, bias_lr_multiplier=0),
    "biases alone": bp.SGD(lr=0.0, bias_lr=0.002, momentum=0.9),
    "adam": bp.Adam(0.002, weight_decay=0.01),
    "adamw": bp.AdamW(0.002, weight_decay=0.1),
    "rmsprop": bp.RMSprop(0.002, eps=1e-3, weight_decay=0.01),
    "rmsprop, momentum": bp.RMSprop(0.002, eps=1e-3, momentum=0.9),
}
# A row shorter than a vector, one longer than the piece of 1,024 it is made in, a layer that threads share.
WIDTHS = [(3, 5, 2), (1500, 4), (300, 600, 3)]
STEPS = 150
Arrays = list[np.ndarray]


def data(widths: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.uniform(-1, 1, (STEPS, widths[0])), rng.uniform(-0.8, 0.8, (STEPS, widths[-1]))


def trainer_of(widths: tuple[int, ...], rule: str, backend: str) -> bp.Trainer:
    layers = [each for w in widths[1:] for each in (bp.Linear(w), bp.Tanh())]
    net = bp.Network((widths[0],), layers[:-1], seed=1, dtype="float64", backend=backend)
    return bp.Trainer(net, "half_squared_error", RULES[rule])


def state(trainer: bp.Trainer) -> Arrays:
    return [array.copy() for array in trainer.network.state_dict().values()]


def trained(widths: tuple[int, ...], rule: str, backend: str, **options) -> Arrays:
    trainer = trainer_of(widths, rule, backend)
    x, y = data(widths)
    history = trainer.fit(x, y, batch_size=1, verbose=0, **options)
    return [*state(trainer), np.array(history["loss"])]


@functools.cache
def wanted(widths: tuple[int, ...], rule: str) -> Arrays:
    return trained(widths, rule, "reference")


def assert_near(actual: Arrays, wanted: Arrays) -> None:
    for a, b in zip(actual, wanted):
        assert np.abs(a - b).max() <= 1e-12 * np.abs(b).max()


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("widths", WIDTHS, ids=str)
def test_rules(backend: str, widths: tuple[int, ...], rule: str):
    assert_near(trained(widths, rule, backend), wanted(widths, rule))


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("backend", bp.backends())
def test_a_run_is_one_step_after_another(backend: str, rule: str):
    """Steps go layer by layer, with gradients that are stored: another way to the same weights."""
    widths = (7, 9, 3)
    x, y = data(widths)
    trainer = trainer_of(widths, rule, backend)
    for r in range(STEPS):
        trainer.step(x[r : r + 1], y[r : r + 1])
    assert_near(trained(widths, rule, backend, shuffle=False)[:-1], state(trainer))


@pytest.mark.parametrize("rule", ["momentum", "adam"])
@pytest.mark.parametrize("backend", FAST)
def test_samples_without_weight_are_passed_over(backend: str, rule: str):
    weight = np.random.default_rng(2).integers(0, 2, STEPS).astype(float)
    one, other = (trained((3, 5, 2), rule, name, sample_weight=weight) for name in (backend, "reference"))
    assert_near(one, other)


def test_the_bits_do_not_depend_on_the_number_of_threads():
    results = [trained((300, 600, 3), "adam", bp.backends()[0]) for _ in walk()]
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(results[0], other))


@pytest.mark.parametrize("rule", ["momentum", "adam"])
def test_a_call_ends_soon(rule: str):
    """No blocks have to be whole: Ctrl-C waits for a sample of a large network."""
    net = bp.Network((2048,), [bp.Linear(2048), bp.Tanh(), bp.Linear(2)], seed=0)
    trainer = bp.Trainer(net, "mse", RULES[rule])
    x, y = np.zeros((64, 2048), np.float32), np.zeros((64, 2), np.float32)
    data = finite_dataset("fit", net._core, x, y, trainer.loss)
    assert not trainer._core.run(data, 1, True, 0.0, 0)  # for 0 seconds
    assert trainer._core.state["position"] == 1


@pytest.mark.parametrize("rule", ["momentum", "adam", "rmsprop, momentum"])
def test_a_resumed_run_has_the_bits_of_one_that_went_on(tmp_path: Path, rule: str):
    widths = (3, 5, 2)
    x, y = data(widths)
    whole = trainer_of(widths, rule, bp.backends()[0])
    whole.fit(x, y, batch_size=1, epochs=3, verbose=0)
    first = trainer_of(widths, rule, bp.backends()[0])
    first.fit(x, y, batch_size=1, epochs=1, verbose=0)
    first.save(tmp_path / "run")
    second = bp.Trainer.load(tmp_path / "run")
    second.fit(x, y, batch_size=1, epochs=2, verbose=0)
    assert all(np.array_equal(a, b) for a, b in zip(state(whole), state(second)))


@pytest.mark.parametrize("rule", [bp.SGD, bp.Adam])
def test_while_the_rate_warms_up_each_step_has_its_own(rule: type[bp.SGD | bp.Adam]):
    x, y = data((3, 2))
    options = {"momentum": 0.9} if rule is bp.SGD else {}
    results = []
    for at_once in (True, False):
        net = bp.Network((3,), [bp.Linear(2)], seed=1, dtype="float64")
        warm = rule(lr=0.002, schedule=bp.LinearWarmup(100), **options)
        trainer = bp.Trainer(net, "half_squared_error", warm)
        if at_once:
            trainer.fit(x, y, batch_size=1, shuffle=False, verbose=0)
        else:
            for r in range(STEPS):
                trainer.step(x[r : r + 1], y[r : r + 1])
        results.append(state(trainer))
    assert_near(*results)
