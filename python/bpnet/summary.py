"""A network as text: the types of its layers, and the table of summary()."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bpnet._bridge import CoreNetwork


def types_text(layers: Sequence[Mapping[str, Any]]) -> str:
    """``Linear, Residual[Linear, Tanh + Linear]``, where ``+`` begins the shortcut; the branches of a Parallel
    stand between ``+`` where they are added and ``|`` where they are concatenated."""

    def one(layer: Mapping[str, Any]) -> str:
        if layer["type"] == "Parallel":
            between = " + " if layer["merge"] == "sum" else " | "
            branches = [
                types_text([branch]) if _computes(branch) else "identity" for branch in layer["layers"]
            ]
            return f"Parallel[{between.join(branches)}]"
        ways = [types_text(layer[way]) for way in ("layers", "shortcut") if way in layer]
        return f"{layer['type']}[{' + '.join(ways)}]" if ways else layer["type"]

    return ", ".join(map(one, layers))


def summary_text(core: CoreNetwork) -> str:
    """A table of the layers with their output shapes and parameters; nested layers are indented."""
    rows = [("layer", "output shape", "parameters"), ("input", str(core.input_shape), "")]
    found = {path: (shape, count) for path, _, shape, count in core.summary_rows()}
    rows += _nested_rows(json.loads(core.describe())["layers"], "", found)
    sums = [("total", "", f"{core.parameter_count:,}")]
    if core.trained_count < core.parameter_count:
        sums.append(("trained", "", f"{core.trained_count:,}"))
    wide = [max(len(row[column]) for row in rows + sums) for column in range(3)]
    lines = [f"{a:<{wide[0]}}  {b:<{wide[1]}}  {c:>{wide[2]}}" for a, b, c in rows + sums]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1 : len(rows)], rule, *lines[len(rows) :], *_device_line(core)])


def _device_line(core: CoreNetwork) -> list[str]:
    """Which GPU computes, if one does, and how products and convolutions are made, if not directly in full."""
    if core.device == "cpu":
        filtered = ["3×3 convolutions by Winograd's minimal filtering"] if core.winograd else []
        return ["products in bfloat16"] if core.precision == "bfloat16" else filtered
    return [f"device {core.device}" + (", products in TF32" if core.precision == "tf32" else "")]


def _computes(branch: Mapping[str, Any]) -> bool:
    """False for the empty Sequential, which is a Parallel's identity."""
    return branch["type"] != "Sequential" or bool(branch.get("layers"))


def _nested_rows(
    layers: Sequence[Mapping[str, Any]], prefix: str, found: Mapping[str, tuple[tuple[int, ...], int]]
) -> list[tuple[str, str, str]]:
    """A summary's lines, from the output shape and parameters of each layer that computes."""
    rows = []
    for index, layer in enumerate(layers):
        path = prefix + layer.get("name", str(index))
        if not _computes(layer):
            rows.append((f"{path} identity", "", ""))
            continue
        shape, count = found.get(path) or (_output(layer, path, found), 0)
        kind = layer["type"] if layer.get("trainable", True) else f"{layer['type']} (frozen)"
        rows.append((f"{path} {kind}", str(shape), f"{count:,}" if count else ""))
        below = _nested_rows(layer.get("layers", ()), f"{path}.", found)
        if "shortcut" in layer:
            below.append((f"{path}.downsample shortcut", str(shape), ""))
            below += _indented(_nested_rows(layer["shortcut"], f"{path}.downsample.", found))
        rows += _indented(below)
    return rows


def _output(
    layer: Mapping[str, Any], path: str, found: Mapping[str, tuple[tuple[int, ...], int]]
) -> tuple[int, ...]:
    """The output shape of a Sequential: that of its last layer."""
    while path not in found:
        inner = layer["layers"]
        layer = inner[-1]
        path = f"{path}.{layer.get('name', len(inner) - 1)}"
    return found[path][0]


def _indented(rows: Iterable[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    return [("  " + name, shape, count) for name, shape, count in rows]
