"""Whole trainings on the guarded backend, whose memory is not the host's: the same kernels as the reference's, so
the same bits. test_guarded.py builds it and runs this file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet._bridge import finite_dataset
from ctrl_c import interrupted, opportunities
from test_interrupts import some

ROWS, BATCH = 22, 4  # 6 steps an epoch, of which the guarded backend makes 3 before their sums are read
REFERENCE, GUARDED = "reference", "guarded"


class Way:
    """A network and its training, of data that depend on nothing."""

    def __init__(
        self,
        shape: tuple[int, ...],
        layers: Callable[[], list[bp.layers.Layer]],
        optimizer: Callable[[], bp.optimizers.Optimizer],
        batch_size: int,
        class_weight: list[float] | None = None,
        dtype: str = "float32",
    ) -> None:
        self.shape, self.layers, self.optimizer, self.batch_size = shape, layers, optimizer, batch_size
        self.class_weight, self.dtype = class_weight, dtype
        numbers = np.random.default_rng(1)
        self.x = numbers.normal(size=(ROWS, *shape)).astype(np.float32)
        self.y = numbers.integers(0, 3, ROWS)
        self.weight = None if batch_size == 1 else numbers.integers(1, 4, ROWS).astype(float)

    def trainer(self, backend: str) -> bp.Trainer:
        net = bp.Network(self.shape, self.layers(), seed=5, dtype=self.dtype, backend=backend)
        loss = bp.CrossEntropy(class_weight=self.class_weight)
        return bp.Trainer(net, loss, self.optimizer())

    def fit(self, trainer: bp.Trainer, epochs: int, **options: Any) -> bp.History:
        options = {"batch_size": self.batch_size, "verbose": 0, "sample_weight": self.weight} | options
        return trainer.fit(self.x, self.y, epochs=epochs, **options)

    def run(self, trainer: bp.Trainer, spoilt: int | None = None, seconds: float = 1e30) -> bool:
        """Through the epoch, or with seconds=0 one call of kernels, a row of the data being NaN; whether the
        epoch has ended."""
        x = self.x.copy()
        data = finite_dataset("fit", trainer.network._core, x, self.y, trainer.loss, self.weight)
        if spoilt is not None:
            x[spoilt] = np.nan  # after the data was checked
        return trainer._core.run(data, self.batch_size, False, seconds, 0)


def mlp() -> list[bp.layers.Layer]:
    return [bp.Linear(16), bp.Tanh(), bp.Linear(12), bp.ReLU(), bp.Linear(3)]


def images() -> list[bp.layers.Layer]:
    return [
        bp.Conv2d(6, 3, padding=1),
        bp.BatchNorm2d(),
        bp.ReLU(),
        bp.LocalResponseNorm(3),
        bp.MaxPool2d(2),
        bp.Residual([bp.Conv2d(6, 3, padding=1), bp.BatchNorm2d()]),
        bp.Parallel([bp.AvgPool2d(2), bp.MaxPool2d(2)], merge="concat"),
        bp.Flatten(),
        bp.Dropout(0.3),
        bp.Linear(3),
    ]


WAYS = {
    "mini-batches": Way((7,), mlp, lambda: bp.SGD(0.1, momentum=0.9), BATCH, [1.0, 2.0, 0.5]),
    "Adam, float64": Way(
        (7,), lambda: [*mlp()[:2], bp.Dropout(0.5), *mlp()[2:]], lambda: bp.Adam(0.01), BATCH, dtype="float64"
    ),
    "online": Way((7,), mlp, lambda: bp.SGD(0.05), 1),
    "online, momentum": Way((7,), mlp, lambda: bp.SGD(0.02, momentum=0.9), 1, [1.0, 2.0, 0.5]),
    "images": Way((2, 8, 8), images, lambda: bp.RMSprop(0.001, momentum=0.5), BATCH, [1.0, 2.0, 0.5]),
}
ways = pytest.mark.parametrize("name", WAYS)
batches = pytest.mark.parametrize("name", [name for name, way in WAYS.items() if way.batch_size > 1])


def saved(trainer: bp.Trainer, folder: Path) -> bytes:
    """All that the run is: weights, buffers, optimizer state, step, position, the epoch's sums."""
    trainer.save(folder / "run")
    return (folder / "run").read_bytes()


