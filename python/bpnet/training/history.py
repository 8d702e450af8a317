"""What a run measured."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class History(dict[str, list[float]]):
    """One list per metric, one number per epoch: ``history["val_loss"][-1]``.

    ``epoch`` (from 1), ``loss`` and ``accuracy`` over the epoch's batches (each before its update),
    ``val_loss`` and ``val_accuracy`` after it, ``lr`` at its end, ``seconds`` it took.
    """

    def add(self, metrics: Mapping[str, float]) -> None:
        """Append one epoch's metrics."""
        for name, value in metrics.items():
            self.setdefault(name, []).append(value)

    def truncate(self, epochs: int) -> None:
        """Forget the epochs numbered above ``epochs``."""
        if not self.get("epoch") or self["epoch"][-1] <= epochs:
            return
        kept = sum(1 for epoch in self.get("epoch", []) if epoch <= epochs)
        for values in self.values():
            del values[kept:]

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """The curves as a figure (matplotlib, the extra ``plots``), which a notebook shows, written to ``path`` if
        given; see :func:`bpnet.plots.plot_history`."""
        from bpnet.plots import plot_history

        return plot_history(self, path=path)
