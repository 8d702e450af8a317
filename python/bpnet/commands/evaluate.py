"""``python -m bpnet evaluate MODEL DATA``"""

from __future__ import annotations

import argparse

import numpy as np

from bpnet.commands.model import open_model
from bpnet.commands.prepare import as_target, features, split_rows, targets
from bpnet.commands.source import open_source
from bpnet.losses import as_loss


def run(options: argparse.Namespace) -> int:
    """Print the loss, and the accuracy of a classifier or the error of a regression."""
    model = open_model(options.model, options.backend)
    preprocessing = model.preprocessing
    if preprocessing.image is not None:
        raise ValueError(
            f"evaluate: {options.model} was trained on photographs; python -m bpnet alexnet test "
            f"{options.model} {options.data} measures it"
        )
    source = open_source(options.data, options.labels)
    raw: list[str] | np.ndarray
    if source.table is not None:
        raw = source.table.column(options.target or preprocessing.target)
    elif source.y is not None:
        raw = as_target(source.y)
    else:
        raise ValueError(f"evaluate: {options.data} has no targets")
    loss = as_loss("evaluate", options.loss) if options.loss else model.loss
    if loss is None:
        raise ValueError(f"evaluate: {options.model} holds a model but no run; give --loss")
    X = features(source, preprocessing)
    y = targets(raw, preprocessing, loss.name, source.where)
    if options.part == "validation":
        if model.command is None:
            raise ValueError(f"evaluate: {options.model} does not say how its data was split")
        if source.X_val is not None and source.y_val is not None:
            X = preprocessing.standardise(source.X_val)
            y = targets(as_target(source.y_val), preprocessing, loss.name)
        else:
            if source.fingerprint() != model.command["fingerprint"]:
                raise ValueError(
                    f"evaluate: {options.data} is not the data that {options.model} was trained on"
                )
            rows = split_rows(len(X), model.command["validation"], model.command["seed"])[1]
            X, y = X[rows], y[rows]
    metrics = model.network.evaluate(X, y, loss)
    parts = [f"{len(X)} samples", f"loss {metrics['loss']:.4f}"]
    outputs = model.network.predict(X)
    if preprocessing.classes:
        labels = y if y.ndim == 1 else y.argmax(axis=1)
        accuracy = float((preprocessing.decide(outputs) == labels).mean())
        parts.append(f"accuracy {100 * accuracy:.1f} %")
    else:
        errors = (outputs.reshape(y.shape) - y) * preprocessing.target_scale
        parts.append(f"root mean square error {float(np.sqrt((errors**2).mean())):.6g}")
    print(", ".join(parts))
    return 0
