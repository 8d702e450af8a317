"""Local response normalisation equals the paper's double loop, its gradient the Jacobian's; batch normalisation keeps
its statistics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp
from backend_names import OTHERS

dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
backends = pytest.mark.parametrize("backend", bp.backends())

SHAPE = (8, 3, 4)
SETTINGS = [
    bp.LocalResponseNorm(size, alpha=0.7, beta=beta, k=k, groups=groups)
    for size in (1, 2, 3, 4, 5, 8, 9, 40)
    for groups in (1, 2, 4)
    for beta, k in ((0.75, 2.0), (0.6, 1.0))
] + [
    bp.LocalResponseNorm(size, alpha=0.7, beta=beta, k=1.5, within_map=True)
    for size in (1, 2, 3, 4, 5, 9)
    for beta in (0.75, 1.0)
]


def window(at: int, size: int, begin: int, end: int) -> range:
    """The positions from at − ⌊size/2⌋ to at + ⌊(size−1)/2⌋ that are in begin … end−1."""
    return range(max(begin, at - size // 2), min(end, at + (size - 1) // 2 + 1))


def neighbours(options: dict, position: tuple[int, int, int]) -> Iterator[tuple[int, int, int]]:
    c, y, x = position
    size = options["size"]
    if options["within_map"]:
        for row in window(y, size, 0, SHAPE[1]):
            for column in window(x, size, 0, SHAPE[2]):
                yield c, row, column
    else:
        group = SHAPE[0] // options["groups"]
        for channel in window(c, size, c // group * group, (c // group + 1) * group):
            yield channel, y, x


def plain(options: dict, x: np.ndarray, grad_y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Output and gradient of one sample, by the definition: dy_i/dx_j summed over i for every j."""
    size, beta = options["size"], options["beta"]
    factor = options["alpha"] / (size * size if options["within_map"] else size)
    y, grad_x = np.zeros(SHAPE), np.zeros(SHAPE)
    for i in np.ndindex(SHAPE):
        scale = options["k"] + factor * sum(float(x[j]) ** 2 for j in neighbours(options, i))
        y[i] = x[i] * scale**-beta
        grad_x[i] += grad_y[i] * scale**-beta
        for j in neighbours(options, i):
            grad_x[j] -= grad_y[i] * x[i] * beta * scale ** (-beta - 1) * factor * 2 * x[j]
    return y, grad_x


@dtypes
@backends
def test_local_response_equals_the_double_loop(backend: str, dtype: str):
    eps = np.finfo(dtype).eps
    rng = np.random.default_rng(0)
    x, grad_y = (rng.uniform(-2, 2, (2, *SHAPE)).astype(dtype) for _ in range(2))
    for layer in SETTINGS:
        net = bp.Network(SHAPE, [layer], dtype=dtype, backend=backend)
        out, grad_x = net.forward(x, training=True), net.backward(grad_y)
        for n in range(len(x)):
            wanted, wanted_grad = plain(layer.options, x[n].astype(float), grad_y[n].astype(float))
            assert abs(out[n] - wanted).max() <= 8 * eps * abs(wanted).max(), layer
            assert abs(grad_x[n] - wanted_grad).max() <= 16 * eps * abs(wanted_grad).max(), layer


@backends
def test_local_response_stays_within_its_group(backend: str):
    """A channel beyond the group's edge changes nothing, not even a bit."""
    layer = bp.LocalResponseNorm(5, alpha=1.0, groups=2)
    net = bp.Network((12, 2, 2), [layer], backend=backend)
    x = np.random.default_rng(0).normal(size=(1, 12, 2, 2)).astype(np.float32)
    other = x.copy()
    other[:, 6:] *= 3
    assert np.array_equal(net.predict(x)[:, :6], net.predict(other)[:, :6])
    grad = np.zeros_like(x)
    grad[:, 5] = 1
    net.forward(x, training=True)
    back = net.backward(grad)
    assert np.all(back[:, 3:6] != 0)
    assert np.all(back[:, 6:] == 0)
    assert np.all(back[:, :3] == 0)


