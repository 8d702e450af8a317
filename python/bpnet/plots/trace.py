"""Every quantity of back-propagation for one sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bpnet.plots.figure import DIVERGING, PathLike, check_path, largest, new_figure, write_numbers, written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bpnet.trace import Trace

_ROWS = (("s", "s, the sum"), ("x", "x = θ(s)"), ("delta", "δ = ∂e/∂s"))
_MOST_NUMBERS = 12  # units of a layer that have their numbers written
_WIDEST = 24.0  # inches


def plot_trace(trace: Trace, *, path: PathLike | None = None) -> Figure:
    """A trace layer by layer, from left to right: the sums s before θ, the outputs x and the δ of each unit, as
    colours, and as numbers in layers of up to 12 units.

    s, x and δ have a scale each, the same for all layers, on which 0 is white, positive red, negative blue, and what
    is not finite black.

    Args:
        trace: what :meth:`bpnet.Network.trace` returns.
        path: the file to write.

    Raises:
        TypeError: it is no trace.
    """
    check_path("plot_trace", path)
    if not all(hasattr(trace, name) for name, _ in _ROWS):
        raise TypeError(
            f"plot_trace: trace is a {type(trace).__name__}, a bpnet.Trace is needed, as network.trace(x, y) returns"
        )
    layers = len(trace.x)
    figure = new_figure(min(_WIDEST, 1.4 * layers + 1.2), 7)
    grid = np.atleast_2d(figure.subplots(len(_ROWS), layers))
    for (name, label), row in zip(_ROWS, grid):
        columns = getattr(trace, name)
        scale = largest(np.concatenate([column for column in columns if column is not None]))
        images = [_draw(axes, column, scale) for axes, column in zip(row, columns)]
        figure.colorbar(images[-1], ax=list(row), label=label)
    for layer, axes in enumerate(grid[0]):
        axes.set_title(f"layer {layer}" if layer else "input", fontsize="medium")
    figure.suptitle(f"e = {trace.e:.6g}")
    return written(figure, "plot_trace", path)


def _draw(axes: Any, column: np.ndarray | None, scale: float) -> Any:
    """One layer's quantity, unit 1 at the top; an empty frame where the input has none."""
    from matplotlib import colormaps

    axes.set_xticks([])
    if column is None:
        axes.set_axis_off()
        return None
    colours = colormaps[DIVERGING].with_extremes(bad="black")
    values = np.asarray(column, dtype=float).reshape(-1, 1)
    image = axes.imshow(values, cmap=colours, vmin=-scale, vmax=scale, aspect="auto", interpolation="nearest")
    if len(values) <= _MOST_NUMBERS:
        axes.set_yticks(range(len(values)), labels=map(str, range(1, len(values) + 1)))
        write_numbers(axes, image, [[f"{value:.3g}"] for value in values[:, 0]])
    return image
