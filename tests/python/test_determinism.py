"""The same bits for every number of threads and every threading layer, twice in a row, and across a save and a resume at any step."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp
from backend_names import FAST
from bpnet._bridge import finite_dataset
from threading_layers import walk

THREADS = (1, 1, 2, 3, 8)  # 1 twice: two runs alike


@functools.lru_cache
def digits(samples: int = 700, features: int = 300) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.random.default_rng(0)
    return numbers.normal(size=(samples, features)).astype(np.float32), numbers.integers(0, 10, samples)


def bits(net: bp.Network) -> dict[str, bytes]:
    return {name: w.tobytes() for name, w in net.state_dict().items()}


def deep(dtype: str = "float32", backend: str | None = None) -> bp.Network:
    """Large enough that every operation is shared out among threads at a batch of 128."""
    layers = [bp.Linear(400), bp.ReLU(), bp.Dropout(0.3), bp.Linear(150), bp.GELU(), bp.Linear(10)]
    return bp.Network(300, layers, seed=4, dtype=dtype, backend=backend)


def small(dropout: float = 0.2) -> bp.Network:
    return bp.Network(6, [bp.Linear(12), bp.Tanh(), bp.Dropout(dropout), bp.Linear(3)], seed=9)


@functools.lru_cache
def table(samples: int = 50) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.random.default_rng(3)
    x = numbers.normal(size=(samples, 6)).astype(np.float32)
    return x, (x[:, :3] + 0.5 * numbers.normal(size=(samples, 3))).argmax(axis=1)


def run_bits(net: bp.Network, trainer: bp.Trainer) -> tuple:
    """All that later training depends on, and what was measured; `seconds` alone may differ."""
    history = {name: values for name, values in trainer.history.items() if name != "seconds"}
    return bits(net), history, trainer.steps, trainer.epochs, trainer.lr


# Threads.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", FAST)
def test_mini_batches_by_threads(backend: str, dtype: str):
    x, y = digits()
    runs = []
    for _ in walk(THREADS):
        net = deep(dtype, backend)
        weight = np.linspace(0.5, 2, len(x))
        history = net.fit(
            x, y, optimizer=bp.Adam(1e-3), epochs=2, batch_size=128, sample_weight=weight, verbose=0
        )
        result = net.evaluate(x, y, "cross_entropy")
        runs.append((bits(net), history["loss"], history["accuracy"], result, net.predict(x).tobytes()))
    assert all(run == runs[0] for run in runs)


@pytest.mark.parametrize(
    "optimizer", [bp.SGD(0.1, momentum=0.9, nesterov=True), bp.AdamW(), bp.RMSprop()], ids=repr
)
def test_optimizers_by_threads(optimizer: bp.optimizers.Optimizer):
    x, y = digits()
    runs = []
    for _ in walk(THREADS):
        net = deep()
        bp.Trainer(net, "cross_entropy", optimizer).step(x[:128], y[:128])
        runs.append(bits(net))
    assert all(run == runs[0] for run in runs)


@pytest.mark.parametrize("loss", ["cross_entropy", "mse", "huber"])
@pytest.mark.parametrize("backend", FAST)
def test_losses_by_threads(backend: str, loss: str):
    """So many rows that the loss itself is summed in parts."""
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(6000, 6)).astype(np.float32)
    y = np.eye(10, dtype=np.float32)[numbers.integers(0, 10, len(x))]
    runs = []
    for _ in walk(THREADS):
        net = bp.Network(6, [bp.Linear(10)], dtype="float64", backend=backend)  # float32 would round it away
        trainer = bp.Trainer(net, loss, bp.SGD(0.1))
        runs.append([trainer.step(x, y, np.linspace(0, 1, len(x))) for _ in range(3)])
    assert all(run == runs[0] for run in runs)


@pytest.mark.parametrize("widths", [(6, 12, 3), (300, 400, 10)], ids=str)
@pytest.mark.parametrize("backend", FAST)
def test_online_by_threads(backend: str, widths: tuple[int, int, int]):
    x, y = digits(200, widths[0])
    y = y % widths[2]
    runs = []
    for _ in walk(THREADS):
        net = bp.Network(widths[0], [bp.Linear(widths[1]), bp.Tanh(), bp.Linear(widths[2])], backend=backend)
        history = net.fit(x, y, optimizer=bp.SGD(0.01, weight_decay=1e-4), epochs=2, batch_size=1, verbose=0)
        runs.append((bits(net), history["loss"], history["accuracy"]))
    assert all(run == runs[0] for run in runs)


def test_the_lecture_by_threads():
    runs = []
    for _ in walk(THREADS):
        w = bp.backprop(*table(), layers=(6, 8, 1), eta=0.01, steps=2000, seed=2)
        runs.append([layer.tobytes() for layer in w[1:]])
    assert all(run == runs[0] for run in runs)


def test_shuffling_changes_the_order_from_epoch_to_epoch_and_with_the_seed():
    x, y = table()
    ends = {}
    for name, options in {"no": {"shuffle": False}, "yes": {}, "again": {}, "seed": {"seed": 1}}.items():
        net = small(dropout=0.0)
        net.fit(x, y, optimizer=bp.SGD(0.1), batch_size=10, verbose=0, **options)
        ends[name] = bits(net)
    assert ends["yes"] == ends["again"]
    assert ends["no"] != ends["yes"] != ends["seed"] != ends["no"]


@pytest.mark.parametrize("batch_size", [1, 7])
def test_data_of_any_dtype_is_the_same_data(batch_size: int):
    x = np.random.default_rng(0).integers(0, 5, (30, 6))
    ends = []
    for dtype in (np.float32, np.float64, np.uint8, np.int64):
        net = bp.Network(6, [bp.Linear(12), bp.Tanh(), bp.Linear(3)], seed=9)
        net.fit(
            x.astype(dtype), x[:, 0] % 3, optimizer=bp.SGD(0.01), epochs=2, batch_size=batch_size, verbose=0
        )
        ends.append(bits(net))
    assert all(end == ends[0] for end in ends)


# Save and resume.

OPTIMIZERS = {
    "sgd": lambda: bp.SGD(0.1),
    "momentum": lambda: bp.SGD(0.05, momentum=0.9, weight_decay=1e-3, schedule=bp.StepLR(2, 0.5)),
    "warm-up": lambda: bp.SGD(0.1, schedule=bp.LinearWarmup(12, after=bp.CosineAnnealingLR(6))),
    # A threshold that no epoch passes: with patience 1 the rate falls after the third, during the wait.
    "adam": lambda: bp.Adam(0.01, schedule=bp.ReduceLROnPlateau(factor=0.5, patience=0, threshold=0.9)),
    "patient": lambda: bp.Adam(0.01, schedule=bp.ReduceLROnPlateau(factor=0.5, patience=1, threshold=0.9)),
    "adamw": lambda: bp.AdamW(0.01, schedule=bp.ExponentialLR(0.9)),
    "rmsprop": lambda: bp.RMSprop(0.01, momentum=0.5, schedule=bp.MultiStepLR([1, 3])),
}
optimizers = pytest.mark.parametrize("make_optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)


@optimizers
@pytest.mark.parametrize("saved_after", [0, 1, 2, 5, 9])
def test_steps_go_on_exactly(make_optimizer: Callable, saved_after: int, tmp_path: Path):
    """Masks too, which are drawn by the step's number."""
    x, y = table()

    def steps(trainer: bp.Trainer, first: int, last: int) -> list[float]:
        return [trainer.step(x[5 * t : 5 * t + 5], y[5 * t : 5 * t + 5]) for t in range(first, last)]

    whole = bp.Trainer(small(), "cross_entropy", make_optimizer())
    wanted = steps(whole, 0, 10)
    begun = bp.Trainer(small(), "cross_entropy", make_optimizer())
    before = steps(begun, 0, saved_after)
    begun.save(tmp_path / "run")
    resumed = bp.Trainer.load(tmp_path / "run")
    assert before + steps(resumed, saved_after, 10) == wanted
    assert run_bits(resumed.network, resumed) == run_bits(whole.network, whole)


