"""Convolution equals a plain loop to the last bit on small integers, where every order of additions is exact."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

import bpnet as bp

dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
backends = pytest.mark.parametrize("backend", bp.backends())


class Setting(NamedTuple):
    samples: int
    channels: int
    map: tuple[int, int]
    out_channels: int
    kernel: tuple[int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)  # top, bottom, left, right
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def layer(self) -> bp.Conv2d:
        return bp.Conv2d(
            self.out_channels,
            self.kernel,
            stride=self.stride,
            padding=self.padding,
            dilation=self.dilation,
            groups=self.groups,
        )


class Plain(NamedTuple):
    """What a convolution gives, by one product for each element of the window."""

    y: np.ndarray
    grad_x: np.ndarray
    grad_weight: np.ndarray


def plain(s: Setting, x: np.ndarray, weight: np.ndarray, grad_y: np.ndarray) -> Plain:
    top, bottom, left, right = s.padding
    padded = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, right)))
    y, grad_padded, grad_weight = np.zeros_like(grad_y), np.zeros_like(padded), np.zeros_like(weight)
    height, width = grad_y.shape[2:]
    for g in range(s.groups):
        ins = slice(g * s.channels // s.groups, (g + 1) * s.channels // s.groups)
        outs = slice(g * s.out_channels // s.groups, (g + 1) * s.out_channels // s.groups)
        for ky in range(s.kernel[0]):
            for kx in range(s.kernel[1]):
                rows = slice(ky * s.dilation[0], ky * s.dilation[0] + height * s.stride[0], s.stride[0])
                columns = slice(kx * s.dilation[1], kx * s.dilation[1] + width * s.stride[1], s.stride[1])
                seen = padded[:, ins, rows, columns][:, :, :height, :width]
                w = weight[outs, :, ky, kx]
                y[:, outs] += np.einsum("oc,nchw->nohw", w, seen, optimize=True)
                grad_weight[outs, :, ky, kx] = np.einsum(
                    "nohw,nchw->oc", grad_y[:, outs], seen, optimize=True
                )
                back = np.einsum("oc,nohw->nchw", w, grad_y[:, outs], optimize=True)
                grad_padded[:, ins, rows, columns][:, :, :height, :width] += back
    grad_x = grad_padded[:, :, top : top + s.map[0], left : left + s.map[1]]
    return Plain(y, grad_x, grad_weight)


def random_setting(rng: np.random.Generator) -> Setting:
    def whole(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    def pair(low: int, high: int) -> tuple[int, int]:
        return whole(low, high), whole(low, high)

    groups = whole(1, 3)
    kernel, dilation = pair(1, 4), pair(1, 2)
    padding = (whole(0, 3), whole(0, 3), whole(0, 3), whole(0, 3))
    reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation, strict=True)]
    least = (max(1, reach[0] - sum(padding[:2])), max(1, reach[1] - sum(padding[2:])))
    size = (least[0] + whole(0, 6), least[1] + whole(0, 6))
    return Setting(
        whole(1, 4),
        groups * whole(1, 7),
        size,
        groups * whole(1, 9),
        kernel,
        pair(1, 4),
        padding,
        dilation,
        groups,
    )


def depthwise(s: Setting, channels: int) -> Setting:
    """The same with every channel by itself."""
    return s._replace(channels=channels, out_channels=channels, groups=channels)


RANDOM = [random_setting(np.random.default_rng(seed)) for seed in range(60)]
DEPTHWISE = [
    depthwise(random_setting(np.random.default_rng(seed)), channels)
    for seed, channels in zip(range(100, 140), [2, 7, 8, 16, 33] * 8)
] + [
    depthwise(Setting(3, 1, (23, 21), 1, (3, 3), padding=(1, 1, 1, 1)), 40),
    depthwise(Setting(3, 1, (23, 21), 1, (5, 5), (2, 2), padding=(2, 2, 2, 2)), 24),
    depthwise(Setting(40, 1, (3, 5), 1, (3, 3), padding=(1, 1, 1, 1)), 70),  # many small maps
    depthwise(
        Setting(2, 1, (14, 14), 1, (13, 13), padding=(6, 6, 6, 6)), 3
    ),  # more taps than the direct loop takes
]
LARGE = [
    Setting(3, 3, (67, 67), 96, (11, 11), (4, 4)),  # as the first layer of AlexNet
    Setting(2, 16, (27, 27), 40, (5, 5), padding=(2, 2, 2, 2), groups=2),
    Setting(9, 48, (23, 22), 24, (3, 3), padding=(1, 1, 1, 1)),  # several blocks of patches
    Setting(7, 70, (13, 13), 50, (1, 1)),  # pointwise: no patches at all
    Setting(7, 70, (13, 13), 50, (1, 1), (2, 2)),
    Setting(1, 300, (6, 6), 20, (6, 6)),  # one position
    Setting(2, 24, (9, 9), 24, (3, 3), padding=(1, 1, 1, 1), groups=24),  # every channel by itself
    Setting(1, 1, (1, 1), 2, (1, 1), padding=(3, 2, 1, 4)),  # more padding than map
    Setting(1, 2, (2, 2), 3, (2, 2), padding=(5, 5, 5, 5), dilation=(4, 4)),  # windows that see nothing
]


def wide(seed: int) -> Setting:
    """Channels enough that inputs are read from where they are stored."""
    rng = np.random.default_rng(seed)
    s = random_setting(rng)
    return s._replace(
        channels=s.groups * int(rng.integers(16, 41)), out_channels=s.groups * int(rng.integers(1, 71))
    )


WIDE = [wide(seed) for seed in range(200, 240)]
EDGES = [
    Setting(1, 16, (1, 1), 16, (3, 3), padding=(1, 1, 1, 1)),  # images of one position
    Setting(3, 17, (1, 1), 33, (1, 1)),
    Setting(2, 20, (11, 40), 35, (3, 3), padding=(1, 1, 1, 1)),  # rows cut at the edges of tiles and tasks
    Setting(5, 16, (13, 13), 16, (3, 3), padding=(1, 1, 1, 1)),
    Setting(2, 16, (41, 41), 48, (3, 3), padding=(1, 1, 1, 1)),
    Setting(2, 24, (12, 9), 40, (2, 1), (3, 5)),  # a stride larger than the kernel: inputs that nothing sees
    Setting(2, 5, (12, 9), 3, (1, 2), (4, 3), padding=(3, 0, 2, 1)),
    Setting(2, 18, (4, 5), 20, (2, 2), padding=(3, 4, 5, 3)),  # padding larger than the kernel
    Setting(2, 32, (9, 9), 20, (3, 3), (2, 2), padding=(1, 0, 0, 1), dilation=(2, 3)),
    Setting(2, 17, (8, 20), 18, (2, 3), (6, 4), padding=(2, 3, 1, 1), dilation=(4, 6)),  # strides not coprime
    Setting(2, 4, (7, 7), 72, (3, 3), padding=(1, 1, 1, 1), groups=4),  # groups of one channel, many outputs
    Setting(2, 300, (6, 7), 24, (3, 3), padding=(1, 1, 1, 1)),  # a tap that is cut between parts of the depth
    Setting(2, 20, (5, 5), 530, (3, 3), padding=(1, 1, 1, 1)),  # several tasks side by side
    Setting(2, 530, (7, 6), 20, (1, 1), (2, 2)),
    Setting(40, 16, (7, 7), 20, (3, 3), padding=(1, 1, 1, 1)),  # positions in parts, whose sums are added
    Setting(60, 3, (6, 5), 17, (3, 3), padding=(1, 1, 1, 1)),
    # The same position of several images is in one tile, and of the images that are left over, with another.
    Setting(12, 16, (3, 3), 24, (3, 3), padding=(1, 1, 1, 1)),
    Setting(17, 36, (5, 4), 40, (5, 5), padding=(2, 2, 2, 2), groups=2),
    Setting(26, 20, (7, 9), 33, (3, 2), (2, 3), (2, 1, 0, 4), (1, 2)),
    Setting(19, 16, (1, 2), 17, (3, 3), padding=(4, 4, 4, 4)),  # most positions see nothing
    Setting(2, 16, (33, 34), 20, (3, 3), padding=(1, 1, 1, 1)),  # a map too large for that
]


def random_few(rng: np.random.Generator) -> Setting:
    """Few channels: of samples side by side in the lanes of vectors, or into whole vectors of channels."""

    def whole(low: int, high: int) -> int:
        return int(rng.integers(low, high + 1))

    kernel, dilation = (whole(1, 5), whole(1, 5)), (whole(1, 2), 1)
    padding = (whole(0, 3), whole(0, 3), whole(0, 3), whole(0, 3))
    size = (dilation[0] * (kernel[0] - 1) + 1 + whole(0, 12), kernel[1] + whole(0, 20))
    out_channels = whole(1, 20) if whole(0, 1) else 16 * whole(1, 3)
    samples = int(rng.choice([1, 2, 7, 8, 9, 15, 16, 17, 33]))
    stride = (whole(1, 3), whole(1, 3)) if whole(0, 1) else (1, 1)
    return Setting(samples, whole(1, 4), size, out_channels, kernel, stride, padding, dilation)


FEW = [random_few(np.random.default_rng(seed)) for seed in range(200, 260)] + [
    Setting(33, 1, (28, 28), 6, (5, 5), padding=(2, 2, 2, 2)),  # as LeNet-5
    Setting(17, 6, (14, 14), 16, (5, 5)),
    Setting(16, 1, (1, 1), 1, (1, 1)),
    Setting(16, 2, (2, 2), 3, (2, 2), padding=(5, 5, 5, 5), dilation=(4, 1)),  # windows that see nothing
    Setting(9, 8, (9, 9), 24, (3, 3), padding=(1, 1, 1, 1)),
    Setting(2, 3, (30, 45), 64, (7, 7), (2, 2), (3, 3, 3, 3)),  # as the first layer of ResNet
    Setting(3, 3, (20, 130), 64, (3, 3), padding=(1, 1, 1, 1)),  # and of VGG: rows of several blocks
    Setting(2, 4, (9, 40), 32, (3, 3), (1, 2), (0, 1, 2, 0), (2, 1)),
]


@functools.cache
def problem(s: Setting, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, Plain]:
    """x, weight, bias, the gradient by the output, and what the plain loop makes of them."""
    rng = np.random.default_rng(1)
    x = rng.integers(-3, 4, (s.samples, s.channels, *s.map)).astype(dtype)
    net = bp.Network(x.shape[1:], [s.layer()], dtype=dtype)
    weight, bias = (rng.integers(-3, 4, w.shape).astype(dtype) for w in net.state_dict().values())
    grad_y = rng.integers(-3, 4, (s.samples, *net.output_shape)).astype(dtype)
    return x, weight, bias, grad_y, plain(s, x, weight, grad_y)


@backends
@dtypes
@pytest.mark.parametrize(
    "settings",
    [RANDOM, LARGE, DEPTHWISE, WIDE, EDGES, FEW],
    ids=["random", "large", "depthwise", "wide", "edges", "few"],
)
def test_equals_a_plain_loop(settings: list[Setting], backend: str, dtype: str):
    for s in settings:
        x, weight, bias, grad_y, wanted = problem(s, dtype)
        net = bp.Network(x.shape[1:], [s.layer()], dtype=dtype, backend=backend)
        net.load_state_dict({"0.weight": weight, "0.bias": bias})
        out = wanted.y + bias[:, None, None]
        grad_bias = grad_y.sum(axis=(0, 2, 3))
        assert np.array_equal(net.predict(x), out), s
        assert np.array_equal(net.forward(x, training=True), out), s
        assert np.array_equal(net.backward(grad_y), wanted.grad_x), s
        assert np.array_equal(net.gradients()["0.weight"], wanted.grad_weight), s
        assert np.array_equal(net.gradients()["0.bias"], grad_bias), s
        net.forward(x, training=True)
        net.backward(grad_y, accumulate=True)
        assert np.array_equal(net.gradients()["0.weight"], 2 * wanted.grad_weight), s
        assert np.array_equal(net.gradients()["0.bias"], 2 * grad_bias), s


@dtypes
def test_the_same_bits_for_every_number_of_threads(dtype: str):
    """Which of random numbers are added first is by the sizes alone."""
    threads = bp.num_threads()
    try:
        for s in [*WIDE[:8], *EDGES, *LARGE[:3]]:
            rng = np.random.default_rng(2)
            x = rng.normal(size=(s.samples, s.channels, *s.map)).astype(dtype)
            net = bp.Network(x.shape[1:], [s.layer()], dtype=dtype, seed=3)
            grad_y = rng.normal(size=(s.samples, *net.output_shape)).astype(dtype)
            wanted: list[bytes] = []
            for count in (1, 2, 3):
                bp.set_num_threads(count)
                y = net.forward(x, training=True)
                results = [y, net.backward(grad_y), *net.gradients().values()]
                bits = [np.ascontiguousarray(a).tobytes() for a in results]
                wanted = wanted or bits
                assert bits == wanted, (s, count)
    finally:
        bp.set_num_threads(threads)


@backends
@dtypes
def test_few_channels_have_the_same_bits_for_every_number_of_threads(backend: str, dtype: str):
    threads = bp.num_threads()
    try:
        for s in FEW[::4] + FEW[-8:]:
            rng = np.random.default_rng(0)
            x = rng.normal(size=(s.samples, s.channels, *s.map)).astype(dtype)
            net = bp.Network(x.shape[1:], [s.layer(), bp.Tanh()], dtype=dtype, backend=backend)
            grad_y = rng.normal(size=(s.samples, *net.output_shape)).astype(dtype)
            results = []
            for count in (1, 2, 3):
                bp.set_num_threads(count)
                out, grad_x = net.forward(x, training=True), net.backward(grad_y)
                results.append([a.tobytes() for a in (out, grad_x, *net.gradients().values())])
            assert results[0] == results[1] == results[2], s
    finally:
        bp.set_num_threads(threads)


@backends
def test_activation_may_be_joined(backend: str):
    """Conv2d and Tanh in one step are the two of them."""
    x = np.random.default_rng(0).normal(size=(5, 6, 9, 9))
    for groups in (1, 2):
        layer = bp.Conv2d(20, 3, padding=1, groups=groups)
        alone = bp.Network(x.shape[1:], [layer], dtype="float64", backend=backend)
        joined = bp.Network(x.shape[1:], [layer, bp.Tanh()], dtype="float64", backend=backend)
        assert abs(joined.predict(x) - np.tanh(alone.predict(x))).max() <= 4e-16


def test_output_sizes():
    """Padding by one number, two and four; 224 with zeros at the bottom and right is the paper's 227."""

    def size(input_size: tuple[int, int], *args: object, **options: object) -> tuple[int, ...]:
        return bp.Network((3, *input_size), [bp.Conv2d(2, *args, **options)]).output_shape[1:]

    assert size((227, 227), 11, stride=4) == (55, 55)
    assert size((224, 224), 11, stride=4) == (54, 54)
    assert size((224, 224), 11, stride=4, padding=(0, 3, 0, 3)) == (55, 55)
    assert size((7, 9), 3, padding=1) == (7, 9)
    assert size((7, 9), 3, padding=(0, 1)) == (5, 9)
    assert size((7, 9), (1, 3), dilation=(1, 2)) == (7, 5)
    assert size((7, 9), 2, stride=(2, 3)) == (3, 3)


