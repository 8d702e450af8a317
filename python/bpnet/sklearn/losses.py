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


def classifier_loss(out_activation: str) -> TrainingLoss:
    """The log-loss: of classes that exclude each other, or Σ_j of independent ones."""
    if out_activation == "softmax":
        return TrainingLoss(CrossEntropy(), 1.0, labels=True)
    return TrainingLoss(BinaryCrossEntropyWithLogits(outputs="sum"), 1.0)


def regressor_loss(loss: Any, outputs: int) -> TrainingLoss:
    """The loss of the parameter ``loss``."""
    if isinstance(loss, Loss):
        return TrainingLoss(loss, 1.0)
    if loss == "poisson":
        return TrainingLoss(CustomLoss(poisson_deviance), 1.0)
    if loss == "absolute_error":
        return TrainingLoss(MAE(), 1.0)
    if loss == "huber":
        return TrainingLoss(Huber(), 1.0)
    return TrainingLoss(HalfSquaredError(), 1.0 / outputs)
