"""From raw data to what a network trains on: the split, the preprocessing, the targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bpnet import _core, checks
from bpnet.data.preprocessing import Preprocessing, holds_numbers
from bpnet.data.source import Source

# An integer target with at most this many different values names classes unless a loss says otherwise.
_MOST_GUESSED_CLASSES = 20

CLASSIFIERS = ("cross_entropy", "binary_cross_entropy_with_logits")


class Prepared:
    """Arrays ready for fit.

    Attributes:
        X, y: the training part; X_val, y_val: the validation part, or None.
        preprocessing: what the model file remembers.
        loss: the loss's name.
        outputs: how many the network needs.
        report: lines to print before training: what each column became, the target, warnings.
    """

    def __init__(
        self,
        train: tuple[Any, Any],
        validation: tuple[Any, Any] | None,
        preprocessing: Preprocessing,
        loss: str,
        report: Sequence[str] = (),
    ) -> None:
        self.X: np.ndarray = train[0]
        self.y: np.ndarray = train[1]
        self.X_val: np.ndarray | None = validation[0] if validation else None
        self.y_val: np.ndarray | None = validation[1] if validation else None
        self.preprocessing = preprocessing
        self.loss = loss
        self.outputs = outputs_of(preprocessing, self.y)
        self.report = list(report)


def outputs_of(preprocessing: Preprocessing, y: np.ndarray) -> int:
    """How many outputs a network for this target has."""
    if preprocessing.output == "logit":
        return 1
    if preprocessing.classes:
        return len(preprocessing.classes)
    return 1 if y.ndim == 1 else y.shape[1]


def split_rows(count: int, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The training rows and the validation rows, drawn from the seed alone."""
    held_out = round(count * fraction)
    if fraction > 0:
        held_out = min(max(1, held_out), count - 1)
    order = _core.split_order(checks.seed("train", seed), count).astype(np.int64)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def prepare(source: Source, config: Mapping[str, Any], known: Preprocessing | None = None) -> Prepared:
    """Split, preprocess and encode. ``known`` is the preprocessing of a run that goes on."""
    if len(source) < 2:
        raise ValueError(f"train: the data has {len(source)} row, at least 2 are needed")
    own_validation = source.X_val is not None
    fraction = 0.0 if own_validation else config["validation"]
    train_rows, validation_rows = split_rows(len(source), fraction, config["seed"])
    raw_target = _raw_target(source, config)
    preprocessing, loss = known, config["loss"]
    if preprocessing is None:
        preprocessing = Preprocessing()
        loss = loss or _guess_loss(source, raw_target)
        _fit_target(preprocessing, source, raw_target, loss, train_rows)
        _fit_features(preprocessing, source, config, train_rows)
    X, _ = features(source, preprocessing)
    _check_features(source, preprocessing, X, config["dtype"])
    y = targets(raw_target, preprocessing, loss, source.where)
    validation = None
    if own_validation:
        assert source.X_val is not None and source.y_val is not None
        validation = (
            preprocessing.standardise(source.X_val),
            targets(as_target(source.y_val), preprocessing, loss),
        )
    elif len(validation_rows):
        validation = (X[validation_rows], y[validation_rows])
    return Prepared((X[train_rows], y[train_rows]), validation, preprocessing, loss)


def _raw_target(source: Source, config: Mapping[str, Any]) -> list[str] | np.ndarray:
    if source.table is not None:
        if not config["target"]:
            raise ValueError(
                f"train: --target is missing; {source.table.path} has the columns {', '.join(source.table.header)}"
            )
        column = source.table.column(config["target"])
        if config["target"] not in config["categorical"]:
            holds_numbers(source.table, config["target"])  # for its errors
        return column
    if source.y is None:
        raise ValueError("train: the data has no targets; an .npz needs an array y, images a labels file")
    return as_target(source.y)


def as_target(y: np.ndarray) -> list[str] | np.ndarray:
    """An array of text as a list, as a table gives it; any other as it is."""
    return [str(value) for value in y.tolist()] if y.dtype.kind in "US" else y


