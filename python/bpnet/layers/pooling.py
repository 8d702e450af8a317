"""Pools over windows of a map."""

from __future__ import annotations

from bpnet.arguments import by_position
from bpnet.layers.base import Extent, Layer


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
