"""From raw data to what a network trains on: the split, the preprocessing, the targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from bpnet.data.encoding import TableColumns, category_names, encode_table
from bpnet.data.fields import NumberFormat
from bpnet.data.preprocessing import Preprocessing
from bpnet.data.source import Source
from bpnet.data.split import Split
from bpnet.data.table import shown_names
from bpnet.data.targets import Target, encode_target, fit_target, read_target
from bpnet.options import option

__all__ = ["Prepared", "check_options", "examples", "features", "prepare"]

# What has no effect where the data is arrays.
_OF_TABLES = ("target", "drop", "numeric", "categorical", "missing", "missing_values", "unknown")


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
        train: tuple[np.ndarray, np.ndarray],
        validation: tuple[np.ndarray, np.ndarray] | None,
        preprocessing: Preprocessing,
        loss: str,
        report: Sequence[str] = (),
    ) -> None:
        self.X, self.y = train
        self.X_val: np.ndarray | None = validation[0] if validation else None
        self.y_val: np.ndarray | None = validation[1] if validation else None
        self.preprocessing = preprocessing
        self.loss = loss
        self.outputs = _outputs(preprocessing, self.y)
        self.report = list(report)


def _outputs(preprocessing: Preprocessing, y: np.ndarray) -> int:
    if preprocessing.output == "logit":
        return 1
    if preprocessing.classes:
        return len(preprocessing.classes)
    return 1 if y.ndim == 1 else y.shape[1]


def check_options(source: Source, said: Mapping[str, Any]) -> None:
    """Refuse options that the user gave and that can have no effect with this data.

    Args:
        source: the data.
        said: what the user gave of prepare's config.
    """
    given = [name for name in said if said[name] not in (None, [], ())]
    for name in given:
        if name in _OF_TABLES and source.table is None:
            raise ValueError(f"{source}: {option(name)} is for tables, the data is arrays")
    if "validation" in given and source.X_val is not None:
        raise ValueError(
            f"{source}: {option('validation')} has no effect, the data has its own validation part, {source.validation}"
        )


def prepare(source: Source, config: Mapping[str, Any], known: Preprocessing | None = None) -> Prepared:
    """Split, preprocess and encode.

    Args:
        source: the data.
        config: target, task, loss, drop, numeric, categorical, missing ("error", "mean", "median",
            "most-frequent", "drop" or "category"), missing_values, unknown ("error" or "ignore"), decimal,
            thousands, standardise, validation, seed, dtype.
        known: the preprocessing of a run that continues.

    Raises:
        ValueError: the data cannot be trained on; with the line and the column, where it is a table.
    """
    if len(source) < 2:
        raise ValueError(f"train: the data has {len(source)} row, at least 2 are needed")
    report: list[str] = []
    if known is None:
        target = fit_target(source, config)
        loss = config.get("loss") or ("cross_entropy" if target.names is not None else "mse")
        preprocessing, split = _fit(source, target, loss, config, report)
    else:
        target, loss, preprocessing = read_target(source, known), config["loss"], known
        split = _known_split(source, known, target, config)
    X, _ = _encoded(source, preprocessing, config.get("dtype", "float32"))
    y = [
        encode_target(target, preprocessing, loss, rows, source.where)
        for rows in (split.train, split.validation)
    ]
    validation = (X[split.validation], y[1]) if len(split.validation) else None
    held_out = source.validation_part()
    if held_out is not None:
        validation = examples(held_out, preprocessing, loss, dtype=config.get("dtype", "float32"))
    return Prepared((X[split.train], y[0]), validation, preprocessing, loss, report)


def _fraction(source: Source, config: Mapping[str, Any]) -> float:
    return 0.0 if source.X_val is not None else config["validation"]


def _fit(
    source: Source, target: Target, loss: str, config: Mapping[str, Any], report: list[str]
) -> tuple[Preprocessing, Split]:
    fraction, seed = _fraction(source, config), config["seed"]
    names: list[Sequence[str | None]] = [] if target.names is None else [target.names]
    if source.table is not None:
        columns = TableColumns(source.table, config)
        kept = columns.kept() & target.known
        split = Split(kept, fraction, seed, [*columns.names(), *names])
        preprocessing = columns.fit(split.train)
        report += columns.report()
    else:
        split = Split(target.known, fraction, seed, names)
        preprocessing = Preprocessing()
        report.append(_input_line(source, config.get("standardise", True)))
    report += target.lines + source.notes + _split_lines(split, len(source), fraction)
    _fit_output(preprocessing, target, loss, split.train)
    if config.get("standardise", True):
        _fit_scale(source, preprocessing, split.train)
    return preprocessing, split


def _known_split(
    source: Source, preprocessing: Preprocessing, target: Target, settings: Mapping[str, Any]
) -> Split:
    """The rows that a run was begun with."""
    kept = target.known
    names: list[Sequence[str | None]] = [] if target.names is None else [target.names]
    if source.table is not None:
        kept = kept & _encoded(source, preprocessing, "float64")[1]
        names = [*category_names(source.table, preprocessing), *names]
    return Split(kept, _fraction(source, settings), settings["seed"], names)


def _input_line(source: Source, standardised: bool) -> str:
    assert source.X is not None
    rows, features = source.X.shape
    scaled = "taken as they are" if not standardised else "standardised"
    if standardised and source.scale is not None:
        scaled = f"divided by {source.scale:g}"
    return f"X: {features:,} numbers in each of {rows:,} rows, {scaled}"


def _split_lines(split: Split, rows: int, fraction: float) -> list[str]:
    lines = []
    if fraction and not len(split.validation):
        lines.append("warning: no row is held out to validate")
    left_out = rows - len(split.train) - len(split.validation)
    if left_out:
        lines.append(f"left out, for a value is missing: {left_out:,} of {rows:,} rows")
    if split.moved:
        lines.append(
            f"trained on rather than held out, for no other row has their category or class: {split.moved:,} of "
            f"{rows:,} rows"
        )
    return lines


def _fit_output(preprocessing: Preprocessing, target: Target, loss: str, train: np.ndarray) -> None:
    preprocessing.classes = list(target.classes)
    if loss == "binary_cross_entropy_with_logits":
        if len(target.classes) != 2:
            raise ValueError(f"train: {loss} needs two classes, the target has {len(target.classes)}")
        preprocessing.output = "logit"
    elif loss == "cross_entropy":
        preprocessing.output = "logits"
    elif target.values is not None and target.values.ndim == 1:
        preprocessing.target_decimal, preprocessing.target_thousands = target.format
        part = target.values[train].astype(np.float64)
        with np.errstate(over="ignore"):
            mean, scale = float(part.mean()), float(part.std()) or 1.0
        if not np.isfinite([mean, scale]).all():
            raise ValueError(f"train: the target has numbers too large to standardise, {abs(part).max():g}")
        preprocessing.target_mean, preprocessing.target_scale = mean, scale


def _fit_scale(source: Source, preprocessing: Preprocessing, train: np.ndarray) -> None:
    if source.scale is not None:
        preprocessing.mean, preprocessing.scale = [0.0], [float(source.scale)]
    elif source.table is not None:
        _fit_to(source, preprocessing, _encoded(source, preprocessing, "float64")[0][train], train)
    else:
        assert source.X is not None
        preprocessing.standardise(source.X, where=source.where)  # an error if a number is not finite
        _fit_to(source, preprocessing, source.X[train].astype(np.float64), train)


def _fit_to(source: Source, preprocessing: Preprocessing, X: np.ndarray, train: np.ndarray) -> None:
    """Preprocessing.fit_scale of the training rows; an error names the row with the largest number."""
    try:
        preprocessing.fit_scale(X)
    except ValueError as error:
        with np.errstate(over="ignore"):
            feature = int(np.isfinite(X.std(axis=0)).argmin())
        row = int(train[abs(X[:, feature]).argmax()])
        raise ValueError(f"{source.where(row)}: {error}") from None


def _encoded(source: Source, preprocessing: Preprocessing, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    """The features of all rows, and which rows are kept."""
    if source.table is not None:
        if not preprocessing.columns:
            raise ValueError(f"{source}: the model was trained on arrays, not on a table")
        said = NumberFormat.said(source.decimal, source.thousands)
        return encode_table(source.table, preprocessing, dtype, said)
    if preprocessing.columns:
        names = shown_names([column["name"] for column in preprocessing.columns])
        raise ValueError(
            f"{source}: the model was trained on a table with the columns {names}, not on arrays"
        )
    assert source.X is not None
    expected = len(preprocessing.mean)
    if expected > 1 and source.X.shape[1] != expected:
        raise ValueError(f"{source}: X has {source.X.shape[1]} features, the model was trained on {expected}")
    _check_unscaled(source, preprocessing)
    X = preprocessing.standardise(source.X, dtype, source.where)
    return X, np.ones(len(X), bool)


def _check_unscaled(source: Source, preprocessing: Preprocessing) -> None:
    """Refuse pixels that were divided before, for a model that divides them."""
    X, scale = source.X, preprocessing.scale
    if (
        len(scale) == 1
        and scale[0] > 1
        and X is not None
        and X.dtype.kind == "f"
        and 0 < X.max() <= 1
        and X.min() >= 0
    ):
        raise ValueError(
            f"{source}: X has numbers from 0 to {X.max():g}, the model was trained on 0 to {scale[0]:g} and divides "
            "them itself; give them undivided"
        )


def features(
    source: Source, preprocessing: Preprocessing, dtype: str = "float64"
) -> tuple[np.ndarray, np.ndarray]:
    """The network's input: X (kept rows, features) and kept (N,) bool, False for a row that gets no answer.

    Args:
        source: the data.
        preprocessing: the model's.
        dtype: the network's; numbers beyond it are refused with their row and column.

    Raises:
        ValueError: the data does not fit the model; with the line and the column, where it is a table.
    """
    X, kept = _encoded(source, preprocessing, dtype)
    return (X if kept.all() else X[kept]), kept


def examples(
    source: Source,
    preprocessing: Preprocessing,
    loss: str,
    *,
    target: str | None = None,
    part: str = "all",
    settings: Mapping[str, Any] | None = None,
    dtype: str = "float64",
) -> tuple[np.ndarray, np.ndarray]:
    """X (rows, features) and what the loss compares with, to measure a model. Rows that get no answer are left out.

    Args:
        source: the data.
        preprocessing: the model's.
        loss: the loss's name.
        target: the table's target column, where it is not named as in training.
        part: "all" (with the validation part that the data has of its own) or "validation".
        settings: of the run, for the rows that it held out.
        dtype: the network's.

    Raises:
        ValueError: the data does not fit the model; there is no such part.
    """
    held_out = source.validation_part()
    if part == "validation" and held_out is not None:
        return examples(held_out, preprocessing, loss, dtype=dtype)
    found = read_target(source, preprocessing, target)
    X, kept = _encoded(source, preprocessing, dtype)
    if part == "validation":
        rows = _held_out(source, preprocessing, found, settings)
    else:
        rows = np.flatnonzero(kept & _answered(source, preprocessing, found))
        if len(rows) == 0:
            raise ValueError(f"evaluate: {source}: every row has a missing value")
    y = encode_target(found, preprocessing, loss, rows, source.where)
    if part == "validation" or held_out is None:
        return X[rows], y
    X_val, y_val = examples(held_out, preprocessing, loss, dtype=dtype)
    return np.concatenate([X[rows], X_val]), np.concatenate([y, y_val])


def _answered(source: Source, preprocessing: Preprocessing, found: Target) -> np.ndarray:
    """The rows whose target is known; the others are an error unless the model drops rows."""
    if not found.known.all() and not any(column["missing"] == "drop" for column in preprocessing.columns):
        row = int(np.argmin(found.known))
        raise ValueError(f"{source.where(row)}: the target is missing; fill it in or leave the row out")
    return found.known


def _held_out(
    source: Source, preprocessing: Preprocessing, found: Target, settings: Mapping[str, Any] | None
) -> np.ndarray:
    if settings is None:
        raise ValueError("evaluate: the model does not say how its data was split")
    if source.fingerprint() != settings["fingerprint"]:
        raise ValueError(f"evaluate: {source} is not the data that the model was trained on")
    if not settings["validation"]:
        raise ValueError(f"evaluate: the run held out no rows to validate, its {option('validation')} was 0")
    return _known_split(source, preprocessing, found, settings).validation
