"""exp, tanh, sigmoid and their kin over vectors keep the errors that kernels/cpu/base/vector_math.h and
activation_math.h state, and IEEE's corners."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import bpnet as bp
import sweeps
from backend_names import FAST

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "tests" / "cpp" / "vector_math"

ULP = {"Tanh": 3, "Sigmoid": 3}
LAYERS = {"Tanh": bp.Tanh, "Sigmoid": bp.Sigmoid}

# In ulp, as the headers state them; the last three in ulp of what main.cpp says.
STATED = {
    "exp": 2,
    "tanh": 3,
    "sigmoid": 3,
    "log1p": 2,
    "expm1": 2,
    "softplus": 3,
    "normal_cdf": 8,
    "gelu_slope": 8,
    "tanh_gelu": 4,
    "tanh_gelu_slope": 4,
    "silu_slope": 8,
}


def apply(layer: bp.Layer, x: np.ndarray, backend: str) -> np.ndarray:
    net = bp.Network((1,), [layer], dtype=x.dtype.name, backend=backend)
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
def test_error_over_a_sample_of_float32(name: str, backend: str):
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
    assert (np.abs(apply(LAYERS[name](), x, backend) - wanted) / ulp).max() <= ULP[name]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("backend", FAST)
def test_corners(backend: str, dtype: type):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan], dtype)
    tanh, sigmoid = apply(bp.Tanh(), x, backend), apply(bp.Sigmoid(), x, backend)
    assert tanh[:4].tolist() == [0, 0, 1, -1] and np.signbit(tanh[:2]).tolist() == [False, True]
    assert sigmoid[:4].tolist() == [0.5, 0.5, 1, 0]
    assert np.isnan([tanh[4], sigmoid[4]]).all()
    denormal = np.array([np.nextafter(dtype(0), dtype(1))])
    assert apply(bp.Tanh(), denormal, backend)[0] == denormal[0]

    softplus = apply(bp.Softplus(), x, backend)
    assert softplus[2:4].tolist() == [np.inf, 0] and np.isnan(softplus[4])
    for layer in (bp.GELU(), bp.GELU(approximate="tanh"), bp.SiLU()):
        y = apply(layer, x, backend)
        assert y[:3].tolist() == [0, 0, np.inf] and np.signbit(y[:2]).tolist() == [False, True]
        assert np.isnan(y[4])


def run(*command: str | os.PathLike[str]) -> str:
    done = subprocess.run([os.fspath(part) for part in command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def program(tmp_path_factory) -> Path:
    """tests/cpp/vector_math, each instruction set that runs here compiled as its kernel table is."""
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CXX", "c++"), "g++", "clang++"))), None)
    if os.name == "nt" or not compiler or not (ROOT / "CMakeLists.txt").exists():
        pytest.skip("a checkout and a compiler with GCC's options are needed")
    folder = tmp_path_factory.mktemp("vector_math")
    text = (ROOT / "cmake" / "tables.cmake").read_text(encoding="utf-8")
    sets = re.findall(r"^\s*bpnet_add_tables\((\w+) (\d+)([^)]*)\)", text, re.MULTILINE)
    here = [(name, width, flags.split()) for name, width, flags in sets if name in FAST]
    assert here
    start = [compiler, "-std=c++20", "-O3", "-fno-math-errno", f"-I{ROOT / 'cpp'}", "-c"]
    for name, width, flags in here:
        for real in ("float", "double"):
            define = [f"-DBPNET_REAL={real}", f"-DBPNET_VECTOR_BYTES={width}"]
            define += [f"-DGETTER=functions_{name}_{real}", "-ffp-contract=fast", "-fno-exceptions"]
            run(*start, *flags, *define, SOURCES / "functions.cpp", "-o", folder / f"{name}_{real}.o")
    listed = " ".join(f"X({name})" for name, _, _ in here)
    run(*start, f"-DSETS(X)={listed}", SOURCES / "main.cpp", "-o", folder / "main.o")
    run(compiler, *folder.glob("*.o"), "-o", folder / "vector_math", "-pthread")
    return folder / "vector_math"


def check(program: Path, real: str, stride: int, *function: str) -> None:
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    lines = run(program, real, str(stride), str(threads), *function).splitlines()
    assert len(lines) == len(function or STATED) * len(FAST)
    for name, backend, error, where, wrong in map(str.split, lines):
        assert float(error) <= STATED[name], f"{name} ({backend}): {error} ulp at {where}"
        assert wrong == "0", f"{name} ({backend}): {wrong} corners are wrong"


def test_every_function_over_a_sample(program: Path):
    check(program, "float", 4099)


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="long double is wider there only")
def test_every_function_over_a_sample_of_float64(program: Path):
    check(program, "double", 65_537)


@pytest.mark.slow
@pytest.mark.parametrize("function", STATED)
def test_every_function_over_many_float32(program: Path, function: str):
    check(program, "float", 61, function)


@pytest.mark.slow
@sweeps.only_whole
@pytest.mark.parametrize("function", ["exp", "tanh", "sigmoid"])
def test_error_over_all_of_float32(program: Path, function: str):
    check(program, "float", 1, function)
