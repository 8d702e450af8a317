"""One history: a number per metric and epoch, whatever was measured when."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

import bpnet as bp

X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
LABELS = np.arange(20) % 3
OPTIONS: dict[str, Any] = {"epochs": 2, "verbose": 0}


def network() -> bp.Network:
    return bp.Network(4, [bp.Linear(5), bp.Tanh(), bp.Linear(3)], seed=1)


def numbers(column: list[float]) -> list[float | None]:
    return [None if math.isnan(value) else value for value in column]


def test_columns_that_begin_later_and_end_earlier_stay_aligned(tmp_path: Path):
    net = network()
    first = net.fit(X, LABELS, **OPTIONS)
    second = net.fit(X, LABELS, validation_data=(X, LABELS), metrics=["top2_accuracy"], **OPTIONS)
    third = net.fit(X, LABELS, **OPTIONS)
    assert "val_loss" not in first and "val_loss" not in third, "of a call only what it measured"
    assert net.trainer is not None
    net.trainer.save(tmp_path / "run")
    for history in (net.trainer.history, bp.Trainer.load(tmp_path / "run").history):
        assert {len(column) for column in history.values()} == {6}
        assert history["loss"] == first["loss"] + second["loss"] + third["loss"]
        for name in ("val_loss", "top2_accuracy"):
            assert numbers(history[name]) == [None, None, *second[name], None, None]


def test_truncating_cuts_every_column_at_the_same_epoch():
    history = bp.History()
    for epoch in range(1, 7):
        late = {"val_loss": 10.0 * epoch} if epoch >= 3 else {}
        history.add({"epoch": epoch, "loss": float(epoch), **late})
    removed = history.truncate(4)
    assert history["epoch"] == [1, 2, 3, 4] and numbers(history["val_loss"]) == [None, None, 30, 40]
    assert removed == {"epoch": [5, 6], "loss": [5, 6], "val_loss": [50, 60]}
    assert history.truncate(4) == {} and len(history["epoch"]) == 4
    history.truncate(0)
    assert history == {"epoch": [], "loss": [], "val_loss": []}


def test_an_epoch_that_is_run_again_replaces_what_was_undone(tmp_path: Path):
    """Somebody restores the core while fit trains: the epochs after that are numbered as the core counts them."""
    net = network()
    net.fit(X, LABELS, **OPTIONS)
    trainer = net.trainer
    assert trainer is not None
    snapshot = trainer._core.snapshot()

    class Back(bp.Callback):
        def on_epoch_end(self, trainer: bp.Trainer, epoch: int, metrics: Mapping[str, float]) -> None:
            if epoch == 4 and "again" not in trainer.notes:
                trainer.notes["again"] = True
                trainer._core.restore(snapshot)

    history = trainer.fit(X, LABELS, epochs=3, callbacks=[Back()], verbose=0)
    assert history["epoch"] == [3, 4, 5] and trainer.history["epoch"] == [1, 2, 3, 4, 5]
    trainer.save(tmp_path / "run")
    assert bp.Trainer.load(tmp_path / "run").history == trainer.history


def test_a_run_put_back_has_its_late_columns_of_the_right_epochs():
    """Validation began with the third epoch, and the run is restored to the fourth."""
    net = network()
    net.fit(X, LABELS, **OPTIONS)
    stop = bp.EarlyStopping("val_loss", patience=1, min_delta=1e9)
    history = net.fit(X, LABELS, epochs=5, validation_data=(X, LABELS), callbacks=[stop], verbose=0)
    assert net.trainer is not None and history["epoch"] == [3] and history.best_epoch == 3
    whole = net.trainer.history
    assert whole["epoch"] == [1, 2, 3] and numbers(whole["val_loss"]) == [None, None, *history["val_loss"]]
    assert whole.undone is not None and whole.undone["epoch"] == [4]


def test_a_history_is_pickled_with_what_was_undone():
    net = network()
    stop = bp.EarlyStopping("loss", patience=2, min_delta=1e9)
    history = net.fit(X, LABELS, epochs=9, callbacks=[stop], verbose=0)
    again = pickle.loads(pickle.dumps(history))
    assert again == history and again.best_epoch == 1 and again.undone == history.undone
    assert again.undone["epoch"] == [2, 3]
