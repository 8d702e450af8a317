"""The library of the GPU's kernels as nvcc builds it, without a GPU; and what a build says where CUDA is not complete."""

from __future__ import annotations

import ctypes
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bpnet as bp
from builds import ROOT, Build, find, run, shared_folder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="BPNET_CUDA is for Linux")

TOOLKIT = ROOT / "cmake" / "cuda_toolkit.cmake"


def toolkit(*definitions: str) -> tuple[bool, str]:
    """Whether CUDA is found, and what CMake says, in one line."""
    cmake = find("cmake")
    if not cmake:
        pytest.skip("there is no cmake here")
    done = subprocess.run(
        [cmake, *definitions, "-P", TOOLKIT], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return done.returncode == 0, " ".join(done.stdout.split())


class Fake:
    """Folders that look like CUDA: an nvcc that only prints its version, and empty files."""

    def __init__(self, folder: Path, version: str) -> None:
        self.folder = folder
        self.nvcc = folder / "toolkit" / "bin" / "nvcc"
        self.add("toolkit/bin/nvcc")
        self.nvcc.write_text(f"#!/bin/sh\necho 'Cuda compilation tools, release {version}, V{version}.1'\n")
        self.nvcc.chmod(0o755)

    def add(self, *names: str) -> None:
        for name in names:
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()

    def toolkit(self) -> tuple[bool, str]:
        return toolkit(
            f"-DCMAKE_CUDA_COMPILER={self.nvcc}",
            f"-DBPNET_CUDA_WHEELS={self.folder}/nvidia",
            "-DPython_SITELIB=-",
        )


# No machine has this CUDA.
VERSION = "99.1"
RUNTIME = ["libcudart_static.a", "cuda_runtime.h"]
CUBLASLT = ["libcublasLt.so.99", "cublasLt.h"]
CUDNN = ["libcudnn.so.9", "cudnn.h"]


def placed(folder: str, names: list[str]) -> list[str]:
    library, header = names
    return [f"{folder}/lib/{library}", f"{folder}/include/{header}"]


def test_a_toolkit_that_is_too_old_is_refused(tmp_path):
    found, said = Fake(tmp_path, "12.3").toolkit()
    assert not found
    assert f"bpnet: {tmp_path}/toolkit/bin/nvcc is of CUDA 12.3, bpnet needs 12.4 or newer; install" in said


def test_a_compiler_that_is_not_there_is_told(tmp_path):
    found, said = toolkit(f"-DCMAKE_CUDA_COMPILER={tmp_path}/nvcc", "-DPython_SITELIB=-")
    assert not found
    assert f"bpnet: '{tmp_path}/nvcc --version' does not say which CUDA it is of" in said


@pytest.mark.parametrize(
    "there, missing",
    [
        ([], "CUDA's runtime (cuda_runtime.h and libcudart_static.a)"),
        (placed("toolkit", RUNTIME), "cuBLASLt of CUDA 99 (cublasLt.h and libcublasLt.so.99)"),
        (placed("toolkit", RUNTIME) + ["toolkit/lib/libcublasLt.so.99"], "cuBLASLt of CUDA 99"),
    ],
)
def test_what_is_missing_is_named(tmp_path, there, missing):
    fake = Fake(tmp_path, VERSION)
    fake.add(*there)
    found, said = fake.toolkit()
    assert not found
    assert f"nvcc of CUDA {VERSION} is {fake.nvcc}, but {missing}" in said
    assert "is not found; install NVIDIA's CUDA toolkit 12.4 or newer and cuDNN 9, or the wheels" in said


@pytest.mark.parametrize(
    "folders",
    [
        ("toolkit", "toolkit", "toolkit"),
        ("nvidia/cu99", "nvidia/cu99", "nvidia/cudnn"),  # wheels since CUDA 13
        ("nvidia/cuda_runtime", "nvidia/cublas", "nvidia/cudnn"),  # wheels of CUDA 12
    ],
)
def test_the_toolkit_and_the_wheels_are_found(tmp_path, folders):
    fake = Fake(tmp_path, VERSION)
    wanted = [
        placed(folder, names) for folder, names in zip(folders, (RUNTIME, CUBLASLT, CUDNN), strict=True)
    ]
    for names in wanted:
        fake.add(*names)
    found, said = fake.toolkit()
    assert found, said
    for library, _ in wanted:
        assert f"{tmp_path}/{library}" in said


# From here on the library itself.


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As it is installed, for one architecture."""
    found, said = toolkit()
    if not found:
        pytest.skip(f"CUDA is not complete here: {said}")
    cmake = Build()
    with shared_folder(tmp_path_factory, "cuda_build") as folder:
        installed = folder / "installed" / "lib" / "libbpnet_cuda.so"
        if not installed.exists():
            options = ("-DBPNET_CUDA=ON", "-DBPNET_WERROR=ON", "-DCMAKE_CUDA_ARCHITECTURES=90")
            build = folder / "build"
            cmake(ROOT, build, *options, target="bpnet_cuda")
            run(cmake.cmake, "--install", build, "--component", "cuda", "--prefix", folder / "installed")
    return installed


def tool(name: str, *arguments: str | os.PathLike[str]) -> str:
    if not shutil.which(name):
        pytest.skip(f"{name} is not available")
    return run(name, *arguments)


def needed(path: Path | str) -> list[str]:
    return re.findall(r"\(NEEDED\).*\[(.*)\]", tool("readelf", "-d", path))


@pytest.mark.slow
def test_the_library_exports_one_name(library):
    assert [line.split()[1:] for line in tool("nm", "-D", "--defined-only", library).splitlines()] == [
        ["T", "bpnet_cuda_module"]
    ]


@pytest.mark.slow
def test_the_library_has_machine_code_and_ptx(library):
    """Both for each file with a kernel: PTX is what later GPUs compile."""
    code, ptx = (tool("cuobjdump", option, library) for option in ("--list-elf", "--list-ptx"))
    assert len(re.findall(r"sm_90\.cubin", code)) >= 15
    assert len(re.findall(r"sm_90\.ptx", ptx)) >= 15


@pytest.mark.slow
def test_the_library_links_what_it_should(library):
    ours = [name for name in needed(library) if name.startswith(("libcu", "libnv"))]
    assert [name.split(".so")[0] for name in ours] == ["libcublasLt", "libcudnn"]


@pytest.mark.slow
def test_the_wheels_are_looked_for_beside_the_package(library):
    (runpath,) = re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", tool("readelf", "-d", library))
    major = next(name for name in needed(library) if "cublasLt" in name).rsplit(".", 1)[1]
    first = [f"$ORIGIN/../nvidia/{folder}/lib" for folder in (f"cu{major}", "cublas", "cudnn")]
    assert runpath.split(":")[:3] == first


@pytest.mark.slow
def test_the_module_links_no_cuda():
    assert not [
        name for name in needed(bp._core.__file__) if name.startswith(("libcu", "libnv", "libbpnet_cuda"))
    ]


def driver_is_here() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


@pytest.mark.slow
def test_the_library_opens_a_gpu_or_tells_what_the_driver_said(library):
    script = """
import bpnet as bp
try:
    print(bp.Network(2, [bp.Linear(1)], device="cuda").forward([[1, 2]]).shape)
except bp.DeviceError as error:
    print(error)
"""
    said = run(sys.executable, "-c", script, env={**os.environ, "BPNET_CUDA_LIBRARY": str(library)})
    refused = re.fullmatch(r"device: 'cuda:0' is not available; the driver says: .+\n", said)
    assert refused or (driver_is_here() and said == "(1, 1)\n"), said
