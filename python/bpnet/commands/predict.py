"""``python -m bpnet predict MODEL DATA``"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from typing import Any, TextIO

from bpnet.data.source import open_source
from bpnet.model import Model, load_model
from bpnet.network import Network

# How many classes a photograph's line names, as the paper counts them.
_TOP = 5


def run(options: argparse.Namespace) -> int:
    """Write one line per sample: the class, or the numbers; with --probabilities a column per class."""
    model = load_model(options.model, options.backend)
    if model.preprocessing.image is not None:
        header, rows = _photographs(model.network, options.data, options.probabilities)
    else:
        header, rows = _answers(model, options.data, options.probabilities)
    if options.output:
        with open(options.output, "w", encoding="utf-8", newline="") as file:
            _write(file, header, rows)
        print(f"wrote {len(rows)} predictions to {options.output}")
    else:
        _write(sys.stdout, header, rows)
    return 0


def _photographs(network: Network, data: str, all_classes: bool) -> tuple[list[str], list[list[Any]]]:
    """A photograph, or a folder of them: the five likeliest classes and their probabilities."""
    from bpnet.data.images.decode import BadImage
    from bpnet.data.images.folder import files_below
    from bpnet.recipes.classify import classes_of, probabilities, ranked

    classes = classes_of(network)
    folder = os.path.isdir(data)
    paths = [os.path.join(data, name) for name in files_below(data)] if folder else [data]
    rows: list[list[Any]] = []
    for path, p in zip(paths, probabilities(network, paths)):
        if isinstance(p, BadImage):
            if not folder:
                raise ValueError(f"predict: {path}: {p}")
            print(f"passed over {path}: {p}", file=sys.stderr)
        elif all_classes:
            rows.append([path, classes[p.argmax()], *(f"{each:.6f}" for each in p)])
        else:
            likeliest = ((classes[k], f"{p[k]:.6f}") for k in ranked(p, _TOP))
            rows.append([path, *(item for pair in likeliest for item in pair)])
    if not paths:
        raise ValueError(f"predict: there is no file in the folder {data}")
    if not rows:
        raise ValueError(f"predict: none of the {len(paths)} files in the folder {data} is a photograph")
    if all_classes:
        return ["photograph", "prediction", *(f"p({each})" for each in classes)], rows
    places = range(1, min(_TOP, len(classes)) + 1)
    return ["photograph", *(name for k in places for name in (f"prediction{k}", f"p{k}"))], rows


def _answers(model: Model, data: str, probabilities: bool) -> tuple[list[str], list[list[Any]]]:
    source = open_source(data)
    name = model.preprocessing.target or "prediction"
    if not probabilities:
        answers = model.predict(source)
        if model.classes is not None:
            return [name], [[answer] for answer in answers]
        values = answers.reshape(len(answers), -1)
        columns = [name] if values.shape[1] == 1 else [f"{name}{index}" for index in range(values.shape[1])]
        return columns, [[f"{value:.9g}" for value in row] for row in values]
    if model.classes is None:
        raise ValueError("predict: the model gives numbers, not classes; leave --probabilities out")
    table = model.predict_proba(source)
    chosen = model.classes[table.argmax(axis=1)]
    header = [name, *(f"p({each})" for each in model.classes)]
    return header, [[choice, *(f"{p:.6f}" for p in row)] for choice, row in zip(chosen, table)]


def _write(file: TextIO, header: list[str], rows: list[list[Any]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
