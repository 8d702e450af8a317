"""What a network consists of, layer by layer; its text: the types of its layers, and the table of summary()."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from bpnet._bridge import CoreNetwork


def types_text(layers: Sequence[Mapping[str, Any]]) -> str:
    """``Linear, Residual[Linear, Tanh + Linear]``, where ``+`` begins the shortcut; the branches of a Parallel
    are between ``+`` where they are added and ``|`` where they are concatenated."""

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


class LayerFacts(NamedTuple):
    """A layer as a summary shows it.

    Attributes:
        path: how the names of its parameters begin, ``layer1.0.conv1``.
        name: the last part of it.
        kind: its type; ``identity`` for an empty branch of a Parallel, ``shortcut`` for that of a Residual.
        shape: of its output; None of an identity, which gives what it is given.
        parameters: how many numbers it holds itself, without those of the layers in it.
        frozen: whether it was made with ``trainable=False``.
        merge: how the ways through it come together: ``sum``, ``concat``, or nothing where there is one way.
        ways: the layers in it, of a Sequential one way, of a Residual two, of a Parallel one per branch; an empty one
            is the identity.
    """

    path: str
    name: str
    kind: str
    shape: tuple[int, ...] | None
    parameters: int = 0
    frozen: bool = False
    merge: str = ""
    ways: tuple[tuple[LayerFacts, ...], ...] = ()

    @property
    def title(self) -> str:
        """``Linear``, ``Linear (frozen)``."""
        return f"{self.kind} (frozen)" if self.frozen else self.kind


def layer_facts(core: CoreNetwork) -> tuple[LayerFacts, ...]:
    """The layers in order, with those that they hold."""
    computed = {path: (shape, count) for path, _, shape, count in core.summary_rows()}
    return _facts(json.loads(core.describe())["layers"], "", computed)


def summary_text(core: CoreNetwork) -> str:
    """A table of the layers with their output shapes and parameters; nested layers are indented."""
    rows = [("layer", "output shape", "parameters"), ("input", str(core.input_shape), "")]
    rows += _text_rows(layer_facts(core))
    sums = [(name, "", f"{count:,}") for name, count in parameter_sums(core).items()]
    wide = [max(len(row[column]) for row in rows + sums) for column in range(3)]
    lines = [f"{a:<{wide[0]}}  {b:<{wide[1]}}  {c:>{wide[2]}}" for a, b, c in rows + sums]
    rule = "-" * len(lines[0])
    return "\n".join([lines[0], rule, *lines[1 : len(rows)], rule, *lines[len(rows) :], *device_lines(core)])


def parameter_sums(core: CoreNetwork) -> dict[str, int]:
    """How many parameters there are in ``total``, and how many of them are ``trained`` where some are frozen."""
    trained = core.trained_count
    return {"total": core.parameter_count} | ({"trained": trained} if trained < core.parameter_count else {})


def device_lines(core: CoreNetwork) -> list[str]:
    """Which GPU computes, if one does, and how products and convolutions are made, if not directly in full."""
    if core.device == "cpu":
        filtered = ["3×3 convolutions by Winograd's minimal filtering"] if core.winograd else []
        return ["products in bfloat16"] if core.precision == "bfloat16" else filtered
    return [f"device {core.device}" + (", products in TF32" if core.precision == "tf32" else "")]


def _computes(branch: Mapping[str, Any]) -> bool:
    """False for the empty Sequential, which is a Parallel's identity."""
    return branch["type"] != "Sequential" or bool(branch.get("layers"))


_Computed = Mapping[str, tuple[tuple[int, ...], int]]


def _facts(layers: Sequence[Mapping[str, Any]], prefix: str, computed: _Computed) -> tuple[LayerFacts, ...]:
    """The facts of layers whose paths begin with ``prefix``, from the output shape and parameters of those that
    compute."""
    named = [(layer.get("name", str(index)), layer) for index, layer in enumerate(layers)]
    return tuple(_layer_facts(layer, name, prefix + name, computed) for name, layer in named)


def _layer_facts(layer: Mapping[str, Any], name: str, path: str, computed: _Computed) -> LayerFacts:
    if not _computes(layer):
        return LayerFacts(path, name, "identity", None)
    kind = layer["type"]
    within = _facts(layer.get("layers", ()), f"{path}.", computed)
    shape, count = computed.get(path) or (within[-1].shape, 0)  # a Sequential's is that of its last layer
    ways: tuple[tuple[LayerFacts, ...], ...] = (within,) if within else ()
    merge = ""
    if kind == "Residual":
        ways, merge = (within, _shortcut(layer.get("shortcut"), path, shape, computed)), "sum"
    elif kind == "Parallel":
        ways, merge = tuple((branch,) for branch in within), layer["merge"]
    return LayerFacts(path, name, kind, shape, count, not layer.get("trainable", True), merge, ways)


def _shortcut(
    layers: Sequence[Mapping[str, Any]] | None,
    path: str,
    shape: tuple[int, ...] | None,
    computed: _Computed,
) -> tuple[LayerFacts, ...]:
    if not layers:
        return ()
    path += ".downsample"
    return (LayerFacts(path, "downsample", "shortcut", shape, ways=(_facts(layers, f"{path}.", computed),)),)


def _text_rows(layers: Iterable[LayerFacts]) -> list[tuple[str, str, str]]:
    """The lines of a summary; what a layer holds is indented below it."""
    rows = []
    for layer in layers:
        shape = "" if layer.shape is None else str(layer.shape)
        rows.append(
            (f"{layer.path} {layer.title}", shape, f"{layer.parameters:,}" if layer.parameters else "")
        )
        for way in layer.ways:
            rows += [("  " + name, below, count) for name, below, count in _text_rows(way)]
    return rows
