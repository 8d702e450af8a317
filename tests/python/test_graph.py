"""The plan as a graph: nested layers computed as they read, whatever is fused, converted and shares memory."""

from __future__ import annotations

import numpy as np
import pytest

import bpnet as bp
from backend_names import OTHERS
from plain_graph import PlainGraph, random_image_layers, random_layers


def assert_as_plain(layers: list, shape: tuple[int, ...], batch: int, backend: str | None = None) -> None:
    """Outputs and all gradients against NumPy; a smaller batch in the larger's memory gives the same bits."""
    net = bp.Network(shape, layers, seed=4, dtype="float64", backend=backend)
    numbers = np.random.default_rng(batch)
    x = numbers.normal(size=(batch, *shape))
    grad = numbers.normal(size=(batch, *net.output_shape))
    plain = PlainGraph(layers, net.state_dict())
    wanted, back = plain.forward(x)
    wanted_grad_x = back(grad)

    def assert_near(actual: np.ndarray, expected: np.ndarray, what: str) -> None:
        scale = max(1.0, abs(expected).max())
        assert abs(actual - expected).max() <= 1e-12 * scale, f"{what}: {layers}"

    for _ in range(2):  # the second time over what the first has left in memory
        assert_near(net.forward(x), wanted, "evaluation")
        assert_near(net.forward(x, training=True), wanted, "training")
        assert_near(net.backward(grad), wanted_grad_x, "grad_x")
        gradients = {name: g.copy() for name, g in net.gradients().items()}
        assert gradients.keys() == plain.gradients.keys()
        for name, gradient in gradients.items():
            assert_near(gradient, plain.gradients[name], name)

    first = net.forward(x, training=True)[:1]
    alone = net.forward(x[:1], training=True)
    assert_near(alone, first, "one sample in the memory of many")
    assert_near(net.backward(grad[:1]), wanted_grad_x[:1], "its grad_x")


@pytest.mark.parametrize("seed", range(60))
def test_random_nested_networks(seed: int):
    numbers = np.random.default_rng(seed)
    width = int(numbers.integers(1, 9))
    layers = random_layers(numbers, width, 3)
    assert_as_plain(layers, (width,), batch=7, backend=bp.backends()[seed % len(bp.backends())])


@pytest.mark.parametrize(
    "layers",
    [
        # Nothing may be fused into what the shortcut still sees.
        [bp.Linear(4), bp.Residual([bp.Tanh(), bp.Linear(4)])],
        [bp.Linear(4), bp.Residual([bp.Linear(4)], [bp.Tanh()])],
        [bp.Linear(4), bp.Residual([bp.Flatten()], [bp.Tanh()])],
        [bp.Linear(4), bp.Residual([bp.Flatten()]), bp.Tanh()],
        # The sum takes an activation itself, but not while another sum is to see it.
        [bp.Residual([bp.Linear(4)]), bp.ReLU(), bp.Linear(3)],
        [bp.Linear(4), bp.Residual([bp.Residual([bp.Linear(4)]), bp.Tanh()]), bp.Tanh()],
        [bp.Residual([bp.Linear(4)]), bp.Residual([bp.ReLU(), bp.Linear(4)])],
        # Gradients that share memory, and are added to.
        [bp.Residual([bp.Residual([bp.Residual([bp.Flatten()])])])],
        [bp.Linear(4), bp.Residual([bp.Residual([bp.Linear(4), bp.Tanh()]), bp.ReLU()], [bp.Linear(4)])],
        [bp.Residual([bp.Linear(5), bp.Residual([bp.SiLU()], [bp.Tanh(), bp.Linear(5)])], [bp.Linear(5)])],
        [bp.Residual([bp.Linear(4), bp.Residual([bp.Linear(4)])]), bp.Residual([bp.Softmax()])],
        # Branches: of one activation twice, fused sums, one within the other, the network's own input.
        [bp.Parallel([[], []])],
        [bp.Parallel([[], [], bp.Tanh()], merge="concat"), bp.Tanh()],
        [bp.Linear(4), bp.Parallel([[], [], []]), bp.Tanh()],
        [bp.Linear(4), bp.Parallel([bp.Tanh(), [], bp.Linear(4)]), bp.ReLU(), bp.Linear(2)],
        [bp.Linear(4), bp.Parallel([[], bp.Parallel([bp.Linear(3), []], merge="concat")], merge="concat")],
        [bp.Linear(4), bp.Parallel([bp.Linear(2)]), bp.Parallel([[]]), bp.Tanh()],
        [bp.Linear(4), bp.Parallel([bp.Flatten(), bp.Residual([bp.Linear(4)]), bp.Flatten()])],
        [bp.Parallel([bp.Linear(3), []], merge="concat"), bp.Parallel([[], bp.Linear(7)]), bp.SiLU()],
    ],
    ids=repr,
)
@pytest.mark.parametrize("backend", bp.backends())
def test_fusion_and_sharing(layers: list, backend: str):
    assert_as_plain(layers, (4,), batch=9, backend=backend)


