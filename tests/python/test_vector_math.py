"""tanh and sigmoid over vectors keep the error that kernels/cpu/vector_math.h states, and IEEE's corners."""

from __future__ import annotations

import numpy as np
import pytest

import bpnet as bp

ULP = {"Tanh": 3, "Sigmoid": 3}
LAYERS = {"Tanh": bp.Tanh, "Sigmoid": bp.Sigmoid}
FAST = [name for name in bp.backends() if name != "reference"]


def apply(name: str, x: np.ndarray, backend: str) -> np.ndarray:
    net = bp.Network((1,), [LAYERS[name]()], dtype=x.dtype.name, backend=backend)
    return net.forward(x[:, None])[:, 0]


def exact(name: str, x: np.ndarray) -> np.ndarray:
    """In double, whose own error is nothing beside a float32's ulp."""
    wide = x.astype(np.float64)
    if name == "Tanh":
        return np.tanh(wide)
    small = np.exp(-np.abs(wide))
    return np.where(wide >= 0, 1, small) / (1 + small)


@pytest.mark.parametrize("backend", FAST)
@pytest.mark.parametrize("name", LAYERS)
def test_error_over_all_of_float32(name: str, backend: str):
    rng = np.random.default_rng(0)
    any_bits = rng.integers(0, 2**32, 300_000, dtype=np.uint64).astype(np.uint32).view(np.float32)
    x = np.concatenate(
        [
            any_bits[np.isfinite(any_bits)],
            rng.uniform(-100, 100, 300_000).astype(np.float32),
            rng.uniform(-1, 1, 300_000).astype(np.float32),
        ]
    )
    wanted = exact(name, x)
    least = float(np.finfo(np.float32).tiny)
    ulp = np.spacing(np.maximum(np.abs(wanted), least).astype(np.float32)).astype(np.float64)
    assert (np.abs(apply(name, x, backend) - wanted) / ulp).max() <= ULP[name]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backend", FAST)
def test_corners(backend: str, dtype: type):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
    tanh, sigmoid = apply("Tanh", x, backend), apply("Sigmoid", x, backend)
    assert tanh[:4].tolist() == [0, 0, 1, -1] and np.signbit(tanh[:2]).tolist() == [False, True]
    assert sigmoid[:4].tolist() == [0.5, 0.5, 1, 0]
    assert np.isnan([tanh[4], sigmoid[4]]).all()
    denormal = np.array([np.nextafter(dtype(0), dtype(1))])
    assert apply("Tanh", denormal, backend)[0] == denormal[0]
