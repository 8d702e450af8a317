"""The house rules of the Python sources: imports run one way, and what a module keeps to itself stays there."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PYTHON = Path(__file__).parents[2] / "python" / "bpnet"

# Modules and folders below bpnet; each imports those before it, and a folder its own modules too.
LAYERS = [
    "_core",
    "hints",
    "checks",
    "options",
    "console",
    "output_files",
    "provenance",
    "scores",
    "exclusive",
    "arguments",
    "described",
    "frames",
    "progress_bar",
    "initializers",
    "schedules",
    "layers",
    "losses",
    "optimizers",
    "arrays",
    "metrics",
    "_bridge",
    "evaluation",
    "machine",
    "summary",
    "html",
    "trace",
    "network",
    "models",
    "plots",
    "data",
    "training",
    "lecture",
    "photographs",
    "settings",
    "model",
    "sklearn",
    "river",
    "recipes",
    "commands",
    "",  # bpnet/__init__.py
    "__main__",
]

# Imports that run up nevertheless, and why.
UPWARD: dict[tuple[str, str], str] = {
    ("network", "training"): "types only: the trainer that fit is given, and the history it returns",
}

OF_DATA = {  # all that data/ may know
    "_core",
    "checks",
    "options",
    "console",
    "output_files",
    "arrays",
    "frames",
    "progress_bar",
    "data",
}


class Import:
    """One import statement's module below bpnet, as ``training.trainer``; ``""`` is bpnet itself."""

    def __init__(self, target: str, name: str | None, line: int, types_only: bool) -> None:
        self.target = target
        self.name = name  # what is taken out of the module
        self.line = line
        self.types_only = types_only


def modules() -> dict[str, Path]:
    """Path by name below bpnet: ``training.trainer``."""
    found = {}
    for path in sorted(PYTHON.rglob("*.py")):
        parts = path.relative_to(PYTHON).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imports(text: str) -> Iterator[Import]:
    """Every import of bpnet in the text, also within functions."""

    def of(node: ast.AST, types_only: bool) -> Iterator[Import]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                for each in child.names:
                    if each.name.split(".")[0] == "bpnet":
                        yield Import(
                            each.name.removeprefix("bpnet").lstrip("."), None, child.lineno, types_only
                        )
            elif isinstance(child, ast.ImportFrom):
                assert child.level == 0, f"line {child.lineno}: imports are written in full"
                if (child.module or "").split(".")[0] == "bpnet":
                    base = (child.module or "").removeprefix("bpnet").lstrip(".")
                    for each in child.names:
                        below = f"{base}.{each.name}".lstrip(".")
                        module = below in MODULES or below == "_core"
                        yield Import(
                            below if module else base, None if module else each.name, child.lineno, types_only
                        )
            else:
                guarded = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
                yield from of(child, types_only or guarded)

    yield from of(ast.parse(text), False)


def layer_of(module: str) -> str:
    return module.split(".")[0]


def all_imports() -> list[tuple[str, Import]]:
    return [
        (name, each) for name, path in MODULES.items() for each in imports(path.read_text(encoding="utf-8"))
    ]


def test_every_module_has_its_layer():
    assert sorted({layer_of(name) for name in MODULES} | {"_core"}) == sorted(LAYERS)


def test_imports_never_run_back_up():
    wrong, used = [], set()
    for name, each in all_imports():
        own, other = layer_of(name), layer_of(each.target)
        if LAYERS.index(other) < LAYERS.index(own) or (own == other and own != name):
            continue
        if own == other and "." not in name and each.target != name:
            continue  # a folder's __init__ imports its modules
        used.add((own, other))
        if (own, other) not in UPWARD or not each.types_only:
            wrong.append(f"{name}, line {each.line}, imports {each.target or 'bpnet'}")
    assert not wrong, "a module imports those before it in LAYERS only"
    assert used == set(UPWARD), "an exception that nobody needs"


def test_no_circle_of_imports():
    """Within a folder too. What is imported for types alone makes none."""
    graph: dict[str, set[str]] = {name: set() for name in MODULES}
    for name, each in all_imports():
        if not each.types_only and each.target in graph and each.target != name:
            graph[name].add(each.target)
    while leaves := {name for name, targets in graph.items() if not targets & graph.keys()}:
        for name in leaves:
            del graph[name]
    assert not graph, "these import each other, or what does"


def test_data_knows_no_network():
    wrong = [
        f"{name}, line {each.line}, imports {each.target or 'bpnet'}"
        for name, each in all_imports()
        if layer_of(name) == "data" and layer_of(each.target) not in OF_DATA
    ]
    assert not wrong


def test_private_names_stay_in_their_module():
    wrong = [
        f"{name}, line {each.line}, imports {each.name} of {each.target}"
        for name, each in all_imports()
        if each.name is not None and each.name.startswith("_") and not each.name.startswith("__")
    ]
    assert not wrong, "give it a public name where both can see it"


@pytest.mark.parametrize(
    "text, target, types_only",
    [
        ("import bpnet", "", False),
        ("import bpnet.network", "network", False),
        ("from bpnet import _core", "_core", False),
        ("from bpnet import load", "", False),
        ("from bpnet.training import loop", "training.loop", False),
        ("from bpnet.network import load", "network", False),
        ("def f():\n    from bpnet import plots", "plots", False),
        ("if TYPE_CHECKING:\n    from bpnet.network import load", "network", True),
    ],
)
def test_an_import_is_recognised(text: str, target: str, types_only: bool):
    (found,) = imports(text)
    assert (found.target, found.types_only) == (target, types_only)
