"""The losses, as names, as objects that carry options, or as your own functions.

A loss is averaged over a sample's outputs where PyTorch's is (mse, mae, huber, the binary cross-entropy), else
summed, and averaged over the batch: Σ weight · loss / Σ weight.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from bpnet import _core, checks
from bpnet.arguments import by_position
from bpnet.described import Described, Family

__all__ = [
    "BinaryCrossEntropyWithLogits",
    "CrossEntropy",
    "CustomLoss",
    "HalfSquaredError",
    "Huber",
    "Loss",
    "MAE",
    "MSE",
    "SquaredError",
]


#: ``f(outputs, targets)`` or ``f(outputs, targets, sample_weight)``, which gives (loss, gradient); see CustomLoss.
LossFunction = Callable[..., tuple[float, Any]]


class Loss(Described):
    """Base of the losses. Wherever a loss is wanted its name may be given instead, or a function for
    :class:`CustomLoss`."""

    name: ClassVar[str] = ""
    _check = staticmethod(_core.check_loss)

    def __init_subclass__(cls) -> None:
        cls.operation = cls.name or cls.operation

    def describe(self) -> dict[str, Any]:
        """The loss as a run file stores it: its name and options."""
        return {"name": self.name, **super().describe()}


class HalfSquaredError(Loss):
    """½ Σ_j (x_j − y_j)². Its delta, (1 − x²)(x − y) after tanh, is exactly the lecture's."""

    name = "half_squared_error"


class SquaredError(Loss):
    """Σ_j (x_j − y_j)², the lecture's e, keeping the factor 2 in its gradient."""

    name = "squared_error"


class MSE(Loss):
    """mean_j (x_j − y_j)²."""

    name = "mse"


class MAE(Loss):
    """mean_j |x_j − y_j|, with derivative 0 at 0."""

    name = "mae"


class Huber(Loss):
    """mean_j of ½d² where |d| ≤ delta, else delta (|d| − ½ delta), d = x_j − y_j (Huber 1964)."""

    name = "huber"

    @by_position("delta is given by name: Huber(delta=1.0)")
    def __init__(self, *, delta: float = 1.0) -> None:
        self._set(delta=checks.number("huber", "delta", delta))


class CrossEntropy(Loss):
    """−Σ_c q_c log softmax(x)_c on logits x, q = (1 − label_smoothing) target + label_smoothing / C.

    Targets are class indices of shape (N,) or probabilities of shape (N, C).

    Args:
        label_smoothing: 0 to 1 (Szegedy et al. 2016).
        class_weight: one number ≥ 0 per class. With class indices the batch's sum is divided by the sum
            of the labels' weights, as PyTorch does.
    """

    name = "cross_entropy"

    @by_position("the classes' weights are given by name: CrossEntropy(class_weight=[1, 2, 1])")
    def __init__(self, *, label_smoothing: float = 0.0, class_weight: Sequence[float] | None = None) -> None:
        weights = [] if class_weight is None else checks.items("cross_entropy", "class_weight", class_weight)
        if weights and not any(weights):
            raise ValueError(
                "cross_entropy: class_weight is 0 for every class, which leaves nothing to learn"
            )
        self._set(
            label_smoothing=checks.number("cross_entropy", "label_smoothing", label_smoothing),
            class_weight=[checks.number("cross_entropy", "class_weight", weight) for weight in weights]
            or None,
        )

    def describe(self) -> dict[str, Any]:
        """The loss as a run file stores it: its name and options."""
        options = super().describe()
        return {**options, "class_weight": options["class_weight"] or []}


class BinaryCrossEntropyWithLogits(Loss):
    """mean_j of max(x_j, 0) − x_j y_j + log(1 + exp(−|x_j|)) on logits x, targets y in [0, 1].

    Args:
        outputs: ``"mean"``, or ``"sum"`` for Σ_j. A run file that does not say which is from before there was a
            mean, and continues with the sum.
    """

    name = "binary_cross_entropy_with_logits"

    @by_position('outputs is given by name: BinaryCrossEntropyWithLogits(outputs="mean")')
    def __init__(self, *, outputs: str = "mean") -> None:
        if not isinstance(outputs, str) or outputs not in ("mean", "sum"):
            raise ValueError(f"{self.name}: outputs is {outputs!r}, 'mean' or 'sum' is needed")
        self._set(outputs=outputs)

    @classmethod
    def _from(cls, options: Mapping[str, Any]) -> BinaryCrossEntropyWithLogits:
        return super()._from({"outputs": "sum", **options})


