"""``python -m bpnet predict MODEL DATA``"""

from __future__ import annotations

import argparse
import csv
import sys
from typing import Any, TextIO

import numpy as np

from bpnet.commands.model import open_model
from bpnet.commands.prepare import features
from bpnet.commands.source import open_source
from bpnet.data.preprocessing import Preprocessing


def run(options: argparse.Namespace) -> int:
    """Write one line per sample: the class, or the numbers; with --probabilities a column per class."""
    model = open_model(options.model, options.backend)
    source = open_source(options.data)
    outputs = model.network.predict(features(source, model.preprocessing))
    header, rows = _answers(model.preprocessing, outputs, options.probabilities)
    if options.output:
        with open(options.output, "w", encoding="utf-8", newline="") as file:
            _write(file, header, rows)
        print(f"wrote {len(rows)} predictions to {options.output}")
    else:
        _write(sys.stdout, header, rows)
    return 0


def _answers(
    preprocessing: Preprocessing, outputs: np.ndarray, probabilities: bool
) -> tuple[list[str], list[list[Any]]]:
    name = preprocessing.target or "prediction"
    if preprocessing.classes:
        chosen = [preprocessing.classes[index] for index in preprocessing.decide(outputs)]
        if not probabilities:
            return [name], [[choice] for choice in chosen]
        if preprocessing.output == "values":
            raise ValueError(
                "predict: the model was not trained with a cross-entropy and gives no probabilities"
            )
        table = preprocessing.probabilities(outputs)
        header = [name, *(f"p({each})" for each in preprocessing.classes)]
        return header, [[choice, *(f"{p:.6f}" for p in row)] for choice, row in zip(chosen, table)]
    if probabilities:
        raise ValueError("predict: the model gives numbers, not classes; leave --probabilities out")
    values = outputs.reshape(len(outputs), -1) * preprocessing.target_scale + preprocessing.target_mean
    columns = [name] if values.shape[1] == 1 else [f"{name}{index}" for index in range(values.shape[1])]
    return columns, [[f"{value:.9g}" for value in row] for row in values]


def _write(file: TextIO, header: list[str], rows: list[list[Any]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
