"""The first weights: within their bounds, of the stated moments, and a function of the seed alone."""

from __future__ import annotations

import math

import numpy as np
import pytest

import bpnet as bp

IN, OUT = 300, 200  # 60,000 draws

# (initialiser, mean, standard deviation, bounds of a uniform one)
CASES = [
    (None, 0, 1 / math.sqrt(3 * IN), 1 / math.sqrt(IN)),
    (bp.FanIn(), 0, 1 / math.sqrt(3 * IN), 1 / math.sqrt(IN)),
    (bp.FanIn(gain=2.0), 0, 2 / math.sqrt(3 * IN), 2 / math.sqrt(IN)),
    (bp.Normal(), 0, 0.01, None),
    (bp.Normal(mean=-3.0, std=0.5), -3, 0.5, None),
    (bp.Uniform(), 0, 0.1 / math.sqrt(3), 0.1),
    (bp.Uniform(low=1.0, high=4.0), 2.5, 1.5 / math.sqrt(3), 1.5),
    (bp.XavierUniform(), 0, math.sqrt(2 / (IN + OUT)), math.sqrt(6 / (IN + OUT))),
    (bp.XavierUniform(gain=3.0), 0, 3 * math.sqrt(2 / (IN + OUT)), 3 * math.sqrt(6 / (IN + OUT))),
    (bp.XavierNormal(gain=0.5), 0, 0.5 * math.sqrt(2 / (IN + OUT)), None),
    (bp.HeUniform(), 0, math.sqrt(2 / IN), math.sqrt(6 / IN)),
    (bp.HeUniform(gain=1.0), 0, math.sqrt(1 / IN), math.sqrt(3 / IN)),
    (bp.HeNormal(), 0, math.sqrt(2 / IN), None),
    (bp.HeNormal(gain=1.0), 0, math.sqrt(1 / IN), None),
]


def draw(init, seed: int = 0, **options) -> np.ndarray:
    return bp.Network(IN, [bp.Linear(OUT, init=init)], seed=seed, **options).state_dict()["0.weight"]


@pytest.mark.parametrize("init, mean, deviation, radius", CASES, ids=[repr(case[0]) for case in CASES])
def test_moments_and_bounds(init, mean: float, deviation: float, radius: float | None):
    w = draw(init, dtype="float64")
    assert w.mean() == pytest.approx(mean, abs=5 * deviation / math.sqrt(w.size))
    assert w.std() == pytest.approx(deviation, rel=0.02)
    if radius is None:
        for sigmas, share in ((1, 0.6827), (2, 0.9545), (3, 0.9973)):
            inside = (abs(w - mean) <= sigmas * deviation).mean()
            assert inside == pytest.approx(share, abs=5 * math.sqrt(share * (1 - share) / w.size))
        assert abs(w - mean).max() > 3.5 * deviation
    else:
        assert abs(w - mean).max() <= radius
        assert abs(w - mean).max() > 0.999 * radius


def test_constant():
    assert (draw(bp.Constant(0.25)) == 0.25).all()
    assert (draw(bp.Constant()) == 0).all()


def test_biases_take_their_own():
    """By default as the weights, by the layer's input width."""
    net = bp.Network(IN, [bp.Linear(OUT), bp.Linear(OUT, bias_init=bp.Constant(0.5))], dtype="float64")
    assert abs(net.state_dict()["0.bias"]).max() <= 1 / math.sqrt(IN)
    assert net.state_dict()["0.bias"].std() == pytest.approx(1 / math.sqrt(3 * IN), rel=0.2)
    assert (net.state_dict()["1.bias"] == 0.5).all()


@pytest.mark.parametrize("init", [None, bp.Normal(), bp.XavierUniform()], ids=repr)
def test_the_seed_decides(init):
    first = draw(init, seed=7)
    assert draw(init, seed=7).tobytes() == first.tobytes()
    for seed in (0, 8, 7 + 2**32, 2**64 - 1):
        assert (draw(init, seed=seed) != first).mean() > 0.99
    assert (draw(init, seed=7, dtype="float64").astype(np.float32) == first).all(), (
        "float32 is float64, rounded"
    )
    for backend in bp.backends():
        assert draw(init, seed=7, backend=backend).tobytes() == first.tobytes()


def test_no_two_tensors_share_numbers():
    net = bp.Network(10, [bp.Linear(10), bp.Linear(10)], dtype="float64")
    values = np.concatenate([w.ravel() for w in net.state_dict().values()])
    assert len(np.unique(values)) == len(values)
