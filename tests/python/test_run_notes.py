"""What a run file keeps beside the weights: every run that is saved can be loaded, and what cannot be kept is refused
before the old file is replaced."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet._bridge import finite_dataset
from bpnet.training import callbacks as bpnet_callbacks
from bpnet.training import loop
from test_bad_input import bits
from test_files import opened, write

X = np.random.default_rng(0).normal(size=(20, 4)).astype(np.float32)
LABELS = np.arange(20) % 3


def trainer(lr: float = 0.1) -> bp.Trainer:
    net = bp.Network(4, [bp.Linear(5), bp.Tanh(), bp.Linear(3)], seed=1)
    return bp.Trainer(net, "cross_entropy", bp.SGD(lr))


def fit(run: bp.Trainer, epochs: int = 1, callbacks: Any = ()) -> None:
    run.fit(X, LABELS, epochs=epochs, callbacks=callbacks, verbose=0)


class Raising(bp.Callback):
    """Its on_train_end comes after EarlyStopping's."""

    last = True

    def on_train_end(self, trainer: bp.Trainer) -> None:
        raise RuntimeError("at the end")


def stopped_early(callbacks: list[bp.Callback], epochs: int) -> bp.Trainer:
    """A run whose best epoch is the first, after so many epochs."""
    run = trainer()
    stopping = bp.EarlyStopping(patience=100, monitor="loss", min_delta=1e9)
    fit(run, epochs, [stopping, *callbacks])
    return run


def test_an_error_at_the_end_leaves_no_later_epochs(tmp_path: Path):
    run = trainer()
    stopping = bp.EarlyStopping(patience=100, monitor="loss", min_delta=1e9)
    with pytest.raises(RuntimeError, match="at the end"):
        fit(run, 5, [stopping, Raising()])
    assert stopping.best_epoch == run.epochs == 1
    assert run.history["epoch"] == [1] and len(run.history["loss"]) == 1
    fit(run, 2)
    run.save(tmp_path / "run")
    assert bp.Trainer.load(tmp_path / "run").history["epoch"] == run.history["epoch"] == [1, 2, 3]


def test_a_run_that_another_program_put_back_has_no_later_epochs(tmp_path: Path):
    """As a C++ program does with restore_best and save, which keeps Python's history as it is."""

    class Saving(bp.Callback):
        def on_epoch_end(self, trainer: bp.Trainer, epoch: int, metrics: Mapping[str, float]) -> None:
            trainer.save(tmp_path / "run")

    stopped_early([Saving()], 5)
    core = bp.Trainer.load(tmp_path / "run")._core
    head, _ = opened(tmp_path / "run")
    notes = head["__metadata__"]["bpnet.notes"]
    assert core.restore_best() and core.state["epoch"] == 1
    core.save(bytes(tmp_path / "put back"), notes)
    run = bp.Trainer.load(tmp_path / "put back")
    assert run.history["epoch"] == [1] and len(run.history["loss"]) == 1
    fit(run, 2)
    run.save(tmp_path / "again")
    assert bp.Trainer.load(tmp_path / "again").history["epoch"] == [1, 2, 3]


def test_a_run_put_back_between_two_fits_has_no_later_epochs():
    run = trainer()
    snapshot = run._core.snapshot()
    fit(run, 3)
    run._core.restore(snapshot)
    fit(run, 2)
    assert run.history["epoch"] == [1, 2]


class Checkpoint(bp.Callback):
    """A user's, of bpnet's name."""

    def __init__(self) -> None:
        self.count = 0
        self.loaded: Any = None

    def on_epoch_end(self, trainer: bp.Trainer, epoch: int, metrics: Mapping[str, float]) -> None:
        self.count += 1

    def state(self) -> dict[str, Any]:
        return {"count": self.count}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.loaded = dict(state)
        self.count = state["count"]


class EarlyStopping(Checkpoint):
    """Another."""


