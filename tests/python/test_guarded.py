"""A memory that is a backend's own: what the host may not touch between two kernels, and that everything works
without touching it. Builds bpnet with BPNET_GUARDED."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import bpnet as bp
from test_cpp_package import Build, run

ROOT = Path(__file__).parents[2]
TESTS = Path(__file__).parent

# Whose cases walk all backends: on the guarded one they must come to the same.
CONTRACTS = [
    "test_layers_contract.py",
    "test_graph.py",
    "test_golden_files.py",
    "test_reducer.py",
]


def test_it_is_in_no_build_for_users():
    if "guarded" in bp.backends():
        pytest.skip("this is a build with BPNET_GUARDED")
    with pytest.raises(bp.DeviceError, match="^backend: 'guarded' is not one of those that run"):
        bp.Network(2, [bp.Linear(1)], backend="guarded")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if sys.platform != "linux":
        pytest.skip("protects pages as Linux does")
    folder = tmp_path_factory.mktemp("guarded")
    Build()(ROOT / "tests" / "cpp" / "guarded", folder)
    return folder / "guarded"


def ended(program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_the_host_dies_where_it_touches_an_array(program: Path):
    names = run(program, "list", "arrays").split("\n")[:-1]
    assert len(names) >= 20
    for name in names:
        assert run(program, "copy", name).strip() == "equal", name
        for touch in ("read", "write"):
            done = ended(program, touch, name)
            assert done.returncode == -signal.SIGSEGV, f"{touch} {name}: {done.returncode} {done.stdout}"


@pytest.mark.slow
def test_a_kernel_takes_no_array_of_the_hosts(program: Path):
    names = run(program, "list", "host").split("\n")[:-1]
    assert len(names) >= 5
    for name in names:
        done = ended(program, "host", name)
        assert done.returncode == -signal.SIGABRT, f"{name}: {done.returncode} {done.stdout}"
        assert "that is not in the backend's memory" in done.stderr, name


@pytest.mark.slow
def test_every_block_is_closed_during_a_training(program: Path):
    assert int(run(program, "blocks")) >= 10


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with bpnet as it is, but for a core that has the guarded backend."""
    if sys.platform != "linux":
        pytest.skip("protects pages as Linux does")
    pybind11 = pytest.importorskip("pybind11", reason="builds the Python module")
    folder = tmp_path_factory.mktemp("package")
    build = tmp_path_factory.mktemp("build")
    Build()(
        ROOT,
        build,
        "-DBPNET_GUARDED=ON",
        "-DBPNET_PYTHON=ON",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        f"-DPython_EXECUTABLE={sys.executable}",
    )
    shutil.copytree(
        ROOT / "python" / "bpnet", folder / "bpnet", ignore=shutil.ignore_patterns("_core*.so", "__pycache__")
    )
    for core in build.glob("_core*.so"):
        shutil.copy(core, folder / "bpnet")
    return folder


def pytest_with(package: Path, *arguments: str) -> str:
    env = dict(os.environ, PYTHONPATH=str(package))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts=", *arguments]
    where = subprocess.run(
        [sys.executable, "-c", "import bpnet; print(bpnet.__file__, bpnet.backends()[-1])"],
        env=env,
        cwd=TESTS,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert where == [str(package / "bpnet" / "__init__.py"), "guarded"]
    return run(*command, env=env)


@pytest.mark.slow
def test_trainings(package: Path):
    """MLPs and a small convolutional network: the reference's bits; saved, resumed, interrupted, traced, checked."""
    printed = pytest_with(package, str(TESTS / "guarded_training.py"))
    assert " passed" in printed and "skipped" not in printed, printed[-500:]


@pytest.mark.slow
def test_contracts(package: Path):
    printed = pytest_with(package, "-k", "guarded", *[str(TESTS / name) for name in CONTRACTS])
    assert int(printed.rsplit(" passed", 1)[0].rsplit("\n", 1)[-1].split()[-1]) >= 300, printed[-500:]
