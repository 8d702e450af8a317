"""The lecture: back-propagation one sample at a time, with every quantity of its derivation.

s_j^(l) = Σ_{i=0..d(l−1)} w_ij^(l) x_i^(l−1)      x_j^(l) = θ(s_j^(l))      x_0 = 1
δ_j^(L) = θ'(s_j^(L)) (x_j^(L) − y_j)             δ_i^(l−1) = θ'(s_i^(l−1)) Σ_j w_ij^(l) δ_j^(l)
w_ij^(l) ← w_ij^(l) − η x_i^(l−1) δ_j^(l)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bpnet import _core, checks
from bpnet._bridge import core_loss, finite_dataset, inputs, to_json
from bpnet.layers import Layer, Linear
from bpnet.layers.elementwise import ACTIVATIONS
from bpnet.losses import Loss, LossFunction, as_loss
from bpnet.network import Network
from bpnet.optimizers import SGD
from bpnet.training import Trainer

__all__ = ["backprop", "check_gradients"]


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
    data = finite_dataset("backprop", network._core, X, y, loss)
    trainer = Trainer(network, loss, SGD(lr=eta))
    while trainer.steps < steps:  # the core returns now and then, so that Ctrl-C is handled
        trainer._core.run_draws(data, steps - trainer.steps, 0.1)
    state = list(network.state_dict().values())
    return [None] + [np.vstack([bias, weight.T]) for weight, bias in zip(state[::2], state[1::2])]


def check_gradients(network: Network, X: Any, y: Any, loss: Loss | str | LossFunction) -> dict[str, float]:
    """Back-propagation against central differences in float64, for any network.

    The network is copied to float64, so that one of either dtype and any precision may be given; random masks are
    held fixed. Each parameter needs two forward passes over the batch: small networks and few samples.

    Returns:
        For the name of each parameter that is not frozen, max |a − b| / max |b| over its elements: some 1e-9 when
        right. Where that is less than a thousandth of the largest |b| of all parameters (a bias before BatchNorm has
        gradient 0), the thousandth is divided by instead. A kink (ReLU at 0) within the difference step shows as an
        error too.
    """
    if not isinstance(network, Network):
        raise TypeError(f"check_gradients: network is {network!r}, a bpnet.Network is needed")
    description = network.description | {"dtype": "float64"}
    description.pop("precision", None)  # of float32 alone
    double = _core.NetworkF64(to_json(description), "")
    copy = Network._from_core(double)
    copy.load_state_dict({name: array.astype(np.float64) for name, array in network.state_dict().items()})
    loss = as_loss("check_gradients", loss)
    network._check_columns("check_gradients", X)
    x = inputs("check_gradients", double, X)
    data = finite_dataset("check_gradients", double, x, y, loss)
    described, function = core_loss(loss)
    return _core.check_gradients(double, described, data, function)
