"""What all plots share: the figure, where it is written, scales with 0 in the middle, numbers in cells."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from bpnet.output_files import check_outputs, replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PathLike: TypeAlias = str | os.PathLike[str]

#: Negative blue, 0 white, positive red.
DIVERGING = "RdBu_r"

_DOTS_PER_INCH = 120


def require_matplotlib() -> Any:
    """matplotlib's Figure; an ImportError that names the extra."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ImportError(
            "plots need matplotlib: pip install 'backpropnet[plots]', or '.[plots]' in a checkout"
        ) from None
    return Figure


def check_format(operation: str, path: PathLike) -> str:
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


def check_path(operation: str, path: PathLike | None) -> None:
    """A ValueError unless a picture can be written there. None is no file."""
    require_matplotlib()
    if path is not None:
        check_outputs({f"{operation}: path": path}, {})
        check_format(f"{operation}: path", path)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of so many inches."""
    require_matplotlib()
    from bpnet.plots._notebook import NotebookFigure

    return NotebookFigure(figsize=(width, height), layout="constrained")


def written(figure: Figure, operation: str, path: PathLike | None) -> Figure:
    """The figure, written to the path where there is one, whole or not at all."""
    if path is not None:
        ending = check_format(operation, path)
        with replacing(operation, path) as file:
            figure.savefig(file, format=ending, dpi=_DOTS_PER_INCH)
    return figure


def largest(values: np.ndarray) -> float:
    """The largest magnitude of the finite values, 1 where all are 0: ±that is a scale with 0 in its middle."""
    finite = np.abs(values[np.isfinite(values)])
    return float(finite.max(initial=0.0)) or 1.0


def write_numbers(axes: Any, image: Any, texts: list[list[str]]) -> None:
    """Write texts[row][column] into the cells of an image, in black or white, whichever its colour lets read."""
    values = np.ma.filled(image.get_array().astype(float), np.nan)
    red, green, blue = np.moveaxis(image.to_rgba(values)[..., :3], -1, 0)
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue  # of sRGB, Rec. 709
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            colour = "black" if luminance[row, column] > 0.4 else "white"
            axes.text(column, row, text, color=colour, ha="center", va="center", fontsize="small")
