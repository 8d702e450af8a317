"""What is measured of a network beside its loss: metrics by name, and functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bpnet import checks
from bpnet.losses import Loss
from bpnet.scores import OF_NUMBERS, in_top

__all__ = [
    "Function",
    "Metric",
    "NAMES",
    "as_metrics",
    "has_accuracy",
    "measure",
    "measured_names",
    "value_text",
]

#: ``f(y_true, y_pred)``, a number.
Function = Callable[[np.ndarray, np.ndarray], float]

#: A metric's name in the history, and its function.
Metric = tuple[str, Function]

# What an epoch's metrics hold that was not measured of the network.
_NOT_MEASURED = ("epoch", "lr", "seconds")

_RESERVED = (*_NOT_MEASURED, "loss")


def has_accuracy(loss: Loss) -> bool:
    """Whether the loss is one of classes, so that it comes with their accuracy."""
    return loss.name in ("cross_entropy", "binary_cross_entropy_with_logits")


def measured_names(history: Iterable[str]) -> list[str]:
    """The names of what was measured among those of a history, in order; ``loss`` for ``val_loss`` too."""
    return list(dict.fromkeys(name.removeprefix("val_") for name in history if name not in _NOT_MEASURED))


def value_text(name: str, value: float) -> str:
    """``91.2 %`` of an accuracy, ``0.3120`` of anything else."""
    return f"{value:.1%}".replace("%", " %") if name.endswith("accuracy") else f"{value:.4f}"


def _top(k: int) -> Function:
    """How often the class is among the k largest outputs."""

    def top(y: np.ndarray, outputs: np.ndarray) -> float:
        labels = y.astype(np.int64) if y.ndim == 1 else y.argmax(axis=1)
        return float(in_top(outputs.reshape(len(outputs), -1), labels, k).mean())

    return top


#: The metrics that have a name; 5 may be any number.
NAMES = ("accuracy", "top5_accuracy", *OF_NUMBERS)


def as_metrics(
    operation: str, metrics: Mapping[str, Function] | Sequence[str | Function], loss: Loss, outputs: int
) -> list[Metric]:
    """The metrics that a user asked for.

    Args:
        metrics: names and functions, or a mapping of names to functions. ``"accuracy"``, which the losses that have
            it give anyway, adds nothing.
        outputs: how many the network has.

    Raises:
        ValueError: an unknown name, a name twice, or a metric that the loss's targets do not allow.
    """
    if isinstance(metrics, Mapping):
        given = [(name, _callable(operation, function)) for name, function in metrics.items()]
    else:
        listed = checks.items(operation, "metrics", metrics)
        given = [
            (each, _named(operation, each, loss, outputs))
            if isinstance(each, str)
            else _function(operation, each)
            for each in listed
            if each != "accuracy" or not has_accuracy(loss)
        ]
    names = [name for name, _ in given]
    for name in names:
        if not isinstance(name, str) or name in _RESERVED or name.startswith("val_"):
            raise ValueError(f"{operation}: a metric cannot be called {name!r}")
        if names.count(name) > 1:
            raise ValueError(f"{operation}: metrics has {name!r} twice")
    return given


def measure(
    operation: str, metrics: Sequence[Metric], y: np.ndarray, outputs: np.ndarray
) -> dict[str, float]:
    """Each metric of targets y, (N,) or (N, outputs), and of the network's outputs, (N, outputs); functions get them
    in y's shape where they have as many numbers."""
    predicted = outputs.reshape(y.shape) if outputs.size == y.size else outputs
    result = {}
    for name, function in metrics:
        value = np.asarray(function(y, predicted))
        if value.size != 1 or value.dtype.kind not in "fiub":
            raise TypeError(
                f"{operation}: the metric {name!r} gave an array of shape {value.shape} and dtype {value.dtype}, a number is needed"
            )
        result[name] = float(value.reshape(()))
    return result


def _named(operation: str, name: str, loss: Loss, outputs: int) -> Function:
    if name in OF_NUMBERS:
        if has_accuracy(loss):
            raise ValueError(
                f"{operation}: {name} compares outputs with targets, and those of {loss.name} are logits and "
                "classes; give a function f(y_true, y_pred)"
            )
        return _in_float64(OF_NUMBERS[name])
    top = re.fullmatch(r"top(\d+)_accuracy", name)
    if top is None and name != "accuracy":
        raise ValueError(
            f"{operation}: the metric {name!r} is not one of {', '.join(NAMES)}; others are functions f(y_true, y_pred)"
        )
    if top is None or loss.name != "cross_entropy":
        needed = "cross_entropy" if top else "cross_entropy or binary_cross_entropy_with_logits"
        raise ValueError(f"{operation}: {name} needs the loss {needed}, it is {loss.name}")
    if not 1 <= int(top[1]) <= outputs:
        raise ValueError(
            f"{operation}: {name} of {outputs} classes, at most top{outputs}_accuracy is possible"
        )
    return _top(int(top[1]))


def _in_float64(function: Function) -> Function:
    def of(y: np.ndarray, outputs: np.ndarray) -> float:
        rows = len(y)
        return function(y.reshape(rows, -1).astype(np.float64), outputs.reshape(rows, -1).astype(np.float64))

    return of


def _function(operation: str, function: Any) -> Metric:
    name = getattr(_callable(operation, function), "__name__", "<lambda>")
    if name == "<lambda>":
        raise ValueError(
            f"{operation}: the metric {function!r} has no name; give metrics={{'name': function}}"
        )
    return name, function


def _callable(operation: str, function: Any) -> Function:
    if callable(function) and not isinstance(function, type):
        return function
    raise TypeError(
        f"{operation}: the metric {function!r} is neither one of {', '.join(NAMES)} nor a function f(y_true, y_pred)"
    )
