"""Labels of samples, and which class each is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np


def labels_of(operation: str, name: str, value: Any) -> list[Any]:
    """value (N,) as a list of strings and numbers."""
    array = np.asarray(value)
    if array.ndim != 1 or not array.size:
        hint = "; argmax(axis=1) gives them" if array.ndim == 2 and array.shape[1] > 1 else ""
        raise ValueError(
            f"{operation}: {name} has shape {array.shape}, labels of shape (N,) are needed{hint}"
        )
    labels = array.tolist()
    for row, label in enumerate(labels):
        if not isinstance(label, (str, bool, int, float)):
            raise TypeError(f"{operation}: {name} is {label!r} in row {row}, a string or a number is needed")
        if label != label:
            raise ValueError(f"{operation}: {name} is NaN in row {row}")
    return labels


def classes_among(operation: str, labels: Sequence[Any]) -> list[Any]:
    """Each label once, sorted."""
    strings = sum(isinstance(label, str) for label in set(labels))
    if 0 < strings < len(set(labels)):
        raise TypeError(f"{operation}: some labels are strings and some are numbers")
    return sorted(set(labels))


def class_indices(operation: str, name: str, labels: Sequence[Any], classes: Sequence[Any]) -> np.ndarray:
    """(N,), which of the classes each label is.

    Labels are classes; integers among classes that are all strings are their indices, unless such strings are
    numerals too and mean others: that is refused.
    """
    known = {label: index for index, label in enumerate(classes)}
    if len(known) < len(classes):
        raise ValueError(f"{operation}: classes holds a class twice: {', '.join(map(str, classes))}")
    if _are_indices(labels, classes):
        _check_numerals(operation, name, classes)
        known = dict(enumerate(range(len(classes))))
    for row, label in enumerate(labels):
        if label not in known:
            raise ValueError(
                f"{operation}: {name} is {label!r} in row {row}, the classes are {', '.join(map(repr, classes[:20]))}"
                + (", …" if len(classes) > 20 else "")
            )
    return np.array([known[label] for label in labels])


def _are_indices(labels: Sequence[Any], classes: Sequence[Any]) -> bool:
    return all(isinstance(label, int) for label in labels) and all(isinstance(each, str) for each in classes)


def _check_numerals(operation: str, name: str, classes: Sequence[str]) -> None:
    other = [each for index, each in enumerate(classes) if each.strip().isdecimal() and int(each) != index]
    if other:
        raise ValueError(
            f"{operation}: {name} holds integers and the classes are strings such as {other[0]!r}: give both as "
            "strings or both as integers"
        )
