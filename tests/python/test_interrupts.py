"""Ctrl-C at every point where the core can be interrupted: the call is undone to the last byte, and begins anew
to the same bits. The points are counted (ctrl_c.py), so nothing here depends on how fast the machine is."""

from __future__ import annotations

import itertools
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from backend_names import FAST, GPU
from bpnet import _core
from bpnet._bridge import TRAINERS, finite_dataset
from bpnet.training import sources
from bpnet.training.progress import Progress
from ctrl_c import interrupted, opportunities, press
from test_bad_input import bits
from threading_layers import LAYERS, use

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX signals")

RNG = np.random.default_rng(0)


class Case:
    """A network, and data enough that its layers cut their work into several chunks."""

    def __init__(
        self, layers: Callable[[], list[bp.layers.Layer]], shape: tuple[int, ...], rows: int
    ) -> None:
        self.layers = layers
        self.x = RNG.normal(size=(rows, *shape)).astype(np.float32)
        self.y = np.arange(rows) % 3

    def trainer(self) -> bp.Trainer:
        net = bp.Network(self.x.shape[1:], self.layers(), seed=1)
        return bp.Trainer(net, "cross_entropy", bp.SGD(0.01, 0.9))

    def fit(self, trainer: bp.Trainer, epochs: int, **options: Any) -> None:
        options = {
            "batch_size": len(self.x) // 2,
            "verbose": 0,
            "validation_data": (self.x, self.y),
        } | options
        trainer.fit(self.x, self.y, epochs=epochs, **options)


CASES = {
    "images": Case(
        lambda: [
            bp.BatchNorm2d(),
            bp.Conv2d(16, 3, padding=1),
            bp.ReLU(),
            bp.LocalResponseNorm(3),
            bp.MaxPool2d(2),
            bp.Residual([bp.Conv2d(16, 3, padding=1), bp.BatchNorm2d()]),
            bp.AvgPool2d(2),
            bp.Dropout(0.3),
            bp.Flatten(),
            bp.Linear(64),
            bp.BatchNorm1d(),
            bp.GELU(),
            bp.Linear(3),
        ],
        (6, 16, 16),
        8,
    ),
    "wide": Case(
        lambda: [bp.Linear(300), bp.Tanh(), bp.Dropout(0.5), bp.Linear(300), bp.ReLU(), bp.Linear(3)],
        (200,),
        64,
    ),
    "a narrow chain": Case(lambda: [bp.Linear(32), bp.Tanh(), bp.Linear(3)], (8,), 1000),
    "running averages alone": Case(lambda: [bp.BatchNorm1d(), bp.Linear(3)], (500,), 200),
}
cases = pytest.mark.parametrize("name", CASES)
threads = pytest.mark.parametrize("layer, threads", [(LAYERS[0], 1), *((layer, 3) for layer in LAYERS)])


def shared(layer: str, threads: int) -> bool:
    """Several threads take chunks, and the opportunities are those of the caller's chunks alone."""
    return threads > 1 and layer != "serial"


def saved(trainer: bp.Trainer, folder: Path) -> bytes:
    """All that the run is, as its file has it."""
    trainer.save(folder / "run")
    return (folder / "run").read_bytes()


def opportunities_alone(call: Callable[[], Any]) -> int:
    """On one thread, where they are always the same; with several threads, which take chunks from each other, no
    more."""
    before = bp.num_threads()
    bp.set_num_threads(1)
    try:
        return opportunities(call)
    finally:
        bp.set_num_threads(before)


