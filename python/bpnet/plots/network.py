"""A small network as the lecture draws it: units, edges, weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bpnet import _core
from bpnet.plots.figure import DIVERGING, PathLike, check_path, new_figure, written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bpnet.network import Network

_MOST_UNITS = 64
_MOST_LAYERS = 16
_MOST_NAMED_UNITS = 12  # units of a layer that are named, x_1, x_2, …
_MOST_WRITTEN = 30  # weights that are written on their edges

_THETA = {
    "Tanh": "tanh",
    "ReLU": "ReLU",
    "LeakyReLU": "leaky ReLU",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
    "Softplus": "softplus",
    "GELU": "GELU",
    "SiLU": "SiLU",
}

_APART = 3.0  # from layer to layer, in units of the distance from unit to unit
_RADIUS = 0.3
_WIDEST = 4.0  # points, of the largest weight's edge
_WRITTEN_AT = (0.22, 0.45)  # between these parts of an edge's length, from the side with more units

_PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}  # behind a written weight


class _Weighted(NamedTuple):
    """A linear layer with the activation after it.

    Attributes:
        weight: (inputs + 1, units), row 0 the biases; without it where there are none.
        bias: whether there are.
        theta: the activation's name, empty for none.
    """

    weight: np.ndarray
    bias: bool
    theta: str


def plot_network(network: Network, *, path: PathLike | None = None) -> Figure:
    """The units of a small fully connected network in layers, with the constant units 1 and the weights as edges: red
    is positive, blue negative, the width is in proportion to the size. θ is named above each layer. Up to 30
    weights are written on their edges.

    Args:
        network: linear layers, each with at most one activation after it, of up to 64 units, and 16 layers.
        path: the file to write.

    Raises:
        TypeError: it is no network.
        ValueError: another layer, or more units.
        NumericError: NaN or infinity among the weights.
    """
    check_path("plot_network", path)
    if not hasattr(network, "state_dict"):
        raise TypeError(f"plot_network: network is a {type(network).__name__}, a bpnet.Network is needed")
    layers = _layers(network)
    _check(network.input_shape, layers)
    return written(_draw(network.input_shape[0], layers), "plot_network", path)


def _flat(
    descriptions: Sequence[Mapping[str, Any]], prefix: str = ""
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(name, layer), those of a Sequential in its place."""
    for index, layer in enumerate(descriptions):
        name = f"{prefix}{layer.get('name', index)}"
        if layer["type"] == "Sequential":
            yield from _flat(layer["layers"], f"{name}.")
        else:
            yield name, layer


def _layers(network: Network) -> list[_Weighted]:
    state = network.state_dict()
    found: list[_Weighted] = []
    for name, layer in _flat(network.description["layers"]):
        kind = layer["type"]
        if kind == "Linear":
            rows = [state[f"{name}.weight"].T]
            if layer["bias"]:
                rows.insert(0, state[f"{name}.bias"][None])
            found.append(_Weighted(np.concatenate(rows), layer["bias"], ""))
        elif kind in _THETA and found and not found[-1].theta:
            found[-1] = found[-1]._replace(theta=_THETA[kind])
        else:
            raise ValueError(
                f"plot_network: layer {name} is a {kind}, linear layers with one activation after each are drawn"
            )
    return found


def _check(input_shape: tuple[int, ...], layers: list[_Weighted]) -> None:
    if len(input_shape) != 1 or not layers:
        raise ValueError(
            f"plot_network: the network has input_shape {input_shape} and {len(layers)} linear layers, features and at "
            "least one layer are drawn"
        )
    if len(layers) > _MOST_LAYERS:
        raise ValueError(
            f"plot_network: the network has {len(layers)} layers, at most {_MOST_LAYERS} are drawn"
        )
    for index, units in enumerate([input_shape[0], *(layer.weight.shape[1] for layer in layers)]):
        if units > _MOST_UNITS:
            where = f"layer {index}" if index else "the input"
            raise ValueError(f"plot_network: {where} has {units} units, at most {_MOST_UNITS} are drawn")
    if not all(np.isfinite(layer.weight).all() for layer in layers):
        raise _core.NumericError("plot_network: the weights have NaN or infinity")


