"""Builds the peers written in C from their sources: ``python -m benchmarks.libraries --fann DIR --genann DIR``.

The folders hold FANN's sources (``apt-get source libfann``, or a checkout of libfann/fann) and genann's (a
checkout of codeplea/genann, 1.1 or newer: it needs ``genann_act_tanh``). Each is built twice for this processor,
with -O3 and with -O3 -ffast-math, into build/peers, where the benchmark finds them.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.workers import ROOT

BUILD = ROOT / "build" / "peers"
FLAGS = {"-O3 -march=native": [], "-O3 -march=native -ffast-math": ["-ffast-math"]}


def path_of(name: str, form: str) -> Path:
    return BUILD / f"{name}{'_fast' if FLAGS[form] else ''}.so"


def forms_of(name: str) -> list[str]:
    """In which the library was built.

    Raises:
        ImportError: in none.
    """
    found = [form for form in FLAGS if path_of(name, form).exists()]
    if not found:
        raise ImportError(f"not built; python -m benchmarks.libraries --{name} FOLDER builds it")
    return found


def load(name: str, form: str) -> ctypes.CDLL:
    return ctypes.CDLL(str(path_of(name, form)))


def build(name: str, source: Path, folders: list[str]) -> None:
    compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        raise SystemExit("libraries: no C compiler is here; name one in CC")
    BUILD.mkdir(parents=True, exist_ok=True)
    includes = [f"-I{source / folder}" for folder in folders]
    wrapper = ROOT / "benchmarks" / "native" / f"{name}_peer.c"
    for form, more in FLAGS.items():
        flags = ["-O3", "-march=native", "-DNDEBUG", "-fPIC", "-shared", *more, *includes]
        command = [compiler, *flags, str(wrapper), "-lm", "-o", str(path_of(name, form))]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"libraries: {name} in {source} does not build:\n{done.stderr}")
        print(f"{name}, {form}: {path_of(name, form).relative_to(ROOT)}")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.libraries", description=__doc__)
    parser.add_argument("--fann", type=Path, metavar="FOLDER")
    parser.add_argument("--genann", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    if options.fann:
        build("fann", options.fann.resolve(), ["src", "src/include"])
    if options.genann:
        build("genann", options.genann.resolve(), ["."])
    return 0


if __name__ == "__main__":
    sys.exit(main())
