"""``python -m bpnet info MODEL``"""

from __future__ import annotations

import argparse
import os

from bpnet.model import Model, load_model
from bpnet.training.progress import metrics_text


def run(options: argparse.Namespace) -> int:
    """Print what a model file holds."""
    model = load_model(options.model)
    network = model.network
    kind = "a run" if model.trainer else "a model"
    print(f"{options.model}: {kind}, {os.path.getsize(options.model):,} bytes, {network.dtype.name}")
    network.summary()
    for line in (*_data_lines(model), *_run_lines(model)):
        print(line)
    return 0


def _data_lines(model: Model) -> list[str]:
    p = model.preprocessing
    lines = []
    for column in p.columns:
        kind = "one of " + ", ".join(column["categories"]) if column["categories"] else "a number"
        lines.append(f"column {column['name']}: {kind}")
    if not p.columns and p.scale:
        lines.append("input: standardised" if len(p.scale) > 1 else f"input: divided by {p.scale[0]:g}")
    if p.image is not None:
        size, crop = p.image["size"], p.image["crop"]
        lines.append(
            f"input: photographs of {size} x {size} pixels, windows of {crop} x {crop}, less their mean image"
        )
    if p.target:
        lines.append(f"target: {p.target}")
    if p.classes:
        lines.append(f"classes: {', '.join(p.classes)}")
    return lines


def _run_lines(model: Model) -> list[str]:
    trainer = model.trainer
    if trainer is None:
        return []
    lines = [
        f"loss: {trainer.loss.name}",
        f"optimizer: {trainer.optimizer!r}",
        f"trained: {trainer.epochs} epochs, {trainer.steps} steps, seed {trainer.seed}",
    ]
    if trainer.history.get("epoch"):
        last = {name: values[-1] for name, values in trainer.history.items()}
        lines.append(f"last epoch: {metrics_text(last)}")
    return lines
