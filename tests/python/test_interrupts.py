"""Ctrl-C amid one long step: heard between two layers and amid one, and nothing has changed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

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


# One convolution takes nearly all of a step, so that what is stopped early is stopped amid a layer; half of a
# quarter of a step is longer than the tenth of a second between two questions.
WIDE = """
import os, signal, sys, threading, time
import numpy as np
import bpnet as bp

bp.set_num_threads(int(sys.argv[1]))
signal.signal(signal.SIGINT, signal.default_int_handler)
rng = np.random.default_rng(0)
x = rng.normal(size=(80, 192, 32, 32)).astype(np.float32)
y = rng.integers(0, 3, len(x))
net = bp.Network(x.shape[1:], [
    bp.BatchNorm2d(), bp.Conv2d(192, 3, padding=1), bp.AdaptiveAvgPool2d(1), bp.Flatten(), bp.Linear(3)])
trainer = bp.Trainer(net, "cross_entropy", bp.SGD(0.01, 0.9))
path = sys.argv[2]

def state():
    trainer.save(path)
    with open(path, "rb") as file:
        return file.read()

def seconds(call):
    start = time.monotonic()
    call()
    return time.monotonic() - start

def stopped(call, after):
    "Seconds from the signal to KeyboardInterrupt; None when the call was done before."
    sent = []
    def send():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)
    timer = threading.Timer(after, send)
    timer.start()
    try:
        call()
        timer.cancel()
        timer.join()
        time.sleep(0.01)
    except KeyboardInterrupt:
        return time.monotonic() - sent[0]

def check_soon(call, share, whole):
    "One of some tries ends before half of what was left of the call has passed; none leaves a trace."
    for _ in range(20):  # another process may have the processors in a few of them
        before = state()
        delay = stopped(call, share * whole)
        assert delay is None or state() == before
        if delay is not None and delay < 0.5 * (1 - share) * whole:
            return
    raise SystemExit(f"{delay} s after the signal at {share} of {whole} s")
"""


def run_wide(body: str, threads: int, folder: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-c", WIDE + textwrap.dedent(body), str(threads), str(folder / "run")],
        capture_output=True,
        text=True,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(Path(bp.__file__).parents[1])},
    )
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize("threads", [1, 3])
def test_amid_a_layer(threads: int, tmp_path: Path):
    """In the convolution's forward, and in the two halves of its backward: no byte of the run has changed."""
    run_wide(
        """
        step, forward = lambda: trainer.step(x, y), lambda: net.forward(x)
        step()
        whole = seconds(step)
        for share in (0.15, 0.5, 0.75):
            check_soon(step, share, whole)
        forward()
        check_soon(forward, 0.3, seconds(forward))
        """,
        threads,
        tmp_path,
    )


def test_a_loop_of_ones_own_is_undone(tmp_path: Path):
    """BatchNorm's running statistics are written in forward."""
    run_wide(
        """
        before = state()
        forward = lambda: net.forward(x, training=True)
        whole = seconds(forward)
        assert state() != before  # a forward that ends counts
        check_soon(forward, 0.3, whole)

        before = state()
        gradient = np.ones_like(forward())
        assert stopped(lambda: net.backward(gradient), 0.3 * whole) is not None
        assert state() == before
        try:
            net.backward(gradient)
            raise SystemExit("backward went through what was overwritten")
        except ValueError as error:
            assert "backward: there is no forward" in str(error)
        """,
        1,
        tmp_path,
    )


def test_checked_gradients_are_given_up(tmp_path: Path):
    run_wide(
        """
        small = bp.Network((3, 8, 8), [bp.Conv2d(16, 3), bp.Flatten(), bp.Linear(2)])
        call = lambda: bp.check_gradients(small, x[:4, :3, :8, :8].copy(), y[:4] % 2, "cross_entropy")
        delay = min(stopped(lambda: [call() for _ in range(10**6)], 0.3) for _ in range(3))
        assert delay < 1, delay
        """,
        1,
        tmp_path,
    )
