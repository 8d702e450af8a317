"""Local response normalisation and a max pool after it, and ReLU before them, give what each gives by itself."""

from __future__ import annotations

import numpy as np
import pytest

import bpnet as bp
from backend_names import FAST, OTHERS

dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
backends = pytest.mark.parametrize("backend", bp.backends())

POOLS = [
    bp.MaxPool2d(3, stride=2),
    bp.MaxPool2d(2),
    bp.MaxPool2d(2, stride=3),
    bp.MaxPool2d(3, stride=1, padding=1),
    bp.MaxPool2d((2, 3), stride=(1, 2), padding=1, ceil_mode=True),
    bp.MaxPool2d(2, stride=1, dilation=2),
    bp.MaxPool2d((16, 17), stride=1),  # more taps than a byte counts
]
CHANNELS = [1, 15, 16, 17, 48, 96]


def by_itself(layers: list[bp.layers.Layer], x: np.ndarray, grad_y, backend: str) -> list[np.ndarray]:
    """Output and gradient of networks of one layer each."""
    nets = []
    for layer in layers:
        net = bp.Network(x.shape[1:], [layer], dtype=x.dtype.name, backend=backend)
        x = net.forward(x, training=True)
        nets.append(net)
    for net in reversed(nets):
        grad_y = net.backward(grad_y)
    return [x, grad_y]


def together(layers: list[bp.layers.Layer], x: np.ndarray, grad_y, backend: str) -> list[np.ndarray]:
    net = bp.Network(x.shape[1:], layers, dtype=x.dtype.name, backend=backend)
    inferred = net.forward(x)
    out = net.forward(x, training=True)
    assert np.array_equal(inferred, out, equal_nan=True)
    return [out, net.backward(grad_y)]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(one, other, strict=True))


def arrays(rng: np.random.Generator, n: int, shape: tuple[int, ...], layers: list, dtype: str):
    """Few different numbers, so that windows have several largest inputs, and their gradients."""
    x = rng.integers(-2, 3, (n, *shape)).astype(dtype)
    out = bp.Network(shape, layers).output_shape
    return x, rng.integers(-3, 4, (n, *out)).astype(dtype)


@dtypes
@backends
@pytest.mark.parametrize("channels", CHANNELS)
def test_a_pool_after_local_response(backend: str, dtype: str, channels: int):
    rng = np.random.default_rng(channels)
    for pool in POOLS:
        for n, norm in [
            (1, bp.LocalResponseNorm(5, alpha=0.5, k=2.0)),
            (17, bp.LocalResponseNorm(4, beta=0.5)),
        ]:
            x, grad_y = arrays(rng, n, (channels, 16, 18), [norm, pool], dtype)
            wanted = by_itself([norm, pool], x, grad_y, backend)
            assert same(together([norm, pool], x, grad_y, backend), wanted), (pool, norm, n)


@backends
def test_nan_is_the_largest(backend: str):
    rng = np.random.default_rng(0)
    layers = [bp.LocalResponseNorm(5, alpha=0.5), bp.MaxPool2d(3, stride=2)]
    x, grad_y = arrays(rng, 2, (19, 9, 9), layers, "float32")
    x[0, 3, 4, 4] = x[1, 18, 0, 8] = np.nan
    out, grad_x = together(layers, x, grad_y, backend)
    assert np.isnan(out).any()
    assert same([out, grad_x], by_itself(layers, x, grad_y, backend))


@backends
@pytest.mark.parametrize(
    "layers",
    [
        [bp.MaxPool2d(3, stride=2)],
        [bp.LocalResponseNorm(5, alpha=0.5, k=2.0)],
        [bp.LocalResponseNorm(3, alpha=0.5, within_map=True), bp.MaxPool2d(2)],
        [bp.LocalResponseNorm(5, alpha=0.5, k=2.0), bp.MaxPool2d(3, stride=2)],
        [bp.MaxPool2d(3, stride=2), bp.LocalResponseNorm(5, alpha=0.5, k=2.0)],
        [bp.MaxPool2d(2), bp.MaxPool2d(2, stride=1), bp.Flatten()],
        [bp.AvgPool2d(2), bp.MaxPool2d(2)],
    ],
    ids=repr,
)
@pytest.mark.parametrize("before", [bp.Conv2d(17, 1), bp.BatchNorm2d()], ids=repr)
def test_the_derivative_of_relu_is_taken_later(backend: str, before: bp.layers.Layer, layers: list):
    """The gradients of the layer before ReLU are those of ReLU by itself."""
    shape = (17, 9, 10)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(3, *shape)).astype(np.float32)
    apart = [bp.Network(shape, [before], backend=backend)]
    for layer in [bp.ReLU(), *layers]:
        apart.append(bp.Network(apart[-1].output_shape, [layer], backend=backend))
    whole = bp.Network(shape, [before, bp.ReLU(), *layers], backend=backend)
    state = {
        name: rng.normal(size=value.shape).astype(np.float32) for name, value in whole.gradients().items()
    }
    for net in (whole, apart[0]):
        net.load_state_dict({**net.state_dict(), **state})
    y = x
    for net in apart:
        y = net.forward(y, training=True)
    assert np.array_equal(whole.forward(x, training=True), y)
    grad = grad_y = rng.normal(size=y.shape).astype(np.float32)
    for net in reversed(apart):
        grad = net.backward(grad)
    assert np.array_equal(whole.backward(grad_y), grad)
    wanted = apart[0].gradients()
    for name, value in whole.gradients().items():
        assert np.array_equal(value, wanted[name]), name


