"""How a parameter's first values are drawn."""

from __future__ import annotations

import math

from bpnet import checks

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


class Initializer:
    """Base of the initialisers; fan_in and fan_out are the layer's input and output widths."""

    kind = ""

    def __init__(self, **numbers: float) -> None:
        self.numbers = {name: checks.number("init", name, value) for name, value in numbers.items()}

    def describe(self) -> dict[str, object]:
        """The initializer as a model file stores it: its kind and numbers."""
        return {"kind": self.kind, **self.numbers}

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name}={value:g}" for name, value in self.numbers.items())
        return f"{type(self).__name__}({numbers})"


class FanIn(Initializer):
    """U(−gain/√fan_in, gain/√fan_in): PyTorch's default for Linear at gain 1."""

    kind = "fan_in"

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(gain=gain)


class Normal(Initializer):
    """N(mean, std²)."""

    kind = "normal"

    def __init__(self, mean: float = 0.0, std: float = 0.01) -> None:
        super().__init__(mean=mean, std=std)


class Uniform(Initializer):
    """U(low, high)."""

    kind = "uniform"

    def __init__(self, low: float = -0.1, high: float = 0.1) -> None:
        super().__init__(low=low, high=high)


class XavierUniform(Initializer):
    """U(±gain √(6 / (fan_in + fan_out))) (Glorot and Bengio 2010)."""

    kind = "xavier_uniform"

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(gain=gain)


class XavierNormal(Initializer):
    """N(0, gain² · 2 / (fan_in + fan_out)) (Glorot and Bengio 2010)."""

    kind = "xavier_normal"

    def __init__(self, gain: float = 1.0) -> None:
        super().__init__(gain=gain)


class HeUniform(Initializer):
    """U(±gain √(3 / fan_in)); gain √2 suits ReLU (He et al. 2015)."""

    kind = "he_uniform"

    def __init__(self, gain: float = math.sqrt(2)) -> None:
        super().__init__(gain=gain)


class HeNormal(Initializer):
    """N(0, gain² / fan_in); gain √2 suits ReLU (He et al. 2015)."""

    kind = "he_normal"

    def __init__(self, gain: float = math.sqrt(2)) -> None:
        super().__init__(gain=gain)


class Constant(Initializer):
    """Every element is value."""

    kind = "constant"

    def __init__(self, value: float = 0.0) -> None:
        super().__init__(value=value)
