"""A history: a picture of each metric by epoch, with its last values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from bpnet.html.curves import Curve, panel
from bpnet.html.markup import Markup, shown
from bpnet.metrics import measured_names, value_text

_Columns = Mapping[str, Sequence[float]]

# The curve of each metric: its key's prefix, its name and colour.
_CURVES = (("", "training", "#3987c8"), ("val_", "validation", "#e8710a"))


def history_html(columns: _Columns, best_epoch: int | None, undone: _Columns | None) -> Markup:
    """A history of epochs.

    Args:
        columns: one number per metric and epoch.
        best_epoch: what early stopping found; where it is None, the epoch of the least ``val_loss`` is marked.
        undone: the epochs that were run after these and undone; they are drawn faint.
    """
    epochs = columns.get("epoch") or []
    if not epochs:
        return shown("History", ["no epochs"])
    best = best_epoch or _least(epochs, columns.get("val_loss", []))
    panels = [panel(name, _curves(name, columns, undone or {}), best) for name in measured_names(columns)]
    return shown("History", _facts(epochs, columns, best_epoch, best, undone), *panels)


def _curves(name: str, columns: _Columns, undone: _Columns) -> list[Curve]:
    curves = []
    for prefix, label, colour in _CURVES:
        y = columns.get(prefix + name)
        if not y:
            continue
        curves.append(Curve(f"{label} {value_text(name, y[-1])}", colour, columns["epoch"], y))
        if prefix + name in undone:
            x = [columns["epoch"][-1], *undone["epoch"]]
            curves.append(Curve("", colour, x, [y[-1], *undone[prefix + name]], faint=True))
    return curves


def _least(epochs: Sequence[float], losses: Sequence[float]) -> int | None:
    known = [(loss, epoch) for loss, epoch in zip(losses, epochs) if not math.isnan(loss)]
    return int(min(known)[1]) if known else None


def _facts(
    epochs: Sequence[float],
    columns: _Columns,
    best_epoch: int | None,
    best: int | None,
    undone: _Columns | None,
) -> list[str]:
    first, last = int(epochs[0]), int(epochs[-1])
    facts = [f"epoch {first}" if first == last else f"epochs {first} to {last}"]
    seconds = [value for value in columns.get("seconds", []) if math.isfinite(value)]
    if seconds:
        facts.append(f"{sum(seconds):.1f} s")
    if best is not None:
        facts.append(f"best epoch {best}" if best_epoch else f"least val_loss in epoch {best}")
    if undone and undone.get("epoch"):
        facts.append(f"{len(undone['epoch']):,} more were run and undone")
    return facts
