"""Options that users hand in, as plain numbers; errors begin with the operation and show what was given."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

# Sizes cross to the core as JSON integers of 63 bits.
_MOST = (1 << 63) - 1


def whole(operation: str, name: str, value: Any, least: int = 1, most: int = _MOST) -> int:
    """value as a whole number from ``least`` to ``most``."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{operation}: {name} is {value!r}, a whole number is needed")
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
    if isinstance(value, (int, float, np.integer, np.floating)):
        return float(value)
    raise TypeError(f"{operation}: {name} is {value!r}, a number is needed")


def path(operation: str, value: Any) -> bytes:
    """value, a path, as the bytes that the core takes: UTF-8, or whatever the system's names are."""
    name = os.fsencode(value)
    if b"\0" in name:
        raise ValueError(f"{operation}: {value!r} holds a null byte, which no file's name can")
    return name


def items(operation: str, name: str, value: Any) -> list[Any]:
    """value as a list."""
    if isinstance(value, Iterable) and not isinstance(value, str):
        return list(value)
    raise TypeError(f"{operation}: {name} is {value!r}, a list is needed")
