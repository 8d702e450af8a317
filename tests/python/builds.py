"""Builds for tests: programs that are found and run, CMake as it is here, folders that all processes of a run of tests
share, and in one of them the core, of which a test compiles only what its options change."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

try:
    import fcntl
except ImportError:  # Windows: each process has its own folders
    fcntl = None

ROOT = Path(__file__).parents[2]
WINDOWS = sys.platform == "win32"


def find(tool: str) -> str | None:
    """The program of this name, first beside this interpreter: pip puts cmake and ninja there."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return shutil.which(tool, path=path)


def run(*command: str | os.PathLike[str], env: dict[str, str] | None = None) -> str:
    """What the command prints; a failure shows it."""
    done = subprocess.run(
        [os.fspath(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=env,
        check=False,
    )
    shown = " ".join(os.fspath(part) for part in command)
    assert done.returncode == 0, f"{shown}\nended with {done.returncode}:\n{done.stdout}"
    return done.stdout


class Build:
    """CMake as it is found here."""

    def __init__(self) -> None:
        cmake = find("cmake")
        if not cmake:
            pytest.skip("there is no cmake here")
        if not WINDOWS and not any(find(name) for name in (os.environ.get("CXX", "c++"), "g++", "clang++")):
            pytest.skip("there is no C++ compiler here")
        self.cmake = cmake
        self.options: list[str] = []
        if "CMAKE_GENERATOR" in os.environ:
            pass
        elif WINDOWS:  # Visual Studio's own compiler has no vector extensions
            self.options = ["-T", "ClangCL"]
        elif ninja := find("ninja"):
            self.options = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={ninja}"]

    def __call__(self, source: Path, build: Path, *definitions: str, target: str = "all") -> None:
        run(self.cmake, "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=Release", *self.options, *definitions)
        targets = [] if target == "all" else ["--target", target]  # Visual Studio has another name for all
        run(self.cmake, "--build", build, "--config", "Release", "--parallel", "2", *targets)

    def install(self, build: Path, prefix: Path) -> None:
        run(self.cmake, "--install", build, "--config", "Release", "--prefix", prefix)


# Every option of the core that a test changes, as it is without being changed.
OPTIONS = {
    "BPNET_GUARDED": "OFF",
    "BPNET_GUARD_PAGES": "OFF",
    "BPNET_OPENMP": "AUTO",
    "BPNET_PYTHON": "OFF",
    "BPNET_THREADS": "ON",
}


@contextmanager
def shared_folder(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A folder of all processes that run these tests; one at a time is in it."""
    folder = factory.getbasetemp()
    if fcntl and "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    folder /= name
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w") as lock:
        if fcntl:
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def for_this_python() -> list[str]:
    """What CMake is told to build the module for this interpreter."""
    pybind11 = pytest.importorskip("pybind11", reason="the module's build needs pybind11")
    return [
        "-DBPNET_PYTHON=ON",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        f"-DPython_EXECUTABLE={sys.executable}",
    ]


@contextmanager
def core(factory: pytest.TempPathFactory, **options: str) -> Iterator[Path]:
    """The folder where the core is built with these options. Afterwards it is another test's: copy what is kept."""
    assert options.keys() <= OPTIONS.keys()
    definitions = [f"-D{name}={value}" for name, value in (OPTIONS | options).items()]
    if options.get("BPNET_PYTHON") == "ON":
        definitions += for_this_python()
    with shared_folder(factory, "core_builds") as folder:
        Build()(ROOT / "tests" / "cpp" / "builds", folder / "build", *definitions)
        yield folder / "build"


def make_package(build: Path, folder: Path) -> None:
    """A package bpnet in the folder, whose core is the one built."""
    shutil.copytree(
        ROOT / "python" / "bpnet",
        folder / "bpnet",
        ignore=shutil.ignore_patterns("*.so", "*.pyd"),
        dirs_exist_ok=True,
    )
    for module in build.rglob("_core*.so"):
        shutil.copy(module, folder / "bpnet")
