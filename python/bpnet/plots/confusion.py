"""Which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from bpnet.plots.figure import PathLike, check_path, new_figure, write_numbers, written
from bpnet.plots.labels import class_indices, classes_among, labels_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_MOST_NUMBERS = 24  # classes of which the cells are written
_MOST_NAMES = 60  # classes of which the names are written
_MOST_CLASSES = 1_000
_NORMALIZE = (None, "true", "pred", "all")


def plot_confusion_matrix(
    y_true: Any,
    y_pred: Any,
    *,
    classes: Sequence[Any] | None = None,
    normalize: str | None = None,
    path: PathLike | None = None,
) -> Figure:
    """How often samples of each class (row) were taken for each class (column), with each class's recall on the right
    and the accuracy above.

    The recall of a class is the share of its samples that were recognised, n_kk / Σ_j n_kj; a class without samples
    has none. Numbers are written for up to 24 classes, names for up to 60.

    Args:
        y_true: (N,), the labels: strings, or numbers.
        y_pred: (N,), what was predicted.
        classes: the classes in their order; integer labels are indices of them where they are all strings. By default
            every label that occurs, sorted.
        normalize: ``"true"`` divides each row by its sum, ``"pred"`` each column, ``"all"`` everything by N; None
            leaves counts.
        path: the file to write.

    Raises:
        TypeError: strings and numbers among the labels.
        ValueError: arrays of different lengths, a label that is none of the classes, over 1,000 classes.
    """
    operation = "plot_confusion_matrix"
    check_path(operation, path)
    if normalize not in _NORMALIZE:
        raise ValueError(f"{operation}: normalize is {normalize!r}, 'true', 'pred', 'all' or None is needed")
    true, predicted = labels_of(operation, "y_true", y_true), labels_of(operation, "y_pred", y_pred)
    if len(true) != len(predicted):
        raise ValueError(f"{operation}: y_true has {len(true)} labels, y_pred has {len(predicted)}")
    names = classes_among(operation, [*true, *predicted]) if classes is None else list(classes)
    if len(names) > _MOST_CLASSES:
        raise ValueError(
            f"{operation}: there are {len(names):,} classes, at most {_MOST_CLASSES:,} are drawn"
        )
    counts = np.zeros((len(names), len(names)), dtype=np.int64)
    rows = class_indices(operation, "y_true", true, names)
    np.add.at(counts, (rows, class_indices(operation, "y_pred", predicted, names)), 1)
    return written(_draw(counts, list(map(str, names)), normalize), operation, path)


def _normalized(counts: np.ndarray, normalize: str | None) -> np.ndarray:
    """Counts as they are, or shares; those of nothing are 0."""
    if normalize is None:
        return counts
    axis = {"true": 1, "pred": 0, "all": None}[normalize]
    return counts / np.maximum(counts.sum(axis=axis, keepdims=True), 1)


def _draw(counts: np.ndarray, names: list[str], normalize: str | None) -> Figure:
    side = float(np.clip(0.6 * len(names), 3.0, 14.0))
    figure = new_figure(side + 2.0, side + 1.0)
    axes = figure.subplots()
    values = _normalized(counts, normalize)
    image = axes.imshow(values, cmap="Blues", vmin=0, vmax=max(values.max(), 1e-30), interpolation="nearest")
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title(
        f"accuracy {np.trace(counts) / counts.sum():.2%} of {counts.sum():,} samples", fontsize="medium"
    )
    if len(names) <= _MOST_NUMBERS:
        form = "{:,}" if normalize is None else "{:.2f}"
        write_numbers(axes, image, [[form.format(value) for value in row] for row in values])
    else:
        figure.colorbar(image, ax=axes, label="samples" if normalize is None else "share", shrink=0.8)
    if len(names) <= _MOST_NAMES:
        axes.set_xticks(range(len(names)), labels=names, rotation=90 if max(map(len, names)) > 3 else 0)
        axes.set_yticks(range(len(names)), labels=names)
        right = axes.secondary_yaxis("right")
        right.set_yticks(range(len(names)), labels=list(map(_recall, counts, range(len(names)))))
        right.set_ylabel("recall")
    return figure


def _recall(row: np.ndarray, own: int) -> str:
    return f"{row[own] / row.sum():.1%}" if row.any() else "–"