def _numbers(target: Sequence[str] | np.ndarray) -> np.ndarray | None:
    """The target as numbers, or None when it is text."""
    if isinstance(target, np.ndarray):
        return target if target.dtype.kind in "fiub" else None
    try:
        return np.array([float(value) for value in target])
    except ValueError:
        return None


def _guess_loss(source: Source, target: Sequence[str] | np.ndarray) -> str:
    numbers = _numbers(target)
    if numbers is None or source.has_classes:
        return "cross_entropy"
    if numbers.ndim > 1:
        return "mse"
    distinct = np.unique(numbers)
    whole = bool(np.isfinite(distinct).all() and (distinct == np.round(distinct)).all())
    return "cross_entropy" if whole and len(distinct) <= _MOST_GUESSED_CLASSES else "mse"


def class_names(target: Sequence[str] | np.ndarray) -> list[str]:
    """The different targets as text, sorted as numbers where they are numbers."""
    if isinstance(target, np.ndarray):
        return [_text(value) for value in np.unique(target).tolist()]
    distinct = set(target)
    try:
        return sorted(distinct, key=float)
    except ValueError:
        return sorted(distinct)


def _text(value: Any) -> str:
    return str(int(value)) if isinstance(value, (bool, float)) and value == int(value) else str(value)


def _fit_target(
    preprocessing: Preprocessing,
    source: Source,
    target: Sequence[str] | np.ndarray,
    loss: str,
    train_rows: np.ndarray,
) -> None:
    numbers = _numbers(target)
    if numbers is not None and not np.isfinite(numbers).all():
        row = int(np.argmin(np.isfinite(numbers).reshape(len(numbers), -1).all(axis=1)))
        raise ValueError(f"{source.where(row)}: the target is {numbers[row]}, a finite number is needed")
    dense = numbers is not None and numbers.ndim > 1
    if (loss in CLASSIFIERS and not dense) or numbers is None or source.has_classes:
        preprocessing.classes = class_names(target)
        if len(preprocessing.classes) < 2:
            raise ValueError(f"train: the target has one class only, {preprocessing.classes[0]!r}")
    if loss == "binary_cross_entropy_with_logits":
        if len(preprocessing.classes) != 2:
            raise ValueError(f"train: {loss} needs two classes, the target has {len(preprocessing.classes)}")
        preprocessing.output = "logit"
    elif loss == "cross_entropy":
        preprocessing.output = "logits"
    elif not preprocessing.classes and not dense:
        assert numbers is not None
        part = numbers[train_rows].astype(np.float64)
        preprocessing.target_mean = float(part.mean())
        preprocessing.target_scale = float(part.std()) or 1.0


def _fit_features(
    preprocessing: Preprocessing, source: Source, config: Mapping[str, Any], train_rows: np.ndarray
) -> None:
    standardise = config["standardise"]
    if source.table is not None:
        preprocessing.target = config["target"]
        left_out = {config["target"], *config["drop"]}
        for name in (*config["drop"], *config["categorical"]):
            source.table.index(name)
        columns = [name for name in source.table.header if name not in left_out]
        if not columns:
            raise ValueError(f"{source.table.path}: no column is left beside the target")
        preprocessing.fit_table(source.table, columns, config["categorical"])
        if standardise:
            preprocessing.fit_scale(preprocessing.encode_table(source.table)[0][train_rows])
    elif standardise and source.scale is not None:
        preprocessing.mean, preprocessing.scale = [0.0], [float(source.scale)]
    elif standardise:
        assert source.X is not None
        _check_features(source, preprocessing, source.X, "float64")
        preprocessing.fit_scale(source.X[train_rows].astype(np.float64))


def check_options(source: Source, said: Mapping[str, Any]) -> None:
    """Refuse options that the user gave (a subset of the config) and that have no effect with this data."""


