"""Networks of the literature, built of the same layers as a user's own.

Each function returns a :class:`bpnet.Network` with fresh weights. ``width`` scales the number of channels and
hidden units, so that a test need not wait for sixty million weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from bpnet import checks
from bpnet.arguments import by_position
from bpnet.initializers import Constant, Initializer, Normal
from bpnet.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    BatchNorm2d,
    Conv2d,
    Dropout,
    Flatten,
    Layer,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    Residual,
    Sequential,
    Tanh,
)
from bpnet.network import Network

__all__ = ["alexnet", "lenet5", "resnet18", "vgg11"]

Widths = Callable[[int], int]


def _check(operation: str, num_classes: int, image_size: int = 32, dropout: float = 0) -> None:
    """What all builders take, before a layer refuses it under its own name."""
    checks.whole(operation, "num_classes", num_classes)
    checks.whole(operation, "image_size", image_size, least=32)
    if not 0 <= checks.number(operation, "dropout", dropout) <= 1:
        raise ValueError(f"{operation}: dropout is {dropout}, a number from 0 to 1 is needed")


def _widths(operation: str, width: float) -> Widths:
    """A function from a number of channels at width 1 to an even number of them."""
    width = checks.number(operation, "width", width)
    if not 0 < width <= 64:
        raise ValueError(f"{operation}: width is {width:g}, a number above 0 and up to 64 is needed")
    return lambda channels: max(2, 2 * round(channels * width / 2))


# AlexNet. Facts of the variants: the paper; Krizhevsky's own layers-145.cfg and layer.py (computerhistory/
# AlexNet-Source-Code); BVLC/caffe's bvlc_alexnet and bvlc_reference_caffenet; torchvision's alexnet.py.


class _TwoGroups(NamedTuple):
    """What the variants with the paper's sizes differ in."""

    image_size: int
    order: dict[int, str]  # of the stages with a pool
    norm: LocalResponseNorm
    bias: float  # at first, of conv2, conv4, conv5, fc6 and fc7; 0 in the others
    late_sigma: float = 0.01  # of the first weights of conv3, conv4 and conv5
    fc_sigma: float = 0.01  # of fc6 and fc7; all others 0.01
    scale_at: str = "training"  # of dropout
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)  # of conv1: top, bottom, left, right


_NORM_FIRST = {1: "conv relu norm pool", 2: "conv relu norm pool", 5: "conv relu pool"}
_POOL_FIRST = {1: "conv relu pool norm", 2: "conv relu pool norm", 5: "conv relu pool"}
_AS_IN_2012 = {1: "conv norm pool relu", 2: "conv relu norm window pool", 5: "conv pool relu"}

_VARIANTS = {
    # α Σ x² in the paper is α/n Σ x² here and in PyTorch, with n = 5.
    "paper": _TwoGroups(227, _NORM_FIRST, LocalResponseNorm(5, alpha=5e-4, beta=0.75, k=2.0), bias=1.0),
    "krizhevsky": _TwoGroups(
        224,
        _AS_IN_2012,
        LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=2.0, groups=2),
        bias=1.0,
        late_sigma=0.03,
        scale_at="test",
        padding=(0, 3, 0, 3),
    ),
    "caffe": _TwoGroups(
        227, _NORM_FIRST, LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0), bias=0.1, fc_sigma=0.005
    ),
    "caffenet": _TwoGroups(
        227, _POOL_FIRST, LocalResponseNorm(5, alpha=1e-4, beta=0.75, k=1.0), bias=1.0, fc_sigma=0.005
    ),
}
_CONVOLUTIONS = {  # channels, kernel, stride, padding, groups
    1: (96, 11, 4, 0, 1),
    2: (256, 5, 1, 2, 2),
    3: (384, 3, 1, 1, 1),
    4: (384, 3, 1, 1, 2),
    5: (256, 3, 1, 1, 2),
}


