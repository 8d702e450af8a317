"""The documentation is true: its code runs and prints what it shows, its links lead somewhere, its pictures are made by
committed scripts, and the reference names all that is public."""

from __future__ import annotations

import argparse
import doctest
import importlib
import importlib.util
import inspect
import json
import pkgutil
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet.__main__ import build_parser
from documentation import DOCS, ROOT, Block, Session, anchors, blocks, links, pages

if not DOCS.is_dir():
    pytest.skip("the tests are not run from a checkout", allow_module_level=True)

INSTALLS = "installs from the network"
CUDA = "needs an NVIDIA GPU"
BENCHMARK = "measures: minutes, and peers that are not installed"
HOURS = "trains AlexNet on a folder of photographs: hours; the commands after it do the same with a small network"
CMAKE = "test_c_plus_plus_blocks_compile runs it"

# What is not run: by page, how the block or the command begins, and why.
NOT_RUN = {
    "README.md": {
        "python3 -m venv": INSTALLS,
        ".venv/bin/pip install": INSTALLS,
        ".venv/bin/python -m pytest": "runs this test",
    },
    "docs/design.md": {"cpp/bpnet/\n": "a tree of folders"},
    "docs/gpu.md": {
        "pip install": INSTALLS,
        "cmake": CUDA,
        "python -c": CUDA,
        'net = bp.Network(784, [bp.Linear(512), bp.ReLU(), bp.Linear(10)], device="cuda")': CUDA,
        "python -m bpnet train flowers.csv": CUDA,
        "python -m benchmarks": BENCHMARK,
    },
    "docs/performance.md": {
        "pip install": INSTALLS,
        "apt-get source": INSTALLS,
        "python -m benchmarks": BENCHMARK,
    },
    "docs/tutorials/photographs.md": {
        "pip install": INSTALLS,
        "python -m bpnet alexnet train photos/train --test photos/val --packed": HOURS,
        "python -m bpnet alexnet test alexnet.safetensors": HOURS,
        "python -m bpnet predict alexnet.safetensors": HOURS,
    },
}
# Examples in docstrings that are not run.
NOT_RUN_IN_DOCSTRINGS = {
    "bpnet.recipes.classify.classify": "needs a model that was trained on photographs for hours",
}


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def write_flowers(folder: Path) -> None:
    """``flowers.csv`` and ``new.csv``, for pages and docstrings that take a table as given."""
    from sklearn.datasets import load_iris

    iris = load_iris()
    columns = "sepal_length,sepal_width,petal_length,petal_width"
    rows = [",".join(map(str, row)) for row in iris.data]
    species = iris.target_names[iris.target]
    table = [f"{columns},species", *(f"{row},{each}" for row, each in zip(rows, species))]
    (folder / "flowers.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    (folder / "new.csv").write_text("\n".join([columns, rows[0], rows[120]]) + "\n", encoding="utf-8")


def write_photographs(folder: Path) -> None:
    from photographs import write_folder

    write_folder(folder / "photos" / "train", each=16)
    write_folder(folder / "photos" / "val", each=4, first=100)
    shutil.copy(folder / "photos" / "val" / "red" / "000.jpg", folder / "photo.jpg")


# Files that a page takes as given.
GIVEN = {
    "README.md": write_flowers,
    "docs/reference/cpp.md": write_flowers,
    "docs/tutorials/photographs.md": write_photographs,
}
WITH_CODE = [page for page in pages() if blocks(page)]


def python_blocks_run(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Session:
    """The session of the page's blocks, all but C++ run in the folder."""
    monkeypatch.chdir(folder)
    if name(page) in GIVEN:
        GIVEN[name(page)](folder)
    session = Session(NOT_RUN.get(name(page), {}))
    for block in blocks(page):
        if block.language not in ("cpp", "cmake"):
            session.run(block)
    return session


@pytest.mark.filterwarnings("ignore:load. the network in:UserWarning")
@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    session = python_blocks_run(page, tmp_path, monkeypatch)
    unused = set(session.not_run) - session.left_out
    assert not unused, f"{name(page)} has nothing that begins with {unused}"


def test_a_block_that_is_neither_run_nor_listed_fails():
    session = Session({})
    for language, text in (("json", "{}\n"), ("sh", "ls\n"), ("text", "shown\n")):
        with pytest.raises(AssertionError, match="page:1: .*neither run nor listed"):
            session.run(Block("page", 1, language, text))


def test_what_a_block_prints_is_compared():
    session = Session({})
    session.run(Block("page", 1, "python", "print('loss 0.5 of', [1.25, -2])\n"))
    session.run(Block("page", 4, "text", "loss 0.7 of [3.5, 1]\n"))
    with pytest.raises(AssertionError, match="page:4: shown"):
        session.run(Block("page", 4, "text", "error 0.5 of [1.25, -2]\n"))
