"""The layers. Sizes of inputs are inferred by the network."""

from __future__ import annotations

from typing import Any

from bpnet.initializers import Initializer

__all__ = [
    "Dropout",
    "Flatten",
    "GELU",
    "Layer",
    "LeakyReLU",
    "Linear",
    "ReLU",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


class Layer:
    """A layer's description. It holds options and no numbers; the network holds those."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def describe(self) -> dict[str, Any]:
        """The layer as a model file stores it."""
        return {"type": type(self).__name__} | {
            key: value.describe() if isinstance(value, Initializer) else value
            for key, value in self.options.items()
        }

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in self.options.items())
        return f"{type(self).__name__}({options})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layer) and self.describe() == other.describe()

    __hash__ = None  # type: ignore[assignment]


class Linear(Layer):
    """y = x Wᵀ + b, with W of shape (out_features, in_features) and b of shape (out_features,).

    Args:
        out_features: width of the output, at least 1.
        bias: whether there is a b.
        init: how W is drawn; ``None`` is PyTorch's U(−1/√in_features, 1/√in_features).
        bias_init: how b is drawn; ``None`` is the same.

    The input is flat, of shape (in_features,); put a :class:`Flatten` before it otherwise.
    """

    def __init__(
        self,
        out_features: int,
        bias: bool = True,
        init: Initializer | None = None,
        bias_init: Initializer | None = None,
    ) -> None:
        options: dict[str, Any] = {"out_features": out_features, "bias": bias}
        for name, value in (("init", init), ("bias_init", bias_init)):
            if value is None:
                continue
            if not isinstance(value, Initializer):
                raise TypeError(
                    f"linear: {name} is {value!r}, an initializer such as bpnet.HeNormal() is needed"
                )
            options[name] = value
        super().__init__(**options)


class Tanh(Layer):
    """y = tanh(x), the lecture's θ; dy/dx = 1 − y²."""

    def __init__(self) -> None:
        super().__init__()


class ReLU(Layer):
    """y = max(x, 0); dy/dx = 1 where x > 0, else 0 (Nair and Hinton 2010)."""

    def __init__(self) -> None:
        super().__init__()


class LeakyReLU(Layer):
    """y = x where x > 0, else negative_slope · x, with negative_slope ≥ 0 (Maas et al. 2013)."""

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__(negative_slope=negative_slope)


class Sigmoid(Layer):
    """y = 1 / (1 + exp(−x))."""

    def __init__(self) -> None:
        super().__init__()


class Softplus(Layer):
    """y = log(1 + exp(beta · x)) / beta."""

    def __init__(self, beta: float = 1.0) -> None:
        super().__init__(beta=beta)


class GELU(Layer):
    """y = x Φ(x), Φ the normal distribution (Hendrycks and Gimpel 2016).

    Args:
        approximate: ``"none"``, or ``"tanh"`` for ½x(1 + tanh(√(2/π)(x + 0.044715x³))).
    """

    def __init__(self, approximate: str = "none") -> None:
        super().__init__(approximate=approximate)


class SiLU(Layer):
    """y = x / (1 + exp(−x)) (Elfwing et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()


class Softmax(Layer):
    """y_j = exp(x_j) / Σ_k exp(x_k) over the features of a flat input.

    Not before ``cross_entropy``, which takes logits and applies it itself.
    """

    def __init__(self) -> None:
        super().__init__()


class Dropout(Layer):
    """In training y = x · m / (1 − p), m = 0 with probability p; otherwise y = x.

    The mask depends on the seed, the step, the sample's place in the batch and the element alone
    (Srivastava et al. 2014, in the inverted form).
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__(p=p)


class Flatten(Layer):
    """(channels, height, width) → (channels · height · width,), in that order."""

    def __init__(self) -> None:
        super().__init__()
