"""What happens at an epoch's end: functions, early stopping, checkpoints."""

from __future__ import annotations

import copy
import pickle
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


class Diary(bp.Callback):
    """Records its calls."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def on_train_begin(self, trainer: bp.Trainer) -> None:
        self.lines.append(f"begin {trainer.epochs}")

    def on_epoch_begin(self, trainer: bp.Trainer, epoch: int) -> None:
        self.lines.append(f"epoch {epoch} begins at step {trainer.steps}")

    def on_epoch_end(self, trainer: bp.Trainer, epoch: int, metrics: Any) -> None:
        self.lines.append(f"epoch {epoch} ends at step {trainer.steps}")

    def on_train_end(self, trainer: bp.Trainer) -> None:
        self.lines.append("end")


def test_callback_objects_are_told_of_everything():
    diary, last = Diary(), Diary()
    trainer = bp.Trainer(small(), "mse", "sgd")
    stop = bp.EarlyStopping("loss", patience=0, min_delta=100)
    trainer.fit(SMALL_X, SMALL_Y, epochs=5, batch_size=10, callbacks=[diary, stop, last], verbose=0)
    epochs = [
        f"epoch {e} {what} at step {s}"
        for e in (1, 2)
        for what, s in (("begins", 3 * e - 3), ("ends", 3 * e))
    ]
    assert diary.lines == last.lines == ["begin 0", *epochs, "end"]


class Batches(bp.Callback):
    """Writes down the batches."""

    def __init__(self) -> None:
        self.seen: list[tuple[int, int, float]] = []

    def on_batch_end(self, trainer: bp.Trainer, batch: int, metrics: Any) -> None:
        self.seen.append((batch, trainer.steps, metrics["loss"]))


@pytest.mark.parametrize("way", ["arrays", "batches"])
def test_on_batch_end_is_called_after_every_update(way: str):
    """To the same bits as without it; the loss is the epoch's so far."""
    observed, straight = small(), small()
    batches = Batches()
    options: dict[str, Any] = {"loss": "mse", "optimizer": bp.Adam(), "epochs": 2, "verbose": 0}
    data: tuple[Any, ...] = (SMALL_X, SMALL_Y)
    if way == "arrays":
        options["batch_size"] = 7
    else:
        data = ([(SMALL_X[i : i + 7], SMALL_Y[i : i + 7]) for i in range(0, 30, 7)],)
    history = observed.fit(*data, callbacks=[batches], **options)
    assert straight.fit(*data, **options)["loss"] == history["loss"]
    assert bits(observed) == bits(straight)
    assert [seen[:2] for seen in batches.seen] == [(b, 5 * e + b) for e in range(2) for b in range(1, 6)]
    assert [batches.seen[4][2], batches.seen[9][2]] == history["loss"]
    assert len({loss for *_, loss in batches.seen}) == 10


def test_on_batch_end_has_the_accuracy_so_far():
    seen: list[Any] = []

    class Accuracy(bp.Callback):
        def on_batch_end(self, trainer: bp.Trainer, batch: int, metrics: Any) -> None:
            seen.append(dict(metrics))

    history = small().fit(
        SMALL_X, np.arange(30) % 2, batch_size=8, callbacks=[Accuracy()], verbose=0, optimizer=bp.SGD(0.5)
    )
    assert seen[-1] == {"loss": history["loss"][0], "accuracy": history["accuracy"][0]}
    assert all((each["accuracy"] * n).is_integer() for each, n in zip(seen, (8, 16, 24, 30)))


def test_an_epoch_that_is_resumed_in_its_middle_goes_on_with_its_batches(tmp_path: Path):
    class Stop(Batches):
        def on_batch_end(self, trainer: bp.Trainer, batch: int, metrics: Any) -> None:
            trainer.save(tmp_path / f"{batch}")
            super().on_batch_end(trainer, batch, metrics)

    whole = Stop()
    net = small()
    net.fit(SMALL_X, SMALL_Y, loss="mse", batch_size=7, callbacks=[whole], verbose=0)
    resumed = Batches()
    trainer = bp.Trainer.load(tmp_path / "2")
    trainer.fit(SMALL_X, SMALL_Y, batch_size=7, callbacks=[resumed], verbose=0)
    assert resumed.seen == whole.seen[2:] and bits(trainer.network) == bits(net)


def test_on_batch_end_at_batch_size_1_is_refused():
    with pytest.raises(
        ValueError, match="^fit: on_batch_end .* batch_size of at least 2, or use on_epoch_end"
    ):
        small().fit(SMALL_X, SMALL_Y, loss="mse", batch_size=1, callbacks=[Batches()], verbose=0)