def bits(net: bp.Network) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in net.state_dict().items()}


def without_seconds(history: bp.History) -> dict[str, list[float]]:
    return {key: values for key, values in history.items() if key != "seconds"}


@ways
def test_a_run_has_the_references_bits(name: str, tmp_path: Path):
    """The sums of losses too: the kernels that add them are the reference's."""
    way = WAYS[name]
    files = []
    for backend in (REFERENCE, GUARDED):
        trainer = way.trainer(backend)
        assert trainer.network.backend == backend
        for epoch in range(3):
            assert way.run(trainer)
            files.append(saved(trainer, tmp_path))
            trainer._core.end_epoch(float(epoch))
    assert files[:3] == files[3:]
    assert len(set(files)) == 3


@ways
def test_a_fit_has_the_references_bits(name: str):
    way = WAYS[name]
    trainers = [way.trainer(backend) for backend in (REFERENCE, GUARDED)]
    histories = [
        way.fit(
            trainer,
            12,
            validation_data=(way.x, way.y[::-1].copy()),
            callbacks=[bp.EarlyStopping(patience=1, monitor="val_loss")],
        )
        for trainer in trainers
    ]
    assert bits(trainers[0].network) == bits(trainers[1].network)
    assert without_seconds(histories[0]) == without_seconds(histories[1])
    loss = trainers[0].loss
    evaluated = [each.network.evaluate(way.x, way.y, loss, sample_weight=way.weight) for each in trainers]
    assert evaluated[0] == evaluated[1]
    assert np.array_equal(*(each.network.predict(way.x) for each in trainers))


@batches
def test_steps_have_the_references_bits(name: str, tmp_path: Path):
    way = WAYS[name]
    trainers = [way.trainer(backend) for backend in (REFERENCE, GUARDED)]
    for first in range(0, ROWS - BATCH, BATCH):
        rows = slice(first, first + BATCH)
        losses = [trainer.step(way.x[rows], way.y[rows], way.weight[rows]) for trainer in trainers]
        assert losses[0] == losses[1]
        gradients = [trainer.network.gradients() for trainer in trainers]
        assert all(np.array_equal(gradients[0][key], gradients[1][key]) for key in gradients[0])
    assert saved(trainers[0], tmp_path) == saved(trainers[1], tmp_path)


@ways
def test_a_resumed_run_has_the_bits_of_a_straight_one(name: str, tmp_path: Path):
    """Saved and loaded in the middle of an epoch, on either backend."""
    way = WAYS[name]
    straight = way.trainer(GUARDED)
    assert way.run(straight)
    wanted = saved(straight, tmp_path)
    trainer = way.trainer(GUARDED)
    calls = 0
    while not way.run(trainer, seconds=0):
        trainer.save(tmp_path / "paused")
        trainer = bp.Trainer.load(tmp_path / "paused", backend=(REFERENCE, GUARDED)[calls % 2])
        calls += 1
    assert calls > 0 or way.batch_size == 1, "a call of the online kernel takes all these samples"
    assert saved(trainer, tmp_path) == wanted


@ways
def test_a_model_is_loaded_as_it_was(name: str, tmp_path: Path):
    way = WAYS[name]
    trainer = way.trainer(GUARDED)
    way.fit(trainer, 1)
    trainer.network.save(tmp_path / "model")
    for backend in (REFERENCE, GUARDED):
        net = bp.load(tmp_path / "model", backend=backend)
        assert bits(net) == bits(trainer.network)
        assert np.array_equal(net.predict(way.x), trainer.network.predict(way.x))


