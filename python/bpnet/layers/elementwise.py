"""Layers without parameters or windows: activations, softmax, dropout, flattening."""

from __future__ import annotations

from bpnet.arguments import by_position
from bpnet.described import Family
from bpnet.layers.base import Layer


class Tanh(Layer):
    """y = tanh(x), the lecture's θ; dy/dx = 1 − y²."""

    operation = "tanh"


class ReLU(Layer):
    """y = max(x, 0); dy/dx = 1 where x > 0, else 0 (Nair and Hinton 2010)."""

    operation = "relu"


class LeakyReLU(Layer):
    """y = x where x > 0, else negative_slope · x, with negative_slope ≥ 0 (Maas et al. 2013)."""

    operation = "leaky_relu"

    @by_position()
    def __init__(self, negative_slope: float = 0.01) -> None:
        self._set(negative_slope=negative_slope)


class Sigmoid(Layer):
    """y = 1 / (1 + exp(−x))."""

    operation = "sigmoid"


class Softplus(Layer):
    """y = log(1 + exp(beta · x)) / beta."""

    operation = "softplus"

    @by_position()
    def __init__(self, beta: float = 1.0) -> None:
        self._set(beta=beta)


class GELU(Layer):
    """y = x Φ(x), Φ the normal distribution (Hendrycks and Gimpel 2016).

    Args:
        approximate: ``"none"``, or ``"tanh"`` for ½x(1 + tanh(√(2/π)(x + 0.044715x³))).
    """

    operation = "gelu"

    @by_position()
    def __init__(self, approximate: str = "none") -> None:
        self._set(approximate=approximate)


class SiLU(Layer):
    """y = x / (1 + exp(−x)) (Elfwing et al. 2017)."""

    operation = "silu"


class Softmax(Layer):
    """y_j = exp(x_j) / Σ_k exp(x_k) over the features of a flat input.

    Not before ``cross_entropy``, which takes logits and applies it itself.
    """

    operation = "softmax"


class Dropout(Layer):
    """In training y = x · m / (1 − p), m = 0 with probability p, else 1; otherwise y = x.

    The mask depends on the seed, the step, the sample's index in the batch and the element alone
    (Srivastava et al. 2014, in the inverted form).

    Args:
        p: from 0 to 1.
        scale_at: ``"training"``, or ``"test"``: y = x · m in training, (1 − p) · x otherwise, as in 2012
            (Hinton et al. 2012).
    """

    operation = "dropout"

    @by_position()
    def __init__(self, p: float = 0.5, *, scale_at: str = "training") -> None:
        self._set(p=p, scale_at=scale_at)


class Flatten(Layer):
    """(channels, height, width) → (channels · height · width,), in that order."""

    operation = "flatten"


#: The activations that commands, recipes and the lecture's algorithm take by name.
ACTIVATIONS: Family[Layer] = Family(
    "activation",
    Layer,
    {cls.operation: cls for cls in (Tanh, ReLU, LeakyReLU, Sigmoid, Softplus, GELU, SiLU)},
    by_name=True,
)

#: The same by the names that scikit-learn has for four of them; its identity is no layer.
SCIKIT_LEARN_ACTIVATIONS: dict[str, type[Layer] | None] = {
    "identity": None,
    **{"logistic" if cls is Sigmoid else name: cls for name, cls in ACTIVATIONS.classes.items()},
}
