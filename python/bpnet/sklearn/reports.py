"""What a training reports while it runs: lines, a progress bar, calls of callbacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bpnet.progress_bar import Bar
from bpnet.training.callbacks import as_callback, wants_batches
from bpnet.training.trainer import Trainer


def printed(verbose: Any) -> Any:
    """The parameter ``verbose`` as to lines: those of scikit-learn, and none beside a bar."""
    return False if isinstance(verbose, str) else verbose


class Reports:
    """The callbacks and the progress bar of one training.

    Args:
        unit: what the bar counts, such as ``" epochs"``.
        bar: whether there is one where ``verbose`` asks for it.
    """

    def __init__(self, estimator: Any, trainer: Trainer, unit: str, bar: bool = True) -> None:
        self._trainer = trainer
        self._callbacks = sorted(map(as_callback, estimator.callbacks), key=lambda callback: callback.last)
        self._of_batches = [callback for callback in self._callbacks if wants_batches(callback)]
        shown = bar and estimator.verbose == "bar"
        self._bar = Bar(estimator.max_iter, unit) if shown else None

    def begin(self) -> bool:
        """Before the first epoch; whether a callback ends the training there."""
        return any([callback.on_train_begin(self._trainer) for callback in self._callbacks])

    def begin_epoch(self, epoch: int) -> None:
        """Before an epoch, counted from 1."""
        for callback in self._callbacks:
            callback.on_epoch_begin(self._trainer, epoch)

    @property
    def after_batch(self) -> Callable[[int, float], None] | None:
        """Called with a batch's number, counted from 1, and the epoch's loss so far; None where no callback asks."""
        return self._end_batch if self._of_batches else None

    def _end_batch(self, batch: int, loss: float) -> None:
        for callback in self._of_batches:
            callback.on_batch_end(self._trainer, batch, {"loss": loss})

    def end_epoch(self, epoch: int, metrics: dict[str, float]) -> bool:
        """After an epoch; whether a callback ends the training there. Every callback is called."""
        if self._bar is not None:
            self._bar.note(f"loss {metrics['loss']:.4f}")
            self._bar.update(1)
        return any([callback.on_epoch_end(self._trainer, epoch, metrics) for callback in self._callbacks])

    def close(self) -> None:
        """Leave the bar as it is."""
        if self._bar is not None:
            self._bar.close()

    def end(self) -> None:
        """After the last epoch, when no error ended the training."""
        for callback in self._callbacks:
            callback.on_train_end(self._trainer)
