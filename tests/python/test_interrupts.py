"""Ctrl-C amid one long step: heard between two layers, and nothing has changed."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

import bpnet as bp

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")

LAYERS, WIDTH, ROWS = 24, 1024, 1024  # a second or more a step, some tens of milliseconds a layer


@pytest.fixture(scope="module")
def slow() -> tuple[bp.Trainer, np.ndarray, np.ndarray]:
    layers: list[bp.layers.Layer] = []
    for _ in range(LAYERS):
        layers += [bp.Linear(WIDTH), bp.Tanh(), bp.Dropout(0.5)]
    trainer = bp.Trainer(bp.Network(WIDTH, [*layers, bp.Linear(3)]), "cross_entropy", bp.SGD(0.01, 0.9))
    x = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)
    return trainer, x, np.arange(ROWS) % 3


def interrupt(call: Callable[[], object], after: float) -> float:
    """Seconds from the signal, sent ``after`` seconds, to the KeyboardInterrupt."""
    sent = []

    def send() -> None:
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(after, send)
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            call()
        return time.monotonic() - sent[0]
    finally:
        timer.cancel()
        timer.join()


def state_of(trainer: bp.Trainer) -> list[object]:
    snapshot = {name: array.copy() for name, array in trainer.network.state_dict().items()}
    return [trainer._core.state, trainer._core.epoch_sums, {n: a.tobytes() for n, a in snapshot.items()}]


@pytest.mark.parametrize("after", [0.2, 0.8])
def test_a_step_is_given_up_as_if_it_had_not_begun(slow: tuple, after: float):
    trainer, x, y = slow
    trainer.step(x, y)  # takes the memory
    before = state_of(trainer)
    labels = y.astype(np.int64)

    def steps() -> None:
        while True:  # on a fast machine one may end before the signal
            trainer.step(x, labels)
            before[:] = state_of(trainer)

    assert interrupt(steps, after) <= 1.0
    assert state_of(trainer) == before


def test_evaluation_is_given_up_too(slow: tuple):
    trainer, x, _ = slow

    def forever() -> None:
        while True:
            trainer.network.forward(x)

    assert interrupt(forever, 0.3) <= 1.0


def test_a_handler_of_ones_own_runs_after_the_call(slow: tuple):
    """It may use the network, which is locked during the call."""
    trainer, x, _ = slow
    seen = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(trainer.network.forward(x[:1]).shape))
    try:
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        end = time.monotonic() + 10
        while not seen and time.monotonic() < end:
            trainer.network.forward(x)
        timer.join()
    finally:
        signal.signal(signal.SIGINT, before)
    assert seen == [(1, 3)]
