"""What a network answers on a plane of two features."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bpnet import _core, arrays
from bpnet.evaluation import softmax
from bpnet.plots.figure import PathLike, check_path, new_figure, written
from bpnet.plots.labels import class_indices, labels_of
from bpnet.plots.plane import Plane

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_OUTPUTS = ("logits", "probabilities", "values")
_CLASSIFIERS_LOSSES = ("cross_entropy", "binary_cross_entropy_with_logits")
_MOST_CLASSES = 20  # as many colours as tab20 has
_LEVELS = 20
_TWO_CLASSES = "coolwarm"  # blue for the first, red for the second


class _Answers(NamedTuple):
    """A model as a function, what its outputs are, and the classes' names where it has them."""

    function: Callable[[Any], Any]
    outputs: str
    classes: Sequence[Any] | None


def plot_decision_boundary(
    model: Any,
    X: Any,
    y: Any,
    *,
    features: Sequence[Any] | None = None,
    others: str = "mean",
    fixed: Mapping[Any, Any] | None = None,
    outputs: str | None = None,
    classes: Sequence[Any] | None = None,
    resolution: int = 200,
    path: PathLike | None = None,
) -> Figure:
    """What a model answers where two features vary, with samples on top.

    Of two classes the probability of the second is shown as colours, with lines at ¼, ½ (thick) and ¾; of more the
    likeliest class; of a regression the output as a filled contour, on the scale of which the samples are coloured too,
    with a line halfway between two targets where there are only two, such as −1 and 1.

    Args:
        model: a network; an object with ``predict_proba`` (and ``classes`` or ``classes_``); or any function from X to
            outputs (N,) or (N, outputs).
        X: (N, features), an array or a DataFrame, for the range of the plane and the samples on it.
        y: (N,), each sample's class or value.
        features: the two that vary: column indices of an array, names of a DataFrame. May be left out where there
            are two.
        others: what the other features are held at: ``"mean"`` or ``"median"``.
        fixed: values of other features in place of that: ``{"colour": "red"}``.
        outputs: ``"logits"`` (one, of the second of two classes, by the logistic function; several, by softmax),
            ``"probabilities"`` (likewise one or several) or ``"values"`` of a regression. Known of an object with
            ``predict_proba`` and, by its loss, of a network that was trained; to be given of others.
        classes: the classes' names in the order of outputs; integer y are indices of them where they are all strings.
            By default those of the model, or 0, 1, ….
        resolution: points along each of the two features.
        path: the file to write.

    Raises:
        TypeError: a model that is none of these, or a feature that is not of numbers.
        ValueError: features that are not there, outputs that are not known, or do not fit y; over 20 classes.
        NumericError: NaN or infinity in X, y or the outputs.
    """
    operation = "plot_decision_boundary"
    check_path(operation, path)
    answers = _answers(operation, model, outputs)
    plane = Plane(operation, X, features, others, fixed or {}, resolution)
    labelled = len(np.atleast_1d(np.asarray(y)))
    if labelled != len(plane.samples):
        raise ValueError(f"{operation}: X has {len(plane.samples)} samples, y has {labelled}")
    lines = [np.asarray(answers.function(plane.rows(second)), dtype=np.float64) for second in plane.upward]
    if any(len(np.atleast_1d(line)) != len(plane.across) for line in lines):
        shape = (len(plane.across), len(plane.columns))
        raise ValueError(
            f"{operation}: of X of shape {shape} the model made outputs of shape {lines[0].shape}"
        )
    field = np.stack([line.reshape(len(line), -1) for line in lines])  # (upward, across, outputs)
    if not np.isfinite(field).all():
        raise _core.NumericError(f"{operation}: the model's outputs have NaN or infinity")
    figure = new_figure(6, 5)
    axes = figure.subplots()
    if answers.outputs == "values":
        _draw_values(operation, figure, axes, plane, field, y)
    else:
        probabilities = _probabilities(operation, field, answers.outputs)
        names = classes if classes is not None else answers.classes
        _draw_classes(operation, figure, axes, plane, probabilities, y, names)
    across, upward = plane.labels()
    axes.set_xlabel(across)
    axes.set_ylabel(upward)
    return written(figure, operation, path)


def _answers(operation: str, model: Any, outputs: str | None) -> _Answers:
    if outputs is not None and outputs not in _OUTPUTS:
        raise ValueError(f"{operation}: outputs is {outputs!r}, {', '.join(map(repr, _OUTPUTS))} is needed")
    if hasattr(model, "predict_proba"):
        return _answers_of_object(operation, model, outputs)
    if hasattr(model, "state_dict"):
        return _Answers(model.predict, outputs or _outputs_by_loss(operation, model), None)
    if not callable(model):
        hint = f"; {type(model).__name__}'s predict is one" if hasattr(model, "predict") else ""
        raise TypeError(
            f"{operation}: model is a {type(model).__name__}, a network, an object with predict_proba or a function "
            f"is needed{hint}"
        )
    if outputs is None:
        raise ValueError(
            f"{operation}: outputs of a function are to be named: 'logits', 'probabilities' or 'values'"
        )
    return _Answers(model, outputs, None)


def _answers_of_object(operation: str, model: Any, outputs: str | None) -> _Answers:
    classes = getattr(model, "classes", getattr(model, "classes_", None))
    if classes is not None and not len(classes):
        classes = None
    known = "values" if classes is None else "probabilities"
    if outputs not in (None, known):
        raise ValueError(f"{operation}: outputs is {outputs!r}, those of this model are {known!r}")
    return _Answers(model.predict if classes is None else model.predict_proba, known, classes)


