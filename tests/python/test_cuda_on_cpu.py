"""The GPU that bpnet's CUDA library is tested on without one: what tests/cpp/cuda_on_cpu promises, case by case, for
every thread order, and under the sanitizers."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

import cuda_on_cpu
from builds import ROOT, Build, find
from cuda_on_cpu import ON_LINUX

built, races = cuda_on_cpu.built, cuda_on_cpu.races  # the fixtures
pytestmark = [pytest.mark.slow, ON_LINUX]
SOURCES = ROOT / "tests" / "cpp" / "cuda_on_cpu"
SMALL = {"BPNET_CUDA_ON_CPU_MEMORY": str(1 << 26)}  # bytes: one case takes all


class Ended(NamedTuple):
    code: int
    printed: str
    said: str  # on standard error


def run(program: Path, *arguments: str, **variables: str) -> Ended:
    done = subprocess.run(
        [program, *arguments], env=os.environ | SMALL | variables, capture_output=True, errors="replace"
    )
    return Ended(done.returncode, done.stdout, done.stderr)


def failed_cases(
    program: Path, least: int, dies: Callable[[Ended, str], bool], **variables: str
) -> dict[str, Ended]:
    """The cases that do not end as they say, of at least so many, and how they do."""
    failed = {}
    lines = run(program).printed.splitlines()
    assert len(lines) >= least
    for line in lines:
        name, how, message = line.split("\t")
        ended = run(program, name, **variables)
        if not (ended.code == 0 if how == "ends" else dies(ended, message)):
            failed[name] = ended
    return failed


@pytest.fixture(scope="session")
def program(built: Path) -> Path:
    return built.parent / "check_runtime"


def dies(ended: Ended, message: str) -> bool:
    return ended.code in (-signal.SIGABRT, -signal.SIGSEGV) and message in ended.said


@pytest.mark.parametrize("seed", range(1, 6))
def test_the_promises_hold(program: Path, seed: int):
    assert not failed_cases(program, 65, dies, BPNET_CUDA_ON_CPU_SEED=str(seed))


@pytest.mark.parametrize("seed", range(1, 6))
def test_races_are_found(races: Path, seed: int):
    assert not failed_cases(races, 20, dies, BPNET_CUDA_ON_CPU_SEED=str(seed))


@pytest.mark.parametrize("compiler", ["g++", "clang++"])
def test_the_promises_hold_under_sanitizers(compiler: str, tmp_path: Path):
    """Which find by themselves some of what ends the process."""
    if not find(compiler):
        pytest.skip(f"there is no {compiler} here")
    definitions = [
        "-DBPNET_SANITIZE=address,undefined",
        "-DBPNET_WERROR=ON",
        f"-DCMAKE_CXX_COMPILER={compiler}",
    ]
    Build()(SOURCES, tmp_path, *definitions, target="check_runtime")

    def dies_of_either(ended: Ended, message: str) -> bool:
        return ended.code != 0 and (message in ended.said or "AddressSanitizer" in ended.said)

    options = {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "halt_on_error=1"}
    assert not failed_cases(tmp_path / "check_runtime", 65, dies_of_either, **options)


def test_a_seed_is_an_order(program: Path):
    def order(seed: int) -> str:
        ended = run(program, "threads run in an order of chance", BPNET_CUDA_ON_CPU_SEED=str(seed))
        assert ended.code == 0
        return ended.printed

    assert order(1) == order(1)
    assert len({order(seed) for seed in range(10)}) == 10


@pytest.mark.parametrize(
    "variables, printed",
    [
        ({"BPNET_CUDA_ON_CPU_DEVICES": "0"}, "cudaErrorNoDevice"),
        ({"BPNET_CUDA_ON_CPU_MEMORY": "3"}, "cudaErrorMemoryAllocation"),
        ({"BPNET_CUDA_ON_CPU_FAIL": "cudaMalloc:1:cudaErrorMemoryAllocation"}, "cudaErrorMemoryAllocation"),
        ({"BPNET_CUDA_ON_CPU_FAIL": "cudaFree:1,cudaStreamSynchronize:1"}, "cudaErrorLaunchFailure"),
    ],
)
def test_settings(program: Path, variables: dict[str, str], printed: str):
    ended = run(program, "calls are counted", **variables)
    assert ended.code == 1
    assert ended.printed == f"does not hold: a call is {printed} rather than cudaSuccess\n"


@pytest.mark.parametrize(
    "variables, said",
    [
        ({"BPNET_CUDA_ON_CPU_DEVICES": "two"}, "BPNET_CUDA_ON_CPU_DEVICES is 'two', which is no number"),
        ({"BPNET_CUDA_ON_CPU_DEVICES": "9"}, "BPNET_CUDA_ON_CPU_DEVICES is above 8"),
        ({"BPNET_CUDA_ON_CPU_MEMORY": "-1"}, "BPNET_CUDA_ON_CPU_MEMORY is '-1', which is no number"),
        (
            {"BPNET_CUDA_ON_CPU_FAIL": "cudaMalloc:0"},
            "'cudaMalloc:0' is not a function and which of its calls fails",
        ),
    ],
)
def test_wrong_settings(program: Path, variables: dict[str, str], said: str):
    ended = run(program, "calls are counted", **variables)
    assert ended.code == -signal.SIGABRT
    assert said in ended.said
