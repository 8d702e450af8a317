"""The loop over epochs of mini-batches: order, losses, stopping and messages as scikit-learn's."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from bpnet.losses import CustomLoss
from bpnet.sklearn.losses import TrainingLoss
from bpnet.sklearn.networks import Weights
from bpnet.sklearn.optimizers import BaseSolver, OwnSolver, solver_of
from bpnet.sklearn.reports import Reports, printed
from bpnet.sklearn.rows import TrainingRows


class Epochs:
    """Epochs on some rows, with an estimator's solver and penalty."""

    def __init__(
        self, estimator: Any, weights: Weights, solver: BaseSolver, rows: TrainingRows, loss: TrainingLoss
    ) -> None:
        self._weights, self._solver, self._rows, self._loss = weights, solver, rows, loss
        self._alpha = 0.0 if isinstance(solver, OwnSolver) else float(estimator.alpha)
        self.trainer = solver.trainer_of(weights.network, loss)
        self._custom = isinstance(loss.loss, CustomLoss)

    def run(
        self, order: np.ndarray, batch_size: int, after_batch: Callable[[int, float], None] | None = None
    ) -> float:
        """One epoch, in this order; the mean over samples of their batches' losses, each before its update.

        Args:
            after_batch: called with the batch's number, counted from 1, and that mean so far.
        """
        total, count = 0.0, self._rows.count
        for batch, first in enumerate(range(0, count, batch_size), start=1):
            samples = min(batch_size, count - first)
            total += self._step(order, first, samples) * samples
            if after_batch is not None:
                after_batch(batch, total / (first + samples))
        return total / count

    def _step(self, order: np.ndarray, first: int, samples: int) -> float:
        penalty, decay = 0.0, 0.0
        if self._alpha:
            weight = self._rows.weight_of(order, first, samples)
            decay = self._alpha / weight if weight > 0 else 0.0
            penalty = 0.5 * decay * self._weights.squared_norm()
        self._solver.before_step(decay)
        loss = self._rows.step(self.trainer._core, order, first, samples)
        if self._custom and not np.isfinite(loss):  # of which the core makes no update
            self._weights.fill(np.nan)
        return loss * self._loss.scale + penalty


def batch_size_of(estimator: Any, samples: int) -> int:
    """The parameter ``batch_size``, of at most so many samples."""
    if isinstance(estimator.batch_size, str):
        return min(200, samples)
    if estimator.batch_size > samples:
        warnings.warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped", stacklevel=2
        )
    return int(np.clip(estimator.batch_size, 1, samples))


def shuffled(order: np.ndarray, random: np.random.RandomState) -> np.ndarray:
    """The order in a new one, drawn as ``sklearn.utils.shuffle`` draws it."""
    drawn = np.arange(len(order))
    random.shuffle(drawn)
    return order[drawn]


def _split(estimator: Any, X: Any, y: np.ndarray, sample_weight: np.ndarray | None) -> list[Any]:
    """X, y and weights of the training and of the validation rows."""
    stratify = y if is_classifier(estimator) and estimator.n_outputs_ == 1 else None
    arrays = [X, y] if sample_weight is None else [X, y, sample_weight]
    parts = train_test_split(
        *arrays,
        random_state=estimator._random_state,
        test_size=estimator.validation_fraction,
        stratify=stratify,
    )
    if parts[1].shape[0] < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
        )
    return parts if sample_weight is not None else [*parts, None, None]