HEADS = [
    [],
    [bp.Flatten(), bp.Linear(3)],
    [bp.AdaptiveAvgPool2d(1), bp.Flatten()],
    [bp.AdaptiveAvgPool2d(1), bp.Residual([bp.Conv2d(3, 3, padding=1)])],
]


@pytest.mark.parametrize("seed", range(60))
def test_random_nested_networks_of_maps(seed: int):
    """Where the order in memory changes, and where it need not: one channel, one pixel."""
    numbers = np.random.default_rng(1000 + seed)
    shape = (int(numbers.integers(1, 4)), int(numbers.integers(1, 5)), int(numbers.integers(1, 6)))
    layers = random_image_layers(numbers, shape[0], 3) + HEADS[seed % 4]
    assert_as_plain(layers, shape, batch=5, backend=bp.backends()[seed // 4 % len(bp.backends())])


@pytest.mark.parametrize(
    "layers",
    [
        # The input is wanted in both orders, by several.
        [bp.Residual([bp.Conv2d(3, 3, padding=1)])],
        [bp.Residual([bp.Conv2d(3, 3, padding=1)], [bp.Conv2d(3, 3, padding=1)])],
        [bp.Residual([bp.Tanh()], [bp.Conv2d(3, 3, padding=1)])],
        [bp.Residual([bp.Conv2d(3, 3, padding=1)], [bp.Tanh()])],
        [bp.Residual([bp.Residual([bp.Conv2d(3, 3, padding=1)]), bp.Dropout(0.0)]), bp.ReLU()],
        [bp.Conv2d(4, 3, padding=1), bp.Residual([bp.ReLU(), bp.Conv2d(4, 3, padding=1)]), bp.Flatten()],
        [bp.Conv2d(4, 3, padding=1), bp.Residual([bp.Flatten()], [bp.Tanh(), bp.Flatten()])],
        [bp.Residual([bp.Flatten()], [bp.Conv2d(3, 3, padding=1), bp.Flatten(), bp.Tanh()])],
        [bp.Parallel([[], bp.Conv2d(2, 3, padding=1), bp.Conv2d(1, 3, padding=1)], merge="concat")],
        [
            bp.Parallel([bp.Conv2d(2, 3, padding=1), []], merge="concat"),
            bp.ReLU(),
            bp.Conv2d(1, 3, padding=1),
        ],
        [bp.Parallel([[bp.Conv2d(1, 3, padding=1), bp.Flatten()], bp.Flatten()], merge="concat"), bp.Tanh()],
        [bp.AdaptiveAvgPool2d(1), bp.Parallel([bp.Conv2d(2, 3, padding=1), []], merge="concat")],
        [bp.Tanh(), bp.SiLU(), bp.Dropout(0.0)],
    ],
    ids=repr,
)
@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 1, 1), (3, 1, 9)], ids=repr)
@pytest.mark.parametrize("backend", bp.backends())
def test_orders_in_memory(layers: list, shape: tuple[int, ...], backend: str):
    assert_as_plain(layers, shape, batch=6, backend=backend)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("backend", bp.backends())
def test_conversions_are_exact(backend: str, dtype: str):
    """A 1 × 1 convolution with the identity for its weight gives back what went in, in any size."""
    numbers = np.random.default_rng(2)
    for channels, height, width, batch in [
        (3, 5, 7, 4),
        (17, 1, 33, 2),
        (64, 6, 6, 3),
        (2, 40, 41, 1),
        (9, 9, 1, 5),
    ]:
        layers = [bp.Conv2d(channels, 1, bias=False), bp.Conv2d(channels, 1, bias=False)]
        net = bp.Network((channels, height, width), layers, dtype=dtype, backend=backend)
        identity = np.eye(channels)[:, :, None, None]
        net.load_state_dict({"0.weight": identity, "1.weight": identity})
        x = numbers.integers(-1000, 1000, (batch, channels, height, width)).astype(dtype)
        grad = numbers.integers(-1000, 1000, x.shape).astype(dtype)
        assert np.array_equal(net.forward(x), x)
        assert np.array_equal(net.forward(x, training=True), x)
        assert np.array_equal(net.backward(grad), grad)


