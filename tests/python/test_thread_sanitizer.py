"""No data race between Python threads that use one network: the module is built with ThreadSanitizer, which
watches every access, and thread_stress.py does everything at once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from test_cpp_package import ROOT, Build, find

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="the sanitizer is preloaded as on Linux"),
]


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package bpnet whose core is watched."""
    pybind11 = pytest.importorskip("pybind11", reason="the module's build needs pybind11")
    folder = tmp_path_factory.mktemp("thread_sanitizer")
    build = folder / "build"
    Build()(
        ROOT,
        build,
        "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
        "-DBPNET_SANITIZE=thread",
        "-DBPNET_PYTHON=ON",
        f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
        f"-DPython_EXECUTABLE={sys.executable}",
    )
    shutil.copytree(ROOT / "python" / "bpnet", folder / "bpnet", ignore=shutil.ignore_patterns("*.so"))
    for module in build.glob("_core*.so"):
        shutil.copy(module, folder / "bpnet")
    shutil.rmtree(build)
    return folder


def test_threads_on_one_network(package: Path, tmp_path: Path):
    compiler = os.environ.get("CXX") or find("c++")
    assert compiler is not None
    printed = subprocess.run(
        [compiler, "-print-file-name=libtsan.so"], capture_output=True, text=True, check=True
    )
    library = Path(printed.stdout.strip())
    if not library.is_absolute():
        pytest.skip("the compiler's libtsan.so is not installed")
    environment = os.environ | {
        "LD_PRELOAD": str(library),
        "PYTHONPATH": str(package),
        "TSAN_OPTIONS": "exitcode=66",
        "OPENBLAS_NUM_THREADS": "1",  # whose threads are not watched, and seem to race
    }
    where = [sys.executable, "-c", "import bpnet; print(bpnet._core.__file__)"]
    found = subprocess.run(where, capture_output=True, text=True, env=environment, check=True).stdout
    assert Path(found.strip()).parent == package / "bpnet", "another module would be watched"
    command = [sys.executable, Path(__file__).with_name("thread_stress.py"), tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, f"ended with {done.returncode}:\n{done.stdout}\n{done.stderr[:10000]}"
    assert done.stdout == "8 of 8\n"
