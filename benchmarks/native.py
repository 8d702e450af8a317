"""The programs of benchmarks/native: what the processor can do at most, each kernel beside it, and a convolution alone."""

from __future__ import annotations

import os
import shutil
import subprocess

from benchmarks.measure import Row
from benchmarks.workers import ROOT, Company

BUILD = ROOT / "build" / "bench"
FOLDER = BUILD / "benchmarks" / "native"
PROGRAM = FOLDER / ("bpnet_kernels.exe" if os.name == "nt" else "bpnet_kernels")
CONVOLUTION = FOLDER / ("bpnet_convolution.dll" if os.name == "nt" else "libbpnet_convolution.so")
TARGETS = ("bpnet_kernels", "bpnet_convolution")


def build() -> str:
    """Build the program and the library, or bring them up to date; what is in the way, or ""."""
    cmake = shutil.which("cmake")
    if cmake is None:
        return "cmake is not installed"
    ninja = ["-G", "Ninja"] if shutil.which("ninja") and not (BUILD / "CMakeCache.txt").exists() else []
    for command in (
        [cmake, "-S", ROOT, "-B", BUILD, "-DBPNET_BENCHMARKS=ON", *ninja],
        [cmake, "--build", BUILD, "--target", *TARGETS, "--config", "Release", "--parallel"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:]
            return f"it does not build here: {' '.join(last)}"
    return ""


def run(threads: int, *arguments: str) -> list[list[str]]:
    """The lines that the program prints, each cut at its tabs."""
    command = [str(PROGRAM), str(threads), *arguments]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split("\t") for line in text.splitlines()]


class Peak:
    """float32 operations a second of all threads together, a multiply-add counted as two: the best of some
    20 milliseconds, now. Its process is one of the company."""

    def __init__(self, company: Company, threads: int) -> None:
        self._process = company.start("the peak", [str(PROGRAM), str(threads), "peak"])
        self._process.rest()

    def __call__(self) -> float:
        return float(self._process.ask(""))


def kernels(threads: int, repeats: int, *which: str) -> list[Row]:
    """Every kernel's fraction of the peak measured in turn with it, with its rate as the form."""
    rows = []
    for name, unit, rate, *fractions in run(threads, str(repeats), *which):
        median, least, most = map(float, fractions)
        if most > 1:
            print(f"refused: {name} reaches {most} of the peak; mend benchmarks/native/peaks.cpp")
            continue
        rows.append(Row(f"kernel: {name}", threads, "peak", median, least, most, f"{rate} {unit}"))
    return rows
