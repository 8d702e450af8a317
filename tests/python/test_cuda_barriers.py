"""Every barrier of the GPU's kernels is needed, and they are enough: on a GPU emulated on the processor, whose accesses
are watched, the tests of a family of kernels pass, and fail without any one of its barriers."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

import cuda_on_cpu
from builds import ROOT, run
from cuda_on_cpu import HERE, ON_LINUX, environment

watched = cuda_on_cpu.watched  # the fixture
pytestmark = [
    pytest.mark.slow,
    ON_LINUX,
    pytest.mark.skipif(
        "BPNET_BARRIERS" not in os.environ, reason="a build and a run for each: BPNET_BARRIERS=1"
    ),
]
INCLUDED_FROM = ROOT / "cpp"
KERNELS = INCLUDED_FROM / "bpnet" / "kernels" / "cuda"
BARRIER = re.compile(r"\b(__syncthreads|__syncwarp|__pipeline_wait_prior)\([^;]*\);")

# The line before a barrier that bpnet's own calls do not need: weights that are frozen beside biases that learn.
NOT_REACHED = {"online.cu": "learn_biases(0);"}


class Family(NamedTuple):
    """The tests of what a file has, and the sources to compile again where it is a header."""

    tests: tuple[str, ...]  # the files, and which of their tests
    selected: str
    sources: tuple[str, ...] = ()


CONTRACT = ("test_layers_contract",)
FAMILIES = {
    "batch_norm.cu": Family(("test_normalization",), "cuda"),
    "block.h": Family(CONTRACT, "cuda and equals_the_reference and Conv2d", ("convolution_direct.cu",)),
    "chain.cu": Family(("test_chain_batch",), "cuda and (wide_inputs or widths_and_batches)"),
    "column_sums.cu": Family(CONTRACT, "cuda and equals_the_reference and float32 and Linear"),
    "layout.cu": Family(CONTRACT, "cuda and equals_the_reference and float32 and Conv2d"),
    "linear.cu": Family(CONTRACT, "cuda and equals_the_reference and float32 and Linear"),
    "local_response.cu": Family(CONTRACT, "cuda and equals_the_reference and LocalResponse"),
    "online.cu": Family(
        ("test_online_small", "test_online_block", "test_online_rule"),
        "cuda and (test_losses or test_activations or inner_layers or test_rules and alone)",
    ),
    "optimizer.cu": Family(("test_optimizers",), "cuda"),
    "pooling.cu": Family(("test_pooling",), "cuda"),
    "sums.cu": Family(("test_losses", "cuda_steps"), "cuda and (test_losses or not_finite or stops)"),
}


def barriers() -> list[tuple[str, int]]:
    """File and line, counted from 1, of each."""
    found = []
    for path in sorted([*KERNELS.glob("*.cu"), *KERNELS.glob("*.h")]):
        lines = path.read_text(encoding="utf-8").splitlines()
        for number, (before, line) in enumerate(zip(["", *lines], lines), 1):
            if BARRIER.search(line) and before.strip() != NOT_REACHED.get(path.name):
                found.append((path.name, number))
    return found


def test_every_family_is_known():
    assert {name for name, _ in barriers()} == set(FAMILIES)


def run_tests(library: Path, family: Family) -> subprocess.CompletedProcess[str]:
    tests = ["-x", "-k", family.selected, *(os.fspath(HERE / f"{name}.py") for name in family.tests)]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests]
    return subprocess.run(
        command, env=environment(library), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def build_without(library: Path, name: str, number: int, folder: Path) -> Path:
    """The library built again in the folder, from sources that lack the barrier."""
    changed = folder / "bpnet" / "kernels" / "cuda" / name
    changed.parent.mkdir(parents=True)
    lines = (KERNELS / name).read_text(encoding="utf-8").splitlines()
    lines[number - 1] = BARRIER.sub(";", lines[number - 1])
    changed.write_text("\n".join(lines) + "\n")

    build = library.parent
    objects: dict[Path, Path] = {}  # of the library, by their sources
    compilations: dict[Path, list[str]] = {}
    for command in json.loads((build / "compile_commands.json").read_text()):
        words = shlex.split(command["command"])
        source, output = Path(command["file"]).resolve(), build / words[words.index("-o") + 1]
        if "cuda_on_cpu.dir" in os.fspath(output):
            objects[source], compilations[source] = output, words[: words.index("-o")]
    for source in FAMILIES[name].sources or (name,):
        compiled, output = KERNELS / source, folder / f"{source}.o"
        compiler, *options = compilations[compiled]
        run(compiler, f"-I{folder}", *options, "-o", output, "-c", changed if source == name else compiled)
        objects[compiled] = output
    run(compiler, "-shared", "-o", folder / library.name, *objects.values())
    return folder / library.name


@pytest.mark.parametrize("name", FAMILIES)
def test_the_barriers_are_enough(name: str, watched: Path):
    done = run_tests(watched, FAMILIES[name])
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("name, number", barriers())
def test_a_barrier_is_needed(name: str, number: int, watched: Path, tmp_path: Path):
    library = build_without(watched, name, number, tmp_path)
    assert run_tests(library, FAMILIES[name]).returncode != 0, (
        f"nothing fails without the barrier in line {number} of {name}"
    )