def test_first_values_are_pytorchs():
    """U(±1/√fan_in), where fan_in counts the inputs that one output sees."""
    state = bp.Network((64, 9, 9), [bp.Conv2d(128, 3, groups=4)], seed=0).state_dict()
    bound = 1 / np.sqrt(64 // 4 * 9)
    for values in state.values():
        assert 0.9 * bound < abs(values).max() <= bound
    assert state["0.weight"].shape == (128, 16, 3, 3)
    assert abs(state["0.weight"].var() - bound**2 / 3) <= 0.03 * bound**2
    he = bp.Network((64, 9, 9), [bp.Conv2d(128, 3, groups=4, init=bp.HeNormal())], seed=0).state_dict()
    assert abs(he["0.weight"].std() / np.sqrt(2 / (64 // 4 * 9)) - 1) <= 0.03


def test_saved_and_loaded(tmp_path: Path):
    layers = [
        bp.Conv2d(
            6,
            (3, 2),
            stride=2,
            padding=(0, 1, 2, 3),
            dilation=(1, 2),
            groups=3,
            init=bp.Normal(std=0.1),
            bias_init=bp.Constant(1),
        ),
        bp.ReLU(),
        bp.MaxPool2d((2, 3), stride=1, padding=(1, 1), ceil_mode=True),
        bp.AvgPool2d(2, count_include_pad=False),
        bp.LocalResponseNorm(3, alpha=0.1, beta=0.5, k=2.0, groups=2),
        bp.AdaptiveAvgPool2d((2, 1)),
        bp.Flatten(),
        bp.Dropout(0.3, scale_at="test"),
    ]
    net = bp.Network((3, 11, 12), layers, seed=4)
    net.save(tmp_path / "net.safetensors")
    again = bp.load(tmp_path / "net.safetensors")
    x = np.random.default_rng(0).normal(size=(3, 3, 11, 12)).astype(np.float32)
    assert np.array_equal(again.predict(x), net.predict(x))
    assert again.description["layers"] == net.description["layers"]


PEAK = """
import resource, numpy as np, bpnet as bp
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
net = bp.Network((64, 224, 224), [bp.Conv2d(8, 3, padding=1)])
x = np.ones((1, 64, 224, 224), np.float32)
before = peak()
net.forward(x, training=True)
net.backward(np.ones((1, 8, 224, 224), np.float32))
print(peak() - before)
"""


@pytest.mark.skipif(os.name != "posix", reason="asks POSIX for the memory")
def test_patches_are_gathered_a_block_at_a_time():
    """All of this layer's would be 116 MB; the maps themselves, their gradients and copies are some 70 MB."""
    result = subprocess.run([sys.executable, "-c", PEAK], check=True, capture_output=True, text=True)
    assert float(result.stdout) < 110e6
