"""A trace: a table of s, x and δ for each layer, shaded by their values."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bpnet.html.markup import Cell, Markup, element, shown, table

_QUANTITIES = ("s", "x", "δ")
_MOST_UNITS = 12  # of a layer; of more the first ones are listed
_MOST_LAYERS = 12  # of more the first and the last ones are shown
_RED, _BLUE = "214,39,40", "31,119,180"
_DARKEST = 0.55  # opacity of the largest value's shade, through which the text of any theme can be read

_Column = np.ndarray | None


def trace_html(s: Sequence[_Column], x: Sequence[np.ndarray], delta: Sequence[_Column], e: float) -> Markup:
    """The lecture's quantities, layer by layer; each of s, x and δ has one scale for all layers, red where positive
    and blue where negative.

    Args:
        s, x, delta: by layer, as :class:`bpnet.Trace` has them.
        e: the error.
    """
    scales = [_largest(columns) for columns in (s, x, delta)]
    tables = [
        _layer(layer, columns, scales)
        for layer, columns in enumerate(zip(s, x, delta))
        if layer < _MOST_LAYERS // 2 or layer >= len(x) - _MOST_LAYERS // 2
    ]
    facts = [f"layers {'-'.join(str(len(each)) for each in x)}", f"e = {e:.6g}"]
    if len(tables) < len(x):
        facts.append(f"the first and the last {_MOST_LAYERS // 2} of {len(x)} layers")
    return shown("Trace", facts, *tables)


def _largest(columns: Sequence[_Column]) -> float:
    """The largest finite magnitude, 1 where all are 0."""
    values = np.concatenate([np.zeros(0), *(np.abs(column) for column in columns if column is not None)])
    return float(values[np.isfinite(values)].max(initial=0.0)) or 1.0


def _layer(layer: int, columns: Sequence[_Column], scales: Sequence[float]) -> Markup:
    known = [
        (name, column, scale)
        for name, column, scale in zip(_QUANTITIES, columns, scales)
        if column is not None
    ]
    units = len(known[0][1])
    rows = [
        [unit + 1, *(_cell(float(column[unit]), scale) for _, column, scale in known)]
        for unit in range(min(units, _MOST_UNITS))
    ]
    title = f"layer {layer}" if layer else "input"
    parts: list[object] = [element("div", title), table(["", *(name for name, _, _ in known)], rows)]
    if units > _MOST_UNITS:
        parts.append(element("div", f"and {units - _MOST_UNITS:,} more"))
    return element("div", *parts, style="display:inline-block;vertical-align:top;margin:0 12px 6px 0")


def _cell(value: float, scale: float) -> Cell:
    style = "text-align:right"
    if math.isfinite(value) and value:
        colour = _RED if value > 0 else _BLUE
        style += f";background:rgba({colour},{_DARKEST * abs(value) / scale:.2f})"
    return Cell(element("td", f"{value:.4g}", style=style))
