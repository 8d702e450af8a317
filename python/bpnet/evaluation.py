"""A network's loss and accuracy over a data set, in evaluation mode."""

from __future__ import annotations

from bpnet._bridge import CoreNetwork, Dataset, to_json
from bpnet.losses import Loss

# predict and evaluate return to the interpreter, which handles Ctrl-C, after about this many multiply-adds of
# linear layers, a tenth of a second on a slow machine; image layers, which use a weight many times, return within
# a step too.
_PIECE = 1 << 30


def rows_at_once(core: CoreNetwork) -> int:
    """How many samples the core is given in one call."""
    least = 16 if len(core.input_shape) == 3 else 256
    return max(least, _PIECE // max(1, core.parameter_count))


def evaluate(core: CoreNetwork, data: Dataset, loss: Loss) -> dict[str, float]:
    """``{"loss": …}``, with ``"accuracy"`` (0 to 1) for the cross-entropies."""
    loss_sum = weight_sum = 0.0
    correct = 0
    rows = rows_at_once(core)
    description = to_json(loss.describe())
    for begin in range(0, len(data), rows):
        piece = core.evaluate(description, data, begin, min(begin + rows, len(data)))
        loss_sum += piece[0]
        weight_sum += piece[1]
        correct += piece[2]
    result = {"loss": loss_sum / weight_sum if weight_sum else 0.0}
    if loss.name in ("cross_entropy", "binary_cross_entropy_with_logits"):
        result["accuracy"] = correct / len(data)
    return result
