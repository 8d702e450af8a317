"""The losses, as names or as objects that carry options.

A loss is averaged over a sample's outputs where PyTorch's is (mse, mae, huber, the binary cross-entropy), else
summed, and averaged over the batch: Σ weight · loss / Σ weight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from bpnet import _core, checks
from bpnet.arguments import by_position
from bpnet.described import Described, Family

__all__ = [
    "BinaryCrossEntropyWithLogits",
    "CrossEntropy",
    "HalfSquaredError",
    "Huber",
    "Loss",
    "MAE",
    "MSE",
    "SquaredError",
]


class Loss(Described):
    """Base of the losses. Wherever a loss is wanted its name may be given instead."""

    name: ClassVar[str] = ""
    _check = staticmethod(_core.check_loss)

    def __init_subclass__(cls) -> None:
        cls.operation = cls.name

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

    @by_position("delta goes by name: Huber(delta=1.0)")
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

    @by_position("the classes' weights go by name: CrossEntropy(class_weight=[1, 2, 1])")
    def __init__(self, *, label_smoothing: float = 0.0, class_weight: Sequence[float] | None = None) -> None:
        weights = [] if class_weight is None else checks.items("cross_entropy", "class_weight", class_weight)
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
            mean, and goes on with the sum.
    """

    name = "binary_cross_entropy_with_logits"

    @by_position('outputs goes by name: BinaryCrossEntropyWithLogits(outputs="mean")')
    def __init__(self, *, outputs: str = "mean") -> None:
        if outputs not in ("mean", "sum"):
            raise ValueError(f"{self.name}: outputs is {outputs!r}, 'mean' or 'sum' is needed")
        self._set(outputs=outputs)

    @classmethod
    def _from(cls, options: Mapping[str, Any]) -> BinaryCrossEntropyWithLogits:
        return super()._from({"outputs": "sum", **options})


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


def as_loss(operation: str, loss: Loss | str) -> Loss:
    """The loss itself, or the one of this name."""
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
