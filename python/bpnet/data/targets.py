"""What a model learns: classes or numbers, read from a column or an array, and encoded for the loss."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from bpnet import _core
from bpnet.data.columns import CATEGORIES, describe_target
from bpnet.data.fields import NumberFormat, missing_words, numbers_of, texts_of, words_of
from bpnet.data.frames import is_one_hot
from bpnet.data.preprocessing import Preprocessing
from bpnet.data.source import Source
from bpnet.data.table import Table, shown_names
from bpnet.options import option

__all__ = ["CLASSIFIERS", "Target", "encode_target", "fit_target", "ordered_classes", "read_target"]

CLASSIFIERS = ("cross_entropy", "binary_cross_entropy_with_logits")
CLASSIFICATION, REGRESSION = "classification", "regression"

# An integer target with at most this many different values names classes unless the task or the loss says otherwise.
_MOST_GUESSED_CLASSES = 20
_MOST_SHOWN = 10
# How far from 1 the sum of probabilities may be.
_OF_ONE = 1e-3


class Target:
    """The targets of all rows: the name of each row's class, or its numbers.

    Attributes:
        names: of each row's class; None of a regression.
        values: numbers (N,) or (N, outputs); beside names, their probabilities (N, classes), or None.
        known: (N,) bool, False where a target is missing.
        format: how numbers are written.
        classes: the classes in the order of the outputs; none of a regression.
        lines: what train reports.
    """

    def __init__(self, names: Sequence[str] | None, values: np.ndarray | None, known: np.ndarray) -> None:
        self.names = names
        self.values = values
        self.known = known
        self.format = NumberFormat()
        self.classes: list[str] = []
        self.lines: list[str] = []

    def __len__(self) -> int:
        return len(self.known)


def ordered_classes(names: Iterable[str]) -> list[str]:
    """The different names in a total order: by number where all are numbers, and by the string among equals."""
    distinct = sorted(set(names))
    values, statuses = _core.parse_numbers(distinct, ".", "", [])
    if (statuses == _core.NUMBER).all():
        return [name for _, name in sorted(zip(values.tolist(), distinct))]
    return distinct


# Of a training.


def fit_target(source: Source, config: Mapping[str, Any]) -> Target:
    """The targets of a training: classes or numbers, as the task, the loss or the data say.

    Args:
        source: the data.
        config: target, task, loss, missing, and what describe_columns takes.

    Raises:
        ValueError: there is no target, a value is missing or cannot be used, the task and the loss contradict
            each other.
    """
    task, loss, name = config.get("task"), config.get("loss"), config.get("target")
    if task == REGRESSION and loss in CLASSIFIERS:
        raise ValueError(
            f"train: {option('task', 'regression')} does not go with {option('loss', loss)}, which is for classes"
        )
    if source.y is not None and name is not None:
        raise ValueError(
            f"train: {option('target')} is {name!r}, but the data has its targets beside it; give one of them"
        )
    if source.y is not None:
        found = _of_array(source.y, source.where, task, loss, source.has_classes)
    elif source.table is not None:
        found = _of_column(source, config)
    else:
        raise ValueError(f"train: {source.no_y}")
    _check_known(found, source, config)
    if found.names is not None:
        if not found.classes:
            found.classes = ordered_classes(name for name, known in zip(found.names, found.known) if known)
        if len(found.classes) < 2:
            raise ValueError(f"train: the target has one class only, {found.classes[0]!r}")
        found.lines += _equal_numbers(found.classes)
    return found


def _of_column(source: Source, config: Mapping[str, Any]) -> Target:
    table, name = source.table, config.get("target")
    assert table is not None
    if name is None:
        raise ValueError(
            f"train: {option('target')} is missing; {table} has the columns {shown_names(table.header)}"
        )
    task, loss = config.get("task"), config.get("loss")
    asked = task == CLASSIFICATION or (task is None and loss in CLASSIFIERS)
    decision = describe_target(table, name, config, classes=asked)
    column = table.column(name)
    numbers = None
    if decision.kind != CATEGORIES:
        numbers, known = numbers_of(column, decision.format, missing_words(config)), ~decision.missing
        if task == REGRESSION or loss is not None or not _few_integers(numbers[known]):
            found = Target(None, numbers, known)
            found.format = decision.format
            guess = "" if task or loss else f"; {option('task', 'classification')} takes each as a class"
            found.lines = [f"target {decision.report()}: regression{guess}"]
            return found
    elif task == REGRESSION:
        raise ValueError(
            f"{table.where(0)}: the target {name!r} is {column[0]!r}, numbers are needed for {option('task', 'regression')}"
        )
    found = Target(texts_of(column), None, ~decision.missing)
    classes = ordered_classes(text for text, known in zip(texts_of(column), found.known) if known)
    found.lines = [_classes_line(f"target {name}", classes, numbers is not None and not asked)]
    return found


def _of_array(
    y: np.ndarray, where: Callable[[int], str], task: str | None, loss: str | None, has_classes: bool
) -> Target:
    if y.ndim == 2:
        return _of_matrix(y, where, task, loss)
    if y.dtype.kind == "U":
        return _of_strings(y.tolist(), where, task, loss)
    numbers = y.astype(np.float64)
    known = np.asarray(~np.isnan(numbers))
    _check_finite(numbers, where)
    asked = task == CLASSIFICATION or (task is None and (loss in CLASSIFIERS or has_classes))
    guessed = task is None and loss is None and not has_classes and _few_integers(numbers[known])
    if not asked and not guessed:
        found = Target(None, numbers, known)
        guess = "" if task or loss else f"; {option('task', 'classification')} takes each as a class"
        found.lines = [
            f"target: number, {len(np.unique(numbers[known])):,} distinct values: regression{guess}"
        ]
        return found
    fractions = known & (numbers != np.round(numbers))
    if task is None and fractions.any():
        row = int(fractions.argmax())
        raise ValueError(
            f"{where(row)}: the target is {numbers[row]:g}, classes are integers; {option('loss', 'mse')} learns numbers, "
            f"{option('task', 'classification')} takes each different number as a class"
        )
    texts = _texts(y)
    found = Target(texts, None, known)
    classes = ordered_classes(text for text, is_known in zip(texts, known) if is_known)
    found.lines = [_classes_line("target", classes, guessed)]
    return found


def _texts(y: np.ndarray) -> list[str]:
    """Numbers as strings; integers are exact, beyond those that are doubles too."""
    if y.dtype.kind in "iu":
        return [str(value) for value in y.tolist()]
    return _core.number_texts(y.astype(np.float64))


def _of_strings(names: list[str], where: Callable[[int], str], task: str | None, loss: str | None) -> Target:
    """Strings of an array are classes, be they numbers; what a column of a table is refused for is refused here."""
    if task == REGRESSION:
        raise ValueError(
            f"{where(0)}: the target is {names[0]!r}, numbers are needed for {option('task', 'regression')}"
        )
    asked = task == CLASSIFICATION or loss in CLASSIFIERS
    decision = describe_target(Table("", ["y"], [names]), "y", {}, classes=asked)
    found = Target(names, None, ~decision.missing)
    found.lines = [_classes_line("target", ordered_classes(np.array(names)[found.known].tolist()), False)]
    return found


def _of_matrix(y: np.ndarray, where: Callable[[int], str], task: str | None, loss: str | None) -> Target:
    """Several outputs: one-hot rows or probabilities are classes 0, 1, …; others are numbers."""
    values = y.astype(np.float64)
    known = np.asarray(~np.isnan(values).any(axis=1))
    _check_finite(values, where)
    part = values[known]
    binary = bool(np.isin(part, (0, 1)).all())
    one_hot = is_one_hot(part)
    count = values.shape[1]
    if one_hot and task != REGRESSION and (task == CLASSIFICATION or loss is None or loss in CLASSIFIERS):
        found = Target([str(label) for label in np.nan_to_num(values).argmax(axis=1).tolist()], None, known)
        found.classes = [str(label) for label in range(count)]
        guess = _or_numbers() if task is None and loss is None else ""
        found.lines = [f"target: one-hot, {count} classes, 0 to {count - 1}{guess}"]
        return found
    if loss == "cross_entropy" or task == CLASSIFICATION:
        wrong = known & ((np.nan_to_num(values) < 0).any(axis=1) | (abs(values.sum(axis=1) - 1) > _OF_ONE))
        if wrong.any() or loss not in (None, "cross_entropy"):
            row = int(wrong.argmax())
            raise ValueError(
                f"{where(row)}: the target is {values[row].tolist()}; rows of {count} numbers are classes if they are "
                "one-hot or probabilities, which sum to 1"
            )
        found = Target([str(label) for label in np.nan_to_num(values).argmax(axis=1).tolist()], values, known)
        found.classes = [str(label) for label in range(count)]
        found.lines = [f"target: probabilities of {count} classes, 0 to {count - 1}"]
        return found
    if loss in CLASSIFIERS or (binary and loss is None and task is None):
        raise ValueError(
            f"{where(0)}: the target has {count} columns, several labels at once for a sample; train has no such "
            "model: train one for each, or a bpnet.Network with binary_cross_entropy_with_logits"
        )
    found = Target(None, values, known)
    found.lines = [f"target: {count} numbers per row: regression"]
    return found


def _check_known(found: Target, source: Source, config: Mapping[str, Any]) -> None:
    if found.known.all():
        return
    if config.get("missing") != "drop":
        row = int(np.argmin(found.known))
        name = config.get("target")
        field = "NaN" if source.table is None or name is None else source.table.column(name)[row]
        what = f"column {name!r}" if name is not None else "the target"
        ways = (
            f"or leave such rows out with {option('missing', 'drop')}"
            if source.table is not None
            else "or leave the row out"
        )
        if name is not None and isinstance(field, str) and field:
            ways += f"; {option('categorical', [name])} makes {field!r} a class"
        raise ValueError(
            f"{source.where(row)}: {what} is {'empty' if field == '' else field}, the target is missing; fill it in, {ways}"
        )
    if not found.known.any():
        raise ValueError(f"train: {source}: no row has a target")


def _check_finite(values: np.ndarray, where: Callable[[int], str]) -> None:
    infinite = np.isinf(values).reshape(len(values), -1).any(axis=1)
    if infinite.any():
        row = int(infinite.argmax())
        raise ValueError(f"{where(row)}: the target is {values[row]}, a finite number is needed")


def _has_text(y: np.ndarray) -> np.ndarray:
    return np.asarray(np.char.str_len(y) > 0)


def _few_integers(numbers: np.ndarray) -> bool:
    distinct = np.unique(numbers)
    return bool(len(distinct) <= _MOST_GUESSED_CLASSES and (distinct == np.round(distinct)).all())


def _or_numbers() -> str:
    return f"; {option('task', 'regression')} takes them as numbers"


def _classes_line(what: str, classes: Sequence[str], guessed: bool) -> str:
    shown = ", ".join(classes[:_MOST_SHOWN]) + (", …" if len(classes) > _MOST_SHOWN else "")
    why = f"; guessed, for these are few integers{_or_numbers()}" if guessed else ""
    return f"{what}: {len(classes):,} classes, {shown}: classification{why}"


def _equal_numbers(classes: Sequence[str]) -> list[str]:
    """A warning where classes are the same number, written otherwise."""
    values, statuses = _core.parse_numbers(list(classes), ".", "", [])
    for one, other, same in zip(classes, classes[1:], values[1:] == values[:-1]):
        if same and (statuses == _core.NUMBER).all():
            return [
                f"warning: the target's classes {one!r} and {other!r} are the same number, and two classes"
            ]
    return []


# Of a model.


def read_target(source: Source, preprocessing: Preprocessing, target: str | None = None) -> Target:
    """The targets by which a model is measured, read as those that it learnt.

    Args:
        source: the data.
        preprocessing: the model's.
        target: the name of the column, where it is not the model's.
    """
    if source.y is not None:
        return _like_array(source.y, preprocessing, source.where)
    if source.table is None:
        raise ValueError(f"evaluate: {source.no_y}")
    name = target or preprocessing.target
    if not name:
        raise ValueError(f"evaluate: the model does not say which column of {source} is its target; give y")
    column = source.table.column(name)
    if isinstance(column, np.ndarray):
        return _like_array(column, preprocessing, source.where)
    words = words_of(preprocessing)
    said = NumberFormat.said(source.decimal, source.thousands)
    form = said or NumberFormat(preprocessing.target_decimal, preprocessing.target_thousands)
    values, statuses = _core.parse_numbers(column, form.decimal, form.thousands, words)
    known = statuses != _core.MISSING
    if preprocessing.classes:
        classes = set(preprocessing.classes)  # a class is one, be it a missing word elsewhere
        known |= np.array([field in classes for field in column])
        return Target(column, None, known)
    wrong = known & (statuses != _core.NUMBER)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(
            f"{source.where(row)}: column {name!r} is {column[row]!r}, numbers with {form.words()} are needed; "
            f"{option('decimal')} and {option('thousands')} name another way of writing"
        )
    return Target(None, values, known)


def _like_array(y: np.ndarray, preprocessing: Preprocessing, where: Callable[[int], str]) -> Target:
    classes = preprocessing.classes
    if y.dtype.kind == "U":
        return Target(y.tolist(), None, _has_text(y))
    values = y.astype(np.float64)
    _check_finite(values, where)
    known = np.asarray(~np.isnan(values.reshape(len(values), -1)).any(axis=1))
    if not classes:
        return Target(None, values, known)
    if y.ndim == 1:
        return Target(_names_of_numbers(y, classes), None, known)
    if values.shape[1] != len(classes):
        raise ValueError(f"the target has {values.shape[1]} columns, the model has {len(classes)} classes")
    names = [classes[label] for label in np.nan_to_num(values).argmax(axis=1).tolist()]
    return Target(names, None if is_one_hot(values) else values, known)


def _names_of_numbers(y: np.ndarray, classes: Sequence[str]) -> list[str]:
    """The class of each number: the only one that is this number, be it written 1, 1.0 or 01."""
    numbers, statuses = _core.parse_numbers(list(classes), ".", "", [])
    named = {
        number: name
        for name, number, status in zip(classes, numbers.tolist(), statuses)
        if status == _core.NUMBER and (numbers == number).sum() == 1
    }
    values, written = y.astype(np.float64).tolist(), set(classes)
    return [text if text in written else named.get(value, text) for value, text in zip(values, _texts(y))]


def encode_target(
    target: Target, preprocessing: Preprocessing, loss: str, rows: np.ndarray, where: Callable[[int], str]
) -> np.ndarray:
    """What the loss compares with, of some rows: class indices, 0 and 1, or numbers.

    Args:
        target: of all rows.
        preprocessing: the model's.
        loss: the loss's name.
        rows: the indices of the rows.
        where: tells where a row is in the data, for errors.
    """
    classes = preprocessing.classes
    if target.names is None:
        assert target.values is not None
        if classes:
            raise ValueError(f"the target holds numbers, the model's classes are {shown_names(classes)}")
        return (target.values[rows] - preprocessing.target_mean) / preprocessing.target_scale
    if not classes:
        raise ValueError(f"{where(0)}: the target is {target.names[0]!r}, the model gives numbers")
    if target.values is not None and loss == "cross_entropy":
        return target.values[rows]
    index = {name: label for label, name in enumerate(classes)}
    names = [target.names[row] for row in rows.tolist()]
    labels = np.array([index.get(name, -1) for name in names], np.int64)
    if (labels < 0).any():
        first = int((labels < 0).argmax())
        raise ValueError(
            f"{where(int(rows[first]))}: the class {names[first]!r} is not one of {shown_names(classes)}"
        )
    if loss == "cross_entropy":
        return labels
    return labels.astype(np.float64) if preprocessing.output == "logit" else np.eye(len(classes))[labels]
