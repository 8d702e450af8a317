"""The classifier and the regressor."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
from river import base

from bpnet.evaluation import softmax
from bpnet.layers.elementwise import SCIKIT_LEARN_ACTIVATIONS
from bpnet.losses import LOSSES_OF_NUMBERS, MSE, CrossEntropy, Loss, as_loss
from bpnet.optimizers import Adam, Optimizer, as_optimizer
from bpnet.river.growing import GrowingNetwork, checked_number
from bpnet.schedules import Schedule

# Learns within some hundred samples of a stream, and stays steady in longer ones.
_DEFAULT_OPTIMIZER = Adam(3e-3)


class _MLP(base.Estimator):
    """What both share: the parameters and the network."""

    def __init__(
        self, hidden_layer_sizes: int | tuple[int, ...], activation: str, optimizer: Any, seed: int
    ) -> None:
        if activation not in SCIKIT_LEARN_ACTIVATIONS:
            known = ", ".join(SCIKIT_LEARN_ACTIVATIONS)
            raise ValueError(f"bpnet.river: activation is {activation!r}, one of {known} is needed")
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.optimizer = optimizer
        self.seed = seed

    def _made(self, loss: Loss, outputs: int) -> GrowingNetwork:
        sizes = self.hidden_layer_sizes
        return GrowingNetwork(
            [int(sizes)] if isinstance(sizes, (int, np.integer)) else list(sizes),
            SCIKIT_LEARN_ACTIVATIONS[self.activation],
            loss,
            _optimizer_of(self.optimizer),
            outputs,
            self.seed,
        )


def _optimizer_of(given: Any) -> Optimizer:
    """The parameter's, which a schedule by epochs is refused for."""
    optimizer = _DEFAULT_OPTIMIZER if given is None else as_optimizer("bpnet.river", given)
    if optimizer.schedule != Schedule():
        raise ValueError(
            f"bpnet.river: optimizer has the schedule {optimizer.schedule!r}, and a stream has no epochs; give an "
            "optimizer without a schedule"
        )
    return optimizer


def _loss_of(given: Any) -> Loss:
    """The regressor's, whose targets are numbers."""
    loss = MSE() if given is None else as_loss("bpnet.river", given)
    if not isinstance(loss, LOSSES_OF_NUMBERS):
        raise ValueError(
            f"bpnet.river: loss is {loss!r}, which is of classes; give one of numbers, such as Huber()"
        )
    return loss


class MLPClassifier(_MLP, base.Classifier):
    """A multi-layer perceptron of any number of classes, which minimises the cross-entropy.

    Features and classes may appear at any time; a feature that is not in a dict is 0. Scale features before, as by
    ``preprocessing.StandardScaler``.

    Parameters
    ----------
    hidden_layer_sizes
        Units of each hidden layer; a number is that of one.
    activation
        Of hidden units: identity, relu, tanh, logistic, leaky_relu, softplus, gelu or silu.
    optimizer
        A bpnet optimizer without a schedule such as ``bpnet.SGD(0.1)``, or its name, with its default rate; None
        is ``bpnet.Adam(3e-3)``.
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
        hidden_layer_sizes: int | tuple[int, ...] = (32,),
        activation: str = "relu",
        optimizer: Any = None,
        seed: int = 0,
    ) -> None:
        super().__init__(hidden_layer_sizes, activation, optimizer, seed)
        self._classes: dict[Any, int] = {}
        self._network = self._made(CrossEntropy(), 0)

    @property
    def _multiclass(self) -> bool:
        return True

    def learn_one(self, x: Mapping[Hashable, Any], y: Any) -> None:
        """One update by x and its class y.

        Raises:
            TypeError: a feature is not a number; then nothing has changed.
            NumericError: a feature is NaN, infinite or too large for float32, with nothing changed; or the loss is not
                finite, with no weight updated.
        """
        values = self._network.values_of(x)
        index = self._classes.get(y)
        if index is None:
            index = self._classes[y] = len(self._classes)
            self._network.add_output()
        self._network.learn(x.keys(), values, None, index)

    def predict_proba_one(self, x: Mapping[Hashable, Any], **kwargs: Any) -> dict[Any, float]:
        """The probability of each class so far; an empty dict before there is one."""
        logits = self._network.outputs_of(x)
        if logits is None:
            return {}
        return dict(zip(self._classes, softmax(logits.astype(np.float64)).tolist()))


class MLPRegressor(_MLP, base.Regressor):
    """A multi-layer perceptron which minimises the squared error, or another loss.

    Features may appear at any time; a feature that is not in a dict is 0. Scale features before, as by
    ``preprocessing.StandardScaler``, and the target by ``preprocessing.TargetStandardScaler``.

    Parameters
    ----------
    hidden_layer_sizes
        Units of each hidden layer; a number is that of one.
    activation
        Of hidden units: identity, relu, tanh, logistic, leaky_relu, softplus, gelu or silu.
    optimizer
        A bpnet optimizer without a schedule such as ``bpnet.SGD(0.1)``, or its name, with its default rate; None
        is ``bpnet.Adam(3e-3)``.
    loss
        A bpnet loss of numbers such as ``bpnet.Huber()``, its name, or a function for ``bpnet.CustomLoss``; None is
        the squared error.
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
        hidden_layer_sizes: int | tuple[int, ...] = (32,),
        activation: str = "relu",
        optimizer: Any = None,
        loss: Any = None,
        seed: int = 0,
    ) -> None:
        super().__init__(hidden_layer_sizes, activation, optimizer, seed)
        self.loss = loss
        self._network = self._made(_loss_of(loss), 1)

    def learn_one(self, x: Mapping[Hashable, Any], y: float) -> None:
        """One update by x and its target y.

        Raises:
            TypeError: a feature or y is not a number; then nothing has changed.
            NumericError: one is NaN, infinite or too large for float32, with nothing changed; or the loss is not
                finite, with no weight updated.
        """
        values, number = self._network.values_of(x), checked_number("the target", y)
        self._network.learn(x.keys(), values, np.array([[number]], dtype=np.float32), None)

    def predict_one(self, x: Mapping[Hashable, Any]) -> float:
        """The answer for x; 0 before anything was learned."""
        outputs = self._network.outputs_of(x)
        return 0.0 if outputs is None else float(outputs[0])
