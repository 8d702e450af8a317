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
    least_batch: int = 1  # with fewer samples it has no output, or one that is all rounding
    takes_bias_away: bool = False  # of a Linear before it: that gradient is 0 but for rounding

    def __repr__(self) -> str:
        return repr(self.make(4))


def elementwise(layer: bp.layers.Layer, kink: bool = False) -> Case:
    return Case(lambda _: layer, elementwise=True, kink=kink)


def image(make: Callable[[int], bp.layers.Layer], groups: int = 1, least_batch: int = 1) -> Case:
    """A layer of maps, which are small and of ragged sizes, its channels a multiple of groups."""

    def shape(features: int) -> Shape:
        return (groups * (3 + features % 14), 3 + features % 5, 4 + features % 3)

    return Case(make, input_shape=shape, least_batch=least_batch)


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
    Case(lambda out: bp.Parallel([[], bp.Linear(out), [bp.Linear(2), bp.SiLU()]], merge="concat")),
    Case(lambda out: bp.Parallel([bp.Linear(out), [bp.Tanh(), bp.Linear(out)], bp.Linear(out, bias=False)])),
    Case(lambda _: bp.Parallel([bp.Tanh()])),
    Case(lambda _: bp.Parallel([[], [], bp.Parallel([[], bp.Sigmoid()])])),
    Case(lambda _: bp.Parallel([[], []], merge="concat"), input_shape=lambda features: (3, features)),
    Case(lambda _: bp.Dropout(0.4, scale_at="test")),
    Case(lambda _: bp.Dropout(1.0, scale_at="test")),
    image(lambda out: bp.Conv2d(1 + out % 19, 3)),
    image(lambda out: bp.Conv2d(1 + out % 19, 1, bias=False)),
    image(
        lambda out: bp.Conv2d(
            2 + out % 9 * 2, (3, 2), stride=(2, 1), padding=(0, 1, 2, 0), dilation=(1, 2), groups=2
        ),
        groups=2,
    ),
    image(lambda out: bp.Conv2d(5, (2, 3), padding=1, init=bp.HeNormal(), bias_init=bp.Constant(1.0))),
    image(lambda out: bp.Parallel([bp.Conv2d(1 + out % 5, 1), [], bp.AvgPool2d(3, 1, 1)], merge="concat")),
    image(lambda out: bp.Parallel([bp.Conv2d(4, 1), bp.Conv2d(4, 3, padding=1)])),
    image(lambda _: bp.MaxPool2d(3, stride=2)),
    image(lambda _: bp.MaxPool2d((2, 3), stride=(1, 2), padding=1, ceil_mode=True)),
    image(lambda _: bp.MaxPool2d(2, stride=1, padding=(0, 1), dilation=(2, 3))),
    image(lambda _: bp.AvgPool2d(2)),
    image(lambda _: bp.AvgPool2d(3, stride=2, padding=1, ceil_mode=True)),
    image(lambda _: bp.AvgPool2d((3, 2), stride=1, padding=(1, 0), count_include_pad=False)),
    image(lambda _: bp.AdaptiveAvgPool2d(2)),
    image(lambda _: bp.AdaptiveAvgPool2d((5, 3))),
    image(lambda _: bp.LocalResponseNorm(5, alpha=0.5, k=2.0)),
    image(lambda _: bp.LocalResponseNorm(4, alpha=0.3, beta=0.6, groups=2), groups=2),
    image(lambda _: bp.LocalResponseNorm(3, alpha=1.0, within_map=True)),
    image(lambda _: bp.BatchNorm2d(), least_batch=2),
    Case(lambda _: bp.BatchNorm1d(), least_batch=5, takes_bias_away=True),
    Case(lambda _: bp.BatchNorm1d(), input_shape=lambda features: (features, 3), least_batch=2),
    Case(
        lambda _: bp.BatchNorm1d(momentum=None, affine=False),
        input_shape=lambda features: (3, features),
        least_batch=5,
    ),
    Case(lambda _: bp.BatchNorm1d(eps=0.1, affine=False), least_batch=5, takes_bias_away=True),
    Case(lambda _: bp.Flatten()),
    Case(lambda _: bp.Flatten(), input_shape=lambda features: (3, features, 2)),
]


def uncovered_types() -> set[str]:
    """Layers that the core knows and this list does not."""
    return set(bp._core.layer_types()) - {case.make(1).describe()["type"] for case in CASES}
