"""Stands for _core's number grammar until it arrives."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

_WORDS = ["", "na", "n/a", "#n/a", "#na", "nan", "-nan", "null", "none", "nil", "<na>", "?", "-", "--", "."]


def missing_words() -> list[str]:
    return list(_WORDS)


def parse_numbers(
    fields: Sequence[str], decimal: str = ".", thousands: str = "", missing: Sequence[str] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    words = {word.strip().lower() for word in (_WORDS if missing is None else missing)} | {""}
    groups = "" if not thousands else rf"|[1-9]\d{{0,2}}(?:{re.escape(thousands)}\d{{3}})+"
    mark = re.escape(decimal)
    form = re.compile(rf"\s*([+-]?)((?:\d+{groups})(?:{mark}\d*)?|{mark}\d+)([eE][+-]?\d+)?\s*", re.ASCII)
    values = np.full(len(fields), np.nan)
    statuses = np.zeros(len(fields), np.uint8)
    for row, field in enumerate(fields):
        if field.strip().lower() in words:
            statuses[row] = 1
            continue
        found = form.fullmatch(field)
        if not found:
            statuses[row] = 2
            continue
        digits = found[2].replace(thousands, "") if thousands else found[2]
        value = float(found[1] + digits.replace(decimal, ".") + (found[3] or ""))
        if np.isinf(value):
            statuses[row] = 3
        else:
            values[row] = value
    return values, statuses


def number_statuses(fields: Sequence[str]) -> np.ndarray:
    return parse_numbers(fields)[1]
