"""Pools equal a plain loop over windows; the first of equal inputs gets the gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest

import bpnet as bp
from backend_names import OTHERS

dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
backends = pytest.mark.parametrize("backend", bp.backends())

Pair = tuple[int, int]


def starts(size: int, reach: int, stride: int, padding: int, ceil_mode: bool) -> list[int]:
    """Where windows begin, in the map's own coordinates."""
    space = (size + 2 * padding - reach) / stride
    count = (math.ceil(space) if ceil_mode else math.floor(space)) + 1
    return [
        o * stride - padding for o in range(count) if o == 0 or not ceil_mode or o * stride < size + padding
    ]


def windows(
    shape: Pair, kernel: Pair, stride: Pair, padding: Pair, ceil_mode: bool, dilation: Pair = (1, 1)
) -> list[list]:
    """Rows of windows, each the map's cells it sees, in order, and the size with padding."""

    def along(axis: int) -> list[tuple[list[int], int]]:
        size, pad, step = shape[axis], padding[axis], dilation[axis]
        reach = step * (kernel[axis] - 1) + 1
        taps = [range(b, b + reach, step) for b in starts(size, reach, stride[axis], pad, ceil_mode)]
        return [([t for t in w if 0 <= t < size], sum(t < size + pad for t in w)) for w in taps]

    return [
        [([(r, c) for r in rows for c in columns], tall * wide) for columns, wide in along(1)]
        for rows, tall in along(0)
    ]


def random_window(rng: np.random.Generator) -> tuple[Pair, Pair, Pair, Pair, bool]:
    kernel = tuple(int(k) for k in rng.integers(1, 5, 2))
    stride = tuple(int(s) for s in rng.integers(1, 5, 2))
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    shape = tuple(int(k + n) for k, n in zip(kernel, rng.integers(0, 7, 2), strict=True))
    return shape, kernel, stride, padding, bool(rng.integers(2))


WINDOWS = [random_window(np.random.default_rng(seed)) for seed in range(40)]
WINDOWS.append(((13, 13), (3, 3), (2, 2), (0, 0), True))