def _draw(inputs: int, layers: list[_Weighted]) -> Figure:
    units = [inputs, *(layer.weight.shape[1] for layer in layers)]
    biases = [*(layer.bias for layer in layers), False]
    centres = [_centres(index, *count) for index, count in enumerate(zip(units, biases))]
    height = max(map(len, centres))
    figure = new_figure(2.4 * len(centres), float(np.clip(0.9 * height + 1.0, 3.0, 16.0)))
    axes = figure.subplots()
    largest_weight = max(float(np.abs(layer.weight).max()) for layer in layers) or 1.0
    written_out = sum(layer.weight.size for layer in layers) <= _MOST_WRITTEN
    for layer, start, end in zip(layers, centres, centres[1:]):
        _draw_edges(axes, layer, start, end[len(end) - layer.weight.shape[1] :], largest_weight, written_out)
    for index, (layer_centres, bias) in enumerate(zip(centres, biases)):
        _draw_units(axes, index, layer_centres, bias)
    titles = ["input", *(f"layer {n}\nθ = {layer.theta or 'none'}" for n, layer in enumerate(layers, 1))]
    for index, title in enumerate(titles):
        axes.text(index * _APART, height / 2 + 0.2, title, ha="center", va="bottom")
    axes.set_aspect("equal")
    axes.set_axis_off()
    axes.autoscale_view()
    return figure


def _centres(index: int, units: int, bias: bool) -> np.ndarray:
    """(units, 2), x and y of the centres, from the top, with the constant unit above the others."""
    count = units + bias
    y = (count - 1) / 2 - np.arange(count)
    return np.stack([np.full(count, index * _APART), y], axis=1)


def _draw_edges(
    axes: Any, layer: _Weighted, start: np.ndarray, end: np.ndarray, largest_weight: float, written_out: bool
) -> None:
    from matplotlib import colormaps
    from matplotlib.collections import LineCollection

    weights = layer.weight.ravel().astype(float)  # (inputs, units) row by row
    pairs = [(a, b) for a in start for b in end]
    colours = colormaps[DIVERGING](np.where(weights > 0, 0.9, 0.1))
    widths = _WIDEST * np.abs(weights) / largest_weight
    axes.add_collection(LineCollection(pairs, colors=colours, linewidths=widths, zorder=1))
    if not written_out:
        return
    for (a, b), weight, colour, part in zip(pairs, weights, colours, _written_at(len(start), len(end))):
        x, y = a + part * (b - a)
        angle = float(np.degrees(np.arctan2(b[1] - a[1], b[0] - a[0])))
        look = {
            "color": colour,
            "fontsize": "small",
            "ha": "center",
            "va": "center",
            "rotation": angle,
            "zorder": 2,
        }
        axes.text(x, y, f"{weight:.2f}", bbox=_PAPER, **look)


def _written_at(starts: int, ends: int) -> np.ndarray:
    """(starts · ends,), the part of each edge's length where its weight is written. Edges are furthest apart beside the
    side with more units; those to the same unit there have their weights at different distances from it."""
    if starts >= ends:
        return np.tile(np.linspace(*_WRITTEN_AT, ends), starts)
    return np.repeat(1 - np.linspace(*_WRITTEN_AT, starts), ends)


def _draw_units(axes: Any, index: int, centres: np.ndarray, bias: bool) -> None:
    from matplotlib.patches import Circle

    for row, (x, y) in enumerate(centres):
        constant = bias and row == 0
        axes.add_patch(
            Circle((x, y), _RADIUS, facecolor="0.85" if constant else "white", edgecolor="black", zorder=3)
        )
        if constant:
            axes.text(x, y, "1", ha="center", va="center", zorder=4)
        elif len(centres) - bias <= _MOST_NAMED_UNITS:
            name = f"$x_{{{row + 1 - bias}}}$" if index == 0 else f"$x_{{{row + 1 - bias}}}^{{({index})}}$"
            axes.text(x, y, name, ha="center", va="center", fontsize="small", zorder=4)
