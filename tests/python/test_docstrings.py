"""Everything public says what it is: functions, classes, and what a class itself defines."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest

import bpnet as bp


def modules() -> list[str]:
    """bpnet and all below it that has no underscore in its name."""
    found = pkgutil.walk_packages(bp.__path__, "bpnet.")
    return [
        "bpnet",
        *(each.name for each in found if not any(p.startswith("_") for p in each.name.split("."))),
    ]


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


@pytest.mark.parametrize("name", modules())
def test_everything_public_has_a_docstring(name: str):
    module = importlib.import_module(name)
    assert module.__doc__, name
    bare = [what for what, thing in public(module) if not (thing.__doc__ or "").strip()]
    assert bare == [], f"{name}: no docstring"


def test_the_walk_sees_methods_and_properties():
    names = {what for what, _ in public(importlib.import_module("bpnet.network"))}
    assert {"Network", "Network.fit", "Network.parameter_count", "load"} <= names
    assert "Network._input" not in names
