"""What a run measured."""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Held while the columns of a history differ in length, so that another thread's ``save`` sees whole epochs.
_changing = threading.Lock()


class History(dict[str, list[float]]):
    """One list per metric, one number per epoch: ``history["val_loss"][-1]``.

    ``epoch`` (from 1), ``loss`` and ``accuracy`` over the epoch's batches (each before its update),
    ``val_loss`` and ``val_accuracy`` after it, ``lr`` at its end, ``seconds`` it took; and the metrics that fit was
    asked for. Of an epoch that did not measure a metric it is NaN.

    The last numbers are those of the network as it is. Where early stopping has put it back to an earlier epoch, the
    epochs after that are in ``undone``.

    Attributes:
        best_epoch: the epoch that early stopping found best, or None.
        undone: the epochs that were run and undone after the last one here, or None.
    """

    best_epoch: int | None = None
    undone: History | None = None

    def add(self, metrics: Mapping[str, float]) -> None:
        """Append one epoch's metrics; epochs that were run before and undone since are forgotten."""
        if "epoch" in metrics:
            self.truncate(int(metrics["epoch"]) - 1)
        with _changing:
            before = len(self.get("epoch", []))
            for name, value in metrics.items():
                column = self.setdefault(name, [])
                column += [math.nan] * (before - len(column)) + [value]
            for name in self.keys() - metrics.keys():
                self[name] += [math.nan] * (before + 1 - len(self[name]))

    def columns(self) -> dict[str, list[float]]:
        """A copy at the end of an epoch, whatever another thread is adding."""
        with _changing:
            return {name: values[:] if type(values) is list else values for name, values in self.items()}

    def truncate(self, epochs: int) -> History:
        """Forget the epochs numbered above ``epochs``, which are returned."""
        with _changing:
            if not self.get("epoch") or self["epoch"][-1] <= epochs:
                return History()
            kept = sum(1 for epoch in self["epoch"] if epoch <= epochs)
            removed = History({name: values[kept:] for name, values in self.items()})
            for values in self.values():
                del values[kept:]
            return removed

    def _repr_html_(self) -> str:
        """What a notebook shows: a picture of each metric by epoch."""
        from bpnet.html.history import history_html

        return history_html(self.columns(), self.best_epoch, self.undone)

    def plot(self, path: str | os.PathLike[str] | None = None) -> Figure:
        """The curves as a figure (matplotlib, the extra ``plots``), which a notebook shows, written to ``path`` if
        given; see :func:`bpnet.plots.plot_history`."""
        from bpnet.plots import plot_history

        return plot_history(self, path=path)
