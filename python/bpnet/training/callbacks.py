"""What happens during a training: at its ends, at those of its epochs, after its batches."""

from __future__ import annotations

import math
import os
import weakref
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from bpnet import checks
from bpnet.arguments import by_position

if TYPE_CHECKING:
    from bpnet.training.trainer import Trainer


class Callback:
    """Base of the callbacks: override what is wanted.

    Attributes:
        last: called after those that are not, so that what it saves is what the others know.
    """

    last = False

    def on_train_begin(self, trainer: Trainer) -> bool | None:
        """Before the first epoch of a fit; True: there is none."""

    def on_epoch_begin(self, trainer: Trainer, epoch: int) -> None:
        """Before epoch number ``epoch``, counted from 1 over all fits, or what is left of it."""

    def on_batch_end(self, trainer: Trainer, batch: int, metrics: Mapping[str, float]) -> None:
        """After the update by batch number ``batch`` of the epoch, counted from 1.

        ``metrics`` holds the epoch's ``loss`` so far, and its ``accuracy`` where the loss has one. A callback that
        overrides this makes the trainer return to Python after each batch of arrays, to the same bits, which takes
        longer. It cannot be called for arrays at batch_size 1, where one kernel makes many updates.
        """

    def on_epoch_end(self, trainer: Trainer, epoch: int, metrics: Mapping[str, float]) -> bool | None:
        """After epoch number ``epoch``, counted from 1 over all fits; True stops the training."""

    def on_train_end(self, trainer: Trainer) -> None:
        """After the last epoch, when no error ended the training."""

    def state(self) -> dict[str, Any]:
        """What a run file must keep so that a resumed run continues exactly."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up what state() gave."""


def wants_batches(callback: Callback) -> bool:
    """Whether the callback overrides on_batch_end."""
    return type(callback).on_batch_end is not Callback.on_batch_end


def watched(metrics: Mapping[str, float], monitor: str) -> float:
    """The monitored metric; an error that lists the metrics there are."""
    if monitor not in metrics:
        hint = "; give validation_data" if monitor.startswith("val_") else ""
        raise ValueError(f"callback: there is no metric {monitor!r}, there are {', '.join(metrics)}{hint}")
    return metrics[monitor]


# The last word of a metric's name says which way it improves.
_GROWING = ("accuracy", "r2")
_FALLING = ("loss", "mae", "mse", "rmse")


def _grows(operation: str, monitor: str, mode: str) -> bool:
    """Whether the metric improves by growing."""
    if mode not in ("auto", "min", "max"):
        raise ValueError(f"{operation}: mode is {mode!r}, 'auto', 'min' or 'max' is needed")
    if mode != "auto":
        return mode == "max"
    word = monitor.split("_")[-1]
    if word in _GROWING or word in _FALLING:
        return word in _GROWING
    raise ValueError(
        f"{operation}: whether a better {monitor!r} is larger or smaller is not known; give mode='max' or mode='min'"
    )


class _Watching(Callback):
    """A callback that remembers the best value of a metric: of one run, so another trainer makes it begin anew.

    ``best`` is that value, negated where larger is better, so that less is better; infinite before there is one.
    """

    operation = ""  # what its errors begin with

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0) -> None:
        if not isinstance(monitor, str):
            raise TypeError(
                f"{self.operation}: monitor is {monitor!r}, a metric's name is needed, such as 'val_loss'; "
                "give the other options by name"
            )
        self.monitor = monitor
        self._sign = -1.0 if _grows(self.operation, monitor, mode) else 1.0
        self._min_delta = min_delta
        self._owner: weakref.ref[Trainer] | None = None
        self._loaded = False
        self._reset()

    def _reset(self) -> None:
        self._best = math.inf

    def _improved(self, metrics: Mapping[str, float]) -> bool:
        """Whether the metric is better than ever before; NaN never is, nor is the first value if it is infinite."""
        value = self._sign * watched(metrics, self.monitor)
        if not value < self._best - self._min_delta:
            return False
        self._best = value
        return True

    def on_train_begin(self, trainer: Trainer) -> bool | None:
        if not self._loaded and (self._owner is None or self._owner() is not trainer):
            self._reset()
        self._loaded = False
        self._owner = weakref.ref(trainer)
        return None

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_owner": None}  # a copy belongs to no run yet