def random_dilated_window(rng: np.random.Generator) -> tuple[Pair, Pair, Pair, Pair, bool, Pair]:
    _, kernel, stride, _, ceil_mode = random_window(rng)
    dilation = tuple(int(d) for d in rng.integers(1, 5, 2))
    reach = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    padding = tuple(int(rng.integers(0, k // 2 + 1)) for k in kernel)
    least = [max(d, r - 2 * p, 1) for d, r, p in zip(dilation, reach, padding, strict=True)]
    shape = tuple(int(n + rng.integers(0, 7)) for n in least)
    return shape, kernel, stride, padding, ceil_mode, dilation


DILATED = [random_dilated_window(np.random.default_rng(seed)) for seed in range(40)]


@dtypes
@backends
def test_max_pool_equals_a_plain_loop(backend: str, dtype: str):
    """On few integers, so that most windows have several largest inputs."""
    for shape, kernel, stride, padding, ceil_mode, dilation in [*((*w, (1, 1)) for w in WINDOWS), *DILATED]:
        rng = np.random.default_rng(0)
        layer = bp.MaxPool2d(kernel, stride, padding, dilation, ceil_mode=ceil_mode)
        net = bp.Network((19, *shape), [layer], dtype=dtype, backend=backend)
        x = rng.integers(-2, 2, (3, 19, *shape)).astype(dtype)
        grad_y = rng.integers(-3, 4, (3, *net.output_shape)).astype(dtype)
        y, grad_x = np.empty_like(grad_y), np.zeros_like(x)
        for oy, row in enumerate(windows(shape, kernel, stride, padding, ceil_mode, dilation)):
            for ox, (cells, _) in enumerate(row):
                seen = np.stack([x[:, :, r, c] for r, c in cells])
                y[:, :, oy, ox] = seen.max(axis=0)
                first = seen.argmax(axis=0)
                for index, (r, c) in enumerate(cells):
                    grad_x[:, :, r, c] += np.where(first == index, grad_y[:, :, oy, ox], 0)
        assert np.array_equal(net.forward(x, training=True), y), layer
        assert np.array_equal(net.backward(grad_y), grad_x), layer


@dtypes
@backends
@pytest.mark.parametrize("count_include_pad", [True, False])
def test_average_pool_equals_a_plain_loop(backend: str, dtype: str, count_include_pad: bool):
    eps = np.finfo(dtype).eps
    for shape, kernel, stride, padding, ceil_mode in WINDOWS:
        rng = np.random.default_rng(0)
        layer = bp.AvgPool2d(kernel, stride, padding, ceil_mode, count_include_pad)
        net = bp.Network((19, *shape), [layer], dtype=dtype, backend=backend)
        x = rng.integers(-3, 4, (3, 19, *shape)).astype(dtype)
        grad_y = rng.integers(-3, 4, (3, *net.output_shape)).astype(dtype)
        y, grad_x = np.empty(grad_y.shape), np.zeros(x.shape)
        for oy, row in enumerate(windows(shape, kernel, stride, padding, ceil_mode)):
            for ox, (cells, padded) in enumerate(row):
                divisor = padded if count_include_pad else len(cells)
                y[:, :, oy, ox] = sum(x[:, :, r, c] for r, c in cells) / divisor
                for r, c in cells:
                    grad_x[:, :, r, c] += grad_y[:, :, oy, ox] / divisor
        assert np.array_equal(net.forward(x, training=True), y.astype(dtype)), layer
        assert abs(net.backward(grad_y) - grad_x).max() <= 16 * eps * max(1, abs(grad_x).max()), layer


@dtypes
@backends
@pytest.mark.parametrize("channels", [1, 3, 6, 7, 8, 15, 16, 17])
def test_mean_of_windows_side_by_side(backend: str, dtype: str, channels: int):
    """As LeNet-5's: few channels, windows that do not overlap, inputs at the end that none sees."""
    for samples, shape, kernel in [
        (1, (2, 2), (2, 2)),
        (5, (28, 28), (2, 2)),
        (3, (7, 9), (2, 4)),
        (70, (5, 3), (4, 1)),
        (1, (90, 95), (8, 2)),
    ]:
        rng = np.random.default_rng(0)
        x = rng.integers(-3, 4, (samples, channels, *shape)).astype(dtype)
        net = bp.Network(x.shape[1:], [bp.AvgPool2d(kernel)], dtype=dtype, backend=backend)
        height, width = net.output_shape[1:]
        cut = x[:, :, : height * kernel[0], : width * kernel[1]]
        parts = cut.reshape(samples, channels, height, kernel[0], width, kernel[1])
        assert np.array_equal(net.forward(x, training=True), parts.mean(axis=(3, 5)))
        grad_y = rng.integers(-3, 4, (samples, channels, height, width)).astype(dtype)
        grad_x = np.zeros_like(x)
        grad_x[:, :, : height * kernel[0], : width * kernel[1]] = np.kron(
            grad_y / (kernel[0] * kernel[1]), np.ones(kernel, dtype)
        )
        assert np.array_equal(net.backward(grad_y), grad_x)


@backends
def test_adaptive_average_pool_equals_a_plain_loop(backend: str):
    for shape, output in [
        ((6, 6), (6, 6)),
        ((7, 9), (3, 2)),
        ((2, 3), (5, 4)),
        ((13, 13), (6, 6)),
        ((4, 5), (1, 1)),
    ]:
        x = np.random.default_rng(0).integers(-3, 4, (2, 19, *shape)).astype(float)
        net = bp.Network((19, *shape), [bp.AdaptiveAvgPool2d(output)], dtype="float64", backend=backend)
        y = np.empty((2, 19, *output))
        for oy, ox in np.ndindex(output):
            rows, columns = (
                slice(o * size // out, -(-(o + 1) * size // out))
                for o, size, out in zip((oy, ox), shape, output, strict=True)
            )
            y[:, :, oy, ox] = x[:, :, rows, columns].mean(axis=(2, 3))
        assert abs(net.forward(x, training=True) - y).max() <= 1e-15
        grad = net.backward(np.ones_like(y))
        assert abs(grad.sum() - y.size) <= 1e-12 * y.size, "every output propagates the whole of its gradient"


@backends
def test_nan_is_not_passed_over(backend: str):
    x = np.zeros((1, 9, 4, 4), np.float32)
    x[0, 3, 1, 1] = np.nan
    net = bp.Network(x.shape[1:], [bp.MaxPool2d(2)], backend=backend)
    y = net.forward(x)
    assert np.isnan(y[0, 3, 0, 0])
    assert np.isnan(y).sum() == 1


@dtypes
@backends
def test_the_first_nan_of_a_window_gets_its_gradient(backend: str, dtype: str):
    """And not the largest number, though it comes before."""
    x = np.array([[9.0, np.nan, 1.0], [np.nan, 2.0, 3.0], [4.0, 4.0, 3.0]], dtype)
    net = bp.Network((1, 3, 3), [bp.MaxPool2d(2, 1)], dtype=dtype, backend=backend)
    y = net.forward(x[np.newaxis, np.newaxis], training=True)
    assert np.array_equal(y[0, 0], [[np.nan, np.nan], [np.nan, 4.0]], equal_nan=True)
    grad_x = net.backward(np.array([[1.0, 10.0], [100.0, 1000.0]], dtype)[np.newaxis, np.newaxis])
    assert grad_x[0, 0].tolist() == [[0.0, 11.0, 0.0], [100.0, 0.0, 0.0], [0.0, 1000.0, 0.0]]


# Maps, with pools of them: windows that overlap and that do not, wider than the map, that see hundreds of inputs, and
# that step over some.
EDGES = [
    ((7, 6), bp.MaxPool2d(3, 2)),
    ((7, 6), bp.AvgPool2d(2, 3)),
    ((2, 3), bp.MaxPool2d(6, 1, 3)),
    ((2, 3), bp.AvgPool2d((4, 6), 1, (2, 3), count_include_pad=False)),
    ((2, 3), bp.AvgPool2d((4, 6), 1, (2, 3), ceil_mode=True)),
    ((9, 8), bp.MaxPool2d(3, 2, 1, 2, ceil_mode=True)),
    ((13, 17), bp.AdaptiveAvgPool2d(1)),
    ((27, 12), bp.AdaptiveAvgPool2d((2, 1))),
    ((13, 14), bp.AvgPool2d((12, 13), 1, (3, 0))),
    ((2, 3), bp.AdaptiveAvgPool2d((5, 4))),
]


@dtypes
@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("channels, batch", [(1, 5), (33, 3), (2000, 1)])
def test_any_number_of_channels(backend: str, dtype: str, channels: int, batch: int):
    eps = np.finfo(dtype).eps
    for shape, layer in EDGES:
        nets = [
            bp.Network((channels, *shape), [layer], dtype=dtype, backend=b) for b in ("reference", backend)
        ]
        rng = np.random.default_rng(0)
        x = rng.integers(-2, 3, (batch, channels, *shape)).astype(dtype)  # many are largest together
        grad_y = rng.normal(size=(batch, *nets[0].output_shape)).astype(dtype)
        (wanted, y), (wanted_grad, grad_x) = zip(
            *((net.forward(x, training=True), net.backward(grad_y)) for net in nets), strict=True
        )
        assert abs(y - wanted).max() <= 4 * eps * abs(wanted).max(), layer
        assert abs(grad_x - wanted_grad).max() <= 16 * eps * abs(wanted_grad).max(), layer


def test_a_dilation_that_steps_over_the_map():
    with pytest.raises(
        ValueError, match="max_pool2d: input is 4 high, dilation is 5: with padding the dilation"
    ):
        bp.Network((1, 4, 9), [bp.MaxPool2d(2, 1, 1, dilation=5)])
    with pytest.raises(
        ValueError, match="max_pool2d: input is 4 high, 4 with its padding, the kernel 6 with"
    ):
        bp.Network((1, 4, 9), [bp.MaxPool2d(2, 1, dilation=5)])
