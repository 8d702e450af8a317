"""``python -m bpnet evaluate MODEL DATA``"""

from __future__ import annotations

import argparse

from bpnet.data.prepare import examples
from bpnet.data.source import open_source
from bpnet.losses import as_loss
from bpnet.model import load_model


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
    X, y = examples(
        source,
        model.preprocessing,
        loss.name,
        target=options.target,
        part=options.part,
        settings=model.settings,
        dtype=model.network.dtype.name,
    )
    metrics = model.measure(X, y, loss)
    parts = [f"{len(X)} samples", f"loss {metrics['loss']:.4f}"]
    if "accuracy" in metrics:
        parts.append(f"accuracy {100 * metrics['accuracy']:.1f} %")
    else:
        parts.append(f"root mean square error {metrics['rmse']:.6g}")
    print(", ".join(parts))
    return 0
