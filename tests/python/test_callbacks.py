"""What happens at an epoch's end: functions, early stopping, checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from test_bad_input import bits
from test_python_api import SMALL_X, SMALL_Y, small


def test_functions_as_callbacks():
    seen: list[tuple[int, dict[str, float]]] = []

    def stop_at_three(epoch: int, metrics: dict[str, float]) -> bool:
        seen.append((epoch, dict(metrics)))
        return epoch == 3

    net = small()
    history = net.fit(SMALL_X, SMALL_Y, loss="mse", epochs=9, verbose=0, callbacks=[stop_at_three])
    assert [epoch for epoch, _ in seen] == history["epoch"] == [1, 2, 3]
    assert seen[1][1] == {name: values[1] for name, values in history.items()}


def test_callback_objects_hear_of_everything():
    class Diary(bp.Callback):
        def __init__(self) -> None:
            self.lines: list[str] = []

        def on_train_begin(self, trainer: bp.Trainer) -> None:
            self.lines.append(f"begin {trainer.epochs}")

        def on_epoch_end(self, trainer: bp.Trainer, epoch: int, metrics: Any) -> None:
            self.lines.append(f"epoch {epoch} step {trainer.steps}")

        def on_train_end(self, trainer: bp.Trainer) -> None:
            self.lines.append("end")

    diary, last = Diary(), Diary()
    trainer = bp.Trainer(small(), "mse", "sgd")
    stop = bp.EarlyStopping(patience=0, monitor="loss", min_delta=100)
    trainer.fit(SMALL_X, SMALL_Y, epochs=5, batch_size=10, callbacks=[diary, stop, last], verbose=0)
    assert diary.lines == last.lines == ["begin 0", "epoch 1 step 3", "epoch 2 step 6", "end"]


@pytest.mark.parametrize("restore", [True, False])
def test_early_stopping_keeps_the_best_epoch(restore: bool):
    """The validation data contradict the training data, so that every epoch makes it worse."""
    net, first = small(), small()
    stop = bp.EarlyStopping(patience=2, restore_best=restore)
    options: dict[str, Any] = {"loss": "mse", "verbose": 0, "validation_data": (SMALL_X, -SMALL_Y)}
    history = net.fit(SMALL_X, SMALL_Y, optimizer=bp.SGD(0.5), epochs=50, callbacks=[stop], **options)
    best = int(np.argmin(history["val_loss"])) + 1
    assert stop.best_epoch == best
    assert history["epoch"][-1] == best + 3, "more than two epochs without improvement"
    first.fit(SMALL_X, SMALL_Y, optimizer=bp.SGD(0.5), epochs=best if restore else best + 3, **options)
    assert bits(net) == bits(first)
    assert net._trainer.epochs == (best if restore else best + 3)


def test_checkpoint_writes_a_run(tmp_path: Path):
    net = small()
    path = tmp_path / "run.safetensors"
    net.fit(
        SMALL_X,
        SMALL_Y,
        loss="mse",
        optimizer=bp.Adam(),
        epochs=5,
        verbose=0,
        callbacks=[bp.Checkpoint(path, every=2)],
    )
    trainer = bp.Trainer.load(path)
    assert trainer.epochs == 4 and trainer.history["epoch"] == [1, 2, 3, 4]
    trainer.fit(SMALL_X, SMALL_Y, verbose=0)
    assert bits(trainer.network) == bits(net)


def test_checkpoint_of_the_best_only(tmp_path: Path):
    path = tmp_path / "best"
    best = bp.Checkpoint(path, save_best_only=True)
    history = small().fit(
        SMALL_X,
        SMALL_Y,
        loss="mse",
        optimizer=bp.SGD(0.5),
        epochs=6,
        validation_data=(SMALL_X, -SMALL_Y),
        callbacks=[best],
        verbose=0,
    )
    assert bp.Trainer.load(path).epochs == int(np.argmin(history["val_loss"])) + 1


def test_early_stopping_begins_anew_with_another_trainer():
    """What it remembers of one run says nothing about the next."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 4)), rng.integers(0, 3, 60)
    stopping = bp.EarlyStopping(patience=2, monitor="loss")
    for seed in range(3):
        net = bp.Network(4, [bp.Linear(3)], seed=seed)
        alone = bp.Network(4, [bp.Linear(3)], seed=seed)
        again = net.fit(x, y, optimizer=bp.SGD(0.01), epochs=6, callbacks=[stopping], verbose=0)
        fresh = bp.EarlyStopping(patience=2, monitor="loss")
        first = alone.fit(x, y, optimizer=bp.SGD(0.01), epochs=6, callbacks=[fresh], verbose=0)
        assert again["loss"] == first["loss"]
        assert stopping.best_epoch == fresh.best_epoch
