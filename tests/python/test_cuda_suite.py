"""The GPU's sources on the processor: the contract suite, whole trainings and the way of steps and data, as on any
backend, and under AddressSanitizer. tests/cpp/cuda_on_cpu compiles them with the host's compiler."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import cuda_on_cpu
from builds import ROOT, Build, find, run
from cuda_on_cpu import HERE, ON_LINUX, passes

built = cuda_on_cpu.built  # the fixture
pytestmark = [pytest.mark.slow, ON_LINUX]

# Tests that name their backend.
CONTRACTS = [
    *("test_layers_contract", "test_graph", "test_losses", "test_optimizers", "test_normalization"),
    *("test_pooling", "test_convolution", "test_sgd_forms", "test_clipping"),
    *("test_online_rule", "test_chain_batch", "test_plain_reference"),
]


def paths(names: list[str]) -> list[str]:
    return [os.fspath(HERE / f"{name}.py") for name in names]


def test_the_contracts_hold(built: Path):
    # The processor's threads compute nothing of a GPU's step.
    tests = ["-k", "cuda and not float64 and not number_of_threads", *paths(CONTRACTS)]
    assert passes(built, *tests) >= 450


def test_layers_in_float64_equal_the_reference(built: Path):
    tests = ["-k", "cuda and float64 and equals_the_reference", *paths(["test_layers_contract"])]
    assert passes(built, *tests) >= 30


def test_whole_trainings(built: Path):
    assert passes(built, *paths(["cuda_training"])) >= 42


def test_steps_and_data(built: Path):
    assert passes(built, *paths(["cuda_steps"])) >= 25


def test_scikit_learns_estimators(built: Path):
    pytest.importorskip("sklearn", minversion="1.6", reason="scikit-learn 1.6 is not installed")
    assert passes(built, *paths(["cuda_sklearn"])) >= 6


def test_threads_in_another_order(built: Path):
    """Where a thread reads what another has not written yet, the numbers depend on it."""
    assert passes(built, "-k", "twenty", *paths(["cuda_training"]), BPNET_CUDA_ON_CPU_SEED="2") >= 14


@pytest.mark.skipif(
    "BPNET_CUDA_SANITIZED" not in os.environ, reason="minutes of build: BPNET_CUDA_SANITIZED=1"
)
def test_no_access_is_beyond_an_array(tmp_path: Path):
    """What the guard pages leave: a kernel's own arrays and the block's shared memory."""
    compiler = find("g++")
    preloaded = Path(run(compiler, "-print-file-name=libasan.so").strip()) if compiler else None
    if not preloaded or not preloaded.is_absolute():
        pytest.skip("GCC's AddressSanitizer is not installed")
    definitions = ["-DBPNET_SANITIZE=address,undefined", f"-DCMAKE_CXX_COMPILER={compiler}"]
    Build()(ROOT / "tests" / "cpp" / "cuda_on_cpu", tmp_path, *definitions, target="bpnet_cuda_on_cpu")
    variables = {
        "LD_PRELOAD": os.fspath(preloaded),
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "halt_on_error=1",
    }
    library = tmp_path / "libbpnet_cuda_on_cpu.so"
    tests = [
        "-k",
        "cuda and equals_the_reference and float32 and (Pool or Norm)",
        *paths(["test_layers_contract"]),
    ]
    assert passes(library, *tests, **variables) >= 15
    assert passes(library, "-k", "twenty and float32", *paths(["cuda_training"]), **variables) >= 7