@by_position()
def alexnet(
    num_classes: int = 1000,
    variant: str = "paper",
    *,
    width: float = 1.0,
    dropout: float = 0.5,
    seed: int = 0,
    dtype: str = "float32",
    device: str = "cpu",
    backend: str | None = None,
    precision: str | None = None,
    winograd: bool | None = None,
) -> Network:
    """AlexNet (Krizhevsky, Sutskever, Hinton 2012): five convolutions and three linear layers.

    Args:
        num_classes: outputs, which are logits.
        variant: which of the networks of that name.

            =========== ===== =================================================================
            variant     input what it is
            =========== ===== =================================================================
            paper       227   96-256-384-384-256 channels, the second, fourth and fifth layer in
                              two groups; ReLU, normalisation (n = 5, k = 2, α = 1e-4 of the
                              paper's formula, β = 0.75), pool; first biases 1 in conv2, conv4,
                              conv5, fc6, fc7 and 0 elsewhere, first weights N(0, 0.01²)
            krizhevsky  224   his own code: conv1 pads three rows and columns at the bottom and
                              right; normalisation within each half (α = 1e-4 / n), before the
                              pool and ReLU in layer 1; a second one within maps in layer 2
                              (5×5, α = 1e-3 / 25, k = 1); σ = 0.03 in conv3 to conv5; dropout
                              scaled at test time
            caffe       227   bvlc_alexnet: k = 1, α = 1e-4 / n, biases 0.1, σ = 0.005 in fc6, fc7
            caffenet    227   bvlc_reference_caffenet: the same with the pool before the
                              normalisation and biases 1
            torchvision 224   64-192-384-256-256 channels, one group, no normalisation, dropout
                              before the linear layers; takes torchvision's state_dict by name
            =========== ===== =================================================================

        width: scales channels and hidden units.
        dropout: the probability that a hidden unit of fc6 or fc7 is dropped.
        seed, dtype, device, backend, precision, winograd: as :class:`bpnet.Network` takes them.

    The parameters are called ``conv1.weight`` … ``fc8.bias``, with torchvision ``features.0.weight`` …
    ``classifier.6.bias``. There are 60,965,224 of them at width 1 and 1000 classes, with torchvision
    61,100,840.

    Raises:
        ValueError: an unknown variant, or a number out of range.
    """
    _check("alexnet", num_classes, dropout=dropout)
    widths = _widths("alexnet", width)
    if variant == "torchvision":
        return Network(
            (3, 224, 224),
            _torchvision(num_classes, widths, dropout),
            seed,
            dtype,
            device,
            backend,
            precision,
            winograd,
        )
    form = _VARIANTS.get(variant) if isinstance(variant, str) else None
    if form is None:
        known = ", ".join(map(repr, [*_VARIANTS, "torchvision"]))
        raise ValueError(f"alexnet: variant is {variant!r}, one of {known} is needed")
    layers = _two_groups(form, num_classes, widths, dropout)
    return Network(
        (3, form.image_size, form.image_size), layers, seed, dtype, device, backend, precision, winograd
    )


def _two_groups(form: _TwoGroups, num_classes: int, widths: Widths, dropout: float) -> list[Layer]:
    def convolution(number: int) -> Layer:
        channels, kernel, stride, padding, groups = _CONVOLUTIONS[number]
        return Conv2d(
            widths(channels),
            kernel,
            stride=stride,
            padding=form.padding if number == 1 else padding,
            groups=groups,
            init=Normal(0.0, form.late_sigma if number >= 3 else 0.01),
            bias_init=Constant(form.bias if number in (2, 4, 5) else 0.0),
        )

    make: dict[str, Callable[[int], Layer]] = {
        "conv": convolution,
        "relu": lambda number: ReLU(),
        "norm": lambda number: form.norm,
        "window": lambda number: LocalResponseNorm(5, alpha=1e-3, beta=0.75, k=1.0, within_map=True),
        "pool": lambda number: MaxPool2d(3, stride=2),
    }
    layers = [
        make[kind](number).named(f"{kind}{number}")
        for number in _CONVOLUTIONS
        for kind in form.order.get(number, "conv relu").split()
    ]
    layers.append(Flatten())
    for number in (6, 7):
        init, bias = Normal(0.0, form.fc_sigma), Constant(form.bias)
        layers += [
            Linear(widths(4096), init=init, bias_init=bias).named(f"fc{number}"),
            ReLU().named(f"relu{number}"),
            Dropout(dropout, scale_at=form.scale_at).named(f"drop{number}"),
        ]
    fc8 = Linear(num_classes, init=Normal(0.0, 0.01), bias_init=Constant(0.0))
    return [*layers, fc8.named("fc8")]