def pass_of(backend: str, layer: bp.layers.Layer, x: np.ndarray, grad_y: np.ndarray) -> list[np.ndarray]:
    """Output, gradient and what the layer holds."""
    net = bp.Network(x.shape[1:], [layer], dtype=x.dtype.name, backend=backend)
    out, grad_x = net.forward(x, training=True), net.backward(grad_y)
    return [out, grad_x, *net.gradients().values(), *net.state_dict().values()]


# Groups of channels that fill the fast memory of a GPU's block, and more than that.
RESPONSES = [
    ((1, 2, 3), bp.LocalResponseNorm(5, alpha=0.7)),
    ((33, 5, 5), bp.LocalResponseNorm(5, alpha=0.7)),
    ((33, 5, 5), bp.LocalResponseNorm(4, alpha=0.7, beta=0.6, groups=3)),
    ((2000, 1, 2), bp.LocalResponseNorm(6, alpha=0.7)),
    ((2000, 1, 2), bp.LocalResponseNorm(100, alpha=0.7, beta=1.0, groups=2)),
    ((5001, 1, 2), bp.LocalResponseNorm(6, alpha=0.7)),
    ((10001, 1, 1), bp.LocalResponseNorm(7, alpha=0.7, beta=0.6)),
    ((1, 7, 4), bp.LocalResponseNorm(3, alpha=0.7, within_map=True)),
    ((33, 3, 2), bp.LocalResponseNorm(30, alpha=0.7, within_map=True)),
]


@dtypes
@pytest.mark.parametrize("backend", OTHERS)
def test_local_response_of_any_number_of_channels(backend: str, dtype: str):
    rng = np.random.default_rng(0)
    for shape, layer in RESPONSES:
        x, grad_y = (rng.uniform(-2, 2, (3, *shape)).astype(dtype) for _ in range(2))
        pairs = zip(pass_of("reference", layer, x, grad_y), pass_of(backend, layer, x, grad_y), strict=True)
        for wanted, value in pairs:
            assert abs(value - wanted).max() <= 32 * np.finfo(dtype).eps * abs(wanted).max(), (shape, layer)


@dtypes
@pytest.mark.parametrize("backend", OTHERS)
@pytest.mark.parametrize("columns, rows", [(1, 9000), (33, 700), (33, 5), (2000, 70), (2000, 3)])
def test_batch_norm_of_any_number_of_columns(backend: str, dtype: str, columns: int, rows: int):
    """Whose means are large beside their deviations, or whose first value is far from the others. What rounds a
    mean is divided by the deviation."""
    rng = np.random.default_rng(0)
    x = rng.normal(100, 2, (rows, columns)).astype(dtype)
    x[0, ::2] = -100
    grad_y = rng.normal(size=x.shape).astype(dtype)
    eps = np.finfo(dtype).eps * (abs(x).max(axis=0) / x.std(axis=0)).max()
    layer = bp.BatchNorm1d(momentum=0.3)
    pairs = zip(pass_of("reference", layer, x, grad_y), pass_of(backend, layer, x, grad_y), strict=True)
    for wanted, value in pairs:
        assert abs(value - wanted).max() <= 8 * eps * abs(wanted).max()


