"""The native program of benchmarks/native: what the processor can do at most, and each kernel beside it."""

from __future__ import annotations

import os
import shutil
import subprocess

from benchmarks.workers import ROOT, Company

BUILD = ROOT / "build" / "bench"
PROGRAM = BUILD / "benchmarks" / "native" / ("bpnet_kernels.exe" if os.name == "nt" else "bpnet_kernels")


def build() -> str:
    """Build the program, or bring it up to date; what is in the way, or ""."""
    cmake = shutil.which("cmake")
    if cmake is None:
        return "cmake is not here"
    ninja = ["-G", "Ninja"] if shutil.which("ninja") and not (BUILD / "CMakeCache.txt").exists() else []
    for command in (
        [cmake, "-S", ROOT, "-B", BUILD, "-DBPNET_BENCHMARKS=ON", *ninja],
        [cmake, "--build", BUILD, "--target", "bpnet_kernels", "--config", "Release", "--parallel"],
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


def print_kernels(threads: int, repeats: int) -> None:
    """Every kernel's rate beside the peak measured in turn with it."""
    print(
        f"\n| kernel, threads: {threads} | rate | of the peak (median) | least to most |\n|---|---|---|---|"
    )
    for name, unit, rate, median, least, most in run(threads, str(repeats)):
        if float(most) > 1:
            print(f"refused: {name} reaches {most} of the peak; mend benchmarks/native/peaks.cpp")
            continue
        print(f"| {name} | {rate} {unit} | {median} | {least} to {most} |", flush=True)
