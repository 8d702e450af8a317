"""bpnet's CUDA library with the GPU emulated on the processor: its build, and tests that run with it."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from builds import ROOT, Build, run, shared_folder

HERE = Path(__file__).parent
ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="bpnet's CUDA library is for Linux")


def build_once(factory: pytest.TempPathFactory, name: str, *definitions: str, target: str = "all") -> Path:
    """The library, or the target beside it, built by the first of the processes that run these tests."""
    with shared_folder(factory, f"{name}_build") as folder:
        if not (folder / "finished").exists():
            Build()(ROOT / "tests" / "cpp" / "cuda_on_cpu", folder / "build", *definitions, target=target)
            (folder / "finished").touch()
        return folder / "build" / "libbpnet_cuda_on_cpu.so"


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library."""
    return build_once(tmp_path_factory, "cuda_on_cpu")


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library whose kernels end the process where nothing orders two accesses, or what is read was not written. So
    few blocks are launched that small arrays take several rounds."""
    definitions = ["-DBPNET_RACES=ON", "-DBPNET_MOST_BLOCKS=3", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"]
    return build_once(tmp_path_factory, "cuda_on_cpu_watched", *definitions)


@pytest.fixture(scope="session")
def races(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program of kernels with races, without the library."""
    library = build_once(tmp_path_factory, "cuda_on_cpu_races", "-DBPNET_RACES=ON", target="check_races")
    return library.parent / "check_races"


def environment(library: Path, **variables: str) -> dict[str, str]:
    """That of a process with the library: the file is chosen once per process."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return inherited | {"BPNET_CUDA_LIBRARY": os.fspath(library)} | variables


def passes(library: Path, *arguments: str, **variables: str) -> int:
    """How many of the tests have passed with the library; none may fail."""
    # Where these tests are not themselves one of several processes' tests.
    parallel = [] if "PYTEST_XDIST_WORKER" in os.environ or not find_spec("xdist") else ["-n", "2"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *parallel, *arguments]
    printed = run(*command, env=environment(library, **variables))
    last = printed.splitlines()[-1].split()
    return int(last[[word.rstrip(",") for word in last].index("passed") - 1])


def last_error(library: Path, code: str, **variables: str) -> str:
    """The last line that Python code, which fails, writes to standard error."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(library, **variables),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    return done.stderr.splitlines()[-1]
