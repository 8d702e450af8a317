"""``python -m bpnet evaluate MODEL DATA``"""

from __future__ import annotations

import argparse

import numpy as np

from bpnet.data.prepare import as_target, features, split_rows, targets
from bpnet.data.source import Source, open_source
from bpnet.losses import Loss, as_loss
from bpnet.model import Model, load_model


def run(options: argparse.Namespace) -> int:
    """Print the loss, and the accuracy of a classifier or the error of a regression."""
    model = load_model(options.model, options.backend)
    if model.preprocessing.image is not None:
        raise ValueError(
            f"evaluate: {options.model} was trained on photographs; python -m bpnet alexnet test "
            f"{options.model} {options.data} measures it"
        )
    loss = as_loss("evaluate", options.loss) if options.loss else model.loss
    if loss is None:
        raise ValueError(f"evaluate: {options.model} holds a model but no run; give --loss")
    source = open_source(options.data, options.labels)
    X, y = _encoded(model, source, options, loss)
    if options.part == "validation":
        X, y = _validation_part(model, source, options, X, y, loss)
    metrics = model.measure(X, y, loss)
    parts = [f"{len(X)} samples", f"loss {metrics['loss']:.4f}"]
    if "accuracy" in metrics:
        parts.append(f"accuracy {100 * metrics['accuracy']:.1f} %")
    else:
        parts.append(f"root mean square error {metrics['rmse']:.6g}")
    print(", ".join(parts))
    return 0


def _encoded(
    model: Model, source: Source, options: argparse.Namespace, loss: Loss
) -> tuple[np.ndarray, np.ndarray]:
    raw: list[str] | np.ndarray
    if source.table is not None:
        raw = source.table.column(options.target or model.preprocessing.target)
    elif source.y is not None:
        raw = as_target(source.y)
    else:
        raise ValueError(f"evaluate: {options.data} has no targets")
    X, _ = features(source, model.preprocessing)
    return X, targets(raw, model.preprocessing, loss.name, source.where)


def _validation_part(
    model: Model, source: Source, options: argparse.Namespace, X: np.ndarray, y: np.ndarray, loss: Loss
) -> tuple[np.ndarray, np.ndarray]:
    settings = model.settings
    if settings is None:
        raise ValueError(f"evaluate: {options.model} does not say how its data was split")
    if source.X_val is not None and source.y_val is not None:
        X_val = model.preprocessing.standardise(source.X_val)
        return X_val, targets(as_target(source.y_val), model.preprocessing, loss.name)
    if source.fingerprint() != settings["fingerprint"]:
        raise ValueError(f"evaluate: {options.data} is not the data that {options.model} was trained on")
    rows = split_rows(len(X), settings["validation"], settings["seed"])[1]
    return X[rows], y[rows]
