"""Everything that several Python threads may do to one network and its trainer at once; test_thread_sanitizer.py
runs it on a module that watches every access. ``python thread_stress.py FOLDER``"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np

import bpnet as bp

folder = Path(sys.argv[1])
bp.set_num_threads(2)
rng = np.random.default_rng(0)
X = rng.normal(size=(120, 12)).astype(np.float32)
y = rng.integers(0, 3, 120)
net = bp.Network(12, [bp.Linear(40), bp.BatchNorm1d(), bp.Tanh(), bp.Dropout(0.1), bp.Linear(3)])
trainer = bp.Trainer(net, "cross_entropy", bp.SGD(0.01, momentum=0.9, schedule=bp.StepLR(1, 0.5)))
chain = bp.Network(12, [bp.Linear(30), bp.ReLU(), bp.Linear(3)])
weights = {name: array.copy() for name, array in net.state_dict().items()}


def fit() -> None:
    for _ in range(3):
        with contextlib.suppress(ValueError):  # keep() restored the end of an epoch during its batches
            trainer.fit(X, y, epochs=2, batch_size=32, validation_data=(X, y), verbose=0)


def step() -> None:
    for _ in range(20):
        trainer.step(X[:20], y[:20])


def go_through() -> None:
    for _ in range(10):
        net.forward(X[:8], training=True)
        with contextlib.suppress(ValueError):  # another thread's call came between
            net.backward(np.ones((8, 3)))


def look() -> None:
    for _ in range(20):
        _ = (trainer.steps, trainer.epochs, trainer.lr, trainer._core.epoch_sums)
        _ = (trainer._core.weights_are_finite(), net.preprocessing, net.description, net.training_memory(32))
        net.predict(X)
        net.evaluate(X, y, "cross_entropy")


def keep() -> None:
    for _ in range(10):
        snapshot = trainer._core.snapshot()
        trainer._core.restore(snapshot)
        trainer._core.keep_best()
        trainer._core.restore_best()
        trainer.save(folder / "run")
        net.save(folder / "model")
        bp.Trainer.load(folder / "run")
        bp.load(folder / "model")


def write() -> None:
    for n in range(30):
        net.preprocessing = {"classes": ["x" * n] * 20}
        net.load_state_dict(weights)


def others() -> None:
    for _ in range(3):
        chain.fit(X, y, batch_size=1, verbose=0)
        chain.fit(X, y, batch_size=40, verbose=0)
        bp.check_gradients(
            bp.Network(3, [bp.Linear(2)], dtype="float64"), X[:4, :3], y[:4] % 2, "cross_entropy"
        )
        bp.set_num_threads(2 + len(threading.enumerate()) % 2)


def run(job: Callable[[], None]) -> None:
    job()
    done.append(job)


done: list[Callable[[], None]] = []
jobs = [fit, step, go_through, look, look, keep, write, others]
threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(len(done), "of", len(jobs))