@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("n", [2, 20])
def test_the_same_bits_for_every_number_of_threads(backend: str, n: int):
    layers = [bp.LocalResponseNorm(5, alpha=0.5, k=2.0), bp.MaxPool2d(3, stride=2), bp.MaxPool2d(3, stride=1)]
    rng = np.random.default_rng(2)
    x, grad_y = arrays(rng, n, (33, 31, 30), layers, "float32")
    before = bp.num_threads()
    results = []
    try:
        for threads in (1, 2, 3):
            bp.set_num_threads(threads)
            results.append(together(layers, x + np.float32(0.1), grad_y, backend))
    finally:
        bp.set_num_threads(before)
    assert all(same(result, results[0]) for result in results)


@dtypes
@pytest.mark.parametrize("backend", OTHERS)
def test_pools_of_any_number_of_channels(backend: str, dtype: str):
    """Of few images, which are cut by channels, and of many."""
    rng = np.random.default_rng(3)
    pools = [*POOLS, bp.AvgPool2d(2), bp.AvgPool2d(3, stride=2, padding=1), bp.AdaptiveAvgPool2d((4, 4))]
    for channels in (1, 3, 6, 15, 16, 17, 48, 65, 130):
        for pool in pools:
            for n in (2, 17):
                x, grad_y = arrays(rng, n, (channels, 16, 17), [pool], dtype)
                for value, wanted in zip(
                    by_itself([pool], x, grad_y, backend),
                    by_itself([pool], x, grad_y, "reference"),
                    strict=True,
                ):
                    most = np.finfo(dtype).eps * 16 * abs(wanted).max()
                    assert abs(value - wanted).max() <= (most if "Avg" in repr(pool) else 0), (
                        channels,
                        pool,
                        n,
                    )


@dtypes
@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("k", [0.0, 1e-35, 1.0])
def test_local_response_of_small_and_large_inputs(backend: str, dtype: str, k: float):
    """Where squares are far from 1, and where k alone would be no scale; but where nothing overflows."""
    layer = bp.LocalResponseNorm(5, alpha=0.5, k=k)
    rng = np.random.default_rng(4)
    for size in (1e-9, 1.0, 1e9, 1e14):
        x = (size * rng.uniform(1, 2, (3, 20, 2, 2))).astype(dtype)
        grad_y = rng.uniform(-1, 1, x.shape).astype(dtype)
        pairs = zip(
            by_itself([layer], x, grad_y, backend), by_itself([layer], x, grad_y, "reference"), strict=True
        )
        for value, wanted in pairs:
            assert np.isfinite(wanted).all()
            assert abs(value - wanted).max() <= 32 * np.finfo(dtype).eps * abs(wanted).max(), size


@dtypes
@pytest.mark.parametrize("backend", OTHERS)
def test_local_response_beside_channels_of_zeros(backend: str, dtype: str):
    """Without k a scale beyond the last channel is 0, and nothing of it may reach a gradient."""
    layer = bp.LocalResponseNorm(5, alpha=0.5, k=0.0)
    rng = np.random.default_rng(5)
    for channels in (5, 13, 20, 35):
        x = rng.uniform(1, 2, (3, channels, 2, 2)).astype(dtype)
        x[:, -1] = 0
        grad_y = rng.uniform(-1, 1, x.shape).astype(dtype)
        pairs = zip(
            by_itself([layer], x, grad_y, backend), by_itself([layer], x, grad_y, "reference"), strict=True
        )
        for value, wanted in pairs:
            assert np.isfinite(wanted).all()
            assert abs(value - wanted).max() <= 32 * np.finfo(dtype).eps * abs(wanted).max(), channels


@pytest.mark.parametrize("backend", FAST)
def test_the_map_between_takes_no_memory(backend: str):
    """The reference has no kernel for both layers together."""
    n, shape = 32, (16, 64, 64)
    layers = [
        bp.Conv2d(16, 1),
        bp.LocalResponseNorm(5),
        bp.MaxPool2d(3, stride=2),
        bp.Flatten(),
        bp.Linear(2),
    ]
    joined, apart = (
        bp.Network(shape, layers, backend=name).training_memory(n) for name in (backend, "reference")
    )
    between = 4 * n * 16 * 64 * 64
    assert apart - joined > between
