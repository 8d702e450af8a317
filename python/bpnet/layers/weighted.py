"""Linear layers and convolutions."""

from __future__ import annotations

from bpnet.arguments import by_position
from bpnet.initializers import FAMILY as INITIALIZERS
from bpnet.initializers import Initializer
from bpnet.layers.base import Extent, Layer, trainable_option


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
        self._set(out_features=out_features, bias=bias, **inits, **trainable_option("linear", trainable))


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
            **trainable_option("conv2d", trainable),
        )


def _initializers(operation: str, **given: Initializer | None) -> dict[str, Initializer | None]:
    return {
        name: None if value is None else INITIALIZERS.given(operation, value, name)
        for name, value in given.items()
    }
