"""Learning-rate schedules against their formulas, read off trainer.lr."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp

X = np.random.default_rng(0).normal(size=(12, 3)).astype(np.float32)
Y = X.sum(axis=1)
EPOCHS = 25
LR = 0.02


def trainer_with(schedule: bp.schedules.Schedule, lr: float = LR) -> bp.Trainer:
    net = bp.Network(3, [bp.Linear(1)], dtype="float64")
    return bp.Trainer(net, "mse", bp.SGD(lr=lr, schedule=schedule))


BY_EPOCH: list[tuple[bp.schedules.Schedule, Callable[[int], float]]] = [
    (bp.schedules.Schedule(), lambda epoch: 1.0),
    (bp.StepLR(4), lambda epoch: 0.1 ** (epoch // 4)),
    (bp.StepLR(3, gamma=0.5), lambda epoch: 0.5 ** (epoch // 3)),
    (bp.MultiStepLR([2, 7, 8], gamma=0.3), lambda epoch: 0.3 ** sum(m <= epoch for m in (2, 7, 8))),
    (bp.MultiStepLR([7, 2, 2]), lambda epoch: 0.1 ** sum(m <= epoch for m in (7, 2, 2))),
    (bp.ExponentialLR(0.9), lambda epoch: 0.9**epoch),
    (bp.CosineAnnealingLR(10), lambda epoch: 0.5 * (1 + math.cos(math.pi * min(epoch, 10) / 10))),
    (
        bp.CosineAnnealingLR(20, min_factor=0.2),
        lambda epoch: 0.2 + 0.8 * 0.5 * (1 + math.cos(math.pi * min(epoch, 20) / 20)),
    ),
]
by_epoch = pytest.mark.parametrize("schedule, factor", BY_EPOCH, ids=[repr(s) for s, _ in BY_EPOCH])


@by_epoch
@pytest.mark.parametrize("batch_size", [1, 5])
def test_by_epoch(schedule: bp.schedules.Schedule, factor: Callable[[int], float], batch_size: int):
    trainer = trainer_with(schedule)
    for epoch in range(EPOCHS):
        assert trainer.lr == pytest.approx(LR * factor(epoch), rel=1e-12, abs=1e-18)
        trainer.fit(X, Y, batch_size=batch_size, verbose=0)
    rates = [LR * factor(epoch) for epoch in range(EPOCHS)]
    assert trainer.history["lr"] == pytest.approx(rates, rel=1e-12, abs=1e-18)


@by_epoch
@pytest.mark.parametrize("steps, start", [(7, 0.0), (30, 0.25)])
def test_warm_up_multiplies(
    schedule: bp.schedules.Schedule, factor: Callable[[int], float], steps: int, start: float
):
    """Three updates an epoch; update t of n takes start + (1 − start)(t + 1) / n."""
    trainer = trainer_with(bp.LinearWarmup(steps, start_factor=start, after=schedule))
    for epoch in range(EPOCHS):
        rise = start + (1 - start) * min(1.0, (trainer.steps + 1) / steps)
        assert trainer.steps == 3 * epoch
        assert trainer.lr == pytest.approx(LR * factor(epoch) * rise, rel=1e-12, abs=1e-18)
        trainer.fit(X, Y, batch_size=4, verbose=0)


def test_warm_up_step_by_step():
    trainer = trainer_with(bp.LinearWarmup(5, start_factor=0.1))
    rates = []
    for _ in range(8):
        rates.append(trainer.lr)
        trainer.step(X.astype(float), Y)
    wanted = [LR * (0.1 + 0.9 * min(1.0, t / 5)) for t in range(1, 9)]
    assert rates == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("batch_size", [1, 4])
def test_the_rate_is_what_the_update_takes(batch_size: int):
    """A loss whose gradient is always 1: the bias goes down by the sum of the rates."""
    net = bp.Network(1, [bp.Linear(1)], dtype="float64")
    net.load_state_dict({"0.weight": [[0.0]], "0.bias": [100.0]})
    schedule = bp.LinearWarmup(10, after=bp.StepLR(2, gamma=0.5))
    trainer = bp.Trainer(net, "mae", bp.SGD(lr=LR, schedule=schedule))
    x, y = np.zeros((8, 1)), np.zeros(8)
    trainer.fit(x, y, epochs=5, batch_size=batch_size, verbose=0)
    updates = 8 // batch_size
    rates = [LR * 0.5 ** (step // updates // 2) * min(1.0, (step + 1) / 10) for step in range(5 * updates)]
    assert net.state_dict()["0.bias"][0] == pytest.approx(100 - sum(rates), rel=1e-14)


def plateau_rates(
    losses: list[float], factor: float, patience: int, threshold: float, least: float
) -> list[float]:
    """The factor in each epoch, by the rule as PyTorch states it, from the losses that were watched."""
    factors, now, best, waited = [], 1.0, math.inf, 0
    for loss in losses:
        factors.append(now)
        if loss < best * (1 - threshold):
            best, waited = loss, 0
        else:
            waited += 1
        if waited > patience:
            now, waited = max(now * factor, least), 0
    return factors


@pytest.mark.parametrize("watched", ["val_loss", "loss"])
@pytest.mark.parametrize("patience, threshold, least", [(0, 0.0, 0.0), (1, 1e-4, 0.2), (3, 0.05, 0.0)])
def test_reduce_on_plateau(watched: str, patience: int, threshold: float, least: float):
    """Noisy targets and a large rate, so that the loss goes up and down."""
    noisy = Y + np.random.default_rng(1).normal(size=len(Y))
    trainer = trainer_with(
        bp.ReduceLROnPlateau(factor=0.7, patience=patience, threshold=threshold, min_factor=least), lr=0.3
    )
    validation = (X[:5] + 0.3, noisy[:5]) if watched == "val_loss" else None
    history = trainer.fit(X, noisy, epochs=40, batch_size=3, validation_data=validation, verbose=0)
    factors = plateau_rates(history[watched], 0.7, patience, threshold, least)
    assert history["lr"] == pytest.approx([0.3 * f for f in factors], rel=1e-12)
    assert min(factors) < 0.8, "the rate fell at least twice"


INF, NAN = math.inf, math.nan
WATCHED = {
    "equal": [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5],
    "within the threshold": [1.0, 0.99, 0.98, 0.95, 0.949, 0.9025, 0.9, 0.8, 0.799],
    "negative": [-1.0, -1.0, -0.99, -0.96, -0.951, -0.95, -2.0, -1.95, -1.9, -1.9, -1.8],
    "through zero": [0.1, 0.0, 0.0, -0.0, -1e-300, -1e-300, 0.0, -1.0],
    "infinite at first": [INF, INF, INF, 3.0, INF, 2.0, 2.0, 2.0, INF],
    "no number at first": [NAN, NAN, NAN, NAN, 3.0, NAN, 2.0, NAN, NAN, NAN],
    "minus infinity": [1.0, -INF, -INF, -5.0, NAN, -INF, INF],
    "all kinds": [NAN, INF, -INF, 0.0, 1e308, -1e308, NAN],
}


def watched_factors(schedule: bp.schedules.Schedule, losses: list[float]) -> list[float]:
    """The factor after each of the losses, which end an epoch each."""
    trainer = trainer_with(schedule, lr=1.0)
    factors = []
    for loss in losses:
        trainer._core.end_epoch(loss)
        factors.append(trainer.lr)
    return factors


@pytest.mark.parametrize("losses", WATCHED.values(), ids=WATCHED)
@pytest.mark.parametrize("patience", [0, 1, 2])
@pytest.mark.parametrize("threshold", [0.0, 0.05])
def test_plateau_of_losses_that_are_not_finite(losses: list[float], patience: int, threshold: float):
    schedule = bp.ReduceLROnPlateau(factor=0.5, patience=patience, threshold=threshold)
    wanted = plateau_rates([*losses, 0.0], 0.5, patience, threshold, 0.0)[1:]
    assert watched_factors(schedule, losses) == wanted


@pytest.mark.parametrize("losses", WATCHED.values(), ids=WATCHED)
@pytest.mark.parametrize("patience", [0, 1, 2])
@pytest.mark.parametrize("threshold", [0.0, 0.05])
@pytest.mark.parity
def test_plateau_is_pytorchs(losses: list[float], patience: int, threshold: float):
    torch = pytest.importorskip("torch", reason="PyTorch comes with the parity extra")
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    theirs = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="min", factor=0.5, patience=patience, threshold=threshold, threshold_mode="rel", eps=0
    )
    wanted = []
    for loss in losses:
        theirs.step(loss)
        wanted.append(optimizer.param_groups[0]["lr"])
    schedule = bp.ReduceLROnPlateau(factor=0.5, patience=patience, threshold=threshold)
    assert watched_factors(schedule, losses) == wanted


def test_a_resumed_run_knows_what_was_not_finite(tmp_path: Path):
    losses = WATCHED["minus infinity"]
    schedule = bp.ReduceLROnPlateau(factor=0.5, patience=0)
    wanted = watched_factors(schedule, losses)
    trainer = trainer_with(schedule, lr=1.0)
    for loss, factor in zip(losses, wanted):
        trainer._core.end_epoch(loss)
        trainer.save(tmp_path / "run")
        trainer = bp.Trainer.load(tmp_path / "run")
        assert trainer.lr == factor


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: bp.StepLR(0), "step schedule: step_size is 0"),
        (lambda: bp.ExponentialLR(0.0), "exponential schedule: gamma is 0"),
        (lambda: bp.CosineAnnealingLR(0), "cosine schedule: 0 epochs"),
        (lambda: bp.ReduceLROnPlateau(factor=2.0), "plateau schedule: factor is 2"),
        (lambda: bp.LinearWarmup(3, start_factor=2.0), "warm-up: start is 2"),
    ],
)
def test_options_that_make_no_sense_are_refused(make: Callable[[], bp.Schedule], message: str):
    with pytest.raises(ValueError, match=message):
        make()
