"""The three products of a Linear layer on small integers, where every order of additions is exact, over sizes
that meet each path of the blocked product: ragged tiles, several passes over the depth, packed or not."""

from __future__ import annotations

import numpy as np
import pytest

import bpnet as bp
from backend_names import FAST

SIZES = [  # (samples, in, out)
    (1, 1, 1),
    (3, 40, 7),  # a thin batch: row by row
    (8, 1, 1),
    (9, 37, 5),
    (13, 16, 17),
    (32, 64, 64),
    (33, 400, 71),  # two passes over the depth
    (31, 16, 520),  # the weights are wide: the gradient's rows are packed
    (130, 801, 531),
    (600, 50, 41),
    (700, 64, 64),
    (3001, 33, 19),  # few weights, many samples: their gradient is computed in parts
    (20, 4200, 33),  # wider than one band of packed columns
    (2400, 13, 530),  # more rows than one band of packed rows
    (5, 1030, 1037),  # few rows by large weights, which are packed a band at a time; forward by another way
    (70, 1030, 1037),
    (150, 4200, 257),  # two blocks of bands
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", bp.backends())
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_products_are_exact_on_whole_numbers(sizes: tuple[int, int, int], backend: str, dtype: str):
    samples, width, out = sizes
    rng = np.random.default_rng(0)

    def whole(*shape: int) -> np.ndarray:
        return rng.integers(-3, 4, shape).astype(dtype)

    weight, bias, x, grad = whole(out, width), whole(out), whole(samples, width), whole(samples, out)
    net = bp.Network((width,), [bp.Linear(out)], seed=0, backend=backend, dtype=dtype)
    net.load_state_dict({"0.weight": weight, "0.bias": bias})
    assert np.array_equal(net.forward(x, training=True), x @ weight.T + bias)
    assert np.array_equal(net.backward(grad), grad @ weight)
    assert np.array_equal(net.gradients()["0.weight"], grad.T @ x)
    assert np.array_equal(net.gradients()["0.bias"], grad.sum(axis=0))
    net.forward(x, training=True)
    net.backward(grad, accumulate=True)
    assert np.array_equal(net.gradients()["0.weight"], 2 * (grad.T @ x))
    assert np.array_equal(net.gradients()["0.bias"], 2 * grad.sum(axis=0))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("width, out, most", [(1024, 1024, 128), (33, 19, 3001), (64, 64, 9000)])
def test_smaller_batches_after_the_largest(width: int, out: int, most: int, backend: str, dtype: str):
    """Scratch was taken for the largest: what the smaller ones need must fit into it. (The reference takes none.)"""
    rng = np.random.default_rng(0)
    used = bp.Network((width,), [bp.Linear(out)], seed=0, backend=backend, dtype=dtype)
    for samples in (most, most // 2 + 1, 600, 64, 17, 4, 1):
        samples = min(samples, most)
        fresh = bp.Network((width,), [bp.Linear(out)], seed=0, backend=backend, dtype=dtype)
        x, grad = rng.normal(size=(samples, width)), rng.normal(size=(samples, out))
        for net in (used, fresh):
            net.forward(x.astype(dtype), training=True)
            net.backward(grad.astype(dtype))
        assert np.array_equal(used.gradients()["0.weight"], fresh.gradients()["0.weight"]), samples
        assert np.array_equal(used.gradients()["0.bias"], fresh.gradients()["0.bias"]), samples


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("height, width", [(1, 57), (3, 19), (4, 57)])
def test_few_positions_and_many_channels(height: int, width: int, backend: str):
    """A convolution's last block of positions is small, its patches long."""
    rng = np.random.default_rng(0)
    nets = [
        bp.Network((512, height, width), [bp.Conv2d(48, 3, padding=1, bias=False)], seed=0, backend=name)
        for name in (backend, "reference")
    ]
    x = rng.integers(-2, 3, (4, 512, height, width)).astype(np.float32)
    weight = rng.integers(-2, 3, (48, 512, 3, 3)).astype(np.float32)
    grad = rng.integers(-2, 3, (4, 48, height, width)).astype(np.float32)
    results = []
    for net in nets:
        net.load_state_dict({"0.weight": weight})
        out = net.forward(x, training=True)
        results.append((out, net.backward(grad), net.gradients()["0.weight"]))
    for ours, wanted in zip(*results, strict=True):
        assert np.array_equal(ours, wanted)