@pytest.mark.parametrize("raises", ["on_epoch_begin", "on_batch_end"])
def test_what_a_callback_raises_puts_the_run_back(raises: str):
    class Raising(bp.Callback):
        pass

    def fail(self: Any, trainer: bp.Trainer, *arguments: Any) -> None:
        if trainer.steps in (5, 6):
            raise RuntimeError("no more")

    setattr(Raising, raises, fail)
    net, straight = small(), small()
    with pytest.raises(RuntimeError, match="no more"):
        net.fit(SMALL_X, SMALL_Y, loss="mse", epochs=9, batch_size=10, callbacks=[Raising()], verbose=0)
    epochs = 2 if raises == "on_epoch_begin" else 1
    straight.fit(SMALL_X, SMALL_Y, loss="mse", epochs=epochs, batch_size=10, verbose=0)
    assert net.trainer is not None and net.trainer.epochs == epochs
    assert bits(net) == bits(straight)


WORSE: dict[str, Any] = {"loss": "mse", "validation_data": (SMALL_X, -SMALL_Y)}


@pytest.mark.parametrize("restore", [True, False])
@pytest.mark.parametrize("patience", [0, 1, 2, 3])
def test_early_stopping_is_kerass(patience: int, restore: bool):
    """The validation data contradict the training data, so that every epoch makes it worse: the first is the best,
    and the patience's number of epochs follow."""
    net, first = small(), small()
    stop = bp.EarlyStopping(patience=patience, restore_best=restore)
    history = net.fit(
        SMALL_X, SMALL_Y, optimizer=bp.SGD(0.5), epochs=50, callbacks=[stop], verbose=0, **WORSE
    )
    ran = 1 + max(patience, 1)
    whole = first.fit(SMALL_X, SMALL_Y, optimizer=bp.SGD(0.5), epochs=ran, verbose=0, **WORSE)
    assert int(np.argmin(whole["val_loss"])) == 0
    assert net.trainer is not None
    for each in (history, net.trainer.history):
        assert each["epoch"] == list(range(1, 2 if restore else ran + 1))
        assert each["val_loss"] == whole["val_loss"][: len(each["epoch"])]
        assert each.best_epoch == stop.best_epoch == 1
        undone = each.undone
        assert (undone is None) == (not restore)
        if undone is not None:
            assert undone["epoch"] == list(range(2, ran + 1)) and undone["val_loss"] == whole["val_loss"][1:]
    if restore:
        first = small()
        first.fit(SMALL_X, SMALL_Y, optimizer=bp.SGD(0.5), epochs=1, verbose=0, **WORSE)
    assert bits(net) == bits(first)
    assert net.trainer.epochs == history["epoch"][-1]
    assert net.evaluate(*WORSE["validation_data"])["loss"] == history["val_loss"][-1]


def scripted(stop: bp.Callback, values: list[float], monitor: str = "val_loss") -> list[bool]:
    """What the callback answers, epoch after epoch, up to its first True."""
    trainer = bp.Trainer(small(), "mse", "sgd")
    stop.on_train_begin(trainer)
    answers: list[bool] = []
    for epoch, value in enumerate(values, 1):
        answers.append(bool(stop.on_epoch_end(trainer, epoch, {"loss": 0.0, monitor: value})))
        if answers[-1]:
            break
    return answers


NAN, INF = float("nan"), float("inf")
# values, patience, after how many epochs it stops (None: it does not), the best epoch: by Keras's rules.
SCRIPTS: dict[str, tuple[list[float], int, int | None, int | None]] = {
    "one worse": ([1, 2], 1, 2, 1),
    "as good is no better": ([1, 1], 1, 2, 1),
    "better in between": ([3, 4, 2, 3, 3, 1, 5, 5, 5], 3, 9, 6),
    "patience 0 is 1": ([2, 1, 3], 0, 3, 2),
    "never worse": ([5, 4, 3, 2, 1], 1, None, 5),
    "NaN is no improvement": ([2, NAN, NAN, 1], 2, 3, 1),
    "NaN first": ([NAN, 2, 3, 3], 2, 4, 2),
    "NaN first does not stop": ([NAN, NAN], 1, 2, None),
    "NaN always": ([NAN] * 5, 3, 3, None),
    "infinite first": ([INF, INF, 1, 2], 3, None, 3),
    "infinitely good": ([1, -INF, 0], 1, 3, 2),
}


