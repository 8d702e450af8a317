"""Layers that hold others, and the list of all layers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bpnet import checks
from bpnet.arguments import by_position
from bpnet.described import Family
from bpnet.initializers import initializer_from
from bpnet.layers.base import Layer, trainable_option
from bpnet.layers.elementwise import (
    GELU,
    Dropout,
    Flatten,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Softplus,
    Tanh,
)
from bpnet.layers.normalization import BatchNorm1d, BatchNorm2d, LocalResponseNorm
from bpnet.layers.pooling import AdaptiveAvgPool2d, AvgPool2d, MaxPool2d
from bpnet.layers.weighted import Conv2d, Linear

# The options that hold layers in a description.
_WAYS = ("layers", "shortcut")

# As deep as the core lets layers nest.
_MOST_NESTING = 16


def as_layer(operation: str, name: str, layer: Any) -> Layer:
    """The layer, which was given as ``name``; an error for anything else."""
    return FAMILY.given(operation, layer, name)


def _nested(operation: str, name: str, layers: Iterable[Layer]) -> list[Layer]:
    """layers as a list of layers that nest no deeper than the core lets them."""
    layers = checks.items(operation, name, layers)
    for index, layer in enumerate(layers):
        if _depth(as_layer(operation, f"{name}[{index}]", layer)) >= _MOST_NESTING:
            raise ValueError(f"{operation}: layers are nested more than {_MOST_NESTING} deep")
    return layers


def _depth(layer: Layer) -> int:
    """How many layers deep the layer nests: 0 when it holds none."""
    inner = [each for ways in layer.options.values() if isinstance(ways, tuple) for each in ways]
    inner = [each for each in inner if isinstance(each, Layer)]
    return 1 + max(map(_depth, inner)) if inner else 0


class Sequential(Layer):
    """Layers one after another, as one layer; its name or index begins the names of their parameters.

    >>> features = bp.Sequential([bp.Linear(8), bp.Tanh(), bp.Linear(4)]).named("features")
    >>> list(bp.Network(2, [features]).state_dict())
    ['features.0.weight', 'features.0.bias', 'features.2.weight', 'features.2.bias']

    Args:
        layers: at least one.
        trainable: False freezes all layers within; see :class:`Layer`.
    """

    operation = "sequential"

    @by_position("one list: Sequential([Linear(8), Tanh()])")
    def __init__(self, layers: Iterable[Layer], *, trainable: bool = True) -> None:
        self._set(layers=_nested("sequential", "layers", layers), **trainable_option("sequential", trainable))


class Residual(Layer):
    """y = layers(x) + shortcut(x), or layers(x) + x without a shortcut (He et al. 2016).

    The names of the parameters in ``layers`` begin with the Residual's own name or index, those in
    ``shortcut`` with that and ``downsample``, as torchvision's do: ``layer1.0.conv1.weight``,
    ``layer1.0.downsample.0.weight``.

    Args:
        layers: at least one.
        shortcut: the other way, whose output must have the same shape.
        trainable: False freezes all layers within; see :class:`Layer`.

    Raises:
        ValueError: the two ways give different shapes (from the network, which shows both).
    """

    operation = "residual"

    @by_position()
    def __init__(
        self, layers: Iterable[Layer], shortcut: Iterable[Layer] = (), *, trainable: bool = True
    ) -> None:
        inner = _nested("residual", "layers", layers)
        if not inner:
            raise ValueError("residual: no layers given, at least one is needed")
        self._set(
            layers=inner,
            shortcut=_nested("residual", "shortcut", shortcut),
            **trainable_option("residual", trainable),
        )


class Parallel(Layer):
    """Branches that all see x, their outputs added or concatenated.

    ``merge="sum"``: y = branch_0(x) + branch_1(x) + ..., added in that order; all outputs have one shape.
    ``merge="concat"``: y has the channels of branch_0(x), then those of branch_1(x), ...; the outputs,
    (channels, height, width), (channels, length) or (features,), agree in all sizes but the first. So are the
    Inception blocks of GoogLeNet built (Szegedy et al. 2015, section 5), and the dense blocks of DenseNet
    (Huang et al. 2017, section 3), where one branch is the identity.

    A branch is a layer, or a list of layers, of which the empty list is the identity. Its name or index
    follows the Parallel's in the names of its parameters; ``bp.Sequential([...]).named("pool")`` names a list.

    >>> block = bp.Parallel([[], bp.Linear(3), [bp.Linear(4), bp.Tanh()]], merge="concat").named("block")
    >>> net = bp.Network(2, [block])
    >>> net.output_shape, list(net.state_dict())
    ((9,), ['block.1.weight', 'block.1.bias', 'block.2.0.weight', 'block.2.0.bias'])

    Args:
        branches: at least one.
        merge: "sum" or "concat".
        trainable: False freezes all layers within; see :class:`Layer`.

    Raises:
        ValueError: another ``merge``, or branches whose outputs do not fit together (from the network, which
            shows both).
    """

    operation = "parallel"
    _stored = {"branches": "layers"}

    @by_position()
    def __init__(
        self, branches: Iterable[Layer | Iterable[Layer]], merge: str = "sum", *, trainable: bool = True
    ) -> None:
        layers = [
            _branch(f"branches[{index}]", branch)
            for index, branch in enumerate(checks.items("parallel", "branches", branches))
        ]
        if not layers:
            raise ValueError("parallel: no branches given, at least one is needed")
        self._set(
            branches=_nested("parallel", "branches", layers),
            merge=merge,
            **trainable_option("parallel", trainable),
        )


def _branch(name: str, branch: Any) -> Layer:
    if isinstance(branch, (Layer, str, type)):
        return as_layer("parallel", name, branch)
    if isinstance(branch, Iterable):
        return Sequential(_nested("parallel", name, branch))
    raise TypeError(f"parallel: {name} is {branch!r}, a layer or a list of layers is needed")


FAMILY: Family[Layer] = Family(
    "layer",
    Layer,
    {
        cls.__name__: cls
        for cls in (
            *(Sequential, Residual, Parallel, Linear, Conv2d, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d),
            *(LocalResponseNorm, BatchNorm1d, BatchNorm2d, Tanh, ReLU, LeakyReLU, Sigmoid, Softplus, GELU),
            *(SiLU, Softmax, Dropout, Flatten),
        )
    },
    by_name=False,
)


def layer_from(description: Mapping[str, Any]) -> Layer:
    """The layer that describe() said, with the layers and initializers that it holds."""
    options = dict(description)
    kind = options.pop("type")
    if kind == "Sequential":
        options.setdefault("layers", [])  # the core leaves the list of an identity out
    return FAMILY.from_description(kind, {key: _option_from(key, value) for key, value in options.items()})


def _option_from(key: str, value: Any) -> Any:
    if key in _WAYS:
        return [layer_from(each) for each in value]
    if key in ("init", "bias_init"):
        return None if value is None else initializer_from(value)
    return value