def test_callbacks_of_bpnets_names_are_the_users_own(tmp_path: Path):
    run = trainer()
    own = bp.EarlyStopping("loss", patience=9)
    fit(run, 3, [Checkpoint(), EarlyStopping(), own, bp.Checkpoint(tmp_path / "other")])
    run.save(tmp_path / "run")
    first, second, again = Checkpoint(), EarlyStopping(), bp.EarlyStopping("loss", patience=9)
    fit(bp.Trainer.load(tmp_path / "run"), 0, [bp.Checkpoint(tmp_path / "other"), again, first, second])
    assert first.loaded == second.loaded == {"count": 3}
    assert again.best_epoch == own.best_epoch is not None


def test_a_class_that_has_moved_to_another_module_finds_its_state(tmp_path: Path, monkeypatch: Any):
    run = trainer()
    fit(run, 3, [Checkpoint()])
    run.save(tmp_path / "run")
    monkeypatch.setattr(Checkpoint, "__module__", "another.module")
    moved = Checkpoint()
    fit(bp.Trainer.load(tmp_path / "run"), 0, [moved])
    assert moved.loaded == {"count": 3}


def test_the_states_of_before_modules_were_written_are_read(tmp_path: Path):
    run = trainer()
    fit(run, 3, [bp.EarlyStopping("loss", patience=9)])
    run.save(tmp_path / "run")
    head, data = opened(tmp_path / "run")
    kept = head["__metadata__"]["bpnet.notes"]
    assert '"module": "bpnet", ' in kept
    head["__metadata__"]["bpnet.notes"] = kept.replace('"module": "bpnet", ', "")
    write(tmp_path / "run", head, data)
    again = bp.EarlyStopping("loss", patience=9)
    fit(bp.Trainer.load(tmp_path / "run"), 0, [again])
    assert again.best_epoch is not None


def test_a_run_that_is_loaded_and_saved_keeps_its_callbacks_states(tmp_path: Path):
    run = trainer()
    fit(run, 3, [bp.EarlyStopping("loss", patience=9), Checkpoint()])
    run.save(tmp_path / "run")
    bp.Trainer.load(tmp_path / "run").save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "run").read_bytes()


def test_a_fit_that_is_refused_keeps_the_callbacks_states(tmp_path: Path):
    class Refusing(bp.Callback):
        def state(self) -> dict[str, Any]:
            return {"of": "mine"}

        def load_state(self, state: Mapping[str, Any]) -> None:
            raise ValueError("not this one")

    run = trainer()
    fit(run, 3, [Checkpoint(), Refusing()])
    run.save(tmp_path / "run")
    run = bp.Trainer.load(tmp_path / "run")
    with pytest.raises(ValueError, match="not this one"):
        fit(run, 1, [Checkpoint(), Refusing()])
    run.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "run").read_bytes()
    counting = Checkpoint()
    fit(run, 1, [counting])
    assert counting.loaded == {"count": 3}


UNKEPT: dict[str, tuple[Any, str]] = {
    "a key that is a number": ({1: (2, 3)}, "the key 1"),
    "a tuple": ({"shape": (2, 3)}, r"notes\['shape'\].*tuple"),
    "NaN": ({"best": float("nan")}, r"notes\['best'\].*nan"),
    "an array": ({"mean": np.zeros(3)}, r"notes\['mean'\]"),
    "a set": ({"a": [{"b": {1}}]}, r"notes\['a'\]\[0\]\['b'\].*set"),
}


@pytest.mark.parametrize("what", UNKEPT)
def test_notes_that_a_file_would_change_are_refused(tmp_path: Path, what: str):
    value, said = UNKEPT[what]
    run = trainer()
    run.notes = {"mine": [1, 0.5, "text", None, True]}
    run.save(tmp_path / "run")
    before = (tmp_path / "run").read_bytes()
    with pytest.raises(ValueError, match=f"^trainer: .*{said}"):
        run.notes = value
    assert run.notes == {"mine": [1, 0.5, "text", None, True]}
    run.notes.update(value)
    with pytest.raises(ValueError, match=f"^save: .*{said}"):
        run.save(tmp_path / "run")
    assert (tmp_path / "run").read_bytes() == before
    assert bp.Trainer.load(tmp_path / "run").notes == {"mine": [1, 0.5, "text", None, True]}