@pytest.mark.parametrize("what", SCRIPTS)
def test_patience(what: str):
    values, patience, stops, best = SCRIPTS[what]
    stop = bp.EarlyStopping(patience=patience)
    answers = scripted(stop, values)
    assert answers == [False] * (len(values) if stops is None else stops - 1) + [True] * (stops is not None)
    assert stop.best_epoch == best


@pytest.mark.parametrize(
    "monitor, mode, best",
    [
        ("val_accuracy", "auto", 2),
        ("val_top5_accuracy", "auto", 2),
        ("r2", "auto", 2),
        ("val_rmse", "auto", 3),
        ("val_loss", "max", 2),
        ("mine", "max", 2),
        ("mine", "min", 3),
    ],
)
def test_which_way_a_metric_improves(monitor: str, mode: str, best: int):
    stop = bp.EarlyStopping(monitor, patience=9, mode=mode)
    scripted(stop, [0.5, 0.9, 0.1], monitor)
    assert stop.best_epoch == best


@pytest.mark.parametrize("make", [bp.EarlyStopping, lambda *a, **k: bp.Checkpoint("run", monitor=a[0], **k)])
def test_a_metric_of_which_that_is_not_known(make: Any):
    with pytest.raises(
        ValueError, match="whether a better 'mine' is larger or smaller .* mode='max' or mode='min'"
    ):
        make("mine")
    with pytest.raises(ValueError, match="mode is 'largest', 'auto', 'min' or 'max' is needed"):
        make("val_loss", mode="largest")


LINES: dict[str, tuple[dict[str, Any], int, str | None]] = {
    "stopped and back": (
        {"patience": 3},
        9,
        "stopped: val_loss has not improved for 3 epochs; back to epoch 1",
    ),
    "stopped": ({"patience": 1, "restore_best": False}, 9, "stopped: val_loss has not improved for 1 epoch"),
    "back at the end": ({"patience": 9}, 3, "back to epoch 1"),
    "neither": ({"patience": 9}, 1, None),
}


@pytest.mark.parametrize("what", LINES)
@pytest.mark.parametrize("verbose", [0, 1, 2])
def test_early_stopping_says_so(what: str, verbose: int, capsys: pytest.CaptureFixture[str]):
    options, epochs, said = LINES[what]
    stop = bp.EarlyStopping(**options)
    small().fit(
        SMALL_X, SMALL_Y, optimizer=bp.SGD(0.5), epochs=epochs, callbacks=[stop], verbose=verbose, **WORSE
    )
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith("epoch")]
    assert lines == ([said] if said and verbose else [])


def test_a_run_that_was_put_back_goes_on_from_there():
    """The epochs that were undone are counted anew, in a history without a gap."""
    net = small()
    options: dict[str, Any] = {"optimizer": bp.SGD(0.5), "verbose": 0, **WORSE}
    net.fit(SMALL_X, SMALL_Y, epochs=9, callbacks=[bp.EarlyStopping(patience=2)], **options)
    assert net.fit(SMALL_X, SMALL_Y, epochs=2, **options)["epoch"] == [2, 3]
    assert net.trainer is not None
    history = net.trainer.history
    assert history["epoch"] == [1, 2, 3] and history.undone is None and history.best_epoch is None


def test_a_callbacks_line_stands_among_the_epochs(capsys: pytest.CaptureFixture[str]):
    class Saying(bp.Callback):
        def on_epoch_begin(self, trainer: bp.Trainer, epoch: int) -> None:
            trainer.say(f"now {epoch}")

    saying = Saying()
    net = small()
    net.fit(SMALL_X, SMALL_Y, loss="mse", epochs=2, callbacks=[saying], verbose=2)
    assert [line[:7] for line in capsys.readouterr().out.splitlines()] == [
        "now 1",
        "epoch 1",
        "now 2",
        "epoch 2",
    ]
    net.fit(SMALL_X, SMALL_Y, loss="mse", epochs=2, callbacks=[saying], verbose=0)
    assert net.trainer is not None
    net.trainer.say("nothing, outside a fit")
    assert capsys.readouterr().out == ""


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


@pytest.mark.parametrize("values, saved", [([NAN, 2, 3], [2]), ([2, NAN, 1], [1, 3]), ([NAN] * 3, [])])
def test_a_checkpoint_of_the_best_only_takes_no_nan(tmp_path: Path, values: list[float], saved: list[int]):
    path = tmp_path / "best"
    best = bp.Checkpoint(path, save_best_only=True)
    written = []
    trainer = bp.Trainer(small(), "mse", "sgd")
    best.on_train_begin(trainer)
    for epoch, value in enumerate(values, 1):
        path.unlink(missing_ok=True)
        best.on_epoch_end(trainer, epoch, {"val_loss": value})
        written += [epoch] if path.exists() else []
    assert written == saved


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


