"""Options that users hand in, as plain numbers; errors begin with the operation and show what was given."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Set
from typing import Any

import numpy as np

# Sizes cross to the core as JSON integers of 63 bits.
_MOST = (1 << 63) - 1

# The core reads JSON that nests no deeper.
_MOST_LEVELS = 64


def whole(operation: str, name: str, value: Any, least: int = 1, most: int = _MOST) -> int:
    """value as an integer from ``least`` to ``most``."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{operation}: {name} is {value!r}, an integer is needed")
    if value < least:
        raise ValueError(f"{operation}: {name} is {value}, at least {least} is needed")
    if value > most:
        raise ValueError(f"{operation}: {name} is {value}, at most {most} is possible")
    return int(value)


def seed(operation: str, value: Any) -> int:
    """value as a seed of 64 bits."""
    return whole(operation, "seed", value, least=0, most=(1 << 64) - 1)


def number(operation: str, name: str, value: Any) -> float:
    """value as a float; its range is the core's to check."""
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        return float(value)
    raise TypeError(f"{operation}: {name} is {value!r}, a number is needed")


def flag(operation: str, name: str, value: Any) -> bool:
    """value as a bool, which 0 and 1 are not."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"{operation}: {name} is {value!r}, True or False is needed")


def path(operation: str, value: Any) -> bytes:
    """value, a path, as the bytes that the core takes: UTF-8, or whatever the system's names are."""
    if not isinstance(value, (str, bytes, os.PathLike)):
        raise TypeError(f"{operation}: the path is {value!r}, a string or a path is needed")
    name = os.fsencode(value)
    if b"\0" in name:
        raise ValueError(f"{operation}: {value!r} holds a null byte, which no file's name can")
    return name


def items(operation: str, name: str, value: Any) -> list[Any]:
    """value as a list; of a mapping or set, which have no order or other items, there is none."""
    if isinstance(value, Iterable) and not isinstance(value, (str, Mapping, Set)):
        return list(value)
    raise TypeError(f"{operation}: {name} is {value!r}, a list is needed")


def plain(operation: str, value: Any, where: str = "the value", level: int = 0) -> None:
    """A ValueError that says where, unless JSON gives the value back as it is."""
    if level > _MOST_LEVELS:
        raise ValueError(f"{operation}: {where} nests deeper than {_MOST_LEVELS} levels, or holds itself")
    if type(value) is list:
        for index, item in enumerate(value):
            plain(operation, item, f"{where}[{index}]", level + 1)
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                raise ValueError(f"{operation}: {where} has the key {key!r}, which is not a string")
            plain(operation, key, where, level)
            plain(operation, item, f"{where}[{key!r}]", level + 1)
        return
    problem = _not_kept(value)
    if problem:
        raise ValueError(f"{operation}: {where} cannot be kept: {problem}")


def _not_kept(value: Any) -> str:
    """Why JSON does not give back this string, number or other single value as it is; empty where it does."""
    if value is None or isinstance(value, bool):
        return ""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            return f"{value!r} holds a surrogate, which UTF-8 has not"
        return ""
    number = value.item() if isinstance(value, np.number) else value
    if isinstance(number, int):
        return "" if -(2**63) <= number < 2**63 else f"{value} does not fit an integer of 64 bits"
    if isinstance(number, float):
        return "" if math.isfinite(number) else f"{value} is not a finite number"
    return (
        f"{value!r} is a {type(value).__name__}, which JSON does not give back as it is; give lists, "
        "dictionaries, strings, numbers, booleans or None"
    )