def _torchvision(num_classes: int, widths: Widths, dropout: float) -> list[Layer]:
    features = [
        Conv2d(widths(64), 11, stride=4, padding=2),
        ReLU(),
        MaxPool2d(3, stride=2),
        Conv2d(widths(192), 5, padding=2),
        ReLU(),
        MaxPool2d(3, stride=2),
        Conv2d(widths(384), 3, padding=1),
        ReLU(),
        Conv2d(widths(256), 3, padding=1),
        ReLU(),
        Conv2d(widths(256), 3, padding=1),
        ReLU(),
        MaxPool2d(3, stride=2),
    ]
    classifier = [
        Dropout(dropout),
        Linear(widths(4096)),
        ReLU(),
        Dropout(dropout),
        Linear(widths(4096)),
        ReLU(),
        Linear(num_classes),
    ]
    return [
        Sequential(features).named("features"),
        AdaptiveAvgPool2d(6).named("avgpool"),
        Flatten(),
        Sequential(classifier).named("classifier"),
    ]


@by_position()
def lenet5(
    num_classes: int = 10,
    *,
    image_size: int = 28,
    seed: int = 0,
    dtype: str = "float32",
    device: str = "cpu",
    backend: str | None = None,
    precision: str | None = None,
    winograd: bool | None = None,
) -> Network:
    """LeNet-5 (LeCun, Bottou, Bengio, Haffner 1998) as it is built today, for grey images (1, 28, 28).

    Two convolutions with tanh and mean pooling, three linear layers: 61,706 parameters. The paper's
    trained coefficients of the pools, sparse connections of the second convolution and Gaussian outputs
    are left out.

    Args:
        num_classes: outputs, which are logits.
        image_size: 28, which is padded to the paper's 32, or 32.
        seed, dtype, device, backend, precision, winograd: as :class:`bpnet.Network` takes them.
    """
    _check("lenet5", num_classes)
    if image_size not in (28, 32):
        raise ValueError(f"lenet5: image_size is {image_size!r}, 28 or 32 is needed")
    layers = [
        Conv2d(6, 5, padding=(32 - image_size) // 2).named("conv1"),
        Tanh(),
        AvgPool2d(2),
        Conv2d(16, 5).named("conv2"),
        Tanh(),
        AvgPool2d(2),
        Flatten(),
        Linear(120).named("fc1"),
        Tanh(),
        Linear(84).named("fc2"),
        Tanh(),
        Linear(num_classes).named("fc3"),
    ]
    return Network((1, image_size, image_size), layers, seed, dtype, device, backend, precision, winograd)


def _he_by_fan_out(channels: int, kernel: int) -> Initializer:
    """He et al. 2015 with the fan of the outputs, as torchvision's VGG and ResNet begin."""
    return Normal(0.0, math.sqrt(2 / (channels * kernel * kernel)))


@by_position()
def vgg11(
    num_classes: int = 1000,
    *,
    width: float = 1.0,
    image_size: int = 224,
    dropout: float = 0.5,
    seed: int = 0,
    dtype: str = "float32",
    device: str = "cpu",
    backend: str | None = None,
    precision: str | None = None,
    winograd: bool | None = None,
) -> Network:
    """VGG with 11 weighted layers, configuration A (Simonyan and Zisserman 2014): 132,863,336 parameters.

    Args:
        num_classes: outputs, which are logits.
        width: scales channels and hidden units.
        image_size: at least 32.
        dropout: the probability that a hidden unit of the linear layers is dropped.
        seed, dtype, device, backend, precision, winograd: as :class:`bpnet.Network` takes them.

    Parameters are called ``features.0.weight`` … ``classifier.6.bias``, as torchvision's.
    """
    _check("vgg11", num_classes, image_size, dropout)
    widths = _widths("vgg11", width)
    features: list[Layer] = []
    for stage in ((64,), (128,), (256, 256), (512, 512), (512, 512)):
        for channels in map(widths, stage):
            init = _he_by_fan_out(channels, 3)
            features += [Conv2d(channels, 3, padding=1, init=init, bias_init=Constant(0.0)), ReLU()]
        features.append(MaxPool2d(2))

    def linear(out_features: int) -> Layer:
        return Linear(out_features, init=Normal(0.0, 0.01), bias_init=Constant(0.0))

    classifier = [
        linear(widths(4096)),
        ReLU(),
        Dropout(dropout),
        linear(widths(4096)),
        ReLU(),
        Dropout(dropout),
        linear(num_classes),
    ]
    layers = [
        Sequential(features).named("features"),
        AdaptiveAvgPool2d(7).named("avgpool"),
        Flatten(),
        Sequential(classifier).named("classifier"),
    ]
    return Network((3, image_size, image_size), layers, seed, dtype, device, backend, precision, winograd)


@by_position()
def resnet18(
    num_classes: int = 1000,
    *,
    width: float = 1.0,
    image_size: int = 224,
    seed: int = 0,
    dtype: str = "float32",
    device: str = "cpu",
    backend: str | None = None,
    precision: str | None = None,
    winograd: bool | None = None,
) -> Network:
    """The residual network with 18 weighted layers (He, Zhang, Ren, Sun 2016): 11,689,512 parameters.

    Args:
        num_classes: outputs, which are logits.
        width: scales channels.
        image_size: at least 32; batch normalisation needs more than one value per channel to train, so
            a batch of one sample needs more.
        seed, dtype, device, backend, precision, winograd: as :class:`bpnet.Network` takes them.

    Parameters and running statistics are called ``conv1.weight`` … ``layer4.1.bn2.bias`` … ``fc.bias``, as
    torchvision's.
    """
    _check("resnet18", num_classes, image_size)
    widths = _widths("resnet18", width)

    def convolution(channels: int, kernel: int, stride: int) -> Conv2d:
        init = _he_by_fan_out(channels, kernel)
        return Conv2d(channels, kernel, stride=stride, padding=kernel // 2, bias=False, init=init)

    def block(channels: int, stride: int) -> Residual:
        body = [
            convolution(channels, 3, stride).named("conv1"),
            BatchNorm2d().named("bn1"),
            ReLU().named("relu"),
            convolution(channels, 3, 1).named("conv2"),
            BatchNorm2d().named("bn2"),
        ]
        return Residual(body, [] if stride == 1 else [convolution(channels, 1, stride), BatchNorm2d()])

    def stage(channels: int, stride: int) -> Sequential:
        blocks = [block(widths(channels), stride).named("0"), ReLU().named("relu0")]
        return Sequential([*blocks, block(widths(channels), 1).named("1"), ReLU().named("relu1")])

    layers = [
        convolution(widths(64), 7, 2).named("conv1"),
        BatchNorm2d().named("bn1"),
        ReLU().named("relu"),
        MaxPool2d(3, stride=2, padding=1).named("maxpool"),
        stage(64, 1).named("layer1"),
        stage(128, 2).named("layer2"),
        stage(256, 2).named("layer3"),
        stage(512, 2).named("layer4"),
        AdaptiveAvgPool2d(1).named("avgpool"),
        Flatten(),
        Linear(num_classes).named("fc"),
    ]
    return Network((3, image_size, image_size), layers, seed, dtype, device, backend, precision, winograd)