def validated(stopping: list[bp.Callback], epochs: int = 8, net: bp.Network | None = None) -> bp.Network:
    """Trained so fast that the losses go up and down."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(80, 4)), rng.integers(0, 3, 80)
    net = net or bp.Network(4, [bp.Linear(8), bp.Tanh(), bp.Linear(3)], seed=2)
    fast = bp.SGD(1.5, momentum=0.9)
    net.fit(
        x[:40],
        y[:40],
        optimizer=fast,
        epochs=epochs,
        validation_data=(x[40:], y[40:]),
        callbacks=stopping,
        verbose=0,
    )
    return net


def test_one_callback_alone_can_restore_its_best_epoch():
    one, two = bp.EarlyStopping("val_loss", patience=99), bp.EarlyStopping("val_accuracy", patience=99)
    with pytest.raises(
        ValueError, match="^fit: two EarlyStopping restore .*; give restore_best=False to the others"
    ):
        validated([one, two])
    watching = bp.EarlyStopping("loss", patience=99, restore_best=False)
    net = validated([one, watching])
    assert one.best_epoch != watching.best_epoch
    assert net.trainer is not None and net.trainer.epochs == net.trainer.history.best_epoch == one.best_epoch


def test_early_stopping_begins_anew_where_another_has_kept_its_best_epoch():
    first, second = bp.EarlyStopping("val_loss", patience=99), bp.EarlyStopping("loss", patience=99)
    net = validated([first])
    validated([second], net=net)
    first._best = -1.0  # none is better
    kept = validated([first], net=net)
    assert kept.trainer is not None
    assert kept.trainer.history.best_epoch == first.best_epoch == kept.trainer.epochs


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda each: pickle.loads(pickle.dumps(each))])
def test_a_used_callback_is_copied_and_pickled(copied: Any):
    stopping = bp.EarlyStopping(patience=99)
    validated([stopping])
    again = copied(stopping)
    assert again.best_epoch == stopping.best_epoch and again.patience == 99


def test_a_callback_that_watches_the_validation_is_refused_without_it_before_the_training(tmp_path: Path):
    best = bp.Checkpoint(tmp_path / "run", save_best_only=True)
    for callback in (bp.EarlyStopping(), best):
        diary = Diary()
        with pytest.raises(ValueError, match="there is no metric 'val_loss'.*; give validation_data"):
            small().fit(SMALL_X, SMALL_Y, loss="mse", callbacks=[diary, callback], verbose=0)
        assert not any("epoch" in line for line in diary.lines)
    small().fit(SMALL_X, SMALL_Y, loss="mse", callbacks=[bp.Checkpoint(tmp_path / "run")], verbose=0)


WRONG_OPTIONS: dict[str, tuple[Any, str]] = {
    "min_delta": (
        lambda: bp.EarlyStopping(min_delta=-0.1),
        "early stopping: min_delta is -0.1, a number of at least",
    ),
    "NaN": (
        lambda: bp.EarlyStopping(min_delta=float("nan")),
        "early stopping: min_delta is nan, a number of at least",
    ),
    "restore_best": (
        lambda: bp.EarlyStopping(restore_best="no"),
        "early stopping: restore_best is 'no', True or F",
    ),
    "save_best_only": (
        lambda: bp.Checkpoint("a", save_best_only=1),
        "checkpoint: save_best_only is 1, True or Fal",
    ),
    "verbose": (
        lambda: small().fit(SMALL_X, SMALL_Y, loss="mse", verbose="x"),
        "fit: verbose is 'x', 0, 1 or 2 is needed",
    ),
    "shuffle": (
        lambda: small().fit(SMALL_X, SMALL_Y, loss="mse", shuffle="no"),
        "fit: shuffle is 'no', True or",
    ),
    "restart": (
        lambda: small().fit(SMALL_X, SMALL_Y, loss="mse", restart="no"),
        "fit: restart is 'no', True or",
    ),
    "path": (lambda: bp.Checkpoint(3), "checkpoint: the path is 3, a string or a path is needed"),
    "load": (lambda: bp.load(None), "load: the path is None, a string or a path is needed"),
}


@pytest.mark.parametrize("what", WRONG_OPTIONS)
def test_options_are_checked(what: str):
    make, said = WRONG_OPTIONS[what]
    with pytest.raises((TypeError, ValueError)) as caught:
        make()
    assert str(caught.value).startswith(said)