def _outputs_by_loss(operation: str, network: Any) -> str:
    trainer = network._trainer
    if trainer is None:
        raise ValueError(
            f"{operation}: the network was not trained here, so that its loss is not known: give outputs='logits', "
            "'probabilities' or 'values'"
        )
    return "logits" if trainer.loss.name in _CLASSIFIERS_LOSSES else "values"


def _probabilities(operation: str, field: np.ndarray, outputs: str) -> np.ndarray:
    """(upward, across, classes) that sum to 1."""
    if outputs == "logits":
        if field.shape[-1] == 1:  # σ(s) is the softmax of 0 and s
            field = np.concatenate([np.zeros_like(field), field], axis=-1)
        return softmax(field.copy())
    if field.shape[-1] == 1:
        field = np.concatenate([1 - field, field], axis=-1)
    if field.min() < -1e-3 or abs(field.sum(axis=-1) - 1).max() > 1e-3:
        raise ValueError(
            f"{operation}: the outputs range from {field.min():.4g} to {field.max():.4g}, probabilities that sum to 1 "
            "are needed; outputs='logits' takes the softmax"
        )
    return field


def _draw_classes(
    operation: str,
    figure: Any,
    axes: Any,
    plane: Plane,
    probabilities: np.ndarray,
    y: Any,
    classes: Sequence[Any] | None,
) -> None:
    from matplotlib import colormaps

    count = probabilities.shape[-1]
    names = list(range(count)) if classes is None else list(classes)
    if len(names) != count:
        raise ValueError(f"{operation}: there are {len(names)} classes, the model has outputs of {count}")
    if count > _MOST_CLASSES:
        raise ValueError(
            f"{operation}: there are {count} classes, at most {_MOST_CLASSES} have distinct colours"
        )
    indices = class_indices(operation, "y", labels_of(operation, "y", y), names)
    if count == 2:
        colours = [colormaps[_TWO_CLASSES](share) for share in (0.0, 1.0)]
        _draw_probability(figure, axes, plane, probabilities[..., 1], names[1])
    else:
        colours = [colormaps["tab10" if count <= 10 else "tab20"](index) for index in range(count)]
        _draw_regions(axes, plane, probabilities.argmax(axis=-1), colours)
    for index, (name, colour) in enumerate(zip(names, colours)):
        points = plane.samples[indices == index]
        axes.scatter(*points.T, color=[colour], label=str(name), **_dots(plane))
    axes.legend(loc="upper right")


def _draw_probability(figure: Any, axes: Any, plane: Plane, probability: np.ndarray, name: Any) -> None:
    mesh = axes.pcolormesh(
        plane.across, plane.upward, probability, cmap=_TWO_CLASSES, vmin=0, vmax=1, alpha=0.6, rasterized=True
    )
    figure.colorbar(mesh, ax=axes, label=f"probability of {name}")
    if probability.min() < 0.75 and probability.max() > 0.25:
        lines = axes.contour(
            plane.across,
            plane.upward,
            probability,
            levels=[0.25, 0.5, 0.75],
            colors="black",
            linewidths=[0.7, 2.0, 0.7],
        )
        axes.clabel(lines, fontsize="small")


def _draw_regions(axes: Any, plane: Plane, likeliest: np.ndarray, colours: list[Any]) -> None:
    from matplotlib.colors import ListedColormap

    axes.pcolormesh(
        plane.across,
        plane.upward,
        likeliest,
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=len(colours) - 0.5,
        alpha=0.35,
        rasterized=True,
    )


def _draw_values(operation: str, figure: Any, axes: Any, plane: Plane, field: np.ndarray, y: Any) -> None:
    targets = arrays.numeric(operation, "y", y)
    if field.shape[-1] != 1 or targets.size != len(plane.samples):
        raise ValueError(
            f"{operation}: the model has {field.shape[-1]} outputs and y has shape {targets.shape}, of 'values' one "
            "output and y of shape (N,) are needed"
        )
    targets = targets.reshape(-1).astype(np.float64)
    if not np.isfinite(targets).all():
        raise _core.NumericError(
            f"{operation}: y has NaN or infinity in row {int(np.argmin(np.isfinite(targets)))}"
        )
    values = field[..., 0]
    least, most = min(values.min(), targets.min()), max(values.max(), targets.max())
    if least == most:
        least, most = least - 0.5, most + 0.5
    levels = np.linspace(least, most, _LEVELS + 1)
    contours = axes.contourf(plane.across, plane.upward, values, levels=levels, cmap="viridis")
    figure.colorbar(contours, ax=axes, label="output")
    two = np.unique(targets)
    if len(two) == 2 and values.min() < two.mean() < values.max():
        lines = axes.contour(
            plane.across, plane.upward, values, levels=[two.mean()], colors="black", linewidths=2.0
        )
        axes.clabel(lines, fontsize="small")
    axes.scatter(*plane.samples.T, c=targets, cmap="viridis", vmin=least, vmax=most, **_dots(plane))


def _dots(plane: Plane) -> dict[str, Any]:
    """Smaller ones where there are many."""
    size = float(np.clip(6000 / len(plane.samples), 3, 60))
    return {"s": size, "edgecolors": "white", "linewidths": size / 50, "zorder": 3}
