"""A network drawn: its layers as boxes, with their output shapes and parameters, and a table of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bpnet._bridge import CoreNetwork, dtype_of
from bpnet.html.diagram import Piece, beside, box, chain, framed
from bpnet.html.markup import Markup, drawing, element, folded, shown, table
from bpnet.provenance import trained_on
from bpnet.summary import LayerFacts, device_lines, layer_facts, parameter_sums

# The table of more rows is folded at first.
_MOST_ROWS = 16

# More boxes are not drawn: no one could find a layer among them.
_MOST_BOXES = 200

_MOST_LETTERS = 28  # of a name in a box

_SCROLLED = "max-width:100%;max-height:32em;overflow:auto;margin-bottom:6px"


def network_html(core: CoreNetwork, preprocessing: object) -> Markup:
    """A network's kind and size, its drawing, and the table of its layers."""
    layers = layer_facts(core)
    sums = parameter_sums(core)
    facts = [f"{shape_text(core.input_shape)} → {shape_text(core.output_shape)}", dtype_of(core).name]
    facts.append(
        f"{sums['total']:,} parameters" + (f" ({sums['trained']:,} trained)" if "trained" in sums else "")
    )
    facts += device_lines(core)
    origin = trained_on(preprocessing)
    if origin:
        facts.append(f"trained on {origin}, by encoded rows")
    rows = [("input", shape_text(core.input_shape), ""), *_rows(layers, 0)]
    rows += [(name, "", f"{count:,}") for name, count in sums.items()]
    return shown(
        "Network",
        facts,
        element("div", _drawn(core.input_shape, layers), style=_SCROLLED),
        folded(
            "layers, output shapes and parameters",
            table(("layer", "output shape", "parameters"), rows),
            is_open=len(rows) <= _MOST_ROWS,
        ),
    )


def shape_text(shape: tuple[int, ...]) -> str:
    """``3 × 227 × 227``"""
    return " × ".join(map(str, shape))


def _rows(layers: Iterable[LayerFacts], depth: int) -> Iterator[tuple[object, str, str]]:
    for layer in layers:
        name = element("span", f"{layer.path} {layer.title}", style=f"padding-left:{1.5 * depth}em")
        shape = "" if layer.shape is None else shape_text(layer.shape)
        yield name, shape, f"{layer.parameters:,}" if layer.parameters else ""
        for way in layer.ways:
            yield from _rows(way, depth + 1)


def _drawn(input_shape: tuple[int, ...], layers: tuple[LayerFacts, ...]) -> object:
    count = _count(layers)
    if count > _MOST_BOXES:
        return f"{count:,} layers, of which no picture is drawn; the table lists them"
    start = box([f"input · {shape_text(input_shape)}"], "input", has_parameters=False, dashed=False)
    piece = chain([start, *map(_piece, layers)])
    return drawing(f"{count} layers from the input to the output", piece.width, piece.height, piece.markup)


def _count(layers: Iterable[LayerFacts]) -> int:
    """The layers that hold no others, however deep they are."""
    return sum(sum(map(_count, layer.ways)) if layer.ways else 1 for layer in layers)


def _piece(layer: LayerFacts) -> Piece:
    title = f"{_short(layer.name)} {layer.title}"
    full_name = f"{layer.path} {layer.title}"
    if layer.kind == "identity":
        return chain([])
    if not layer.ways:
        lines = [title, f"{shape_text(layer.shape or ())} · {layer.parameters:,}"]
        if not layer.parameters:
            lines = [f"{title} · {shape_text(layer.shape or ())}"]
        return box(lines, full_name, has_parameters=layer.parameters > 0, dashed=layer.frozen)
    ways = [chain([_piece(each) for each in way]) for way in layer.ways]
    within = beside(ways, layer.merge) if layer.merge else ways[0]
    return framed(within, title, full_name, dashed=layer.frozen)


def _short(name: str) -> str:
    return name if len(name) <= _MOST_LETTERS else name[: _MOST_LETTERS - 1] + "…"
