"""A network in evaluation mode over many samples: its outputs, and its loss and accuracy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bpnet._bridge import CoreNetwork, Dataset, core_loss, inputs
from bpnet.losses import Loss
from bpnet.metrics import has_accuracy

# predict and evaluate return to the interpreter, which handles Ctrl-C, after about this many multiply-adds of
# linear layers, a tenth of a second on a slow machine; image layers, which use a weight many times, return within
# a step too.
_PIECE = 1 << 30


def rows_at_once(core: CoreNetwork) -> int:
    """How many samples the core is given in one call."""
    least = 16 if len(core.input_shape) == 3 else 256
    return max(least, _PIECE // max(1, core.parameter_count))


def in_pieces(core: CoreNetwork, X: np.ndarray, apply: Callable[[np.ndarray, int], np.ndarray]) -> np.ndarray:
    """apply(rows, number of the first) over pieces of X, so that Ctrl-C is handled between them."""
    rows = rows_at_once(core)
    if X.ndim == 0 or len(X) <= rows:
        return apply(X, 0)
    return np.concatenate([apply(X[i : i + rows], i) for i in range(0, len(X), rows)])


def outputs(operation: str, core: CoreNetwork, X: np.ndarray) -> np.ndarray:
    """(N, *output_shape) for X (N, *input_shape), in the network's dtype."""
    return in_pieces(core, X, lambda piece, _: core.forward(inputs(operation, core, piece)))


def softmax(outputs: np.ndarray) -> np.ndarray:
    """exp(x_j) / Σ_k exp(x_k) along the last axis, written into ``outputs``, of floats."""
    outputs -= outputs.max(axis=-1, keepdims=True)
    np.exp(outputs, out=outputs)
    outputs /= outputs.sum(axis=-1, keepdims=True)
    return outputs


def evaluate(core: CoreNetwork, data: Dataset, loss: Loss) -> dict[str, float]:
    """``{"loss": …}``, with ``"accuracy"`` (0 to 1) for the cross-entropies."""
    loss_sum = weight_sum = 0.0
    correct = 0
    rows = rows_at_once(core)
    description, function = core_loss(loss)
    for begin in range(0, len(data), rows):
        piece = core.evaluate(description, data, begin, min(begin + rows, len(data)), function)
        loss_sum += piece[0]
        weight_sum += piece[1]
        correct += piece[2]
    result = {"loss": loss_sum / weight_sum if weight_sum else 0.0}
    if has_accuracy(loss):
        result["accuracy"] = correct / len(data)
    return result
