"""The loss around the weights."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bpnet import checks
from bpnet.plots.figure import PathLike, check_path, new_figure, written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bpnet.losses import Loss, LossFunction
    from bpnet.network import Network

# The loss is drawn on a logarithmic scale where the largest is so many times the smallest.
_LARGE_RATIO = 10.0
_LEVELS = 25


class LossSurface(NamedTuple):
    """
    Attributes:
        a: (resolution,), how far along the first direction.
        b: (resolution,), how far along the second.
        loss: (resolution, resolution), loss[i, j] at weights + a[j] · first + b[i] · second.
    """

    a: np.ndarray
    b: np.ndarray
    loss: np.ndarray


def loss_surface(
    network: Network,
    X: Any,
    y: Any,
    loss: Loss | str | LossFunction | None = None,
    *,
    extent: float = 1.0,
    resolution: int = 25,
    seed: int = 0,
    sample_weight: Any = None,
) -> LossSurface:
    """L(w + a d₁ + b d₂) for a and b from −extent to extent, where d₁ and d₂ are two random directions.

    A direction is drawn from N(0, 1) and normalised filter by filter: that of each output unit or channel j of each
    layer becomes d_j ‖w_j‖ / ‖d_j‖, so that a step of 1 is as long as the weights whatever their scale is. Biases and
    batch normalisation stay as they are, as in the authors' code (Li, Xu, Taylor, Studer and Goldstein 2018,
    "Visualizing the Loss Landscape of Neural Nets", section 4). The network is not changed: a copy of it is evaluated.

    Args:
        network: its weights are the middle.
        X, y, loss, sample_weight: as :meth:`bpnet.Network.evaluate` takes them, ``resolution``² times.
        extent: the largest a and b.
        resolution: how many values of a, and of b, odd so that the weights themselves are among them.
        seed: of the directions.

    Raises:
        ValueError: ``extent`` is not a positive number, or ``resolution`` is even or below 3.
    """
    return _loss_surface("loss_surface", network, X, y, loss, extent, resolution, seed, sample_weight)


def plot_loss_surface(
    network: Network,
    X: Any,
    y: Any,
    loss: Loss | str | LossFunction | None = None,
    *,
    extent: float = 1.0,
    resolution: int = 25,
    seed: int = 0,
    sample_weight: Any = None,
    path: PathLike | None = None,
) -> Figure:
    """Contours of :func:`loss_surface`, which has the formula and returns the numbers. The cross is where the
    weights are. Contours are equally far apart in the loss, or in its logarithm where the largest loss is over ten
    times the smallest; where it is not finite nothing is drawn.

    Args:
        network, X, y, loss, extent, resolution, seed, sample_weight: of :func:`loss_surface`.
        path: the file to write.

    Raises:
        ValueError: what :func:`loss_surface` refuses, or a loss that is finite nowhere.
    """
    operation = "plot_loss_surface"
    check_path(operation, path)
    surface = _loss_surface(operation, network, X, y, loss, extent, resolution, seed, sample_weight)
    finite = surface.loss[np.isfinite(surface.loss)]
    if not finite.size:
        raise ValueError(f"{operation}: the loss is finite nowhere around the weights")
    figure = new_figure(6, 5)
    axes = figure.subplots()
    values = np.ma.masked_invalid(surface.loss)
    scale = _scale(finite)
    contours = axes.contourf(surface.a, surface.b, values, **scale)
    axes.contour(contours, colors="black", linewidths=0.4)
    axes.plot(
        0, 0, marker="x", color="red", linestyle="none", label=f"the weights, loss {_middle(surface):.4g}"
    )
    figure.colorbar(contours, ax=axes, label="loss", ticks=scale["levels"][:: _LEVELS // 6], format="%.3g")
    axes.set_xlabel("a, along the first direction")
    axes.set_ylabel("b, along the second direction")
    axes.set_aspect("equal")
    axes.legend(loc="upper right")
    return written(figure, operation, path)


def _loss_surface(
    operation: str,
    network: Network,
    X: Any,
    y: Any,
    loss: Loss | str | LossFunction | None,
    extent: float,
    resolution: int,
    seed: int,
    sample_weight: Any,
) -> LossSurface:
    extent = checks.number(operation, "extent", extent)
    if not 0 < extent < np.inf:
        raise ValueError(f"{operation}: extent is {extent}, a positive number is needed")
    resolution = checks.whole(operation, "resolution", resolution, least=3)
    if resolution % 2 == 0:
        raise ValueError(f"{operation}: resolution is {resolution}, an odd number is needed")
    if not hasattr(network, "state_dict"):
        raise TypeError(f"{operation}: network is a {type(network).__name__}, a bpnet.Network is needed")
    loss = network._loss_or_fitted(operation, loss)
    around = copy.deepcopy(network)
    weights = {name: array.astype(np.float64) for name, array in network.state_dict().items()}
    numbers = np.random.default_rng(checks.seed(operation, seed))
    first, second = _direction(weights, numbers), _direction(weights, numbers)
    steps = np.linspace(-extent, extent, resolution)
    losses = np.empty((resolution, resolution))
    for row, b in enumerate(steps):
        for column, a in enumerate(steps):
            around.load_state_dict(
                {name: w + a * first[name] + b * second[name] for name, w in weights.items()}
            )
            losses[row, column] = around.evaluate(X, y, loss=loss, sample_weight=sample_weight)["loss"]
    return LossSurface(steps, steps, losses)


def _direction(weights: dict[str, np.ndarray], numbers: np.random.Generator) -> dict[str, np.ndarray]:
    """A random direction, normalised by filter; 0 for vectors, which are biases and normalisation."""
    direction = {}
    for name, weight in weights.items():
        if weight.ndim < 2:
            direction[name] = np.zeros_like(weight)
            continue
        drawn = numbers.standard_normal(weight.shape)
        axes = tuple(range(1, weight.ndim))
        lengths = np.sqrt((weight**2).sum(axis=axes, keepdims=True))
        direction[name] = drawn * (lengths / np.sqrt((drawn**2).sum(axis=axes, keepdims=True)))
    return direction


def _scale(finite: np.ndarray) -> dict[str, Any]:
    """contourf's options: levels, and the scale of their colours."""
    from matplotlib.colors import LogNorm

    least, most = float(finite.min()), float(finite.max())
    if most <= least:  # flat
        return {"levels": [least - 0.5, least + 0.5]}
    if least > 0 and most / least > _LARGE_RATIO:
        return {"levels": np.geomspace(least, most, _LEVELS), "norm": LogNorm(least, most)}
    return {"levels": np.linspace(least, most, _LEVELS)}


def _middle(surface: LossSurface) -> float:
    return float(surface.loss[len(surface.b) // 2, len(surface.a) // 2])