@pytest.mark.parametrize("value", [None, [1], "text"], ids=repr)
def test_notes_are_a_dictionary(value: Any):
    run = trainer()
    with pytest.raises(TypeError, match="^trainer: notes is .*, a dictionary is needed"):
        run.notes = value
    assert run.notes == {}


def change(**columns: Any) -> Callable[[bp.Trainer], None]:
    return lambda run: run.history.update(columns)


def add_callback(state: Any) -> Callable[[bp.Trainer], None]:
    class Odd(bp.Callback):
        def state(self) -> dict[str, Any]:
            return state

    return lambda run: fit(run, 1, [Odd()])


UNLOADABLE: dict[str, tuple[Callable[[bp.Trainer], None], str]] = {
    "a column of text": (change(digit=["a", "b"]), "the history's 'digit' holds 'a', numbers are needed"),
    "a column of null": (change(digit=[0.5, None]), "the history's 'digit' holds None"),
    "a column too long": (change(digit=[1.0, 2.0, 3.0]), "the history's 'digit' has 3 numbers for 2 epochs"),
    "a column that is none": (change(digit=5), "the history's 'digit' is 5, a list is needed"),
    "epochs downwards": (change(epoch=[2, 1]), "the history's epoch 1 comes after 2"),
    "no epochs": (lambda run: run.history.pop("epoch") and None, "numbers for 0 epochs"),
    "no history": (lambda run: setattr(run, "history", None), "the history is None"),
    "a state that is a list": (add_callback([1]), "Odd"),
    "a state with an object": (add_callback({"it": object()}), "object"),
    "a state within itself": (add_callback((lambda d: d.update(me=d) or d)({})), "callback"),
}


@pytest.mark.parametrize("what", UNLOADABLE)
def test_what_could_not_be_loaded_is_not_saved(tmp_path: Path, what: str):
    spoil, said = UNLOADABLE[what]
    run = trainer()
    fit(run, 2)
    run.save(tmp_path / "run")
    before = (tmp_path / "run").read_bytes()
    spoil(run)
    with pytest.raises(ValueError, match=f"^save: .*{said}"):
        run.save(tmp_path / "run")
    assert (tmp_path / "run").read_bytes() == before


def test_a_column_of_the_users_own_numbers_is_kept(tmp_path: Path):
    run = trainer()
    fit(run, 2)
    run.history["mine"] = [np.float32(0.5), np.int64(3)]
    run.save(tmp_path / "run")
    assert bp.Trainer.load(tmp_path / "run").history["mine"] == [0.5, 3]


def test_odd_notes_do_not_cost_the_weights(tmp_path: Path):
    run = trainer()
    fit(run, 2)
    run.save(tmp_path / "run")
    head, data = opened(tmp_path / "run")
    head["__metadata__"]["bpnet.notes"] = '{"notes": null}'
    write(tmp_path / "run", head, data)
    with pytest.raises(bp.FileFormatError, match="notes.*; bpnet.load reads the network"):
        bp.Trainer.load(tmp_path / "run")
    assert bits(bp.load(tmp_path / "run")) == bits(run.network)


def test_bpnets_own_callbacks_are_known():
    """Their states are checked when a run is loaded; a new one must say what it can load."""
    own = {
        kind
        for kind in vars(bpnet_callbacks).values()
        if isinstance(kind, type) and issubclass(kind, bp.Callback) and "load_state" in vars(kind)
    }
    assert own - {bp.Callback} == {bp.EarlyStopping, bp.Checkpoint}


def test_the_bar_of_an_epoch_that_is_resumed_in_its_middle_ends_full(monkeypatch: pytest.MonkeyPatch):
    bars: list[Any] = []

    class Kept(loop.Progress):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            bars.append(self.bar)

    monkeypatch.setattr(loop, "Progress", Kept)
    run = trainer()
    data = finite_dataset("test", run.network._core, X, LABELS, run.loss)
    assert not run._core.run(data, 10, True, 0.0), "one batch only"
    run.fit(X, LABELS, epochs=2, batch_size=10, verbose=1)
    assert bars[0]._bar.n == bars[0]._bar.total == 40