def test_views_follow_the_training_where_the_host_reads_the_memory():
    for backend, follows in ((REFERENCE, True), (GUARDED, False)):
        way = WAYS["images"]
        trainer = way.trainer(backend)
        trainer.step(way.x, way.y)
        state, gradients = trainer.network.state_dict(), trainer.network.gradients()
        before = [{name: a.copy() for name, a in arrays.items()} for arrays in (state, gradients)]
        trainer.step(way.x[::-1].copy(), way.y)
        after = [trainer.network.state_dict(), trainer.network.gradients()]
        for arrays, old, new in zip((state, gradients), before, after):
            assert not np.array_equal(old["0.weight"], new["0.weight"])
            assert all(np.array_equal(arrays[name], (new if follows else old)[name]) for name in arrays)
            assert not any(array.flags.writeable for array in arrays.values())


def test_the_lectures_quantities_are_the_references():
    way = WAYS["online"]
    traces = [
        way.trainer(backend).network.trace(way.x[0], int(way.y[0]), "cross_entropy")
        for backend in (REFERENCE, GUARDED)
    ]
    assert traces[0].e == traces[1].e
    for of_one, of_other in zip(*((t.s[1:] + t.x + t.delta[1:] + t.grad[1:]) for t in traces)):
        assert np.array_equal(of_one, of_other)


def test_gradients_are_checked():
    for name in ("mini-batches", "images"):
        way = WAYS[name]
        layers = [layer for layer in way.layers() if not isinstance(layer, (bp.ReLU, bp.MaxPool2d))]
        errors = []
        for backend in (REFERENCE, GUARDED):
            net = bp.Network(way.shape, layers, seed=5, dtype="float64", backend=backend)
            before = bits(net)
            errors.append(bp.check_gradients(net, way.x[:4], way.y[:4], "cross_entropy"))
            assert {key: bits(net)[key] for key in net.gradients()} == {
                key: before[key] for key in net.gradients()
            }
        assert errors[0] == errors[1]
        assert max(errors[0].values()) < 1e-6


@ways
@pytest.mark.parametrize("row", range(0, ROWS, 3))
def test_a_loss_that_is_not_finite_is_told_with_its_step(name: str, row: int, tmp_path: Path):
    """Wherever it is in the steps whose sums are not yet read: the run is that before the step, and continues."""
    way = WAYS[name]
    step = row // way.batch_size
    kept, straight, tried = way.trainer(REFERENCE), way.trainer(GUARDED), way.trainer(GUARDED)
    with pytest.raises(bp.NumericError, match=rf"the loss is nan at step {step + 1} \(epoch 1\)"):
        way.run(kept, row)
    with pytest.raises(bp.NumericError, match=rf"the loss is nan at step {step + 1} \(epoch 1\)"):
        way.run(tried, row)
    assert tried.steps == step
    assert tried._core.state["position"] == step * way.batch_size
    if way.batch_size > 1:
        for _ in range(step):
            assert not way.run(straight, seconds=0)
        assert saved(tried, tmp_path) == saved(straight, tmp_path)
    assert saved(tried, tmp_path) == saved(kept, tmp_path)
    assert way.run(tried)
    way.run(straight)
    assert saved(tried, tmp_path) == saved(straight, tmp_path)


@batches
def test_interrupted_at_any_opportunity(name: str, tmp_path: Path):
    """A slice of steps that Ctrl-C ends leaves the run after one of them, from where it continues."""
    bp.set_num_threads(1)
    way = WAYS[name]
    walked = way.trainer(GUARDED)
    stages = [saved(walked, tmp_path)]
    while not way.run(walked, seconds=0):
        stages.append(saved(walked, tmp_path))
    wanted = saved(walked, tmp_path)
    assert len(stages) == 6
    counted = way.trainer(GUARDED)
    count = opportunities(lambda: way.run(counted))
    reached = set()
    for at in some(count, 60)[:-1]:
        trainer = way.trainer(GUARDED)
        assert interrupted(lambda trainer=trainer: way.run(trainer), at)
        now = saved(trainer, tmp_path)
        if now != wanted:
            assert now in stages, f"interrupted at {at} of {count}"
            reached.add(trainer.steps)
            assert way.run(trainer)
        assert saved(trainer, tmp_path) == wanted, f"interrupted at {at} of {count}"
    assert reached == set(range(6))
