"""The one loop over epochs, for samples of every kind."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from bpnet import _core
from bpnet.training.callbacks import Callback, wants_batches
from bpnet.training.history import History
from bpnet.training.progress import Progress
from bpnet.training.sources import Source

if TYPE_CHECKING:
    from bpnet.training.trainer import Trainer

#: Measures the network after an epoch: more of the epoch's metrics, such as ``{"val_loss": …}``.
Measure = Callable[[], Mapping[str, float]]


class Loop:
    """Trains until ``last`` epochs are finished, those before this run too.

    Args:
        measures: called after each epoch's last update.
        callbacks: called in this order.
        restores: on an error or Ctrl-C put the run back to the last epoch's end, of which a copy is kept in memory;
            otherwise it stays where it was stopped.
    """

    def __init__(
        self,
        trainer: Trainer,
        source: Source,
        last: int,
        measures: Sequence[Measure],
        callbacks: Sequence[Callback],
        verbose: int,
        restores: bool = True,
    ) -> None:
        self._trainer = trainer
        self._core = trainer._core
        self._source = source
        self._last = last
        self._measures = measures
        self._callbacks = callbacks
        self._of_batches = [callback for callback in callbacks if wants_batches(callback)]
        self._restores = restores
        left = max(last - trainer.epochs, 0)
        self.progress = Progress(
            verbose,
            last,
            source.samples * left if source.samples else None,
            source.unit,
            source.position if left else 0,
        )

    def run(self) -> History:
        """Train; the metrics of the epochs that were run."""
        trainer, core = self._trainer, self._core
        # Only now: a fit that was refused leaves the run before it alone.
        trainer.network._trainer = trainer
        trainer.history.truncate(trainer.epochs)  # C++, or a user of the core, may have put the run back
        trainer.history.best_epoch = trainer.history.undone = None
        history = History()
        snapshot = core.snapshot() if self._restores else None
        try:
            stopped = any([callback.on_train_begin(trainer) for callback in self._callbacks])
            while trainer.epochs < self._last and not stopped:
                metrics = self._run_epoch(trainer.epochs + 1)
                snapshot = core.snapshot() if self._restores else None
                history.add(metrics)
                self.progress.end_epoch(trainer.epochs, metrics)
                stopped = self._call_after_epoch(metrics)
        except BaseException:
            if snapshot is not None:
                core.restore(snapshot)
            trainer.history.truncate(trainer.epochs)
            raise
        finally:
            self.progress.close()
        try:
            for callback in self._callbacks:
                callback.on_train_end(trainer)
        finally:  # one of them may have put the run back, before another raised
            for each in (trainer.history, history):
                each.best_epoch = trainer.history.best_epoch
                each.undone = each.truncate(trainer.epochs) or None
        return history

    def _call_after_epoch(self, metrics: Mapping[str, float]) -> bool:
        """Whether a callback stops the training; every callback is called."""
        epoch = self._trainer.epochs
        answers = [callback.on_epoch_end(self._trainer, epoch, metrics) for callback in self._callbacks]
        return any(answers)

    def _run_epoch(self, epoch: int) -> dict[str, float]:
        """Train through what is left of the epoch, measure, and end it."""
        core, progress = self._core, self.progress
        start = time.perf_counter()
        progress.begin_epoch(epoch)
        for callback in self._callbacks:
            callback.on_epoch_begin(self._trainer, epoch)
        with closing(self._source.train(epoch)) as steps:
            for samples, batch in steps:
                loss_sum, weight_sum = core.epoch_sums
                progress.show(f"loss {loss_sum / weight_sum if weight_sum else 0.0:.4f}")
                progress.advance(samples)
                for callback in self._of_batches:
                    callback.on_batch_end(self._trainer, batch, self._so_far())
        metrics: dict[str, float] = {"epoch": epoch, **self._so_far()}
        if not core.weights_are_finite():
            raise _core.NumericError(
                f"training: the weights are not finite after step {self._trainer.steps} (epoch {epoch}); "
                "lower the learning rate or check the data's scale"
            )
        for measure in self._measures:
            metrics |= measure()
        metrics["lr"] = core.lr
        metrics["seconds"] = time.perf_counter() - start
        self._trainer.history.add(metrics)  # first: an interrupt between the two is put right by truncate
        core.end_epoch(metrics.get("val_loss", metrics["loss"]))
        return metrics

    def _so_far(self) -> dict[str, float]:
        """Loss and accuracy over the epoch's batches, each before its update."""
        loss, accuracy = self._core.epoch_result(self._source.counted())
        return {"loss": loss, "accuracy": accuracy} if self._core.has_accuracy else {"loss": loss}
