"""``python -m bpnet predict MODEL DATA``"""

from __future__ import annotations

import argparse
import csv
import os
import sys
from collections.abc import Iterable
from typing import Any, TextIO

import numpy as np

from bpnet.commands.arguments import READING, Commands, add_machine, add_reading, names, reading, where
from bpnet.console import escaping_streams
from bpnet.data.source import Source, open_source
from bpnet.model import Model, load_model
from bpnet.output_files import check_outputs, replacing_text

# How many classes a photograph's line names, as the paper counts them.
_TOP = 5

Lines = tuple[list[str], list[list[Any]]]  # the header, and the fields of each line


def add_parser(commands: Commands) -> None:
    """The command's options."""
    predict = commands.add_parser("predict", help="apply a model to data")
    predict.add_argument("model", metavar="MODEL")
    predict.add_argument(
        "data",
        metavar="DATA",
        help="as for train; a photograph or a folder of them for a model of photographs",
    )
    predict.add_argument("--probabilities", action="store_true", help="a column per class")
    predict.add_argument(
        "--keep",
        type=names,
        metavar="NAME,NAME",
        default=[],
        help="columns of DATA to write beside the answers",
    )
    add_reading(predict)
    predict.add_argument("--output", metavar="FILE", help="write a CSV here instead of printing it")
    add_machine(predict)


def run(options: argparse.Namespace) -> int:
    """Write one line per sample: the class, or the numbers; with --probabilities a column per class."""
    check_outputs({"--output": options.output}, {"the model": options.model, "the data": options.data})
    model = load_model(options.model, **where(options))
    if model.preprocessing.image is not None:
        _refuse(options, ("keep", *READING), "the model is one of photographs")
        header, rows = _photographs(model, options.data, options.probabilities)
    else:
        header, rows = _answers(model, options)
    if options.output is not None:
        with replacing_text("predict", options.output) as file:
            _write(file, header, rows)
        print(f"wrote {len(rows)} predictions to {options.output}")
    else:
        with escaping_streams("utf-8"):
            _write(sys.stdout, header, rows)
            sys.stdout.flush()
    return 0


def _refuse(options: argparse.Namespace, unused: Iterable[str], reason: str) -> None:
    for name in unused:
        if getattr(options, name):
            raise ValueError(f"predict: --{name} is for tables, {reason}")


def _photographs(model: Model, data: str, all_classes: bool) -> Lines:
    """A photograph, or a folder of them: the five likeliest classes and their probabilities."""
    from bpnet.data.images.decode import BadImage
    from bpnet.data.images.folder import files_below
    from bpnet.photographs import classes_of, probabilities, ranked

    classes = classes_of(model.network)
    folder = os.path.isdir(data)
    paths = [os.path.join(data, name) for name in files_below(data)] if folder else [data]
    rows: list[list[Any]] = []
    for path, p in zip(paths, probabilities(model.network, paths)):
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


def _answers(model: Model, options: argparse.Namespace) -> Lines:
    source = open_source(options.data, need_y=False, **reading(options))
    kept = _kept_columns(source, options.keep)
    header, rows = _predicted(model, source, options.probabilities, options.keep)
    return [*options.keep, *header], [[*own, *row] for own, row in zip(zip(*kept), rows)] if kept else rows


def _kept_columns(source: Source, keep: list[str]) -> list[list[Any]]:
    if keep and source.table is None:
        raise ValueError("predict: --keep is for tables, the data has no columns with names")
    return [list(source.table.column(name)) for name in keep] if source.table is not None else []


def _predicted(model: Model, source: Source, probabilities: bool, kept: list[str]) -> Lines:
    target = model.preprocessing.target
    name = target if target and target not in kept else "prediction"
    if not probabilities:
        answers = model.predict(source)
        if model.classes is not None:
            return [name], [["" if answer is None else answer] for answer in answers]
        values = answers.reshape(len(answers), -1)
        columns = [name] if values.shape[1] == 1 else [f"{name}{index}" for index in range(values.shape[1])]
        return columns, [_texts(row, ".9g") for row in values]
    if model.classes is None:
        raise ValueError("predict: the model gives numbers, not classes; leave --probabilities out")
    table = model.predict_proba(source)
    header = [name, *(f"p({each})" for each in model.classes)]
    chosen = model.classes[np.nan_to_num(table).argmax(axis=1)]
    empty = np.isnan(table[:, 0])
    return header, [
        ["" if none else choice, *_texts(row, ".6f")] for none, choice, row in zip(empty, chosen, table)
    ]


def _texts(values: np.ndarray, form: str) -> list[str]:
    """Numbers as text, nothing for NaN."""
    return ["" if np.isnan(value) else format(value, form) for value in values]


def _write(file: TextIO, header: list[str], rows: list[list[Any]]) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
