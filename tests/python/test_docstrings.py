"""What docstrings say is so: their parameters, attributes and errors exist; and nothing public is without one.
test_documentation.py runs their examples."""

from __future__ import annotations

import builtins
import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest

import bpnet as bp
from bpnet.data.images.decode import BadImage
from documentation import documented_modules


def public(module: Any) -> Iterator[tuple[str, Any]]:
    """(name, function, class, method or property) that the module itself defines."""
    for name, thing in vars(module).items():
        if name.startswith("_") or getattr(thing, "__module__", None) != module.__name__:
            continue
        if not inspect.isfunction(thing) and not inspect.isclass(thing):
            continue
        yield name, thing
        for member, value in vars(thing).items() if inspect.isclass(thing) else ():
            if member.startswith("_"):
                continue
            value = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
            if inspect.isfunction(value) or isinstance(value, property):
                yield f"{name}.{member}", value


@pytest.mark.parametrize("name", documented_modules())
def test_everything_public_has_a_docstring(name: str):
    module = importlib.import_module(name)
    assert module.__doc__, name
    bare = [what for what, thing in public(module) if not (thing.__doc__ or "").strip()]
    assert bare == [], f"{name}: no docstring"


def test_the_walk_sees_methods_and_properties():
    names = {what for what, _ in public(importlib.import_module("bpnet.network"))}
    assert {"Network", "Network.fit", "Network.parameter_count", "load"} <= names
    assert "Network._input" not in names


def entries(thing: Any, section: str) -> list[str]:
    """The names before the colons in a section of the docstring: ``a, b: what they are``."""
    text = inspect.getdoc(thing) or ""
    found = re.search(rf"^{section}:\n((?:    .*(?:\n|$)|\n)*)", text, re.MULTILINE)
    lines = re.findall(r"^    (\w+(?:, \w+)*): ", found[1], re.MULTILINE) if found else []
    return [name for line in lines for name in line.split(", ")]


def described(section: str) -> list[tuple[str, Any]]:
    things = [
        (f"{name}.{what}", it)
        for name in documented_modules()
        for what, it in public(importlib.import_module(name))
    ]
    return [(what, thing) for what, thing in things if entries(thing, section)]


def named(things: list[tuple[str, Any]]) -> Any:
    return pytest.mark.parametrize("thing", [it for _, it in things], ids=[what for what, _ in things])


@named(described("Args"))
def test_its_parameters_exist(thing: Any):
    assert set(entries(thing, "Args")) <= set(inspect.signature(thing).parameters)


@named(described("Attributes"))
def test_its_attributes_exist(thing: Any):
    sources = [inspect.getsource(each) for each in thing.__mro__ if each.__module__.startswith("bpnet")]
    missing = [
        name
        for name in entries(thing, "Attributes")
        if not hasattr(thing, name) and not any(re.search(rf"self\.{name}\b", text) for text in sources)
    ]
    assert missing == []


@named(described("Raises"))
def test_its_errors_exist(thing: Any):
    for name in entries(thing, "Raises"):
        error = getattr(builtins, name, None) or getattr(bp, name, None) or {"BadImage": BadImage}.get(name)
        assert isinstance(error, type) and issubclass(error, BaseException), name
