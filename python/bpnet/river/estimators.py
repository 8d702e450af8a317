"""The classifier and the regressor."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from river import base

from bpnet.evaluation import softmax
from bpnet.layers.elementwise import SCIKIT_LEARN_ACTIVATIONS
from bpnet.losses import LOSSES_OF_NUMBERS, MSE, CrossEntropy, Loss, as_loss
from bpnet.optimizers import Adam, Optimizer, as_optimizer
from bpnet.river.growing import GrowingNetwork
from bpnet.river.numbers import check_as_many, checked_number, rows_of, targets_of, values_of
from bpnet.schedules import Schedule

if TYPE_CHECKING:
    import pandas as pd  # type: ignore[import-untyped]

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


def _classes_of(y: Any) -> list[Any]:
    """The classes in a Series, of which none is missing."""
    import pandas as pd

    series = pd.Series(y)
    missing = series.isna()
    if missing.any():
        row = int(missing.to_numpy().argmax())
        raise ValueError(f"learn_many: the class in row {row} is missing; leave its row out")
    classes = series.tolist()
    dict.fromkeys(classes)  # a TypeError where one cannot be hashed
    return classes


def _is_missing(y: Any) -> bool:
    import pandas as pd

    return pd.api.types.is_scalar(y) and bool(pd.isna(y))


def _loss_of(given: Any) -> Loss:
    """The regressor's, whose targets are numbers."""
    loss = MSE() if given is None else as_loss("bpnet.river", given)
    if not isinstance(loss, LOSSES_OF_NUMBERS):
        raise ValueError(
            f"bpnet.river: loss is {loss!r}, which is of classes; give one of numbers, such as Huber()"
        )
    return loss


class MLPClassifier(_MLP, base.MiniBatchClassifier):
    """A multi-layer perceptron of any number of classes, which minimises the cross-entropy.

    Features and classes may appear at any time; a feature that is not in a dict is 0. The optimizer's averages stay when
    one does, and are 0 for the new weights. Scale features before, as by ``preprocessing.StandardScaler``.

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
            ValueError: y is missing (None, NaN), with nothing changed.
            NumericError: a feature is NaN, infinite or too large for float32, with nothing changed; or the loss is not
                finite, with no weight updated.
        """
        values = values_of("learn_one", x)
        if y not in self._classes and _is_missing(y):
            raise ValueError(f"learn_one: the class is {y!r}; leave such samples out")
        index = self._index_of(y)
        self._network.learn(x.keys(), values, None, np.array([index], dtype=np.int64))

    def _index_of(self, y: Any) -> int:
        """That of a class, which gets an output if it is new."""
        index = self._classes.get(y)
        if index is None:
            index = self._classes[y] = len(self._classes)
            self._network.add_output()
        return index

    def learn_many(self, X: pd.DataFrame, y: pd.Series) -> None:
        """An update by each row of X and its class in y, in their order: as ``learn_one`` of each, to rounding, in one
        call.

        Raises:
            TypeError: X is no pandas.DataFrame, or a value is no number; then nothing has changed.
            ValueError: X and y differ in their length, two columns have one name, or a class is missing, with nothing
                changed.
            NumericError: a feature is NaN, infinite or too large for float32, with nothing changed; or the loss of a
                row is not finite, when the rows before it were learned.
        """
        values, names, classes = rows_of("learn_many", X), list(X.columns), _classes_of(y)
        check_as_many("learn_many", X, classes)
        begin, indices = 0, np.empty(len(classes), dtype=np.int64)
        for row, each in enumerate(classes):
            if row > begin and each not in self._classes:  # the rows before it know nothing of this class
                self._network.learn_each(names, values[begin:row], None, indices[begin:row])
                begin = row
            indices[row] = self._index_of(each)
        if begin < len(values):
            self._network.learn_each(names, values[begin:], None, indices[begin:])

    def predict_proba_one(self, x: Mapping[Hashable, Any], **kwargs: Any) -> dict[Any, float]:
        """The probability of each class so far; an empty dict before there is one."""
        logits = self._network.outputs_of(x)
        if logits is None:
            return {}
        return dict(zip(self._classes, softmax(logits.astype(np.float64)).tolist()))

    def predict_proba_many(self, X: pd.DataFrame) -> pd.DataFrame:
        """The probability of each class so far, a column, for each row of X; no column before there is a class.

        Raises:
            TypeError, ValueError, NumericError: X is such as ``learn_many`` refuses.
        """
        import pandas as pd

        return pd.DataFrame(
            self._probabilities("predict_proba_many", X),
            index=X.index,
            columns=pd.Index(list(self._classes), tupleize_cols=False),
        )

    def _probabilities(self, operation: str, X: pd.DataFrame) -> np.ndarray:
        """(n, classes)"""
        values = rows_of(operation, X)
        logits = self._network.outputs_of_rows(list(X.columns), values)
        return np.zeros((len(X), 0)) if logits is None else softmax(logits.astype(np.float64))

    def predict_many(self, X: pd.DataFrame) -> pd.Series:
        """The most probable class for each row of X; None before there is a class.

        Raises:
            TypeError, ValueError, NumericError: X is such as ``learn_many`` refuses.
        """
        import pandas as pd

        probabilities, classes = self._probabilities("predict_many", X), list(self._classes)
        if not classes:
            return pd.Series([None] * len(X), index=X.index, dtype=object)
        kinds = {type(each) for each in classes}
        answers = [classes[index] for index in probabilities.argmax(axis=1)]
        return pd.Series(answers, index=X.index, dtype=object if len(kinds) > 1 else None)


class MLPRegressor(_MLP, base.MiniBatchRegressor):
    """A multi-layer perceptron which minimises the squared error, or another loss.

    Features may appear at any time; a feature that is not in a dict is 0. The optimizer's averages stay when one does, and
    are 0 for the new weights. Scale features before, as by ``preprocessing.StandardScaler``, and the target by ``preprocessing.TargetStandardScaler``.

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
        values, number = values_of("learn_one", x), checked_number("learn_one", "the target", y)
        self._network.learn(x.keys(), values, np.array([[number]], dtype=np.float32), None)

    def learn_many(self, X: pd.DataFrame, y: pd.Series) -> None:
        """An update by each row of X and its target in y, in their order: as ``learn_one`` of each, to rounding, in one
        call.

        Raises:
            TypeError: X is no pandas.DataFrame, or a value or target is no number; then nothing has changed.
            ValueError: X and y differ in their length, or two columns have one name, with nothing changed.
            NumericError: a number is NaN, infinite or too large for float32, with nothing changed; or the loss of a
                row is not finite, when the rows before it were learned.
        """
        values, targets = rows_of("learn_many", X), targets_of("learn_many", y)
        check_as_many("learn_many", X, targets)
        if len(values):
            self._network.learn_each(list(X.columns), values, targets, None)

    def predict_one(self, x: Mapping[Hashable, Any]) -> float:
        """The answer for x; 0 before anything was learned."""
        outputs = self._network.outputs_of(x)
        return 0.0 if outputs is None else float(outputs[0])

    def predict_many(self, X: pd.DataFrame) -> pd.Series:
        """The answer for each row of X; 0 before anything was learned.

        Raises:
            TypeError, ValueError, NumericError: X is such as ``learn_many`` refuses.
        """
        import pandas as pd

        values = rows_of("predict_many", X)
        outputs = self._network.outputs_of_rows(list(X.columns), values)
        answers = np.zeros(len(X)) if outputs is None else outputs[:, 0].astype(np.float64)
        return pd.Series(answers, index=X.index)