def column_stats(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    axes = tuple(axis for axis in range(x.ndim) if axis != 1)
    return x.mean(axis=axes), x.var(axis=axes)


def along(values: np.ndarray, x: np.ndarray) -> np.ndarray:
    return values.reshape(1, -1, *(1,) * (x.ndim - 2))


@backends
@pytest.mark.parametrize("shape", [(7,), (7, 3, 5)], ids=["1d", "2d"])
def test_batch_norm_statistics(backend: str, shape: tuple[int, ...]):
    rng = np.random.default_rng(0)
    make = bp.BatchNorm1d if len(shape) == 1 else bp.BatchNorm2d
    net = bp.Network(shape, [make(eps=1e-3, momentum=0.25)], dtype="float64", backend=backend)
    weight, bias = rng.normal(size=7), rng.normal(size=7)
    net.load_state_dict({**net.state_dict(), "0.weight": weight, "0.bias": bias})
    mean, variance = np.zeros(7), np.ones(7)
    for step in range(3):
        x = rng.normal(3, 2, (6, *shape))
        here, spread = column_stats(x)
        out = net.forward(x, training=True)
        wanted = (x - along(here, x)) / np.sqrt(along(spread, x) + 1e-3) * along(weight, x) + along(bias, x)
        assert abs(out - wanted).max() <= 1e-13
        count = x.size // 7
        mean = 0.75 * mean + 0.25 * here
        variance = 0.75 * variance + 0.25 * spread * count / (count - 1)
        state = net.state_dict()
        assert abs(state["0.running_mean"] - mean).max() <= 1e-14
        assert abs(state["0.running_var"] - variance).max() <= 1e-14
        assert state["0.num_batches_tracked"] == step + 1
    kept = {name: values.copy() for name, values in net.state_dict().items()}
    x = rng.normal(size=(5, *shape))
    wanted = (x - along(mean, x)) / np.sqrt(along(variance, x) + 1e-3) * along(weight, x) + along(bias, x)
    assert abs(net.predict(x) - wanted).max() <= 1e-13
    assert abs(net.predict(x[:1]) - wanted[:1]).max() <= 1e-13, "one sample will do in evaluation"
    for name, values in net.state_dict().items():
        assert np.array_equal(values, kept[name]), "evaluation changes nothing"


@backends
@pytest.mark.parametrize("shape", [(7,), (7, 5), (7, 3, 5)], ids=str)
def test_without_momentum_the_running_ones_are_the_mean_of_all(backend: str, shape: tuple[int, ...]):
    make = bp.BatchNorm2d if len(shape) == 3 else bp.BatchNorm1d
    net = bp.Network(shape, [make(momentum=None)], dtype="float64", backend=backend)
    means, variances = [], []
    for _ in range(4):
        x = np.random.default_rng(len(means)).normal(3, 2, (6, *shape))
        net.forward(x, training=True)
        here, spread = column_stats(x)
        means.append(here)
        variances.append(spread * (x.size // 7) / (x.size // 7 - 1))
    state = net.state_dict()
    assert abs(state["0.running_mean"] - np.mean(means, axis=0)).max() <= 1e-14
    assert abs(state["0.running_var"] - np.mean(variances, axis=0)).max() <= 1e-14


def test_momentum_may_be_none_in_a_file(tmp_path: Path):
    net = bp.Network((3, 4), [bp.BatchNorm1d(momentum=None), bp.Flatten(), bp.Linear(2)])
    net.save(tmp_path / "net")
    assert bp.load(tmp_path / "net").description["layers"][0]["momentum"] is None
    assert bp.Network(3, [bp.BatchNorm1d()]).description["layers"][0]["momentum"] == 0.1


@backends
def test_channels_of_a_line_between_layers_that_do_not_care(backend: str):
    """(channels, length) is transposed for BatchNorm and back, within a Residual too."""
    body = [bp.Tanh(), bp.BatchNorm1d(), bp.ReLU(), bp.BatchNorm1d(affine=False)]
    net = bp.Network(
        (3, 4), [bp.Residual(body), bp.Flatten(), bp.Linear(2)], dtype="float64", backend=backend
    )
    x = np.random.default_rng(0).normal(size=(5, 3, 4))

    def normalised(x: np.ndarray) -> np.ndarray:
        mean, variance = column_stats(x)
        return (x - along(mean, x)) / np.sqrt(along(variance, x) + 1e-5)

    wanted = x + normalised(np.maximum(normalised(np.tanh(x)), 0))
    weight, bias = net.state_dict()["2.weight"], net.state_dict()["2.bias"]
    out = net.forward(x, training=True)
    assert abs(out - (wanted.reshape(5, 12) @ weight.T + bias)).max() <= 1e-12


def test_batch_norm_of_large_means():
    """The variance is of distances from the mean: that of the squares would be lost to rounding."""
    x = np.random.default_rng(0).normal(1e4, 1, (4000, 3)).astype(np.float32)
    for backend in bp.backends():
        net = bp.Network(3, [bp.BatchNorm1d()], backend=backend)
        out = net.forward(x, training=True)
        exact = x.astype(float)
        wanted = (exact - exact.mean(axis=0)) / np.sqrt(exact.var(axis=0) + 1e-5)
        assert abs(out - wanted).max() <= 1e4 * np.finfo(np.float32).eps, "no more than x itself is rounded"


def test_batch_norm_is_saved_and_goes_on(tmp_path: Path):
    layers = [bp.Conv2d(4, 3, bias=False), bp.BatchNorm2d(), bp.ReLU(), bp.Flatten(), bp.Linear(3)]
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 2, 6, 6)).astype(np.float32), rng.integers(0, 3, 32)
    net = bp.Network((2, 6, 6), layers, seed=1)
    trainer = bp.Trainer(net, "cross_entropy", bp.SGD(lr=0.05, momentum=0.9))
    for _ in range(3):
        trainer.step(x, y)
    trainer.save(tmp_path / "run.safetensors")
    again = bp.Trainer.load(tmp_path / "run.safetensors")
    for _ in range(3):
        assert trainer.step(x, y) == again.step(x, y)
    for name, values in net.state_dict().items():
        assert np.array_equal(values, again.network.state_dict()[name]), name
    assert net.state_dict()["1.num_batches_tracked"] == 6
    net.save(tmp_path / "net.safetensors")
    assert np.array_equal(bp.load(tmp_path / "net.safetensors").predict(x), net.predict(x))


def test_one_value_per_channel_cannot_be_normalised():
    net = bp.Network(4, [bp.BatchNorm1d()])
    with pytest.raises(ValueError, match="^batch_norm1d: .* one value per channel"):
        net.forward(np.ones((1, 4), np.float32), training=True)
    deep = bp.Network((4, 2, 1), [bp.BatchNorm2d()])
    assert deep.forward(np.ones((1, 4, 2, 1), np.float32), training=True).shape == (1, 4, 2, 1)


def test_a_last_batch_of_one_is_refused_before_the_first_step():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 4)), rng.integers(0, 3, 9)
    net = bp.Network(4, [bp.Sequential([bp.Linear(5), bp.BatchNorm1d()]).named("body"), bp.Linear(3)])
    trainer = bp.Trainer(net, "cross_entropy", "sgd")
    message = (
        "9 samples in batches of 4 leave 1 for the last batch, but layer 'body.1' .BatchNorm1d. needs 2 to "
        "learn from: choose another batch_size, or leave a sample out"
    )
    with pytest.raises(ValueError, match=message):
        trainer.fit(x, y, batch_size=4, verbose=0)
    with pytest.raises(ValueError, match="a batch has 1 sample, .* choose a larger batch_size"):
        trainer.fit(x, y, batch_size=1, verbose=0)
    with pytest.raises(ValueError, match="a batch has 1 sample, .* give more samples"):
        trainer.fit(x[:1], y[:1], batch_size=4, verbose=0)
    assert trainer.steps == 0 and net._trainer is None
    for samples, batch in ((8, 4), (9, 9), (9, 5), (9, 100), (9, 7)):
        trainer.fit(x[:samples], y[:samples], batch_size=batch, verbose=0)
    maps = bp.Network((4, 1, 2), [bp.BatchNorm2d(), bp.Flatten(), bp.Linear(3)])
    maps.fit(rng.normal(size=(9, 4, 1, 2)), y, batch_size=4, verbose=0)


def test_check_gradients_of_a_gradient_that_is_zero():
    """A bias before BatchNorm does nothing: what rounding leaves of its gradient is no error."""
    net = bp.Network((2,), [bp.Linear(2), bp.BatchNorm1d(), bp.Linear(2)], seed=0)
    x = np.random.default_rng(0).normal(size=(5, 2))
    errors = bp.check_gradients(net, x, [0, 1, 0, 1, 1], "cross_entropy")
    assert max(errors.values()) < 1e-6


def test_loaded_statistics_are_not_undone():
    """A backward that is given up puts the statistics back, but not over those that were loaded since."""
    net = bp.Network((3,), [bp.Linear(2), bp.BatchNorm1d()], seed=0)
    out = net.forward(np.random.default_rng(0).normal(size=(5, 3)), training=True)
    state = {name: array + 1 for name, array in net.state_dict().items()}
    net.load_state_dict(state)
    with pytest.raises(ValueError, match=r"there is no forward\(training=True\) before it"):
        net.backward(np.ones_like(out))
    assert all(np.array_equal(array, state[name]) for name, array in net.state_dict().items())
