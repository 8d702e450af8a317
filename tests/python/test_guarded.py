"""A backend's memory is its own: a build whose guarded backend has its arrays on pages that are open only during a
kernel or a copy. tests/cpp/guarded touches each kind of array between two kernels, the contract tests run on it, and
guarded_training.py trains on it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

import builds
from builds import run

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="pages are protected, and signals named, as on Linux"),
]
HERE = Path(__file__).parent

# Tests that name their backend.
CONTRACTS = [
    *("test_layers_contract", "test_graph", "test_losses", "test_optimizers", "test_normalization"),
    *("test_pooling", "test_convolution", "test_sgd_forms", "test_python_api", "test_plain_reference"),
    *("test_copies_and_threads", "test_stopped_training", "test_clipping", "test_frozen", "test_upto"),
    "test_custom_loss",
]
# Tests that take the default.
WHOLE = ["test_golden_files", "test_backprop", "test_stopped_training", "test_reducer"]


class Built(NamedTuple):
    cases: Path  # the program
    package: Path  # a folder with a package bpnet


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built once, by the first of the processes that run these tests; the others wait for it."""
    with builds.shared_folder(tmp_path_factory, "guarded_build") as folder:
        program, finished = folder / "guarded", folder / "finished"
        if not finished.exists():
            with builds.core(tmp_path_factory, BPNET_GUARDED="ON", BPNET_PYTHON="ON") as build:
                shutil.copy(build / "guarded" / "guarded", program)
                builds.make_package(build, folder)
            finished.touch()
    return Built(program, folder)


def end(built: Built, *arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [built.cases, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout


def test_the_host_dies_where_it_touches_an_array(built: Built):
    """And reads by a copy what should be there."""
    names = run(built.cases, "list", "arrays").splitlines()
    assert len(names) >= 49
    ends = {(name, way): end(built, way, name) for name in names for way in ("read", "write", "copy")}
    wanted = {"read": (-signal.SIGSEGV, ""), "write": (-signal.SIGSEGV, ""), "copy": (0, "equal\n")}
    assert not {case: found for case, found in ends.items() if found != wanted[case[1]]}


def test_every_block_of_the_memory_is_closed(built: Built):
    assert int(run(built.cases, "blocks")) >= 60


def test_a_kernel_refuses_the_hosts_arrays(built: Built):
    names = run(built.cases, "list", "host").splitlines()
    assert len(names) >= 32
    for name in names:
        kernel, what = name.split(":")[0].split(", ")
        message = f"guarded: {kernel} was given an array ({what}) that is not in the backend's memory\n"
        assert end(built, "host", name) == (-signal.SIGABRT, message), name


def passes(built: Built, *arguments: str, **variables: str) -> int:
    """How many tests have passed; none may fail."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment |= {"PYTHONPATH": os.fspath(built.package)} | variables
    where = [sys.executable, "-c", "import bpnet; print(bpnet._core.__file__, *bpnet.backends())"]
    found, *backends = run(*where, env=environment).split()
    assert Path(found).parent == built.package / "bpnet", "another module would be tested"
    assert backends[-1] == "guarded"
    # Where these tests are not themselves one of several processes' tests.
    parallel = [] if "PYTEST_XDIST_WORKER" in os.environ or not find_spec("xdist") else ["-n", "2"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *parallel, *arguments]
    printed = run(*command, env=environment)
    last = printed.splitlines()[-1].split()
    return int(last[[word.rstrip(",") for word in last].index("passed") - 1])


def paths(names: list[str]) -> list[str]:
    return [os.fspath(HERE / f"{name}.py") for name in names]


def test_the_contracts_hold(built: Built):
    assert passes(built, "-k", "guarded", *paths(CONTRACTS)) >= 600


def test_all_holds_where_it_is_the_default(built: Built):
    assert passes(built, *paths(WHOLE), BPNET_BACKEND="guarded") >= 100


def test_whole_trainings(built: Built):
    assert passes(built, os.fspath(HERE / "guarded_training.py")) >= 69
