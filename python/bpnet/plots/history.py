"""What training measured: metrics by epoch, sizes of gradients by layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from bpnet.metrics import measured_names
from bpnet.plots.figure import PathLike, check_path, new_figure, written

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def plot_history(history: Mapping[str, Sequence[float]], *, path: PathLike | None = None) -> Figure:
    """Each metric by epoch, in training and validation: the loss, the accuracy where there is one, and others.

    Args:
        history: of :meth:`bpnet.Network.fit`: lists of one number per epoch, with ``"epoch"`` among them;
            ``"val_loss"`` is drawn with ``"loss"``, and so on. Epochs without a finite number are left out.
        path: the file to write.

    Raises:
        ValueError: no epochs, no metrics, or lists of different lengths.
    """
    check_path("plot_history", path)
    if not isinstance(history, Mapping):
        kind = type(history).__name__
        raise TypeError(f"plot_history: history is a {kind}, a bpnet.History is needed, as fit returns")
    epochs = history.get("epoch")
    if not epochs:
        raise ValueError("plot_history: the history holds no epochs")
    for name, values in history.items():
        if len(values) != len(epochs):
            raise ValueError(
                f"plot_history: {name!r} holds {len(values)} numbers, 'epoch' holds {len(epochs)}"
            )
    names = measured_names(history)
    if not names:
        raise ValueError(f"plot_history: the history holds {', '.join(history)}, and no metric")
    figure = new_figure(5 * len(names), 4)
    for axes, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names):
        for key, label in ((name, "training"), ("val_" + name, "validation")):
            if key in history:
                axes.plot(epochs, history[key], marker=".", label=label)
        axes.set_xlabel("epoch")
        axes.set_ylabel(name)
        axes.grid(alpha=0.3)
        axes.legend()
    return written(figure, "plot_history", path)


def plot_gradient_norms(norms: Mapping[str, Sequence[float]], *, path: PathLike | None = None) -> Figure:
    """For each named network, the size of the gradient of each weighted layer, from the first to the last, on a
    logarithmic scale.

    Args:
        norms: by the name of each network, mean |∂e/∂w| of each layer, or another size.
        path: the file to write.

    Raises:
        ValueError: no networks.
    """
    check_path("plot_gradient_norms", path)
    if not norms:
        raise ValueError("plot_gradient_norms: norms is empty, the sizes of at least one network are needed")
    figure = new_figure(6, 4)
    axes = figure.subplots()
    for name, values in norms.items():
        axes.plot(range(1, len(values) + 1), values, marker="o", label=name)
    axes.set_yscale("log")
    axes.set_xlabel("layer, from the input")
    axes.set_ylabel("mean |∂e/∂w|")
    axes.grid(alpha=0.3, which="both")
    axes.legend()
    return written(figure, "plot_gradient_norms", path)