class EarlyStopping(_Watching):
    """Stop when a metric has not improved for ``patience`` epochs.

    As Keras's: with a patience of 3 the third epoch in a row that is no better than the best is the last. NaN is no
    improvement, and the first epoch never stops the training.

    Args:
        monitor: the name of a metric in the history, such as ``"val_loss"``, ``"loss"`` or ``"val_accuracy"``.
        patience: epochs in a row without improvement that stop the training; 0 is 1.
        min_delta: the least change that counts as an improvement.
        restore_best: put the run back to the end of its best epoch when the training ends. The history then ends
            with that epoch, and has the others as ``history.undone``.
        mode: ``"min"`` or ``"max"``, what is better; ``"auto"`` knows it of losses, errors, accuracies and r2.

    Attributes:
        best_epoch: the number of the best epoch, or None before there is one.
    """

    operation = "early stopping"

    @by_position("such as EarlyStopping(patience=5)")
    def __init__(
        self,
        monitor: str = "val_loss",
        *,
        patience: int = 5,
        min_delta: float = 0.0,
        restore_best: bool = True,
        mode: str = "auto",
    ) -> None:
        self.patience = checks.whole("early stopping", "patience", patience, least=0)
        self.restore_best = checks.flag("early stopping", "restore_best", restore_best)
        least = checks.number("early stopping", "min_delta", min_delta)
        if not 0 <= least < math.inf:
            raise ValueError(f"early stopping: min_delta is {min_delta}, a number of at least 0 is needed")
        super().__init__(monitor, mode, least)

    def _reset(self) -> None:
        super()._reset()
        self._waited = 0
        self.best_epoch: int | None = None

    def on_epoch_end(self, trainer: Trainer, epoch: int, metrics: Mapping[str, float]) -> bool | None:
        """Keep an epoch that improved; True once the patience is at its end."""
        if self._improved(metrics):
            self._waited = 0
            self.best_epoch = epoch
            if self.restore_best:
                trainer._core.keep_best()
                trainer._best_kept_by = self
            return None
        self._waited += 1
        return self._is_over()

    def _is_over(self) -> bool:
        is_first = self.best_epoch is None and self._waited == 1
        return self._waited >= max(self.patience, 1) and not is_first

    def on_train_begin(self, trainer: Trainer) -> bool | None:
        """Take up what a run file kept, or begin anew with another trainer, or where another callback has kept its
        best epoch since; True if the patience was at its end."""
        if self._loaded:
            trainer._best_kept_by = self
        elif self.restore_best and trainer._best_kept_by is not self:
            self._owner = None
        super().on_train_begin(trainer)
        return self._is_over()

    def on_train_end(self, trainer: Trainer) -> None:
        """Put the run back to its best epoch, with ``restore_best``, and say what was done."""
        said = []
        if self._is_over():
            epochs = f"{self._waited} epoch" + "s" * (self._waited > 1)
            said.append(f"stopped: {self.monitor} has not improved for {epochs}")
        if self.restore_best and self.best_epoch is not None:
            if self.best_epoch < trainer.epochs:
                said.append(f"back to epoch {self.best_epoch}")
            trainer._core.restore_best()
        if self.restore_best or trainer.history.best_epoch is None:
            trainer.history.best_epoch = self.best_epoch
        self._waited = 0
        if said:
            trainer.say("; ".join(said))

    def state(self) -> dict[str, Any]:
        """The best value, its epoch, and the epochs waited since."""
        return {"best": self._best, "waited": self._waited, "best_epoch": self.best_epoch}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on waiting from what state() gave; a ValueError for anything else."""
        best, waited, best_epoch = state["best"], state["waited"], state["best_epoch"]
        if not (_is_number(best) and type(waited) is int and waited >= 0):
            raise ValueError(f"early stopping: the state {dict(state)} is not one that state() gives")
        if best_epoch is not None and (type(best_epoch) is not int or best_epoch < 1):
            raise ValueError(f"early stopping: the best epoch is {best_epoch!r}, a number from 1 is needed")
        self._loaded = True
        self._best = float(best)
        self._waited = waited
        self.best_epoch = best_epoch


class Checkpoint(_Watching):
    """Save the run to ``path`` after each epoch, so that Trainer.load continues from there.

    Args:
        path: the run file; it is replaced whole, never left half written.
        every: save after each epoch whose number this divides.
        save_best_only: save only when ``monitor`` improved; NaN is no improvement.
        monitor, mode: which metric, and what of it is better, as in :class:`EarlyStopping`.
    """

    last = True
    operation = "checkpoint"

    @by_position("such as Checkpoint('run.safetensors', save_best_only=True)")
    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        every: int = 1,
        save_best_only: bool = False,
        monitor: str = "val_loss",
        mode: str = "auto",
    ) -> None:
        checks.path("checkpoint", path)
        self.path = os.fspath(path)
        self.every = checks.whole("checkpoint", "every", every)
        self.save_best_only = checks.flag("checkpoint", "save_best_only", save_best_only)
        super().__init__(monitor, mode)

    def on_epoch_end(self, trainer: Trainer, epoch: int, metrics: Mapping[str, float]) -> bool | None:
        """Save the run if the epoch's number or its metric asks for it; never stops the training."""
        if epoch % self.every == 0 and (not self.save_best_only or self._improved(metrics)):
            trainer.save(self.path)
        return None

    def state(self) -> dict[str, Any]:
        """The best value so far."""
        return {"best": self._best}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Take up the best value that state() gave; a ValueError for anything else."""
        if not _is_number(state["best"]):
            raise ValueError(f"checkpoint: the best value is {state['best']!r}, a number is needed")
        self._loaded = True
        self._best = float(state["best"])


def check_callbacks(callbacks: Sequence[Callback], validated: bool) -> None:
    """Raise a ValueError for callbacks that cannot do their work together, or not without a validation."""
    restoring = [each for each in callbacks if isinstance(each, EarlyStopping) and each.restore_best]
    if len(restoring) > 1:
        raise ValueError(
            "fit: two EarlyStopping restore their best epoch, and a run keeps one; give restore_best=False to the others"
        )
    for each in callbacks:
        idle = isinstance(each, Checkpoint) and not each.save_best_only
        if isinstance(each, _Watching) and not idle and each.monitor.startswith("val_") and not validated:
            raise ValueError(
                f"fit: there is no metric {each.monitor!r} without validation; give validation_data"
            )


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _module_of(callback: Callback) -> str:
    module = type(callback).__module__
    return "bpnet" if module == __name__ else module


def kept_state(callback: Callback) -> dict[str, Any]:
    """What a run file keeps of a callback: its class, the class's module and its state."""
    return {"type": type(callback).__name__, "module": _module_of(callback), "state": callback.state()}


