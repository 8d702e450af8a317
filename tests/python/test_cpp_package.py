"""The C++ library as its users meet it: tests/cpp/consumer finds an installed bpnet, is built and runs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bpnet as bp
from threading_layers import LAYERS

ROOT = Path(__file__).parents[2]
CONSUMER = ROOT / "tests" / "cpp" / "consumer"
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

    def consumers(self, folder: Path, *definitions: str) -> list[Path]:
        """Build the applications with bpnet where the definitions say; the finished programs."""
        self(CONSUMER, folder, *definitions)
        names = ["choices", "consumer", "contracts", "model", "reducer"]
        if "openmp" in LAYERS:  # an application with OpenMP of its own
            names.append("regions")
        return [program(folder, name) for name in names]


def program(folder: Path, name: str) -> Path:
    """An application that was built in this folder."""
    found = [path for path in folder.rglob(f"{name}*") if path.name in (name, f"{name}.exe")]
    return next(path for path in found if path.is_file())


@pytest.fixture(scope="module")
def build() -> Build:
    return Build()


def check_on_every_backend(programs: list[Path], folder: Path) -> None:
    for backend in bp.backends():
        for program in programs:
            assert run(program, folder, env=os.environ | {"BPNET_BACKEND": backend}) == "ok\n", backend


@pytest.mark.slow
def test_consumer_of_an_install_tree(build, tmp_path):
    if not (ROOT / "CMakeLists.txt").exists():
        pytest.skip("the tests are not run from a checkout")
    built, prefix = tmp_path / "build", tmp_path / "prefix"
    build(ROOT, built)
    build.install(built, prefix)
    assert (prefix / "include" / "bpnet" / "bpnet.h").exists()
    assert not (prefix / "include" / "bpnet" / "kernels" / "cpu").exists(), (
        "the kernels' insides are installed"
    )
    shutil.rmtree(built)  # what is installed must not lean on it
    programs = build.consumers(tmp_path / "consumer", f"-DCMAKE_PREFIX_PATH={prefix}")
    check_on_every_backend(programs, tmp_path)


def test_consumer_of_the_installed_package(build, tmp_path):
    folder = Path(bp.get_cmake_dir())
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: bpnet is run from its sources, not installed")
    assert (Path(bp.get_include()) / "bpnet" / "bpnet.h").exists()
    printed = run(sys.executable, "-m", "bpnet", "--cmakedir")
    assert Path(printed.strip()) == folder
    programs = build.consumers(tmp_path / "consumer", f"-Dbpnet_DIR={printed.strip()}")
    check_on_every_backend(programs, tmp_path)


def test_other_minor_versions_are_refused(build, tmp_path):
    """Before 1.0 every minor version may change the interface."""
    folder = Path(bp.get_cmake_dir())
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: bpnet is run from its sources, not installed")
    major, minor, _ = map(int, bp.__version__.split("."))
    for version, fits in ((f"{major}.{minor}", True), (f"{major}.{minor + 1}", False)):
        source = tmp_path / version
        source.mkdir()
        (source / "CMakeLists.txt").write_text(
            "cmake_minimum_required(VERSION 3.24)\nproject(versions LANGUAGES CXX)\n"
            f"find_package(bpnet {version} CONFIG QUIET)\nif(bpnet_FOUND)\n"
            '  message(STATUS "found it")\nendif()\n'
        )
        out = run(build.cmake, "-S", source, "-B", source / "build", *build.options, f"-Dbpnet_DIR={folder}")
        assert ("found it" in out) == fits, version
