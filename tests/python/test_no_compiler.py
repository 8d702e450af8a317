"""What CMake says where bpnet cannot be compiled: what to install, and that a wheel needs no compiler."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from builds import ROOT, Build, find

pytestmark = [
    pytest.mark.skipif(os.name != "posix", reason="Visual Studio is not looked for on the PATH"),
    pytest.mark.skipif(
        not (ROOT / "CMakeLists.txt").exists(), reason="the tests are not run from a checkout"
    ),
]
CURES = [
    "apt install g++",
    "dnf install gcc-c++",
    "xcode-select --install",
    "ClangCL",
    "pip install --only-binary",
]


def configured(folder: Path, *definitions: str, **environment: str) -> subprocess.CompletedProcess[str]:
    build = Build()
    command = [build.cmake, "-S", str(ROOT), "-B", str(folder / "build"), *build.options, *definitions]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CMAKE_")}
    return subprocess.run(command, env=inherited | environment, capture_output=True, text=True, check=False)


def words(text: str) -> str:
    """Without the line breaks that CMake puts into what it says."""
    return " ".join(text.split())


def test_no_compiler(tmp_path: Path):
    (tmp_path / "bin").mkdir()
    if not find("ninja"):
        pytest.skip("there is no ninja here, and make would be looked for beside the compiler")
    # Nor is it looked for in /usr/bin, which CMake knows without the PATH.
    nowhere_else = "-DCMAKE_FIND_USE_CMAKE_SYSTEM_PATH=OFF"
    done = configured(tmp_path, nowhere_else, PATH=str(tmp_path / "bin"), CXX="")
    assert done.returncode != 0
    assert "bpnet: to be built from source it needs a C++20 compiler" in words(done.stderr)
    assert all(cure in done.stderr for cure in CURES)
    assert "CMAKE_CXX_COMPILER could be found" not in done.stderr, "CMake's own words, which name no cure"


@pytest.mark.parametrize("compiler, version", [("GNU", "10.2.1"), ("Clang", "13.0.0")])
def test_a_compiler_that_is_too_old(tmp_path: Path, compiler: str, version: str):
    told = {
        "COMPILER_ID": compiler,
        "COMPILER_VERSION": version,
        "COMPILER_ID_RUN": "1",
        "COMPILER_FORCED": "1",
    }
    done = configured(tmp_path, *(f"-DCMAKE_CXX_{name}={value}" for name, value in told.items()))
    assert done.returncode != 0
    assert f"is {compiler} {version}, bpnet needs GCC 11, Clang 14 or newer." in words(done.stderr)
    assert all(cure in done.stderr for cure in CURES)