@cases
@threads
def test_a_step_is_whole_or_has_not_been(name: str, layer: str, threads: int, tmp_path: Path):
    case = CASES[name]
    trainer = case.trainer()
    trainer.step(case.x, case.y)  # takes the memory
    before = saved(trainer, tmp_path)
    (tmp_path / "before").write_bytes(before)
    count = opportunities_alone(lambda: trainer.step(case.x, case.y))
    after = saved(trainer, tmp_path)
    assert after != before
    use(layer)
    bp.set_num_threads(threads)
    trainer = bp.Trainer.load(tmp_path / "before")
    for at in range(1, count + 2):
        if interrupted(lambda trainer=trainer: trainer.step(case.x, case.y), at):
            assert saved(trainer, tmp_path) == before, f"interrupted at {at} of {count}"
        else:
            assert shared(layer, threads) or at > count, f"not interrupted at {at} of {count}"
            assert saved(trainer, tmp_path) == after, f"not interrupted at {at} of {count}"
            trainer = bp.Trainer.load(tmp_path / "before")
    trainer.step(case.x, case.y)
    assert saved(trainer, tmp_path) == after


@cases
@threads
def test_evaluation_leaves_no_trace(name: str, layer: str, threads: int, tmp_path: Path):
    case = CASES[name]
    trainer = case.trainer()
    net = trainer.network
    calls: dict[str, Callable[[], Any]] = {
        "forward": lambda: net.forward(case.x),
        "predict": lambda: net.predict(case.x),
        "evaluate": lambda: net.evaluate(case.x, case.y, "cross_entropy"),
    }
    before = saved(trainer, tmp_path)
    for what, call in calls.items():
        wanted = call()
        count = opportunities_alone(call)
        assert count >= 1
        use(layer)
        bp.set_num_threads(threads)
        for at in range(1, count + 2):
            assert interrupted(call, at) == (at <= count) or shared(layer, threads), (
                f"{what} at {at} of {count}"
            )
            assert saved(trainer, tmp_path) == before
        np.testing.assert_array_equal(call(), wanted)


@cases
def test_forward_and_backward_of_a_loop_are_undone(name: str, tmp_path: Path):
    """BatchNorm's running statistics are written in forward: who is interrupted in backward has them back too."""
    bp.set_num_threads(1)
    case = CASES[name]
    trainer = case.trainer()
    net = trainer.network
    before = saved(trainer, tmp_path)

    def forward() -> np.ndarray:
        return net.forward(case.x, training=True)

    def backward() -> None:
        net.backward(np.ones((len(case.x), 3)))

    forward()  # takes the memory
    for at in range(1, opportunities(forward) + 1):
        net.load_state_dict(case.trainer().network.state_dict())
        assert interrupted(forward, at)
        assert saved(trainer, tmp_path) == before
        with pytest.raises(ValueError, match="backward: there is no forward"):
            backward()
    forward()
    for at in range(1, opportunities(backward) + 1):
        net.load_state_dict(case.trainer().network.state_dict())
        forward()
        assert interrupted(backward, at)
        assert saved(trainer, tmp_path) == before
        with pytest.raises(ValueError, match="backward: there is no forward"):
            backward()


def some(count: int, most: int = 120) -> list[int]:
    """1 … count + 1, or where there are many, the first and last and a selection between."""
    if count < most:
        return list(range(1, count + 2))
    between = np.random.default_rng(count).choice(np.arange(2, count + 1), most - 2, replace=False)
    return sorted({1, count, count + 1, *between.tolist()})


@cases
@threads
def test_a_fit_goes_back_to_an_epochs_end(name: str, layer: str, threads: int):
    """And continues from there to the bits of a run that was not interrupted."""
    case = CASES[name]
    straight = [case.trainer() for _ in range(3)]
    for epochs, trainer in enumerate(straight):
        case.fit(trainer, epochs)
    ends = [bits(trainer.network) for trainer in straight]
    assert len(set(ends)) == 3
    counted = case.trainer()
    count = opportunities_alone(lambda: case.fit(counted, 2))
    use(layer)
    bp.set_num_threads(threads)
    for at in some(count):
        trainer = case.trainer()
        stopped = interrupted(lambda trainer=trainer: case.fit(trainer, 2), at)
        assert stopped == (at <= count) or shared(layer, threads), f"at {at} of {count}"
        assert bits(trainer.network) == ends[trainer.epochs], f"at {at} of {count}"
        assert trainer.history.get("epoch", []) == [1, 2][: trainer.epochs]
        assert stopped == (trainer.epochs < 2)
        case.fit(trainer, 2 - trainer.epochs)
        assert bits(trainer.network) == ends[2], f"at {at} of {count}"
        assert trainer.history["loss"] == straight[2].history["loss"]


