"""The lecture's quantities for one sample: every s, x, δ and gradient of its derivation.

s_j^(l) = Σ_{i=0..d(l−1)} w_ij^(l) x_i^(l−1)      x_j^(l) = θ(s_j^(l))      x_0 = 1
δ_j^(L) = θ'(s_j^(L)) (x_j^(L) − y_j)             δ_i^(l−1) = θ'(s_i^(l−1)) Σ_j w_ij^(l) δ_j^(l)
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bpnet import _core, arrays
from bpnet._bridge import CoreNetwork, core_loss, dtype_of
from bpnet.losses import Loss, LossFunction, as_loss

__all__ = ["Trace", "trace_sample"]


class Trace:
    """The lecture's quantities for one sample, in lists indexed by layer, 0 … L.

    l counts the weighted layers; the activation after each is its θ (the identity where there is none).

    Attributes:
        s: s[l] of shape (d(l),), the sums before θ; s[0] is None.
        x: x[l] of shape (d(l),), without the constant unit; x[0] is the input.
        delta: delta[l] of shape (d(l),), ∂e/∂s; delta[0] is None.
        grad: grad[l] of shape (d(l−1) + 1, d(l)), x_i δ_j with x_0 = 1 in row 0; grad[0] is None.
        e: the error, a float.
    """

    def __init__(self, s: list, x: list, delta: list, grad: list, e: float) -> None:
        self.s: list[np.ndarray | None] = s
        self.x: list[np.ndarray] = x
        self.delta: list[np.ndarray | None] = delta
        self.grad: list[np.ndarray | None] = grad
        self.e = e

    def __repr__(self) -> str:
        widths = "-".join(str(len(x)) for x in self.x)
        return f"Trace(layers={widths}, e={self.e:.6g})"

    def _repr_html_(self) -> str:
        """What a notebook shows: a table of s, x and δ of each layer."""
        from bpnet.html.trace import trace_html

        return trace_html(self.s, self.x, self.delta, self.e)


def trace_sample(core: CoreNetwork, x: Any, y: Any, loss: Loss | str | LossFunction) -> Trace:
    """Forward and backward for one sample, every quantity kept; no weight is changed.

    Args:
        x: (features,) or (1, features).
        y: (outputs,), a number for one output, or for cross_entropy a class index.

    Raises:
        ValueError: the network has a layer that the lecture does not know.
    """
    loss = as_loss("trace", loss)
    dtype, shape = dtype_of(core), core.input_shape
    sample = arrays.dense(arrays.numeric("trace", "x", x, objects=True), dtype)
    if sample.shape == (1, *shape):
        sample = sample[0]
    if sample.shape != shape:
        if sample.ndim == 1 and len(shape) == 1:
            raise ValueError(f"trace: x has {sample.size} features, the network expects {shape[0]}")
        expected = f"{int(np.prod(shape))} numbers of shape {shape}"
        raise ValueError(f"trace: x has shape {sample.shape}, the network expects {expected}")
    if not np.isfinite(sample).all():
        raise _core.NumericError(
            f"trace: x has NaN or infinity at element {int(np.argmin(np.isfinite(sample)))}"
        )
    outputs = int(np.prod(core.output_shape))
    wanted = arrays.numeric("trace", "y", y, objects=True).reshape(-1)
    target, label = None, None
    if loss.name == "cross_entropy" and wanted.size == 1 and wanted.dtype.kind in "iu":
        label = int(wanted[0])
    elif wanted.size != outputs:
        raise ValueError(f"trace: y has {wanted.size} numbers, the network has {outputs} outputs")
    else:
        target = arrays.dense(wanted, dtype)
    description, function = core_loss(loss)
    s, xs, delta, grad, e = core.trace(description, sample, target, label, function)
    shaped = [g.reshape(len(xs[layer]) + 1, -1) for layer, g in enumerate(grad[1:])]
    return Trace([None, *s[1:]], xs, [None, *delta[1:]], [None, *shaped], e)