def take_state(states: list[dict[str, Any]], callback: Callback) -> Mapping[str, Any] | None:
    """Remove and return the first state that a callback of this class left, or None. A class of the user's may
    have moved to another module since."""
    name, module = type(callback).__name__, _module_of(callback)
    named = [kept for kept in states if kept["type"] == name]
    same = [kept for kept in named if kept.get("module", module) == module]
    moved = [kept for kept in named if "bpnet" not in (module, kept.get("module"))]
    for kept in same + moved:
        states.remove(kept)
        return kept["state"]
    return None


def check_state(kept: Mapping[str, Any]) -> None:
    """Raise a ValueError, TypeError or KeyError unless a callback of this class can load the state: before the
    training, not after it. Of a class that is not bpnet's only the form is known. Where no module was written
    the class is bpnet's if it has such a name."""
    kind, module, state = kept["type"], kept.get("module", "bpnet"), kept["state"]
    if not (isinstance(kind, str) and isinstance(module, str) and isinstance(state, dict)):
        raise TypeError(f"the state of callback {kind!r} is {state!r}, a dictionary is needed")
    if module != "bpnet":
        return
    if kind == "EarlyStopping":
        EarlyStopping().load_state(state)
    elif kind == "Checkpoint":
        Checkpoint("").load_state(state)


class FunctionCallback(Callback):
    """A plain function of (epoch, metrics) as a callback; returning True stops the training."""

    def __init__(self, function: Any) -> None:
        self.function = function

    def on_epoch_end(self, trainer: Trainer, epoch: int, metrics: Mapping[str, float]) -> bool | None:
        """Call the function."""
        return self.function(epoch, metrics)


def as_callback(callback: Any) -> Callback:
    """The callback itself, or a function as one."""
    if isinstance(callback, Callback):
        return callback
    if callable(callback) and not isinstance(callback, type):
        return FunctionCallback(callback)
    raise TypeError(f"fit: callback {callback!r} is neither a bpnet callback nor a function")
