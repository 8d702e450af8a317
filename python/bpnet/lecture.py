"""The lecture: back-propagation one sample at a time, with every quantity of its derivation.

s_j^(l) = Σ_{i=0..d(l−1)} w_ij^(l) x_i^(l−1)      x_j^(l) = θ(s_j^(l))      x_0 = 1
δ_j^(L) = θ'(s_j^(L)) (x_j^(L) − y_j)             δ_i^(l−1) = θ'(s_i^(l−1)) Σ_j w_ij^(l) δ_j^(l)
w_ij^(l) ← w_ij^(l) − η x_i^(l−1) δ_j^(l)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bpnet import _core, arrays, checks
from bpnet.layers import ACTIVATIONS, Layer, Linear
from bpnet.losses import Loss, as_loss
from bpnet.network import Network, _to_json

__all__ = ["Trace", "backprop", "check_gradients", "trace"]


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


def trace(network: Network, x: Any, y: Any, loss: Loss | str = "half_squared_error") -> Trace:
    """Forward and backward for one sample, every quantity kept; no weight is changed.

    Args:
        x: (features,) or (1, features).
        y: (outputs,), a number for one output, or for cross_entropy a class index.

    Raises:
        ValueError: the network has a layer that the lecture does not know.
    """
    loss = as_loss("trace", loss)
    sample = arrays.dense(arrays.numeric("trace", "x", x), network.dtype)
    if sample.shape == (1, *network.input_shape):
        sample = sample[0]
    if sample.shape != network.input_shape:
        if sample.ndim == 1 and len(network.input_shape) == 1:
            raise ValueError(
                f"trace: x has {sample.size} features, the network expects {network.input_shape[0]}"
            )
        expected = f"{int(np.prod(network.input_shape))} numbers of shape {network.input_shape}"
        raise ValueError(f"trace: x has shape {sample.shape}, the network expects {expected}")
    if not np.isfinite(sample).all():
        raise _core.NumericError(
            f"trace: x has NaN or infinity at element {int(np.argmin(np.isfinite(sample)))}"
        )
    outputs = int(np.prod(network.output_shape))
    wanted = arrays.numeric("trace", "y", y).reshape(-1)
    target, label = None, None
    if loss.name == "cross_entropy" and wanted.size == 1 and wanted.dtype.kind in "iu":
        label = int(wanted[0])
    elif wanted.size != outputs:
        raise ValueError(f"trace: y has {wanted.size} numbers, the network has {outputs} outputs")
    else:
        target = arrays.dense(wanted, network.dtype)
    s, xs, delta, grad, e = network._core.trace(_to_json(loss.describe()), sample, target, label)
    shaped = [g.reshape(len(xs[layer]) + 1, -1) for layer, g in enumerate(grad[1:])]
    return Trace([None, *s[1:]], xs, [None, *delta[1:]], [None, *shaped], e)


def backprop(
    X: Any,
    y: Any,
    layers: Sequence[int] = (2, 2, 1),
    activation: str = "tanh",
    eta: float = 0.1,
    steps: int = 10_000,
    seed: int = 0,
) -> list[np.ndarray | None]:
    """The lecture's algorithm, in float64: initialise, then ``steps`` times pick n with replacement,
    forward, backward, update. The error is ½ Σ_j (x_j^(L) − y_j)², whose δ is the lecture's.

    Args:
        X: (N, layers[0]).
        y: (N,) or (N, layers[-1]).
        layers: widths d(0), …, d(L).
        activation: θ of every layer, the last too: tanh, relu, leaky_relu, sigmoid, softplus, gelu or silu.
        eta: the learning rate η, by the lecture's name; elsewhere a rate is called lr.
        steps: how many updates.
        seed: of the initial weights, U(−1/√d(l−1), 1/√d(l−1)), and of the draws.

    Returns:
        w, a list: w[0] is None, w[l] has shape (d(l−1) + 1, d(l)), row 0 the bias.

    >>> w = backprop([[0, 0], [0, 1], [1, 0], [1, 1]], [-1, 1, 1, -1], layers=(2, 2, 1), steps=20_000)
    """
    theta = ACTIVATIONS.given("backprop", activation)
    layers = checks.items("backprop", "layers", layers)
    if len(layers) < 2:
        raise ValueError(f"backprop: layers has {len(layers)} widths, at least 2 are needed")
    steps = checks.whole("backprop", "steps", steps, least=0)
    chain: list[Layer] = []
    for width in layers[1:]:
        chain += [Linear(width), theta]
    network = Network(input_shape=(layers[0],), layers=chain, seed=seed, dtype="float64")
    loss = as_loss("backprop", "half_squared_error")
    data, _ = network._data("backprop", X, y, loss, None)

    from bpnet.optimizers import SGD
    from bpnet.training import Trainer

    trainer = Trainer(network, loss, SGD(lr=eta))
    while trainer.steps < steps:  # the core returns now and then, so that Ctrl-C is heard
        trainer._core.run_draws(data, steps - trainer.steps, 0.1)
    state = list(network.state_dict().values())
    return [None] + [np.vstack([bias, weight.T]) for weight, bias in zip(state[::2], state[1::2])]


def check_gradients(network: Network, X: Any, y: Any, loss: Loss | str) -> dict[str, float]:
    """Back-propagation against central differences in float64, for any network.

    The network is copied to float64, so that one of either dtype may be given; random masks are held
    fixed. Each parameter needs two forward passes over the batch: small networks and few samples.

    Returns:
        For each parameter's name, max |a − b| / max |b| over its elements: some 1e-9 when right. Where that
        is less than a thousandth of the largest |b| of all parameters (a bias before BatchNorm has gradient 0),
        the thousandth is divided by instead. A kink (ReLU at 0) within the difference step shows as an error of
        its own.
    """
    if not isinstance(network, Network):
        raise TypeError(f"check_gradients: network is {network!r}, a bpnet.Network is needed")
    description = network.description | {"dtype": "float64"}
    double = _core.NetworkF64(_to_json(description), "")
    copy = Network._from_core(double)
    copy.load_state_dict({name: array.astype(np.float64) for name, array in network.state_dict().items()})
    loss = as_loss("check_gradients", loss)
    x = arrays.samples("check_gradients", X, copy.input_shape, copy.dtype, convert=True)
    data, _ = copy._data("check_gradients", x, y, loss, None)
    return _core.check_gradients(double, _to_json(loss.describe()), data)
