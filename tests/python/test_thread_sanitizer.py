"""No data race between Python threads that use one network: the module is built with ThreadSanitizer, which
watches every access, and thread_stress.py does everything at once, with the pool, and with Clang under OpenMP too: the
sanitizer sees the barriers of LLVM's OpenMP, by libarcher, and not those of GCC's."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import builds
from builds import ROOT, Build, find

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sanitizer is preloaded as on Linux"),
]


@pytest.fixture(scope="module", params=["c++", "clang++"])
def compiler(request: pytest.FixtureRequest) -> str:
    given = os.environ.get("CXX") if request.param == "c++" else None
    compiler = given or find(request.param)
    if not compiler:
        pytest.skip(f"there is no {request.param} here")
    return compiler


def printed(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture(scope="module")
def preloaded(compiler: str) -> Path:
    """The sanitizer's library, to be loaded before Python."""
    clang = "clang" in printed(compiler, "--version")
    name = f"libclang_rt.tsan-{platform.machine()}.so" if clang else "libtsan.so"
    library = Path(printed(compiler, f"-print-file-name={name}"))
    if not library.is_absolute():
        pytest.skip(f"{name} of {compiler} is not installed")
    nothing = subprocess.run(
        [sys.executable, "-c", ""], env=os.environ | {"LD_PRELOAD": str(library)}, check=False
    )
    if (
        nothing.returncode
    ):  # some of LLVM 14 end any program; tests/cpp/threads, linked with the static one, runs
        pytest.skip(f"Python does not start with {library}: it ended with {nothing.returncode}")
    return library


@pytest.fixture(scope="module")
def package(compiler: str, preloaded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package bpnet whose core is watched. The tables' own -O3, which only a Debug build leaves out,
    would show the sanitizer no more accesses, and take longer to compile."""
    definitions = [
        "-DCMAKE_BUILD_TYPE=Debug",
        "-DCMAKE_CXX_FLAGS_DEBUG=-O1 -g1 -DNDEBUG",
        "-DBPNET_SANITIZE=thread",
        f"-DCMAKE_CXX_COMPILER={compiler}",
        *builds.for_this_python(),
    ]
    with builds.shared_folder(tmp_path_factory, f"thread_sanitizer_{Path(compiler).name}") as folder:
        if not (folder / "finished").exists():
            Build()(ROOT, folder / "build", *definitions)
            builds.make_package(folder / "build", folder)
            shutil.rmtree(folder / "build")
            (folder / "finished").touch()
    return folder


@pytest.fixture(params=["pool", "openmp"])
def layer(request: pytest.FixtureRequest, compiler: str) -> dict[str, str]:
    """The environment of a threading layer whose barriers the sanitizer sees."""
    environment = {"BPNET_THREADING": request.param}
    if request.param == "openmp":
        if "clang" not in printed(compiler, "--version"):
            pytest.skip("the sanitizer does not see the barriers of GCC's OpenMP")
        archer = Path(printed(compiler, "-print-resource-dir")).parents[1] / "libarcher.so"
        if not archer.exists():
            pytest.skip("libarcher, of LLVM's OpenMP, is not installed")
        environment["OMP_TOOL_LIBRARIES"] = str(archer)
    return environment


def test_threads_on_one_network(layer: dict[str, str], preloaded: Path, package: Path, tmp_path: Path):
    environment = (
        os.environ
        | layer
        | {
            "LD_PRELOAD": str(preloaded),
            "PYTHONPATH": str(package),
            "TSAN_OPTIONS": "exitcode=66",
            "OPENBLAS_NUM_THREADS": "1",  # whose threads are not watched, and seem to race
        }
    )
    code = "import bpnet; print(bpnet._core.__file__, bpnet.threading())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    path, used = done.stdout.split()
    assert Path(path).parent == package / "bpnet", "another module would be watched"
    assert used == layer["BPNET_THREADING"]
    command = [sys.executable, Path(__file__).with_name("thread_stress.py"), tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"ended with {done.returncode}:\n{done.stdout}\n{done.stderr[:10000]}"
    assert done.stdout == "8 of 8\n"