WAYS: dict[str, dict[str, Any]] = {
    "batches": {"batch_size": 100},
    "single samples": {"batch_size": 1},
    "with a bar": {"batch_size": 100, "verbose": 1},
}


@pytest.mark.parametrize("way", WAYS)
def test_between_two_calls_of_the_core(way: str, monkeypatch: pytest.MonkeyPatch):
    """A signal that comes while Python moves the progress bar, after each slice of the work in turn."""
    case = CASES["a narrow chain"]
    monkeypatch.setattr(sources, "SLICE_SECONDS", 0.0)
    left = [0]
    advance = Progress.advance

    def pressed(self: Any, samples: int) -> None:
        advance(self, samples)
        left[0] -= 1
        if left[0] == 0:
            press()

    monkeypatch.setattr(Progress, "advance", pressed)
    straight = case.trainer()
    case.fit(straight, 2, **WAYS[way])
    slices = -left[0]
    assert slices >= 2 and slices % 2 == 0
    for at in range(1, slices + 1):
        trainer = case.trainer()
        left[0] = at
        with pytest.raises(KeyboardInterrupt):
            case.fit(trainer, 2, **WAYS[way])
        assert trainer.epochs == (at > slices // 2)
        case.fit(trainer, 2 - trainer.epochs, **WAYS[way])
        assert bits(trainer.network) == bits(straight.network)


def test_checked_gradients_put_every_weight_back():
    """Each is moved while the loss is measured."""
    bp.set_num_threads(1)
    layers = [bp.Conv2d(2, 3), bp.Tanh(), bp.Flatten(), bp.BatchNorm1d(), bp.Linear(2)]
    net = bp.Network((1, 4, 4), layers, seed=1, dtype="float64")
    x, y = RNG.normal(size=(5, 1, 4, 4)), np.arange(5) % 2
    data = finite_dataset("test", net._core, x, y, bp.CrossEntropy())
    description = json.dumps(bp.CrossEntropy().describe())

    def check() -> dict[str, float]:
        return _core.check_gradients(net._core, description, data)

    def weights() -> dict[str, bytes]:
        """Without the running averages, which move with every forward."""
        return {
            name: w.tobytes() for name, w in net.state_dict().items() if name.endswith(("weight", "bias"))
        }

    before = weights()
    wanted = check()
    assert weights() == before
    count = opportunities(check)
    assert count > 2 * net.parameter_count
    for at in range(1, count + 1):
        assert interrupted(check, at)
        assert weights() == before, f"at {at} of {count}"
    assert check() == wanted


def test_a_load_and_a_save_are_given_up(tmp_path: Path):
    """The file is the old one, or already the new one; nothing half written stays beside it."""
    bp.set_num_threads(1)
    trainer = CASES["wide"].trainer()
    before = saved(trainer, tmp_path)
    changed = CASES["wide"].trainer()
    changed.step(CASES["wide"].x, CASES["wide"].y)
    (tmp_path / "folder").mkdir()
    path = tmp_path / "folder" / "run"
    changed.save(path)
    after = path.read_bytes()
    found = []
    for at in range(1, opportunities(lambda: changed.save(path)) + 1):
        path.write_bytes(before)
        assert interrupted(lambda: changed.save(path), at)
        assert os.listdir(path.parent) == ["run"]
        found.append(path.read_bytes())
    assert set(found[:-1]) == {before} and found[-1] == after
    for load in (bp.load, bp.Trainer.load):
        count = opportunities(lambda load=load: load(tmp_path / "run"))
        assert count >= 1
        for at in range(1, count + 1):
            assert interrupted(lambda load=load: load(tmp_path / "run"), at)
    assert (tmp_path / "run").read_bytes() == before
    assert saved(bp.Trainer.load(tmp_path / "run"), tmp_path) == before


def test_a_run_that_is_given_up_leaves_the_network_it_was_for(tmp_path: Path):
    bp.set_num_threads(1)
    case = CASES["wide"]
    run, net = case.trainer(), case.trainer().network
    run.step(case.x, case.y)
    run.save(tmp_path / "run")
    before = bits(net)
    path = os.fsencode(tmp_path / "run")
    count = opportunities(lambda: _core.TrainerF32.load(case.trainer().network._core, path))
    assert count > 1
    for at in range(1, count + 1):
        if interrupted(lambda: _core.TrainerF32.load(net._core, path), at):
            assert bits(net) == before, f"at {at} of {count}"
    assert before != bits(run.network)


@cases
def test_a_handler_of_the_users_runs_after_the_call(name: str):
    """It may use the network, which is locked during the call; the call itself is not interrupted."""
    case = CASES[name]
    net = case.trainer().network
    wanted = net.forward(case.x)
    found: list[np.ndarray] = []
    seen: list[tuple[int, ...]] = []
    before = signal.signal(signal.SIGINT, lambda *_: seen.append(net.forward(case.x[:2]).shape))
    try:
        for at in (1, 2, opportunities_alone(lambda: net.forward(case.x))):
            _core.count_opportunities(at)
            found.append(net.forward(case.x))
    finally:
        reached = _core.stop_counting_opportunities()
        signal.signal(signal.SIGINT, before)
    assert reached > 0
    assert seen and set(seen) == {(2, 3)}
    assert all(np.array_equal(each, wanted) for each in found)


# How much work there is at most between two opportunities, in multiply-adds, or elements where a layer has none.

MOST_WORK = 2**21


def window(rows: int, channels: int, side: int, per_element: int) -> int:
    return rows * channels * side * side * per_element


@pytest.mark.parametrize("backend", [name for name in FAST if name not in GPU])
@pytest.mark.parametrize(
    "layer, shape, rows, work",
    [
        (bp.Linear(1000), (1000,), 100, 100 * 1000 * 1000),
        (bp.Linear(10), (20_000,), 200, 200 * 20_000 * 10),
        (bp.Linear(4000), (4,), 1000, 1000 * 4 * 4000),
        (bp.Conv2d(64, 3, padding=1), (32, 32, 32), 2, window(2, 64, 32, 32 * 9)),
        (bp.Conv2d(96, 11, stride=4), (3, 227, 227), 2, window(2, 96, 55, 3 * 121)),
        (bp.Conv2d(64, 3, padding=1, groups=2), (64, 32, 32), 2, window(2, 64, 32, 32 * 9)),
        (bp.MaxPool2d(3, stride=1), (64, 64, 64), 2, window(2, 64, 62, 9)),
        (bp.AvgPool2d(3, stride=1), (64, 64, 64), 2, window(2, 64, 62, 9)),
        (bp.AdaptiveAvgPool2d(1), (64, 64, 64), 2, window(2, 64, 64, 1)),
        (bp.LocalResponseNorm(5), (64, 64, 64), 2, window(2, 64, 64, 5)),
        (bp.LocalResponseNorm(5, within_map=True), (64, 64, 64), 2, window(2, 64, 64, 25)),
        (bp.BatchNorm2d(), (64, 64, 64), 2, window(2, 64, 64, 2)),
        (bp.BatchNorm1d(), (4000,), 500, 2 * 4000 * 500),
        (bp.Softmax(), (4000,), 500, 4000 * 500),
        (bp.Tanh(), (4000,), 500, 4000 * 500),
        (bp.Dropout(0.5), (4000,), 500, 4000 * 500),
        (bp.Residual([bp.ReLU()]), (4000,), 500, 2 * 4000 * 500),
    ],
    ids=repr,
)
def test_opportunities_come_often(
    layer: bp.layers.Layer, shape: tuple[int, ...], rows: int, work: int, backend: str
):
    """The reference, made of plain loops, and a GPU can be interrupted between layers only."""
    bp.set_num_threads(1)
    net = bp.Network(shape, [layer], seed=1, backend=backend)
    x = np.ones((rows, *shape), np.float32)
    y = net.forward(x, training=True)
    between = {
        "forward": work / opportunities(lambda: net.forward(x, training=True)),
        "backward": 2 * work / opportunities(lambda: net.backward(y)),
    }
    assert max(between.values()) <= MOST_WORK, between


@pytest.mark.parametrize("optimizer", [bp.SGD(0.01), bp.Adam(1e-3)], ids=["SGD", "Adam"])
@pytest.mark.parametrize("widths", [(3, 4, 2), (64, 256, 10), (784, 512, 512, 10)], ids=str)
def test_slices_of_single_samples_are_short(widths: tuple[int, ...], optimizer: bp.optimizers.Optimizer):
    """The online kernel asks nobody; it is entered for a bounded number of multiply-adds at a time."""
    layers = [layer for width in widths[1:] for layer in (bp.Linear(width), bp.Tanh())][:-1]
    net = bp.Network(widths[0], layers, seed=1)
    trainer = bp.Trainer(net, "half_squared_error", optimizer)
    rows = 70_000 if widths[0] < 100 else 1000
    x, y = np.zeros((rows, widths[0]), np.float32), np.zeros((rows, widths[-1]), np.float32)
    data = finite_dataset("test", net._core, x, y, trainer.loss)
    weights = sum(array.size for array in net.state_dict().values())
    most = max(64, 2**25 // weights)
    for _ in range(2):
        before = trainer.steps
        trainer._core.run(data, 1, True, 0.0)
        assert 0 < trainer.steps - before <= most
        trainer._core.begin_epoch()
        before = trainer.steps
        trainer._core.run_draws(data, 10**12, 0.0)
        assert 0 < trainer.steps - before <= most


def test_python_asks_the_core_for_short_slices(monkeypatch: pytest.MonkeyPatch):
    """A tenth of a second of work, after which Python handles the signals that the core did not."""
    asked: list[float] = []

    class Watched:
        def __init__(self, core: Any) -> None:
            self.core = core

        def __getattr__(self, name: str) -> Any:
            return getattr(self.core, name)

        def run(self, data: Any, batch_size: int, shuffle: bool, seconds: float, block: int) -> bool:
            asked.append(seconds)
            return self.core.run(data, batch_size, shuffle, seconds, block)

        def run_draws(self, data: Any, steps: int, seconds: float) -> None:
            asked.append(seconds)
            self.core.run_draws(data, steps, seconds)

    for dtype, kind in list(TRAINERS.items()):
        monkeypatch.setitem(TRAINERS, dtype, lambda *a, kind=kind: Watched(kind(*a)))
    case = CASES["a narrow chain"]
    for batch_size in (1, 100):
        case.fit(case.trainer(), 1, batch_size=batch_size)
    bp.backprop([[0.0], [1.0]], [0.0, 1.0], layers=(1, 1), steps=10)
    assert len(asked) >= 3 and set(asked) == {0.1}


def test_batches_of_an_iterator(tmp_path: Path):
    """A signal while the user's code makes the next batch, before each batch in turn."""
    case = CASES["wide"]
    batches = [(case.x[i : i + 16], case.y[i : i + 16]) for i in range(0, 64, 16)]

    class Source:
        """An iterable whose batch number ``at`` over all epochs comes with a signal."""

        def __init__(self, at: int) -> None:
            self.numbers = itertools.count(1)
            self.at = at

        def __iter__(self) -> Any:
            for batch in batches:
                if next(self.numbers) == self.at:
                    press()
                yield batch

    straight = case.trainer()
    straight.fit(batches, epochs=2, verbose=0)
    for at in range(1, 9):
        trainer = case.trainer()
        with pytest.raises(KeyboardInterrupt):
            trainer.fit(Source(at), epochs=2, verbose=0)
        assert trainer.epochs == (at - 1) // 4
        trainer.fit(batches, epochs=2 - trainer.epochs, verbose=0)
        assert bits(trainer.network) == bits(straight.network)