def features(
    source: Source, preprocessing: Preprocessing, dtype: str | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The network's input: X (kept rows, features) and kept (N,) bool, False where the model drops a row.

    Args:
        source: the data.
        preprocessing: the model's.
        dtype: the network's; numbers beyond it are refused with their row and column.
    """
    X = _encoded(source, preprocessing)
    if dtype is not None:
        _check_features(source, preprocessing, X, dtype)
    return X, np.ones(len(source), bool)


def examples(
    source: Source,
    preprocessing: Preprocessing,
    loss: str,
    *,
    target: str | None = None,
    part: str = "all",
    settings: Mapping[str, Any] | None = None,
    dtype: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """X (kept rows, features) and what the loss compares with, to measure a model.

    Args:
        source: the data.
        preprocessing: the model's.
        loss: the loss's name.
        target: the table's target column, where it is not named as in training.
        part: "all" (a validation part of the data's own included) or "validation".
        settings: of the run, for its validation part.
        dtype: the network's.
    """
    if source.table is not None:
        raw: list[str] | np.ndarray = source.table.column(target or preprocessing.target)
    elif source.y is not None:
        raw = as_target(source.y)
    else:
        raise ValueError("evaluate: the data has no targets")
    X, _ = features(source, preprocessing, dtype)
    y = targets(raw, preprocessing, loss, source.where)
    if part == "all":
        return X, y
    if settings is None:
        raise ValueError("evaluate: the model does not say how its data was split")
    if source.X_val is not None and source.y_val is not None:
        return preprocessing.standardise(source.X_val), targets(as_target(source.y_val), preprocessing, loss)
    if source.fingerprint() != settings["fingerprint"]:
        raise ValueError("evaluate: the data is not what the model was trained on")
    rows = split_rows(len(X), settings["validation"], settings["seed"])[1]
    return X[rows], y[rows]


def _encoded(source: Source, preprocessing: Preprocessing) -> np.ndarray:
    if source.table is not None:
        if not preprocessing.columns:
            raise ValueError(f"{source.table.path}: the model was trained on arrays, not on a table")
        return preprocessing.encode_table(source.table)[0]
    if preprocessing.columns:
        names = ", ".join(column["name"] for column in preprocessing.columns)
        raise ValueError(f"the model was trained on a table with the columns {names}, not on arrays")
    assert source.X is not None
    return preprocessing.standardise(source.X)


def _check_features(source: Source, preprocessing: Preprocessing, X: np.ndarray, dtype: str) -> None:
    """Every number must be finite in the network's dtype; here its row in the file is still known."""
    with np.errstate(over="ignore"):
        finite = np.isfinite(X.astype(dtype))
    if finite.all():
        return
    row, feature = (int(place) for place in np.argwhere(~finite)[0])
    name = "X"
    for column in preprocessing.columns:
        width = max(1, len(column["categories"]))
        if feature < width:
            name = f"column {column['name']!r}"
            break
        feature -= width
    raise ValueError(f"{source.where(row)}: {name} has NaN or infinity, or a number beyond {dtype}")


def targets(
    target: Sequence[str] | np.ndarray,
    preprocessing: Preprocessing,
    loss: str,
    where: Callable[[int], str] = "row {}".format,
    kept: np.ndarray | None = None,
) -> np.ndarray:
    """What the loss compares with: class indices, 0 and 1, one-hot rows, or standardised numbers.

    Args:
        target: all targets, one per row.
        preprocessing: the model's.
        loss: the loss's name.
        where: tells a row's place in the data, for errors.
        kept: (N,) bool, the rows whose targets are needed; None for all.
    """
    if preprocessing.classes:
        names = [_text(value) for value in target.tolist()] if isinstance(target, np.ndarray) else target
        labels = preprocessing.labels(names, where)
        if loss == "cross_entropy":
            return labels
        if preprocessing.output == "logit":
            return labels.astype(np.float64)
        return np.eye(len(preprocessing.classes))[labels]
    numbers = _numbers(target)
    if numbers is None:
        raise ValueError("the target holds text, the model gives numbers")
    return (numbers - preprocessing.target_mean) / preprocessing.target_scale
