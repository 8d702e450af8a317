"""The documentation is true: its code runs and prints what it shows, its links lead somewhere, its pictures are made by
committed scripts, and the reference names all that is public."""

from __future__ import annotations

import argparse
import doctest
import importlib
import importlib.util
import inspect
import json
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
from documentation import (
    DOCS,
    ROOT,
    Block,
    Session,
    anchors,
    blocks,
    documented_modules,
    lacks_extra,
    links,
    pages,
)

if not DOCS.is_dir():
    pytest.skip("the tests are not run from a checkout", allow_module_level=True)

INSTALLS = "installs from the network"
CUDA = "needs an NVIDIA GPU"
BENCHMARK = "measures: minutes, and peers that are not installed"
HOURS = (
    "trains AlexNet on a folder of photographs: hours; the commands after it do the same with a small network"
)

# What is not run: by page, how the block or the command begins, and why.
NOT_RUN = {
    "README.md": {
        "python3 -m venv": INSTALLS,
        ".venv/bin/pip install": INSTALLS,
        ".venv/bin/pytest": "runs this test",
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
    "docs/how-to/from-pytorch.md": {
        "torch_model = ": "needs PyTorch; test_pytorch_parity.py loads weights both ways where it is installed",
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
if lacks_extra("bpnet.river"):
    NOT_RUN["docs/tutorials/online.md"] = {"from river": "river is not installed"}
# Modules whose names users have by others: as methods of Network, or as names of metrics.
INTERNAL = {"bpnet.metrics", "bpnet.trace"}
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
    of_cpp = False
    for block in blocks(page):
        of_cpp = block.language in ("cpp", "cmake") or (of_cpp and block.language == "text")
        if not of_cpp:  # nor what a program prints
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
    session.run(Block("page", 1, "python", "print('loss 0.5 of', [1.25, -2])\n"))
    with pytest.raises(AssertionError, match="page:4: shown"):
        session.run(Block("page", 4, "text", "error 0.5 of [1.25, -2]\n"))


# C++.


def cpp_blocks(page: Path) -> list[Block]:
    return [block for block in blocks(page) if block.language == "cpp"]


WITH_CPP = [page for page in pages() if cpp_blocks(page)]


def as_program(block: Block) -> str:
    """The block, within a main where it has none."""
    if "int main(" in block.text:
        return block.text
    return f"#include <bpnet/bpnet.h>\n\nint main() {{\n{block.text}\n}}\n"


def cmake_lists(page: Path, programs: list[str]) -> str:
    """That of the page where it shows one, whose program is ``app``; and one for each program."""
    shown = [block.text for block in blocks(page) if block.language == "cmake"]
    begin = "cmake_minimum_required(VERSION 3.24)\nproject(app LANGUAGES CXX)\nfind_package(bpnet CONFIG REQUIRED)\n"
    return (shown or [begin])[0] + "".join(
        f"add_executable({each} {each}.cpp)\ntarget_link_libraries({each} PRIVATE bpnet::bpnet)\n"
        for each in programs
    )


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:load. the network in:UserWarning")
@pytest.mark.parametrize("page", WITH_CPP, ids=name)
def test_c_plus_plus_blocks_compile_and_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Programs run in the page's order, beside the files that its Python blocks write, and print what it shows."""
    from test_cpp_package import Build, program, run

    folder = Path(bp.get_cmake_dir())
    if not folder.is_dir():
        pytest.skip(f"{folder} is not there: bpnet is run from its sources, not installed")
    found = cpp_blocks(page)
    names = [f"block{block.line}" for block in found]
    source = tmp_path / "source"
    source.mkdir()
    for each, block in zip([*names, "app"], [*found, found[0]]):
        (source / f"{each}.cpp").write_text(as_program(block), encoding="utf-8")
    (source / "CMakeLists.txt").write_text(cmake_lists(page, names), encoding="utf-8")
    Build()(source, tmp_path / "build", f"-Dbpnet_DIR={folder}")

    monkeypatch.chdir(tmp_path)
    if name(page) in GIVEN:
        GIVEN[name(page)](tmp_path)
    session = Session(NOT_RUN.get(name(page), {}))
    for block in blocks(page):
        if block.language == "cpp" and "int main(" in block.text:
            session.printed = run(program(tmp_path / "build", f"block{block.line}"))
        elif block.language not in ("cpp", "cmake"):
            session.run(block)


# Docstrings.


class Shown(doctest.OutputChecker):
    """What an example prints is compared where the docstring shows it."""

    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return not want or super().check_output(want, got, optionflags)


def docstring_examples() -> Iterator[doctest.DocTest]:
    """The examples of every docstring that has some."""
    for module in documented_modules():
        names = {"bp": bp, "np": np, "X": np.zeros((20, 784)), "y": np.arange(20) % 10}
        names |= {"X_test": names["X"], "y_test": names["y"]}
        for each in doctest.DocTestFinder(exclude_empty=True).find(
            importlib.import_module(module), extraglobs=names
        ):
            if each.examples:
                yield each


@pytest.mark.parametrize("example", list(docstring_examples()), ids=lambda example: example.name)
def test_examples_in_docstrings_run(
    example: doctest.DocTest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    if example.name in NOT_RUN_IN_DOCSTRINGS:
        pytest.skip(NOT_RUN_IN_DOCSTRINGS[example.name])
    monkeypatch.chdir(tmp_path)
    write_flowers(tmp_path)
    results = doctest.DocTestRunner(Shown(), optionflags=doctest.ELLIPSIS).run(example, clear_globs=False)
    assert results.attempted > 0 and results.failed == 0


def test_examples_that_are_not_run_exist():
    assert set(NOT_RUN_IN_DOCSTRINGS) <= {example.name for example in docstring_examples()}


# The reference.

DIRECTIVE = re.compile(
    r"^\.\. auto(?P<kind>\w+):: (?P<name>[\w.]+)\n(?P<options>(?:   :.*\n)*)", re.MULTILINE
)


def referenced() -> Iterator[str]:
    """Each name that a page of the reference documents: bpnet.Network."""
    for page in (DOCS / "reference" / "python").glob("*.md"):
        for match in DIRECTIVE.finditer(page.read_text(encoding="utf-8")):
            if lacks_extra(match["name"]):
                continue
            if match["kind"] != "module":
                yield match["name"]
            elif ":no-members:" not in match["options"]:
                left_out = re.findall(r":exclude-members: (.*)", match["options"])
                members = set(importlib.import_module(match["name"]).__all__) - set(
                    ", ".join(left_out).split(", ")
                )
                yield from (f"{match['name']}.{member}" for member in members)


def public_modules() -> list[str]:
    """bpnet, and the modules right below it that say what is public in them."""
    below = {each for each in documented_modules() if each.count(".") == 1} - INTERNAL
    return ["bpnet", *(each for each in sorted(below) if hasattr(importlib.import_module(each), "__all__"))]


def resolved(path: str) -> Any:
    module, _, last = path.rpartition(".")
    return getattr(importlib.import_module(module), last)


def test_the_reference_names_all_that_is_public():
    names = list(referenced())
    assert sorted(set(names)) == sorted(names), "documented twice"
    known = {id(resolved(each)) for each in names}
    missing = []
    for module in public_modules():
        for each in importlib.import_module(module).__all__:
            if lacks_extra(f"{module}.{each}"):
                continue
            thing = getattr(importlib.import_module(module), each)
            if (inspect.isclass(thing) or callable(thing)) and id(thing) not in known:
                missing.append(f"{module}.{each}")
    assert missing == []


def public_callables() -> Iterator[tuple[str, Any]]:
    """Each documented function, constructor and method."""
    for path in sorted(referenced()):
        thing = resolved(path)
        if not inspect.isclass(thing):
            yield path, thing
            continue
        members = {
            key: value for key, value in vars(thing).items() if not key.startswith("_") or key == "__init__"
        }
        for key, value in members.items():
            value = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
            if inspect.isfunction(value):
                yield f"{path}.{key}", value


def test_every_argument_of_the_reference_is_typed():
    bare = []
    for path, function in public_callables():
        signature = inspect.signature(function)
        parameters = [each for each in signature.parameters.values() if each.name not in ("self", "cls")]
        untyped = [each.name for each in parameters if each.annotation is inspect.Parameter.empty]
        if signature.return_annotation is inspect.Signature.empty:
            untyped.append("return")
        bare += [f"{path}: {each}" for each in untyped]
    assert bare == []


def command_paths(parser: argparse.ArgumentParser, path: str = "") -> Iterator[str]:
    """Each command that does something: ``train``, ``alexnet test``."""
    inner = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    for action in inner:
        for key, each in action.choices.items():
            yield from command_paths(each, f"{path} {key}".strip())
    if not inner:
        yield path


def test_the_reference_has_every_command():
    text = (DOCS / "reference" / "command-line.md").read_text(encoding="utf-8")
    assert re.findall(r"^```\{command-line\} (.*)$", text, re.MULTILINE) == list(
        command_paths(build_parser())
    )


def header_of(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length])


def test_the_file_format_names_every_key(tmp_path: Path):
    """Of a run with all that a file can hold: the page's names are those of the metadata, and of the JSON in it."""
    page = (DOCS / "reference" / "file-format.md").read_text(encoding="utf-8")
    X, y = np.random.default_rng(0).normal(size=(40, 4)), np.arange(40) % 2
    model = bp.train_model((X, y), layers=(4,), epochs=2, patience=1, verbose=0)
    model.save(tmp_path / "run.safetensors")
    header = header_of(tmp_path / "run.safetensors")
    metadata = header["__metadata__"]
    table = re.findall(r"^\| `([\w.]+)` \| (?:every file|a run|where there is one) \|", page, re.MULTILINE)
    assert sorted(table) == sorted(metadata)
    named = set(re.findall(r"`([\w.]+)`", page))
    for key in ("bpnet.network", "bpnet.preprocessing", "bpnet.trainer", "bpnet.notes"):
        assert set(json.loads(metadata[key])) <= named, key
    assert set(json.loads(metadata["bpnet.trainer"])["state"]) <= named
    assert {tensor for tensor in header if tensor.startswith("best.")} <= named


# Pictures.


def pictures_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("pictures", DOCS / "pictures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_each_picture_has_a_script_and_a_page():
    made = set(pictures_script().PICTURES)
    files = {path.stem for path in (DOCS / "pictures").iterdir()}
    shown = {Path(path).stem for page in pages() for path, _ in links(page) if path.endswith(".svg")}
    assert files == made == shown


def test_pictures_are_drawn(tmp_path: Path):
    script = pictures_script()
    for picture in ("speed", "lecture-network", "imagenette"):
        drawn = script.draw(picture, tmp_path).read_text(encoding="utf-8")
        assert drawn.startswith("<?xml") and "NaN" not in drawn
    again = tmp_path / "again"
    again.mkdir()
    assert script.draw("speed", again).read_bytes() == (tmp_path / "speed.svg").read_bytes()


def test_the_picture_of_speed_shows_the_figures_of_performance():
    """Else ``python docs/pictures.py speed`` draws it again."""
    script = pictures_script()
    performance = (DOCS / "performance.md").read_text(encoding="utf-8")
    picture = (DOCS / "pictures" / "speed.svg").read_text(encoding="utf-8")
    expected = [
        script.ratios(performance, f"online {case}")[peer] for peer in script.PEERS for case in script.CASES
    ]
    assert re.findall(r">1/([\d.]+)<", picture) == [f"{ratio:.3g}" for ratio in expected]


def test_the_figures_of_the_first_page_are_those_of_performance():
    """README's figures of speed: ratios of the case that it names, and the ends of ranges that it gives."""
    script = pictures_script()
    performance = (DOCS / "performance.md").read_text(encoding="utf-8")
    first_page = (ROOT / "README.md").read_text(encoding="utf-8")
    ratios = script.ratios(performance, "online 784-128-10")
    assert (
        f"{ratios['JAX']:g} times the speed of JAX, {ratios['PyTorch']:g} times that of PyTorch" in first_page
    )
    package = re.search(r"^\| wheel size \|.*PyTorch \*\*(\d+)\*\*", performance, re.MULTILINE)
    load = re.search(r"^\| import.time \|.*PyTorch \*\*([\d.]+)\*\*", performance, re.MULTILINE)
    assert package and load
    assert f"1/{package[1]} of PyTorch's; its import takes 1/{float(load[1]):.0f} of the time" in first_page
    smallest = script.ratios(performance, "online 2-2-1")["JAX"]
    assert f"2-2-1 runs at\n{smallest:.2f} times JAX's speed" in first_page


# Tables.


@pytest.mark.parametrize("page", sorted((DOCS / "how-to").glob("from-*.md")), ids=name)
def test_calls_in_tables_are_right(page: Path):
    """What the column of bpnet calls, Linear(128) or SGD(lr=0.1), exists and takes these arguments."""
    given: dict[str, Any] = {"net": bp.Network(1, [bp.Linear(2)]), "layers": bp.Linear(2), "input_shape": 1}
    calls = []
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = re.split(r" ?\| ?", line) if line.startswith("|") else []
        found = re.findall(r"`((?:bp\.|\[)?[A-Z]\w+\([^`…]*[)\]])`", cells[2]) if cells else []
        calls += found
    assert len(calls) >= 5
    given |= {each: getattr(bp, each) for each in bp.__all__ if each[0].isupper()}
    for call in calls:
        eval(call, {"bp": bp, **given})


# Links.

LINKED = [*pages(), ROOT / "CONTRIBUTING.md"]


@pytest.mark.parametrize("page", LINKED, ids=name)
def test_links_lead_somewhere(page: Path):
    for path, anchor in links(page):
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{name(page)} links to {path}"
        if anchor:
            assert anchor in anchors(target), f"{name(page)}: {path}#{anchor}"


# The site.


@pytest.mark.slow
def test_the_site_is_built_without_warnings_and_needs_no_network(tmp_path: Path):
    pytest.importorskip("furo", reason="the extra docs is not installed")
    pytest.importorskip("myst_parser", reason="the extra docs is not installed")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        str(DOCS),
        str(tmp_path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        loaded = re.findall(
            r"""<(?:script|img|iframe)[^>]*\bsrc="([^"]+)"|<link[^>]*\brel="(?:stylesheet|preload)"[^>]*\bhref="([^"]+)\"""",
            page.read_text(encoding="utf-8"),
        )
        assert loaded
        foreign = [each for pair in loaded for each in pair if re.match(r"(?:[a-z]+:)?//", each)]
        assert foreign == [], page