def test_flatten_yields_channels_first():
    net = bp.Network((2, 3, 4), [bp.AvgPool2d(1), bp.Flatten()])
    x = np.arange(48, dtype=np.float32).reshape(2, 2, 3, 4)
    assert np.array_equal(net.forward(x), x.reshape(2, -1))


@pytest.mark.parametrize("seed", range(6))
def test_gradients_are_the_central_differences(seed: int):
    """Residuals in residuals, where an activation has several consumers."""
    numbers = np.random.default_rng(100 + seed)
    inner = bp.Residual([bp.Linear(4), bp.Tanh(), bp.Residual([bp.Linear(4)], [bp.Linear(4), bp.SiLU()])])
    layers = [bp.Linear(4), bp.Residual([inner, bp.Tanh(), bp.Linear(4)]), bp.GELU()]
    layers += random_layers(numbers, 4, 2) if seed else [bp.Linear(2)]
    if "ReLU" in repr(layers):
        layers = [bp.Linear(4), inner, bp.Linear(2)]
    net = bp.Network(3, layers, seed=seed, dtype="float64")
    x, y = numbers.normal(size=(5, 3)), numbers.normal(size=(5, 2))
    errors = bp.check_gradients(net, x, y, "half_squared_error")
    assert errors.keys() == net.gradients().keys()
    assert max(errors.values()) <= 2e-7, errors


@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_training_equals_the_reference(backend: str, dtype: str):
    layers = [
        bp.Residual([bp.Linear(33), bp.Tanh(), bp.Residual([bp.Linear(33)], [bp.Linear(33)])]),
        bp.ReLU(),
        bp.Linear(5),
    ]
    numbers = np.random.default_rng(0)
    x, labels = numbers.normal(size=(64, 33)).astype(dtype), numbers.integers(0, 5, 64)
    states = []
    for each in (backend, "reference"):
        net = bp.Network(33, layers, seed=1, dtype=dtype, backend=each)
        net.fit(x, labels, optimizer=bp.SGD(0.05, momentum=0.9), epochs=3, batch_size=16, verbose=0)
        states.append(net.state_dict())
    for name, wanted in states[1].items():
        assert abs(states[0][name] - wanted).max() <= 200 * np.finfo(dtype).eps, name


def test_a_batch_may_grow_and_shrink():
    layers = [bp.Residual([bp.Linear(6), bp.Tanh(), bp.Residual([bp.Linear(6)])]), bp.Linear(2)]
    net = bp.Network(6, layers, seed=3, dtype="float64")
    numbers = np.random.default_rng(5)
    x, grad = numbers.normal(size=(300, 6)), numbers.normal(size=(300, 2))
    for rows in (1, 7, 300, 2, 150):
        plain = PlainGraph(layers, net.state_dict())
        wanted, back = plain.forward(x[:rows])
        out = net.forward(x[:rows], training=True)
        grad_x = net.backward(grad[:rows])
        assert np.allclose(out, wanted, rtol=0, atol=1e-12)
        assert np.allclose(grad_x, back(grad[:rows]), rtol=0, atol=1e-12)
        assert np.allclose(net.forward(x), plain.forward(x)[0], rtol=0, atol=1e-12)


def test_evaluation_between_forward_and_backward_forgets():
    net = bp.Network(3, [bp.Residual([bp.Linear(3)])])
    net.forward(np.ones((2, 3)), training=True)
    net.forward(np.ones((200, 3)))
    with pytest.raises(ValueError, match="backward"):
        net.backward(np.ones((2, 3)))


def test_a_step_takes_no_memory():
    net = bp.Network(9, [bp.Residual([bp.Linear(9), bp.Residual([bp.Tanh()])]), bp.Linear(3)])
    trainer = bp.Trainer(net, "cross_entropy", "sgd")
    x, y = np.ones((32, 9), np.float32), np.zeros(32, int)
    trainer.step(x, y)
    before = bp._core.arena_allocations()
    for rows in (32, 1, 20):
        trainer.step(x[:rows], y[:rows])
    assert bp._core.arena_allocations() == before
