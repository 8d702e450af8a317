"""What it costs before any work: the time of the import, and the size of the package."""

from __future__ import annotations

import subprocess
import sys
import zlib
from collections.abc import Iterable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measure import Row, row

MODULES = {
    "bpnet": "bpnet",
    "PyTorch": "torch",
    "JAX": "jax",
    "scikit-learn": "sklearn.neural_network",
    "NumPy alone": "numpy",
}
DISTRIBUTIONS = {"PyTorch": ["torch"], "JAX": ["jax", "jaxlib"], "scikit-learn": ["scikit-learn"]}


def import_seconds(module: str) -> float:
    """Of ``import module`` in a fresh process, the start of the interpreter not counted."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    command = [sys.executable, "-c", code]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def import_times(repeats: int) -> list[Row]:
    here = {name: module for name, module in MODULES.items() if find_spec(module.split(".")[0])}
    for module in here.values():
        import_seconds(module)  # its files come into the system's cache
    seconds: dict[str, list[float]] = {name: [] for name in here}
    for _ in range(repeats):
        for name, module in here.items():
            seconds[name].append(import_seconds(module))
    ours = seconds.pop("bpnet")
    return [
        row("import time", 1, name, [b / a for a, b in zip(ours, theirs)]) for name, theirs in seconds.items()
    ]


def _files_of_bpnet() -> list[Path]:
    """As installed, or, run from its sources, those of the package's folder."""
    try:
        return _files_of(["backpropnet"])
    except metadata.PackageNotFoundError:
        import bpnet

        return [path for path in Path(bpnet.__file__).parent.rglob("*") if path.is_file()]


def _files_of(names: Iterable[str]) -> list[Path]:
    return [Path(file.locate()) for name in names for file in metadata.distribution(name).files or []]


def _sizes(files: Iterable[Path]) -> tuple[int, int]:
    """Bytes as they are stored, and deflated as in a wheel."""
    installed = packed = 0
    for path in files:
        if path.suffix == ".pyc" or not path.is_file():
            continue
        installed += path.stat().st_size
        packer = zlib.compressobj()
        with path.open("rb") as file:
            while piece := file.read(1 << 20):
                packed += len(packer.compress(piece))
        packed += len(packer.flush())
    return installed, packed


def package_sizes() -> list[Row]:
    """The peers' own packages, without those that they need."""
    ours = _sizes(_files_of_bpnet())
    print(f"bpnet: installed {ours[0] / 1e6:.1f} MB, its wheel {ours[1] / 1e6:.1f} MB")
    rows = []
    for name, distributions in DISTRIBUTIONS.items():
        try:
            sizes = _sizes(_files_of(distributions))
        except metadata.PackageNotFoundError:
            continue
        rows.append(row("installed size", 1, name, [sizes[0] / ours[0]]))
        rows.append(row("wheel size", 1, name, [sizes[1] / ours[1]]))
    return rows