@optimizers
@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_epochs_go_on_exactly(make_optimizer: Callable, batch_size: int, tmp_path: Path):
    """2 + 3 epochs are 5: in one process, and over a file; without dropout, so that 1 runs online."""
    x, y = table()
    options = {"batch_size": batch_size, "validation_data": (x[:20], y[:20]), "verbose": 0}

    def trainer() -> bp.Trainer:
        return bp.Trainer(chain(), "cross_entropy", make_optimizer())

    def chain() -> bp.Network:
        return bp.Network(6, [bp.Linear(12), bp.Tanh(), bp.Linear(3)], seed=9)

    whole = trainer()
    whole.fit(x, y, epochs=5, **options)
    parts = trainer()
    parts.fit(x, y, epochs=2, **options)
    parts.save(tmp_path / "run")
    parts.fit(x, y, epochs=3, **options)
    resumed = bp.Trainer.load(tmp_path / "run")
    resumed.fit(x, y, epochs=3, **options)
    for each in (parts, resumed):
        assert run_bits(each.network, each) == run_bits(whole.network, whole)

    optimizer, net = make_optimizer(), chain()  # the same through net.fit, which keeps its trainer
    for epochs in (2, 3):
        net.fit(x, y, loss="cross_entropy", optimizer=optimizer, epochs=epochs, **options)
    assert bits(net) == bits(whole.network)


