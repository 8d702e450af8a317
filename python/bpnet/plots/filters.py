"""The filters of a convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bpnet import _core, arrays, checks
from bpnet.plots.figure import DIVERGING, PathLike, check_path, largest, new_figure, written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bpnet.network import Network

_TILE = 0.5  # inches
_LONGEST = 16.0  # inches


def plot_filters(
    weight: np.ndarray | Network,
    layer: str | None = None,
    *,
    rgb: bool | None = None,
    most: int = 96,
    path: PathLike | None = None,
) -> Figure:
    """The filters of a convolution as small pictures, all on one scale.

    With three channels, of red, green and blue, each filter is one colour picture, on which 0 is grey. With one
    channel each is one map, with several a row of maps, one per channel: blue is negative, white 0, red positive.

    Args:
        weight: (out, channels, rows, columns), or a network.
        layer: the name of the network's convolution, which is followed by ``.weight`` in ``state_dict()``:
            ``"features.0"``. The first convolution by default.
        rgb: whether three channels are red, green and blue. By default they are, unless the layer of a network is
            not its first convolution.
        most: how many filters are drawn at most, and channels of each. The title says so where there are more.
        path: the file to write.

    Raises:
        TypeError: neither an array nor a network.
        ValueError: another shape; no such layer; a layer that is no convolution.
        NumericError: NaN or infinity among the weights.
    """
    check_path("plot_filters", path)
    most = checks.whole("plot_filters", "most", most)
    filters, first = _weight(weight, layer)
    out, channels, _, _ = filters.shape
    if rgb is None:
        rgb = first and channels == 3
    if rgb and channels != 3:
        raise ValueError(f"plot_filters: rgb is True, and the filters have {channels} channels, 3 are needed")
    shown = filters[:most] if rgb else filters[:most, :most]
    title = _title(shown.shape, filters.shape, bool(rgb))
    scale = largest(shown)
    if rgb:
        pictures = (0.5 + 0.5 * shown / scale).transpose(0, 2, 3, 1)
        return written(_draw(pictures, _across(len(shown)), 1.0, title), "plot_filters", path)
    maps = shown.reshape(-1, *shown.shape[2:])
    across = _across(len(maps)) if channels == 1 else shown.shape[1]
    figure = _draw(maps, across, np.nan, title, cmap=DIVERGING, vmin=-scale, vmax=scale)
    figure.colorbar(figure.axes[0].images[0], ax=figure.axes[0], shrink=0.8)
    return written(figure, "plot_filters", path)


def _weight(weight: Any, layer: str | None) -> tuple[np.ndarray, bool]:
    """The filters, and whether they may be of the network's input."""
    if not hasattr(weight, "state_dict"):
        if layer is not None:
            raise ValueError(
                f"plot_filters: layer is {layer!r}, which needs a network in place of the weight"
            )
        return _checked("the weight", arrays.numeric("plot_filters", "weight", weight)), True
    state = weight.state_dict()
    names = [
        name.removesuffix(".weight") for name in state if name.endswith("weight") and state[name].ndim == 4
    ]
    if not names:
        raise ValueError("plot_filters: the network has no convolution")
    name = names[0] if layer is None else layer
    if name not in names:
        raise ValueError(
            f"plot_filters: layer is {layer!r}, the network's convolutions are {', '.join(names)}"
        )
    return _checked(f"the weight of {name}", state[f"{name}.weight"]), name == names[0]


def _checked(what: str, weight: np.ndarray) -> np.ndarray:
    if weight.ndim != 4 or not weight.size:
        raise ValueError(
            f"plot_filters: {what} has shape {weight.shape}, (out, channels, rows, columns) is needed"
        )
    if not np.isfinite(weight).all():
        raise _core.NumericError(f"plot_filters: {what} has NaN or infinity")
    return weight


def _title(shown: tuple[int, ...], all_of_them: tuple[int, ...], rgb: bool) -> str:
    parts = []
    for count, total, what in zip(shown, all_of_them, ("filters", "channels")):
        if count < total and not (rgb and what == "channels"):
            parts.append(f"the first {count} of {total} {what}")
    return ", ".join(parts)


def _across(count: int) -> int:
    """How many pictures of ``count`` are in a row: half as many again as rows."""
    return max(1, round(np.sqrt(1.5 * count)))


def _draw(pictures: np.ndarray, across: int, border: float, title: str, **options: Any) -> Figure:
    """Pictures (N, rows, columns[, 3]) in rows of ``across`` on one sheet, a line of one pixel between them."""
    count, rows, columns = pictures.shape[:3]
    down = -(-count // across)
    sheet = np.full((down * (rows + 1) + 1, across * (columns + 1) + 1, *pictures.shape[3:]), border)
    for index, picture in enumerate(pictures):
        top, left = index // across * (rows + 1) + 1, index % across * (columns + 1) + 1
        sheet[top : top + rows, left : left + columns] = picture
    shrink = min(1.0, _LONGEST / (_TILE * max(across, down)))
    figure = new_figure(max(2.0, _TILE * across * shrink + 0.2), max(1.0, _TILE * down * shrink + 0.2))
    axes = figure.subplots()
    axes.imshow(sheet, interpolation="nearest", **options)
    axes.set_axis_off()
    if title:
        axes.set_title(title, fontsize="small")
    return figure
