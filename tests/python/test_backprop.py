"""bpnet.backprop, the lecture's box: initialise, then pick a sample, forward, backward, update."""

from __future__ import annotations

import numpy as np
import pytest

import bpnet as bp
import plain_reference as plain

THETAS = {
    "tanh": plain.tanh,
    "relu": plain.relu,
    "leaky_relu": plain.leaky_relu(0.01),
    "sigmoid": plain.logistic,
}
XOR_X = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]
XOR_Y = [-1.0, 1.0, 1.0, -1.0]
HALF = plain.Loss(plain.half_squared_error)


def as_lists(w: list) -> list:
    return [None, *(layer.tolist() for layer in w[1:])]


def largest_error(actual: list, wanted: list) -> float:
    return max(
        abs(np.asarray(a) - np.asarray(b)).max() / max(abs(np.asarray(b)).max(), 1e-3)
        for a, b in zip(actual[1:], wanted[1:])
    )


def outputs(w: list, xs: list) -> np.ndarray:
    thetas = [None] + [plain.tanh] * (len(w) - 1)
    return np.array([plain.forward(as_lists(w), thetas, x)[1][-1] for x in xs])


@pytest.mark.parametrize("activation", THETAS)
def test_one_sample_is_the_plain_loop(activation: str):
    """With N = 1 every pick is the same, so only the arithmetic is left to compare."""
    layers, x, y = (3, 5, 4, 2), [0.3, -0.8, 0.5], [0.4, -0.2]
    w = as_lists(bp.backprop([x], [y], layers=layers, activation=activation, eta=0.05, steps=0, seed=3))
    thetas = [None] + [THETAS[activation]] * (len(layers) - 1)
    wanted, _ = plain.online(w, thetas, HALF, [x] * 50, [y] * 50, 0.05)
    actual = bp.backprop([x], [y], layers=layers, activation=activation, eta=0.05, steps=50, seed=3)
    assert largest_error(actual, wanted) <= 1e-12


def test_each_step_is_the_plain_update_for_one_picked_sample():
    """From the weights after k steps, exactly one sample's update leads to those after k + 1."""
    picks = []
    thetas = [None, plain.tanh, plain.tanh]
    before = as_lists(bp.backprop(XOR_X, XOR_Y, steps=0, seed=5))
    for steps in range(1, 61):
        after = as_lists(bp.backprop(XOR_X, XOR_Y, steps=steps, seed=5))
        candidates = [
            n
            for n in range(4)
            if largest_error(after, plain.online(before, thetas, HALF, [XOR_X[n]], [[XOR_Y[n]]], 0.1)[0])
            <= 1e-12
        ]
        assert len(candidates) == 1, f"step {steps}"
        picks += candidates
        before = after
    assert set(picks) == {0, 1, 2, 3}
    assert any(a == b for a, b in zip(picks, picks[1:])), "picks are with replacement"


def test_initial_weights():
    w = bp.backprop([[0.0] * 9], [[0.0] * 4], layers=(9, 25, 4), steps=0)
    assert w[0] is None
    assert [layer.shape for layer in w[1:]] == [(10, 25), (26, 4)]
    assert abs(w[1]).max() <= 1 / 3
    assert abs(w[2]).max() <= 1 / 5


def test_xor_is_learned():
    w = bp.backprop(XOR_X, XOR_Y, layers=(2, 4, 1), steps=40_000, seed=1)
    assert abs(outputs(w, XOR_X)[:, 0] - XOR_Y).max() < 0.1


def test_seed_decides_everything():
    runs = [bp.backprop(XOR_X, XOR_Y, steps=500, seed=seed) for seed in (1, 1, 2)]
    for layer in (1, 2):
        assert np.array_equal(runs[0][layer], runs[1][layer])
        assert not np.array_equal(runs[0][layer], runs[2][layer])