@pytest.mark.parametrize("batches", [1, 3, 4])
def test_an_epoch_saved_in_its_middle_is_finished(batches: int, tmp_path: Path):
    """The core stops between two batches when its time is up; here it has none, so after each one."""
    x, y = table()
    whole = bp.Trainer(small(), "cross_entropy", bp.Adam(0.01))
    whole.fit(x, y, epochs=3, batch_size=10, verbose=0)

    begun = bp.Trainer(small(), "cross_entropy", bp.Adam(0.01))
    begun.fit(x, y, epochs=1, batch_size=10, verbose=0)
    data = finite_dataset("test", begun.network._core, x, y, begun.loss)
    for _ in range(batches):
        assert not begun._core.run(data, 10, True, 0.0)
    begun.save(tmp_path / "run")
    resumed = bp.Trainer.load(tmp_path / "run")
    assert (resumed.steps, resumed.epochs) == (5 + batches, 1)
    resumed.fit(x, y, epochs=2, batch_size=10, verbose=0)
    assert run_bits(resumed.network, resumed) == run_bits(whole.network, whole)


@pytest.mark.parametrize(
    "checkpoint_first", [False, True], ids=["stopping, checkpoint", "checkpoint, stopping"]
)
@pytest.mark.parametrize("saved_after", range(1, 9))
def test_early_stopping_goes_on_exactly(saved_after: int, checkpoint_first: bool, tmp_path: Path):
    """Few samples and a large rate, so that the validation loss soon rises; whatever the callbacks' order."""
    x, y = table()
    options = {"batch_size": 5, "validation_data": (x[15:], y[15:]), "verbose": 0}

    def callbacks() -> list:
        both = [bp.EarlyStopping(patience=4, restore_best=True), bp.Checkpoint(tmp_path / "run")]
        return both[::-1] if checkpoint_first else both

    def stopping(both: list) -> bp.EarlyStopping:
        return both[1 if checkpoint_first else 0]

    def trainer() -> bp.Trainer:
        return bp.Trainer(small(), "cross_entropy", bp.Adam(0.05))

    def every(history: bp.History) -> list[float]:
        """Those that were undone too."""
        undone = history.undone or {}
        return history.get("val_loss", []) + undone.get("val_loss", [])

    whole, observers = trainer(), callbacks()
    history = whole.fit(x[:15], y[:15], epochs=40, callbacks=observers, **options)
    best = int(np.argmin(every(history))) + 1
    assert len(history["epoch"]) == best and len(every(history)) == best + 4 < 40, "it stopped early"
    assert whole.epochs == stopping(observers).best_epoch == best
    assert 2 <= best < 8, "both before and after it a run is saved below"

    trainer().fit(x[:15], y[:15], epochs=saved_after, callbacks=callbacks(), **options)
    resumed, observers = bp.Trainer.load(tmp_path / "run"), callbacks()
    assert resumed.epochs == saved_after
    rest = resumed.fit(x[:15], y[:15], epochs=40 - saved_after, callbacks=observers, **options)
    assert every(rest) == every(history)[saved_after:], "it stopped at the same epoch"
    assert stopping(observers).best_epoch == best
    assert run_bits(resumed.network, resumed) == run_bits(whole.network, whole)


def test_early_stopping_that_heard_of_no_epoch_puts_nothing_back():
    """The best epoch of an earlier fit is not its own."""
    x, y = table()
    trainer = bp.Trainer(small(), "cross_entropy", bp.Adam(0.01))
    trainer.fit(x, y, epochs=2, callbacks=[bp.EarlyStopping(monitor="loss")], verbose=0)
    trainer.fit(x, y, epochs=3, verbose=0)
    before = run_bits(trainer.network, trainer)
    trainer.fit(x, y, epochs=0, callbacks=[bp.EarlyStopping(monitor="loss")], verbose=0)
    assert run_bits(trainer.network, trainer) == before


def test_a_network_file_keeps_every_bit(tmp_path: Path):
    x, _ = table()
    for dtype in ("float32", "float64"):
        net = bp.Network(6, [bp.Linear(12), bp.GELU(), bp.Linear(3)], seed=9, dtype=dtype)
        net.save(tmp_path / "net")
        again = bp.load(tmp_path / "net")
        assert bits(again) == bits(net)
        assert again.predict(x).tobytes() == net.predict(x).tobytes()
