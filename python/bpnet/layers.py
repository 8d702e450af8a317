"""The layers. Sizes of inputs are inferred by the network."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bpnet import checks
from bpnet.arguments import by_position
from bpnet.described import Family
from bpnet.initializers import FAMILY as INITIALIZERS
from bpnet.initializers import Initializer
from bpnet.layer import FAMILY, Layer, as_layer

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "Dropout",
    "Flatten",
    "GELU",
    "Layer",
    "LeakyReLU",
    "Linear",
    "LocalResponseNorm",
    "MaxPool2d",
    "Parallel",
    "ReLU",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
]


# As deep as the core lets layers nest.
_MOST_NESTING = 16

#: Height and width: one number, or (height, width).
Extent = int | tuple[int, int]


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
        self._set(layers=_nested("sequential", "layers", layers), **_trainable("sequential", trainable))


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
        self._set(
            layers=_nested("residual", "layers", layers),
            shortcut=_nested("residual", "shortcut", shortcut),
            **_trainable("residual", trainable),
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
            branches=_nested("parallel", "branches", layers), merge=merge, **_trainable("parallel", trainable)
        )


def _branch(name: str, branch: Any) -> Layer:
    if isinstance(branch, (Layer, str, type)):
        return as_layer("parallel", name, branch)
    if isinstance(branch, Iterable):
        return Sequential(_nested("parallel", name, branch))
    raise TypeError(f"parallel: {name} is {branch!r}, a layer or a list of layers is needed")


class Linear(Layer):
    """y = x Wᵀ + b, with W of shape (out_features, in_features) and b of shape (out_features,).

    Args:
        out_features: width of the output, at least 1.
        bias: whether there is a b.
        init: how W is drawn; ``None`` is PyTorch's U(−1/√in_features, 1/√in_features).
        bias_init: how b is drawn; ``None`` is the same.
        trainable: False leaves W and b as they are; see :class:`Layer`.

    The input is flat, of shape (in_features,); put a :class:`Flatten` before it otherwise.
    """

    operation = "linear"

    @by_position("the input's size is inferred: Linear(128), not Linear(784, 128)")
    def __init__(
        self,
        out_features: int,
        *,
        bias: bool = True,
        init: Initializer | None = None,
        bias_init: Initializer | None = None,
        trainable: bool = True,
    ) -> None:
        inits = _initializers("linear", init=init, bias_init=bias_init)
        self._set(out_features=out_features, bias=bias, **inits, **_trainable("linear", trainable))


class Conv2d(Layer):
    """y_c = Σ_j x_j ⋆ W_cj + b_c, the cross-correlation of maps, over the channels j of c's group.

    (channels, height, width) → (out_channels, out height, out width), where out height is
    ⌊(height + top + bottom − dilation · (kernel height − 1) − 1) / stride⌋ + 1, the width likewise. W has shape
    (out_channels, channels / groups, kernel height, kernel width), b (out_channels,).

    Args:
        out_channels: at least 1, divisible by groups.
        kernel_size: of the window: an integer, or (height, width), as are stride and dilation.
        stride: steps between windows.
        padding: zeros around the map: an integer, (height, width) or (top, bottom, left, right).
        dilation: steps between the inputs that a window sees.
        groups: the channels are cut into so many groups, each with its own share of the output channels.
        bias: whether there is a b.
        init: how W is drawn; ``None`` is PyTorch's U(−1/√fan_in, 1/√fan_in), where fan_in is
            channels / groups · kernel height · kernel width.
        bias_init: how b is drawn; ``None`` is the same.
        trainable: False leaves W and b as they are; see :class:`Layer`.

    Raises:
        ValueError: from the network, for channels that groups does not divide and for a kernel larger than
            the padded map.
    """

    operation = "conv2d"

    @by_position("the input's channels are inferred: Conv2d(16, 3), not Conv2d(3, 16, 3)")
    def __init__(
        self,
        out_channels: int,
        kernel_size: Extent,
        *,
        stride: Extent = 1,
        padding: int | tuple[int, int] | tuple[int, int, int, int] = 0,
        dilation: Extent = 1,
        groups: int = 1,
        bias: bool = True,
        init: Initializer | None = None,
        bias_init: Initializer | None = None,
        trainable: bool = True,
    ) -> None:
        self._set(
            out_channels=out_channels,
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
            bias=bias,
            **_initializers("conv2d", init=init, bias_init=bias_init),
            **_trainable("conv2d", trainable),
        )


def _trainable(operation: str, trainable: bool) -> dict[str, bool]:
    return {"trainable": checks.flag(operation, "trainable", trainable)}


def _initializers(operation: str, **given: Initializer | None) -> dict[str, Initializer | None]:
    return {
        name: None if value is None else INITIALIZERS.given(operation, value, name)
        for name, value in given.items()
    }


class MaxPool2d(Layer):
    """y = the largest x of each window, NaN where there is one; the first of equals gets the gradient.

    (channels, height, width) → (channels, out height, out width), where out height is
    ⌊(height + 2 padding − dilation · (kernel − 1) − 1) / stride⌋ + 1.

    Args:
        kernel_size: of the window: an integer, or (height, width), as are stride, padding and dilation.
        stride: steps between windows; ``None``: the kernel's size. Smaller ones make windows overlap.
        padding: cells around the map that are never the largest, at most half the kernel.
        dilation: steps between the inputs that a window sees; beside padding at most the map's size.
        ceil_mode: round out height up instead: a last window hangs over the edge, if it begins on the map or
            the padding before it.
    """

    operation = "max_pool2d"

    @by_position()
    def __init__(
        self,
        kernel_size: Extent,
        stride: Extent | None = None,
        padding: Extent = 0,
        dilation: Extent = 1,
        *,
        ceil_mode: bool = False,
    ) -> None:
        self._set(
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            dilation=dilation,
            ceil_mode=ceil_mode,
        )


class AvgPool2d(Layer):
    """y = the mean of x over each window; sizes as in :class:`MaxPool2d`, without dilation.

    Args:
        kernel_size: of the window: an integer, or (height, width), as are stride and padding.
        stride: steps between windows; ``None``: the kernel's size.
        padding: zeros around the map, at most half the kernel.
        ceil_mode: windows may hang over the edge; what is beyond the padding never counts.
        count_include_pad: the zeros of the padding count in the mean.
    """

    operation = "avg_pool2d"

    @by_position()
    def __init__(
        self,
        kernel_size: Extent,
        stride: Extent | None = None,
        padding: Extent = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        self._set(
            kernel_size=kernel_size,
            stride=stride,
            padding=padding,
            ceil_mode=ceil_mode,
            count_include_pad=count_include_pad,
        )


class AdaptiveAvgPool2d(Layer):
    """(channels, height, width) → (channels, *output_size): means over windows that cover the map.

    Row o is the mean of the rows ⌊o · height / out⌋ to ⌈(o + 1) · height / out⌉ − 1, columns likewise.

    Args:
        output_size: an integer, or (height, width).
    """

    operation = "adaptive_avg_pool2d"

    @by_position()
    def __init__(self, output_size: Extent) -> None:
        self._set(output_size=output_size)


class LocalResponseNorm(Layer):
    """y_c = x_c (k + alpha / size · Σ_j x_j²)^−beta over the channels j from c − ⌊size/2⌋ to c + ⌊(size−1)/2⌋.

    Krizhevsky et al. 2012, section 3.3, in PyTorch's convention: the paper's alpha is alpha / size here.

    Args:
        size: how many channels a window sees; with within_map its height and width.
        alpha, beta, k: as in the formula, not negative.
        groups: the channels are cut into so many groups and windows end at their edges.
        within_map: sum over size × size positions of the same channel instead, with alpha / size²; those
            beyond the map's edge are 0.

    Input and output have shape (channels, height, width).
    """

    operation = "local_response_norm"

    @by_position()
    def __init__(
        self,
        size: int,
        alpha: float = 1e-4,
        beta: float = 0.75,
        k: float = 1.0,
        *,
        groups: int = 1,
        within_map: bool = False,
    ) -> None:
        self._set(size=size, alpha=alpha, beta=beta, k=k, groups=groups, within_map=within_map)


class BatchNorm1d(Layer):
    """y = (x − mean) / √(variance + eps) · weight + bias of each feature of an input (features,), or of each
    channel of an input (channels, length), over batch and positions.

    In training mean and variance (divided by the count) are the batch's, which must hold more than one value per
    feature, and the buffers follow: running = (1 − momentum) · running + momentum · batch's, the variance there
    divided by the count − 1. In evaluation they are ``running_mean`` and ``running_var``. (Ioffe and Szegedy 2015.)

    Args:
        eps: added to the variance, not negative.
        momentum: from 0 to 1; ``None`` is 1 / the number of batches so far, which makes the running ones
            the mean of all batches'.
        affine: whether there are a weight, 1 at first, and a bias, 0 at first, of shape (features,).
        trainable: False takes the running mean and variance in training too, and leaves them, weight and bias
            as they are; see :class:`Layer`.
    """

    operation = "batch_norm1d"

    @by_position("the number of features is inferred: BatchNorm1d(), not BatchNorm1d(64)")
    def __init__(
        self,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        trainable: bool = True,
    ) -> None:
        self._set(eps=eps, momentum=momentum, affine=affine, **_trainable("batch_norm1d", trainable))


class BatchNorm2d(Layer):
    """:class:`BatchNorm1d` of each channel of maps (channels, height, width), over batch and positions."""

    operation = "batch_norm2d"

    @by_position("the number of channels is inferred: BatchNorm2d(), not BatchNorm2d(64)")
    def __init__(
        self,
        *,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        trainable: bool = True,
    ) -> None:
        self._set(eps=eps, momentum=momentum, affine=affine, **_trainable("batch_norm2d", trainable))


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

    The mask depends on the seed, the step, the sample's place in the batch and the element alone
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


FAMILY.classes.update(
    (cls.__name__, cls)
    for cls in (
        *(Sequential, Residual, Parallel, Linear, Conv2d, MaxPool2d, AvgPool2d, AdaptiveAvgPool2d),
        *(LocalResponseNorm, BatchNorm1d, BatchNorm2d, Tanh, ReLU, LeakyReLU, Sigmoid, Softplus, GELU),
        *(SiLU, Softmax, Dropout, Flatten),
    )
)

#: The activations that commands, recipes and the lecture's algorithm take by name.
ACTIVATIONS: Family[Layer] = Family(
    "activation",
    Layer,
    {cls.operation: cls for cls in (Tanh, ReLU, LeakyReLU, Sigmoid, Softplus, GELU, SiLU)},
    by_name=True,
)