def fit_stochastic(
    estimator: Any,
    weights: Weights,
    X: Any,
    y: np.ndarray,
    sample_weight: np.ndarray | None,
    loss: TrainingLoss,
    incremental: bool,
) -> None:
    """Train for epochs, or for the one of partial_fit; sets what scikit-learn's fit sets."""
    e = estimator
    if not incremental or not hasattr(e, "_optimizer"):
        e._optimizer = solver_of(e)
    if e.early_stopping and incremental:
        raise ValueError("partial_fit does not support early_stopping=True")
    validation = None
    if e.early_stopping:
        X, X_val, y, y_val, sample_weight, weight_val = _split(e, X, y, sample_weight)
        held_out = TrainingRows(X_val, y_val, weight_val, loss, weights.network.dtype, e._standardisation)
        validation = Validation(X_val, y_val, weight_val, held_out)
    rows = TrainingRows(X, y, sample_weight, loss, weights.network.dtype, e._standardisation)
    batch_size = batch_size_of(e, rows.count)
    epochs = Epochs(e, weights, e._optimizer, rows, loss)
    reports = Reports(e, epochs.trainer, " epochs", bar=not incremental)
    run = _Run(e, reports, validation)
    try:
        e.n_iter_ = 0
        order = np.arange(rows.count, dtype=np.uint64)
        for _ in range(0 if reports.begin() else e.max_iter):
            if e.shuffle:
                order = shuffled(order, e._random_state)
            reports.begin_epoch(e.n_iter_ + 1)
            loss_of_epoch = epochs.run(order, batch_size, reports.after_batch)
            if run.ends_after(loss_of_epoch, rows.count) or incremental:
                break
            if e.n_iter_ == e.max_iter:
                warnings.warn(
                    f"Stochastic Optimizer: Maximum iterations ({e.max_iter}) reached and the optimization "
                    "hasn't converged yet.",
                    ConvergenceWarning,
                    stacklevel=2,
                )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=2)
    finally:
        reports.close()
    if e.early_stopping:
        weights.write(*e._best_parameters)
    reports.end()


class _Run:
    """What is noted, printed and decided after each epoch of one fit."""

    def __init__(self, estimator: Any, reports: Reports, validation: Validation | None) -> None:
        self._estimator, self._reports, self._validation = estimator, reports, validation
        self._prints = printed(estimator.verbose)

    def ends_after(self, loss: float, samples: int) -> bool:
        """Note an epoch of this loss; whether it is the last."""
        e = self._estimator
        e.n_iter_ += 1
        e.loss_ = loss
        e.t_ += samples
        e.loss_curve_.append(e.loss_)
        if self._prints:
            print(f"Iteration {e.n_iter_}, loss = {e.loss_:.8f}")
        metrics = {"epoch": e.n_iter_, "loss": loss, "lr": e._optimizer.learning_rate}
        if self._validation is None:
            count_training_loss(e)
        else:
            metrics |= count_validation_score(e, self._validation)
        e._optimizer.end_epoch(e.t_, metrics.get("val_loss", loss))
        stops = self._reports.end_epoch(e.n_iter_, metrics)
        return self._converged() or stops

    def _converged(self) -> bool:
        e = self._estimator
        if e._no_improvement_count <= e.n_iter_no_change:
            return False
        what = "Training loss" if self._validation is None else "Validation score"
        message = (
            f"{what} did not improve more than tol={e.tol:f} for {e.n_iter_no_change} consecutive epochs."
        )
        if not e._optimizer.continues(message, self._prints):
            return True
        e._no_improvement_count = 0
        return False


def count_training_loss(estimator: Any) -> None:
    """Whether the last epoch's loss has fallen by tol below the best."""
    e = estimator
    e._no_improvement_count = e._no_improvement_count + 1 if e.loss_ > e.best_loss_ - e.tol else 0
    e.best_loss_ = e.loss_ if e.loss_ < e.best_loss_ else e.best_loss_


class Validation(NamedTuple):
    """Rows that are scored after an epoch."""

    X: Any
    y: np.ndarray  # (n, outputs)
    sample_weight: np.ndarray | None
    rows: TrainingRows  # the same ones, for the loss


def count_validation_score(estimator: Any, held_out: Validation) -> dict[str, float]:
    """Whether the score has risen by tol above the best, whose weights are kept."""
    e = estimator
    X, y, sample_weight, rows = held_out
    outputs = e._logits(X)
    score = e._validation_score(outputs, y, sample_weight)
    e.validation_scores_.append(score)
    e.validation_loss_curve_.append(rows.mean_loss(e._weights.network._core))
    if printed(e.verbose):
        print(f"Validation score: {score:f}")
    worse = score < e.best_validation_score_ + e.tol
    e._no_improvement_count = e._no_improvement_count + 1 if worse else 0
    if score > e.best_validation_score_:
        e.best_validation_score_ = score
        e._best_parameters = e._weights.copies()
    return {"val_score": score, "val_loss": e.validation_loss_curve_[-1]}
