"""What every layer owes, whatever it computes: the list of layers is walked through one set of tests.

The bound against the reference backend, which sums in double: 4 eps √k max(1, max |value|), where k is the
length of the longest sum. Roundings of a sum of k terms grow as √k when they do not conspire.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest

import bpnet as bp
import sweeps
from backend_names import OTHERS, PLAIN
from layer_cases import CASES, Case, uncovered_types
from threading_layers import walk

SIZES = [1, 2, 3, 5, 7, 13, 17, 31, 33, 63, 65, 100, 257]
# Every size as width in, width out and batch, in three different companies.
SOME = [(SIZES[i], SIZES[i * 6 % 13], SIZES[(i * 5 + shift) % 13]) for shift in (0, 4, 9) for i in range(13)]
ALL = [(a, SIZES[(i + j) % 13], b) for i, a in enumerate(SIZES) for j, b in enumerate(SIZES)]
PAIRS = ALL if sweeps.WHOLE else ALL[::3]  # of which each size is still part

DTYPES = ["float32", "float64"]


class Stack(NamedTuple):
    """The case alone, or right after a Linear, where an activation may be computed along with it."""

    case: Case
    after_linear: bool = False

    def __repr__(self) -> str:
        return f"Linear+{self.case!r}" if self.after_linear else repr(self.case)

    def network(
        self, features: int, out: int, dtype: str = "float64", backend: str | None = None
    ) -> bp.Network:
        before = [bp.Linear(out)] if self.after_linear else []
        shape = (features,) if self.after_linear else self.case.input_shape(features)
        return bp.Network(shape, [*before, self.case.make(out)], seed=11, dtype=dtype, backend=backend)


STACKS = [Stack(case) for case in CASES] + [Stack(case, True) for case in CASES if case.elementwise]
stacks = pytest.mark.parametrize("stack", STACKS, ids=repr)
dtypes = pytest.mark.parametrize("dtype", DTYPES)
others = pytest.mark.parametrize("backend", OTHERS)


class Pass(NamedTuple):
    evaluation: np.ndarray
    out: np.ndarray
    grad_x: np.ndarray
    gradients: dict[str, np.ndarray]


def run(net: bp.Network, x: np.ndarray, grad_out: np.ndarray) -> Pass:
    evaluation = net.forward(x)
    out = net.forward(x, training=True)
    grad_x = net.backward(grad_out)
    return Pass(evaluation, out, grad_x, {name: g.copy() for name, g in net.gradients().items()})


def data_for(stack: Stack, net: bp.Network, batch: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """x and the gradient by the output; no gradient where rounding could choose the side of a kink."""
    numbers = np.random.default_rng(seed)
    x = numbers.uniform(-3, 3, (batch, *net.input_shape)).astype(net.dtype)
    grad_out = numbers.uniform(-1, 1, (batch, *net.output_shape)).astype(net.dtype)
    if stack.case.kink and stack.after_linear:
        weight, bias = net.state_dict().values()
        grad_out[abs(x @ weight.T + bias) < 1e-4] = 0
    return x, grad_out


def assert_close(actual: np.ndarray, wanted: np.ndarray, terms: int, what: str) -> None:
    bound = 4 * np.finfo(wanted.dtype).eps * math.sqrt(terms) * max(1.0, abs(wanted).max())
    assert actual.shape == wanted.shape
    assert abs(actual - wanted).max() <= bound, f"{what}: {abs(actual - wanted).max():.3g} > {bound:.3g}"


def assert_same_bits(one: Pass, other: Pass) -> None:
    for name in ("evaluation", "out", "grad_x"):
        assert getattr(one, name).tobytes() == getattr(other, name).tobytes(), name
    for name, gradient in one.gradients.items():
        assert gradient.tobytes() == other.gradients[name].tobytes(), name


def at_offset(x: np.ndarray, offset: int) -> np.ndarray:
    """A copy of x that begins `offset` bytes after a multiple of 64."""
    memory = np.empty(x.nbytes + 128, np.uint8)
    begin = -memory.ctypes.data % 64 + offset
    copy = memory[begin : begin + x.nbytes].view(x.dtype).reshape(x.shape)
    copy[...] = x
    return copy


def test_the_list_is_complete():
    assert uncovered_types() == set()


@stacks
@others
@dtypes
def test_equals_the_reference(stack: Stack, backend: str, dtype: str):
    check_against_reference(stack, backend, dtype, SOME)


@pytest.mark.slow
@stacks
@others
@dtypes
def test_equals_the_reference_at_all_pairs_of_sizes(stack: Stack, backend: str, dtype: str):
    check_against_reference(stack, backend, dtype, PAIRS)


def check_against_reference(stack: Stack, backend: str, dtype: str, sizes: list) -> None:
    for features, out, batch in sizes:
        batch = max(batch, stack.case.least_batch)
        net, reference = (stack.network(features, out, dtype, each) for each in (backend, "reference"))
        x, grad_out = data_for(stack, reference, batch)
        actual, wanted = run(net, x, grad_out), run(reference, x, grad_out)
        where = f"{features} -> {out}, batch {batch}: "
        inputs, outputs = math.prod(net.input_shape), math.prod(net.output_shape)
        positions = batch * math.prod(net.output_shape[1:])
        assert_close(actual.evaluation, wanted.evaluation, inputs, where + "evaluation")
        assert_close(actual.out, wanted.out, inputs, where + "out")
        assert_close(actual.grad_x, wanted.grad_x, max(inputs, outputs), where + "grad_x")
        assert actual.gradients.keys() == wanted.gradients.keys()
        for name, gradient in wanted.gradients.items():
            assert_close(actual.gradients[name], gradient, max(inputs, positions), where + name)


@stacks
@dtypes
@pytest.mark.parametrize("backend", bp.backends())
def test_any_address_will_do(stack: Stack, backend: str, dtype: str):
    """One element past a multiple of 64 bytes is computed on where it is; one byte past it is copied first."""
    for features, out, batch in SOME[::4]:
        batch = max(batch, stack.case.least_batch)
        net = stack.network(features, out, dtype, backend)
        x, grad_out = data_for(stack, net, batch)
        aligned = run(net, at_offset(x, 0), at_offset(grad_out, 0))
        for offset in (net.dtype.itemsize, 1):
            again = stack.network(features, out, dtype, backend)  # whose masks begin anew
            assert_same_bits(run(again, at_offset(x, offset), at_offset(grad_out, offset)), aligned)


@stacks
def test_gradient_by_x_is_the_central_difference(stack: Stack):
    step, batch = 6e-6, 3

    def objective(x: np.ndarray) -> float:
        # A new network each time: the masks depend on how often it was called.
        return float((stack.network(5, 4).forward(x, training=True) * grad_out).sum())

    net = stack.network(5, 4)
    x, grad_out = data_for(stack, net, batch)
    net.forward(x, training=True)
    grad_x = net.backward(grad_out)
    difference = np.empty_like(x)
    for index in np.ndindex(x.shape):
        above, below = x.copy(), x.copy()
        above[index] += step
        below[index] -= step
        difference[index] = (objective(above) - objective(below)) / (above[index] - below[index])
    assert abs(grad_x - difference).max() <= 1e-8 * max(1.0, abs(difference).max())


@stacks
def test_gradient_by_parameters_is_the_central_difference(stack: Stack):
    case = stack.case
    layers = [bp.Flatten(), bp.Linear(6), case.make(5), bp.Flatten(), bp.Linear(3)]
    if len(case.input_shape(6)) > 1 or case.takes_bias_away:  # such a layer comes first
        layers = [case.make(5), bp.Flatten(), bp.Linear(3)]
    net = bp.Network(case.input_shape(6), layers, seed=3, dtype="float64")
    numbers = np.random.default_rng(1)
    x, y = numbers.uniform(-1, 1, (7, *net.input_shape)), numbers.uniform(-1, 1, (7, 3))
    errors = bp.check_gradients(net, x, y, "half_squared_error")
    assert errors.keys() == net.gradients().keys()
    assert max(errors.values()) <= 1e-7, errors


@stacks
@dtypes
@pytest.mark.parametrize("backend", bp.backends())
def test_same_bits_for_every_number_of_threads(stack: Stack, backend: str, dtype: str):
    """Large enough that the work is shared out; the reference backend never does."""
    features, out, batch = (40, 30, 20) if backend in PLAIN else (257, 190, 131)
    first = None
    for _ in walk((1, 1, 2, 3, 8)):
        net = stack.network(features, out, dtype, backend)
        result = run(net, *data_for(stack, net, batch))
        assert_same_bits(result, first or result)
        first = first or result


@stacks
@dtypes
@pytest.mark.parametrize("backend", bp.backends())
def test_accumulate_adds(stack: Stack, backend: str, dtype: str):
    net = stack.network(33, 17, dtype, backend)
    first, second = data_for(stack, net, 13, seed=1), data_for(stack, net, 7, seed=2)
    one, two = run(net, *first), run(net, *second)
    fresh = stack.network(33, 17, dtype, backend)
    run(fresh, *first)
    fresh.forward(second[0], training=True)
    grad_x = fresh.backward(second[1], accumulate=True)
    assert np.array_equal(grad_x, two.grad_x), "a gradient of activations is overwritten"
    for name, gradient in fresh.gradients().items():
        assert_close(gradient, one.gradients[name] + two.gradients[name], 13, name)
    run(fresh, *second)
    for name, gradient in fresh.gradients().items():
        assert np.array_equal(gradient, two.gradients[name]), "without accumulate it starts from zero"


# What Dropout alone owes.


@dtypes
@pytest.mark.parametrize("backend", bp.backends())
def test_dropout_in_evaluation_is_the_identity(backend: str, dtype: str):
    net = bp.Network(65, [bp.Dropout(0.7)], dtype=dtype, backend=backend)
    x = np.random.default_rng(0).normal(size=(31, 65)).astype(dtype)
    assert np.array_equal(net.forward(x), x)
    assert np.array_equal(net.predict(x), x)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("backend", bp.backends())
def test_dropout_keeps_about_1_minus_p_and_scales(backend: str, p: float):
    rows, columns = 200, 300
    net = bp.Network(columns, [bp.Dropout(p)], seed=5, backend=backend)
    ones = np.ones((rows, columns), np.float32)
    first, second = (net.forward(ones, training=True) for _ in range(2))
    for out in (first, second):
        assert np.unique(out).tolist() == [0.0, np.float32(1 / (1 - p))]
        kept = out > 0
        for share, count in (
            (kept.mean(), rows * columns),
            (kept.mean(axis=0), rows),
            (kept.mean(axis=1), columns),
        ):
            assert np.max(abs(share - (1 - p))) <= 5 * math.sqrt(p * (1 - p) / count)
    assert ((first > 0) == (second > 0)).mean() < 0.95, "each call draws a new mask"


def test_dropout_masks_are_the_same_in_every_backend():
    ones = np.ones((17, 33), np.float32)
    masks = [
        bp.Network(33, [bp.Dropout(0.4)], seed=5, backend=backend).forward(ones, training=True)
        for backend in bp.backends()
    ]
    assert all(np.array_equal(mask, masks[0]) for mask in masks)


@pytest.mark.parametrize("backend", bp.backends())
def test_dropout_scaled_at_test(backend: str):
    """The mask as it is in training, the expectation in evaluation: 2012's form."""
    net = bp.Network(65, [bp.Dropout(0.3, scale_at="test")], seed=5, dtype="float64", backend=backend)
    x = np.random.default_rng(0).uniform(1, 2, (31, 65))
    assert np.array_equal(net.predict(x), (1 - 0.3) * x)
    out = net.forward(x, training=True)
    assert np.array_equal(out, np.where(out == 0, 0, x))
    assert abs((out > 0).mean() - 0.7) <= 5 * math.sqrt(0.3 * 0.7 / x.size)
    assert np.array_equal(net.backward(x), out), "the gradient passes the same mask"
