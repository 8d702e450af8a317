"""Pictures, by matplotlib (the extra ``plots``)."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bpnet.output_files import replacing

__all__ = ["plot_filters", "plot_gradient_norms", "plot_history", "require_matplotlib"]


def require_matplotlib() -> Any:
    """matplotlib's Figure; an ImportError that names the extra."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            "plots need matplotlib: pip install 'backpropnet[plots]', or '.[plots]' in a checkout"
        ) from None
    return Figure


def check_format(operation: str, path: str | os.PathLike[str]) -> str:
    """The format that a picture's file name asks for.

    Raises:
        ImportError: matplotlib is not installed.
        ValueError: it writes no pictures of such a name; the message lists those that it does.
    """
    known = require_matplotlib()().canvas.get_supported_filetypes()
    ending = os.path.splitext(os.fspath(path))[1].lower().removeprefix(".")
    if ending not in known:
        raise ValueError(
            f"{operation} {os.fspath(path)}: a picture's name ends in one of .{', .'.join(sorted(known))}"
        )
    return ending


def _save(figure: Any, path: str | os.PathLike[str] | None) -> Any:
    """Write the figure, if there is a path for it, whole or not at all."""
    if path is not None:
        ending = check_format("plot", path)
        with replacing("plot", path) as file:
            figure.savefig(file, format=ending, dpi=120)
    return figure


def plot_history(history: Mapping[str, Sequence[float]], path: str | os.PathLike[str] | None = None) -> Any:
    """Loss, and accuracy where there is one, by epoch, training and validation; returns the figure."""
    Figure = require_matplotlib()
    if not history.get("epoch"):
        raise ValueError("plot: the history holds no epochs")
    names = [name for name in ("loss", "accuracy") if name in history]
    figure = Figure(figsize=(5 * len(names), 4), layout="constrained")
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names):
        for key, label in ((name, "training"), ("val_" + name, "validation")):
            if key in history:
                axes.plot(history["epoch"], history[key], marker=".", label=label)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        axes.legend()
    return _save(figure, path)


def plot_filters(weight: np.ndarray, path: str | os.PathLike[str] | None = None) -> Any:
    """The filters (out, 3, rows, columns) of a first layer as small colour pictures, all on one scale, on which
    0 is grey; returns the figure."""
    Figure = require_matplotlib()
    if np.ndim(weight) != 4 or weight.shape[1] != 3:
        raise ValueError(f"plot: the weight has shape {np.shape(weight)}, (out, 3, rows, columns) is needed")
    out, _, rows, columns = weight.shape
    across = max(1, round(np.sqrt(1.5 * out)))
    down = -(-out // across)
    sheet = np.ones((down * (rows + 1) + 1, across * (columns + 1) + 1, 3))
    pictures = 0.5 + 0.5 * weight / max(float(abs(weight).max()), 1e-30)
    for index, picture in enumerate(pictures):
        top, left = index // across * (rows + 1) + 1, index % across * (columns + 1) + 1
        sheet[top : top + rows, left : left + columns] = picture.transpose(1, 2, 0)
    figure = Figure(figsize=(across / 2 + 0.2, down / 2 + 0.2), layout="constrained")
    axes = figure.subplots()
    axes.imshow(sheet, interpolation="nearest")
    axes.set_axis_off()
    return _save(figure, path)


def plot_gradient_norms(
    norms: Mapping[str, Sequence[float]], path: str | os.PathLike[str] | None = None
) -> Any:
    """For each named network, the size of the gradient of each weighted layer, from the first to the
    last, on a logarithmic scale; returns the figure."""
    Figure = require_matplotlib()
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    for name, values in norms.items():
        axes.plot(range(1, len(values) + 1), values, marker="o", label=name)
    axes.set_yscale("log")
    axes.set_xlabel("layer, from the input")
    axes.set_ylabel("mean |∂e/∂w|")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return _save(figure, path)
