"""The layers. Sizes of inputs are inferred by the network."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, TypeVar

from bpnet import checks
from bpnet.initializers import Initializer

__all__ = [
    "Dropout",
    "Flatten",
    "GELU",
    "Layer",
    "LeakyReLU",
    "Linear",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


_L = TypeVar("_L", bound="Layer")

# As deep as the core lets layers nest.
_MOST_NESTING = 16


class Layer:
    """A layer's description. It holds options and no numbers; the network holds those."""

    name: str | None = None

    def __init__(self, **options: Any) -> None:
        self.options = options

    def named(self: _L, name: str) -> _L:
        """The same layer with a name, which stands in for its index in the names of its parameters.

        >>> bp.Network(2, [bp.Linear(1).named("fc")]).state_dict().keys()
        dict_keys(['fc.weight', 'fc.bias'])

        Raises:
            ValueError: an empty name, or one with a dot. That no two layers side by side share a name is
                the network's to check.
        """
        if not isinstance(name, str):
            raise TypeError(f"layer: name is {name!r}, a text is needed")
        if not name or "." in name:
            raise ValueError(f"layer: name is {name!r}, a text without dots is needed")
        named = copy.copy(self)
        named.name = name
        return named

    def describe(self) -> dict[str, Any]:
        """The layer as a model file stores it."""
        name = {} if self.name is None else {"name": self.name}
        return (
            {"type": type(self).__name__}
            | name
            | {key: _describe_option(value) for key, value in self.options.items()}
        )

    def __repr__(self) -> str:
        options = ", ".join(f"{key}={value!r}" for key, value in self.options.items())
        named = "" if self.name is None else f".named({self.name!r})"
        return f"{type(self).__name__}({options}){named}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Layer) and self.describe() == other.describe()

    __hash__ = None  # type: ignore[assignment]


def _describe_option(value: Any) -> Any:
    if isinstance(value, (Initializer, Layer)):
        return value.describe()
    if isinstance(value, list):
        return [_describe_option(item) for item in value]
    return value


def _nested(operation: str, name: str, layers: Iterable[Layer]) -> list[Layer]:
    """layers as a list of layers that nest no deeper than the core lets them."""
    layers = checks.items(operation, name, layers)
    for index, layer in enumerate(layers):
        if not isinstance(layer, Layer):
            raise TypeError(
                f"{operation}: {name}[{index}] is a {type(layer).__name__}, a bpnet layer is needed"
            )
        if _depth(layer) >= _MOST_NESTING:
            raise ValueError(f"{operation}: layers are nested more than {_MOST_NESTING} deep")
    return layers


def _depth(layer: Layer) -> int:
    """How many layers deep the layer nests: 0 when it holds none."""
    inner = [*layer.options.get("layers", ()), *layer.options.get("shortcut", ())]
    return 1 + max(map(_depth, inner)) if inner else 0


class Sequential(Layer):
    """Layers one after another, as one layer; its name or index begins the names of their parameters.

    >>> features = bp.Sequential([bp.Linear(8), bp.Tanh(), bp.Linear(4)]).named("features")
    >>> list(bp.Network(2, [features]).state_dict())
    ['features.0.weight', 'features.0.bias', 'features.2.weight', 'features.2.bias']

    Args:
        layers: at least one.
    """

    def __init__(self, layers: Iterable[Layer]) -> None:
        super().__init__(layers=_nested("sequential", "layers", layers))


class Residual(Layer):
    """y = layers(x) + shortcut(x), or layers(x) + x without a shortcut (He et al. 2016).

    The names of the parameters in ``layers`` begin with the Residual's own name or index, those in
    ``shortcut`` with that and ``downsample``, as torchvision's do: ``layer1.0.conv1.weight``,
    ``layer1.0.downsample.0.weight``.

    Args:
        layers: at least one.
        shortcut: the other way, whose output must have the same shape.

    Raises:
        ValueError: the two ways give different shapes (from the network, which shows both).
    """

    def __init__(self, layers: Iterable[Layer], shortcut: Iterable[Layer] = ()) -> None:
        ways = {"layers": _nested("residual", "layers", layers)}
        other = _nested("residual", "shortcut", shortcut)
        super().__init__(**ways, **({"shortcut": other} if other else {}))


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
