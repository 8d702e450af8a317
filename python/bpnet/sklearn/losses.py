"""scikit-learn's losses as bpnet's, of the network's outputs before the last activation."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bpnet.losses import (
    MAE,
    BinaryCrossEntropyWithLogits,
    CrossEntropy,
    CustomLoss,
    HalfSquaredError,
    Huber,
    Loss,
)


class TrainingLoss(NamedTuple):
    """A loss with what it is multiplied by for ``loss_``: scikit-learn averages the squared error over outputs
    there, and sums it for the gradient."""

    loss: Loss
    scale: float
    labels: bool = False  # takes class indices (n,), else targets (n, outputs)


def poisson_deviance(
    outputs: np.ndarray, targets: np.ndarray, sample_weight: np.ndarray | None = None
) -> tuple[float, np.ndarray]:
    """Half the Poisson deviance of exp(outputs), Σ_j y log(y / p) − y + p, and its gradient p − y."""
    with np.errstate(all="ignore"):  # a loss that is not finite is the training's to see
        rates = np.exp(outputs)
        logs = np.where(targets > 0, targets * (np.log(np.where(targets > 0, targets, 1)) - outputs), 0)
        losses = (logs - targets + rates).sum(axis=1)
        share = np.full(len(outputs), 1 / len(outputs)) if sample_weight is None else sample_weight
        share = (share / share.sum()).astype(outputs.dtype, copy=False)
        return float(losses @ share), (rates - targets) * share[:, None]


_OF_CLASSES = TrainingLoss(CrossEntropy(), 1.0, labels=True)
_OF_LABELS = TrainingLoss(BinaryCrossEntropyWithLogits(outputs="sum"), 1.0)
#: Losses of the regressor by name; the last two are not scikit-learn's.
REGRESSION_LOSSES: dict[str, Loss] = {
    "squared_error": HalfSquaredError(),
    "poisson": CustomLoss(poisson_deviance),
    "absolute_error": MAE(),
    "huber": Huber(),
}


def classifier_loss(out_activation: str) -> TrainingLoss:
    """The log-loss: of classes that exclude each other, or Σ_j of independent ones."""
    return _OF_CLASSES if out_activation == "softmax" else _OF_LABELS


def regressor_loss(loss: Any, outputs: int) -> TrainingLoss:
    """The loss of the parameter ``loss``."""
    if isinstance(loss, Loss):
        return TrainingLoss(loss, 1.0)
    return TrainingLoss(REGRESSION_LOSSES[loss], 1.0 / outputs if loss == "squared_error" else 1.0)
