"""How a parameter's first values are drawn."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

from bpnet import _core, checks
from bpnet.arguments import by_position
from bpnet.described import Described, Family

__all__ = [
    "Constant",
    "FanIn",
    "HeNormal",
    "HeUniform",
    "Initializer",
    "Normal",
    "Uniform",
    "XavierNormal",
    "XavierUniform",
]


class Initializer(Described):
    """Base of the initialisers; fan_in and fan_out are the layer's input and output widths."""

    operation = "init"
    kind: ClassVar[str] = ""
    _check = staticmethod(_core.check_initializer)

    def _set(self, **numbers: Any) -> None:
        super()._set(**{name: checks.number("init", name, value) for name, value in numbers.items()})

    def describe(self) -> dict[str, Any]:
        """The initializer as a model file stores it: its kind and numbers."""
        return {"kind": self.kind, **super().describe()}


class FanIn(Initializer):
    """U(−gain/√fan_in, gain/√fan_in): PyTorch's default for Linear at gain 1."""

    kind = "fan_in"

    @by_position()
    def __init__(self, gain: float = 1.0) -> None:
        self._set(gain=gain)


class Normal(Initializer):
    """N(mean, std²)."""

    kind = "normal"

    @by_position()
    def __init__(self, mean: float = 0.0, std: float = 0.01) -> None:
        self._set(mean=mean, std=std)


class Uniform(Initializer):
    """U(low, high)."""

    kind = "uniform"

    @by_position()
    def __init__(self, low: float = -0.1, high: float = 0.1) -> None:
        self._set(low=low, high=high)


class XavierUniform(Initializer):
    """U(±gain √(6 / (fan_in + fan_out))) (Glorot and Bengio 2010)."""

    kind = "xavier_uniform"

    @by_position()
    def __init__(self, gain: float = 1.0) -> None:
        self._set(gain=gain)


class XavierNormal(Initializer):
    """N(0, gain² · 2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""

    kind = "xavier_normal"

    @by_position()
    def __init__(self, gain: float = 1.0) -> None:
        self._set(gain=gain)


class HeUniform(Initializer):
    """U(±gain √(3 / fan_in)); gain √2 suits ReLU (He et al. 2015)."""

    kind = "he_uniform"

    @by_position()
    def __init__(self, *, gain: float = math.sqrt(2)) -> None:
        self._set(gain=gain)


class HeNormal(Initializer):
    """N(0, gain² / fan_in); gain √2 suits ReLU (He et al. 2015)."""

    kind = "he_normal"

    @by_position()
    def __init__(self, *, gain: float = math.sqrt(2)) -> None:
        self._set(gain=gain)


class Constant(Initializer):
    """Every element is value."""

    kind = "constant"

    @by_position()
    def __init__(self, value: float = 0.0) -> None:
        self._set(value=value)


FAMILY: Family[Initializer] = Family(
    "initializer",
    Initializer,
    {
        cls.kind: cls
        for cls in (FanIn, Normal, Uniform, XavierUniform, XavierNormal, HeUniform, HeNormal, Constant)
    },
    by_name=False,
)


def initializer_from(description: Mapping[str, Any]) -> Initializer:
    """The initializer that describe() said."""
    options = dict(description)
    return FAMILY.from_description(options.pop("kind"), options)
