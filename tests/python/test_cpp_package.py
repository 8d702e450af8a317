"""The C++ library as its users meet it: tests/cpp/consumer finds an installed bpnet, is built and runs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

import bpnet as bp
import builds
from builds import ROOT, Build, run
from threading_layers import LAYERS

CONSUMER = ROOT / "tests" / "cpp" / "consumer"


def consumers(build: Build, folder: Path, *definitions: str) -> list[Path]:
    """Build the applications with bpnet where the definitions say; the finished programs."""
    build(CONSUMER, folder, *definitions)
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
def test_consumer_of_an_install_tree(build, tmp_path, tmp_path_factory):
    if not (ROOT / "CMakeLists.txt").exists():
        pytest.skip("the tests are not run from a checkout")
    prefix = tmp_path / "prefix"
    with builds.core(tmp_path_factory) as built:
        build.install(built, prefix)
    naming = [
        path for path in prefix.rglob("*") if path.is_file() and os.fsencode(built) in path.read_bytes()
    ]
    assert not naming, "what is installed must not lean on the folder where it was built"
    assert (prefix / "include" / "bpnet" / "bpnet.h").exists()
    assert not (prefix / "include" / "bpnet" / "kernels" / "cpu").exists(), (
        "the kernels' insides are installed"
    )
    programs = consumers(build, tmp_path / "consumer", f"-DCMAKE_PREFIX_PATH={prefix}")
    check_on_every_backend(programs, tmp_path)


def test_consumer_of_the_installed_package(build, tmp_path):
    folder = Path(bp.get_cmake_dir())
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: bpnet is run from its sources, not installed")
    assert (Path(bp.get_include()) / "bpnet" / "bpnet.h").exists()
    printed = run(sys.executable, "-m", "bpnet", "--cmakedir")
    assert Path(printed.strip()) == folder
    programs = consumers(build, tmp_path / "consumer", f"-Dbpnet_DIR={printed.strip()}")
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
