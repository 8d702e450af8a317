"""The classifier and the regressor."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from river import base

from bpnet import layers
from bpnet.layers import Layer
from bpnet.losses import MSE, CrossEntropy, Loss
from bpnet.river.growing import GrowingNetwork

_ACTIVATIONS: dict[str, type[Layer] | None] = {
    "identity": None,
    "relu": layers.ReLU,
    "tanh": layers.Tanh,
    "logistic": layers.Sigmoid,
    "leaky_relu": layers.LeakyReLU,
    "softplus": layers.Softplus,
    "gelu": layers.GELU,
    "silu": layers.SiLU,
}


class _MLP(base.Estimator):
    """What both share: the parameters and the network."""

    def __init__(
        self, hidden_layer_sizes: tuple[int, ...], activation: str, optimizer: Any, seed: int
    ) -> None:
        if activation not in _ACTIVATIONS:
            raise ValueError(
                f"bpnet.river: activation is {activation!r}, one of {', '.join(_ACTIVATIONS)} is needed"
            )
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.optimizer = optimizer
        self.seed = seed

    def _made(self, loss: Loss, outputs: int) -> GrowingNetwork:
        return GrowingNetwork(
            self.hidden_layer_sizes, _ACTIVATIONS[self.activation], loss, self.optimizer, outputs, self.seed
        )


class MLPClassifier(_MLP, base.Classifier):
    """A multi-layer perceptron of any number of classes, which minimises the cross-entropy.

    Features and classes may appear at any time; a feature that is not in a dict is 0. Scale features before, as by
    ``preprocessing.StandardScaler``.

    Parameters
    ----------
    hidden_layer_sizes
        Units of each hidden layer.
    activation
        Of hidden units: identity, relu, tanh, logistic, leaky_relu, softplus, gelu or silu.
    optimizer
        A bpnet optimizer such as ``bpnet.SGD(0.1)``, or its name, with its default rate.
    seed
        Of the first weights. The same seed and samples give the same bits.

    Examples
    --------
    >>> import bpnet
    >>> from bpnet.river import MLPClassifier
    >>> model = MLPClassifier(hidden_layer_sizes=(8,), optimizer=bpnet.Adam(0.05))
    >>> for _ in range(50):
    ...     model.learn_one({"a": 1.0}, "left")
    ...     model.learn_one({"b": 1.0}, "right")
    >>> model.predict_one({"b": 0.9})
    'right'
    """

    def __init__(
        self,
        hidden_layer_sizes: tuple[int, ...] = (32,),
        activation: str = "relu",
        optimizer: Any = "adam",
        seed: int = 0,
    ) -> None:
        super().__init__(hidden_layer_sizes, activation, optimizer, seed)
        self._classes: dict[Any, int] = {}
        self._network = self._made(CrossEntropy(), 0)

    @property
    def _multiclass(self) -> bool:
        return True

    def learn_one(self, x: Mapping[Hashable, Any], y: Any) -> None:
        """One update by x and its class y."""
        index = self._classes.get(y)
        if index is None:
            index = self._classes[y] = len(self._classes)
            self._network.add_output()
        self._network.learn(x, None, index)

    def predict_proba_one(self, x: Mapping[Hashable, Any], **kwargs: Any) -> dict[Any, float]:
        """The probability of each class so far; an empty dict before there is one."""
        logits = self._network.outputs_of(x)
        if logits is None:
            return {}
        powers = np.exp(logits.astype(np.float64) - logits.max())
        return dict(zip(self._classes, (powers / powers.sum()).tolist()))


class MLPRegressor(_MLP, base.Regressor):
    """A multi-layer perceptron which minimises the squared error, or another loss.

    Features may appear at any time; a feature that is not in a dict is 0. Scale features before, as by
    ``preprocessing.StandardScaler``, and the target by ``preprocessing.TargetStandardScaler``.

    Parameters
    ----------
    hidden_layer_sizes
        Units of each hidden layer.
    activation
        Of hidden units: identity, relu, tanh, logistic, leaky_relu, softplus, gelu or silu.
    optimizer
        A bpnet optimizer such as ``bpnet.SGD(0.1)``, or its name, with its default rate.
    loss
        A bpnet loss such as ``bpnet.Huber()``; None is the squared error.
    seed
        Of the first weights. The same seed and samples give the same bits.

    Examples
    --------
    >>> import bpnet
    >>> from bpnet.river import MLPRegressor
    >>> model = MLPRegressor(hidden_layer_sizes=(8,), optimizer=bpnet.SGD(0.1))
    >>> for _ in range(200):
    ...     model.learn_one({"a": 1.0}, 2.0)
    >>> round(model.predict_one({"a": 1.0}), 2)
    2.0
    """

    def __init__(
        self,
        hidden_layer_sizes: tuple[int, ...] = (32,),
        activation: str = "relu",
        optimizer: Any = "adam",
        loss: Any = None,
        seed: int = 0,
    ) -> None:
        super().__init__(hidden_layer_sizes, activation, optimizer, seed)
        self.loss = loss
        self._network = self._made(MSE() if loss is None else loss, 1)

    def learn_one(self, x: Mapping[Hashable, Any], y: float) -> None:
        """One update by x and its target y."""
        self._network.learn(x, np.array([[y]], dtype=np.float32), None)

    def predict_one(self, x: Mapping[Hashable, Any]) -> float:
        """The answer for x; 0 before anything was learned."""
        outputs = self._network.outputs_of(x)
        return 0.0 if outputs is None else float(outputs[0])
