"""The list of all layers: one line each. Whoever adds a layer adds a line, and every contract is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import bpnet as bp

Shape = tuple[int, ...]


class Case(NamedTuple):
    make: Callable[[int], bp.layers.Layer]  # from an output width, which most layers have no use for
    input_shape: Callable[[int], Shape] = lambda features: (features,)
    elementwise: bool = False  # may be joined to the Linear before it
    kink: bool = False  # the derivative jumps at 0

    def __repr__(self) -> str:
        return repr(self.make(4))


def elementwise(layer: bp.layers.Layer, kink: bool = False) -> Case:
    return Case(lambda _: layer, elementwise=True, kink=kink)


CASES = [
    Case(lambda out: bp.Linear(out)),
    Case(lambda out: bp.Linear(out, bias=False, init=bp.HeNormal())),
    elementwise(bp.Tanh()),
    elementwise(bp.ReLU(), kink=True),
    elementwise(bp.LeakyReLU(), kink=True),
    elementwise(bp.LeakyReLU(negative_slope=0.3), kink=True),
    elementwise(bp.LeakyReLU(negative_slope=0.0), kink=True),
    elementwise(bp.Sigmoid()),
    elementwise(bp.Softplus()),
    elementwise(bp.Softplus(beta=3.0)),
    elementwise(bp.GELU()),
    elementwise(bp.GELU(approximate="tanh")),
    elementwise(bp.SiLU()),
    Case(lambda _: bp.Softmax()),
    Case(lambda _: bp.Dropout(0.3)),
    Case(lambda _: bp.Dropout(0.8), input_shape=lambda features: (2, features)),
    Case(lambda _: bp.Dropout(0.0)),
    Case(lambda _: bp.Dropout(1.0)),
    Case(lambda out: bp.Sequential([bp.Linear(out), bp.Tanh()])),
    Case(lambda _: bp.Sequential([bp.Tanh().named("inner"), bp.Dropout(0.3)])),
    Case(lambda _: bp.Residual([bp.Tanh()])),
    Case(lambda out: bp.Residual([bp.Linear(out), bp.GELU()], [bp.Linear(out, bias=False)])),
    Case(lambda _: bp.Residual([bp.Sigmoid(), bp.Residual([bp.Tanh(), bp.Dropout(0.3)])], [bp.SiLU()])),
    Case(lambda _: bp.Residual([bp.Tanh()]), input_shape=lambda features: (3, features, 2)),
    Case(lambda _: bp.Flatten()),
    Case(lambda _: bp.Flatten(), input_shape=lambda features: (3, features, 2)),
]


def uncovered_types() -> set[str]:
    """Layers that the core knows and this list does not."""
    return set(bp._core.layer_types()) - {case.make(1).describe()["type"] for case in CASES}