class CustomLoss(Loss):
    """Your own loss: a function that gives the loss and its gradient by the network's outputs.

    ``f(outputs, targets)`` is called with

    - outputs, (n, *output_shape): what the network gave, in its dtype;
    - targets, (n, outputs) in the network's dtype; or (n,) class indices, int64, where y is of integers, (N,), and
      the network has more than one output;
    - sample_weight, (n,), a third argument where the call gives weights,

    and returns (loss, gradient): the mean over the n samples, a number (with weights Σ weight · loss / Σ weight), and
    its derivatives by the outputs, an array of their shape. ``check_gradients`` compares the two. The arrays are the
    function's own. It is called for each batch of a training, and in an evaluation for pieces of the data, whose
    losses are averaged by their weights. It may not use the network meanwhile. What it raises reaches the caller as
    it is; that, a wrong shape and a number that is not finite end the step, which updates nothing then.

    A run's file keeps the name alone: ``Trainer.load(path, loss=f)``. ``fit(loss=f)`` is ``fit(loss=CustomLoss(f))``.

    Args:
        function: as above.
        name: in messages and in the run's file; the function's own where none is given.

    >>> def pinball(outputs, targets):
    ...     over = np.where(outputs > targets, 0.1, -0.9)  # of the 90 % quantile
    ...     return float((over * (outputs - targets)).mean()), over / over.size
    >>> net = bp.Network(784, [bp.Linear(1)])
    >>> history = net.fit(X, y, loss=pinball, optimizer=bp.Adam(1e-3), verbose=0)
    """

    operation = "custom loss"
    function: LossFunction

    @by_position()
    def __init__(self, function: LossFunction, *, name: str | None = None) -> None:
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"{self.operation}: {function!r} is no function f(outputs, targets)")
        own = getattr(function, "__name__", "<lambda>")
        if name is None and own == "<lambda>":
            raise ValueError(f"{self.operation}: {function!r} has no name; give CustomLoss(f, name='…')")
        if name is not None and not isinstance(name, str):
            raise TypeError(f"{self.operation}: name is {name!r}, a string is needed")
        self.__dict__.update(function=function, name=own if name is None else name)
        self._set(name=self.name)

    def describe(self) -> dict[str, Any]:
        """The loss as a run file stores it: by its name."""
        return {"name": "custom", "function": self.name}

    def __call__(
        self, outputs: np.ndarray, targets: np.ndarray, *sample_weight: np.ndarray
    ) -> tuple[float, np.ndarray]:
        """What the function gives, checked: a float, and an array like outputs."""
        shape, dtype = outputs.shape, outputs.dtype
        result = self.function(outputs, targets, *sample_weight)
        if not isinstance(result, tuple) or len(result) != 2:
            raise TypeError(f"{self._who} gave {result!r:.80}, a tuple (loss, gradient) is needed")
        loss, gradient = (np.asarray(each) for each in result)
        if loss.ndim or loss.dtype.kind not in "fiub":
            raise TypeError(f"{self._who} gave the loss {result[0]!r:.80}, a number is needed")
        if gradient.dtype.kind not in "fiub":
            raise TypeError(f"{self._who} gave a gradient of dtype {gradient.dtype}, real numbers are needed")
        if gradient.shape != shape:
            raise ValueError(
                f"{self._who} gave a gradient of shape {gradient.shape}, the outputs have {shape}"
            )
        with np.errstate(over="ignore"):  # an infinite number is refused by the core
            return float(loss), np.require(gradient, dtype=dtype, requirements=["C", "A"])

    @property
    def _who(self) -> str:
        return f"custom loss {self.name!r}: the function"

    def __repr__(self) -> str:
        own = getattr(self.function, "__name__", repr(self.function))
        return f"CustomLoss({own})" if own == self.name else f"CustomLoss({own}, name={self.name!r})"

    def _value(self) -> tuple[Any, ...]:
        return (type(self), self.name, self.function)


FAMILY: Family[Loss] = Family(
    "loss",
    Loss,
    {
        cls.name: cls
        for cls in (
            HalfSquaredError,
            SquaredError,
            MSE,
            MAE,
            Huber,
            CrossEntropy,
            BinaryCrossEntropyWithLogits,
        )
    },
    by_name=True,
)

#: Those whose targets are numbers, not classes.
LOSSES_OF_NUMBERS = (HalfSquaredError, SquaredError, MSE, MAE, Huber, CustomLoss)


def as_loss(operation: str, loss: Loss | str | LossFunction) -> Loss:
    """The loss itself, the one of this name, or that of a function."""
    if callable(loss) and not isinstance(loss, (Loss, type)):
        return CustomLoss(loss)
    return FAMILY.given(operation, loss)


def loss_from(description: Mapping[str, Any]) -> Loss:
    """The loss that describe() said."""
    options = dict(description)
    return FAMILY.from_description(options.pop("name"), options)


def with_class_weight(
    operation: str,
    loss: Loss,
    class_weight: Mapping[int, float] | Sequence[float] | str | None,
    labels: Any,
    classes: int,
) -> Loss:
    """The loss with these class weights: a mapping of class to weight (1 where absent), one number per
    class, or "balanced" for N / (classes · count of the class), as scikit-learn's."""
    if class_weight is None:
        return loss
    if not isinstance(loss, CrossEntropy):
        raise ValueError(f"{operation}: class_weight needs the loss cross_entropy, it is {loss.name}")
    if hasattr(class_weight, "to_dict"):  # a Series of pandas, by its index
        class_weight = class_weight.to_dict()
    if isinstance(class_weight, str):
        if class_weight != "balanced":
            raise ValueError(
                f"{operation}: class_weight is {class_weight!r}, only the word 'balanced' is known"
            )
        if labels is None:
            raise ValueError(f"{operation}: class_weight='balanced' needs class indices as y")
        counts = [int((labels == c).sum()) for c in range(classes)]
        weights = [len(labels) / (classes * count) if count else 1.0 for count in counts]
    elif isinstance(class_weight, Mapping):
        for key in class_weight:
            if not 0 <= checks.whole(operation, "a key of class_weight", key, least=-classes) < classes:
                raise ValueError(
                    f"{operation}: class_weight names class {key}, the network has classes 0 to {classes - 1}"
                )
        weights = [class_weight.get(c, 1.0) for c in range(classes)]
    else:
        weights = checks.items(operation, "class_weight", class_weight)
    return CrossEntropy(label_smoothing=loss.label_smoothing, class_weight=weights)
