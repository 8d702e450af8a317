"""``python -m bpnet evaluate MODEL DATA``"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np

from bpnet import _core
from bpnet.commands.arguments import Commands, add_labels, add_machine, add_reading, reading, where
from bpnet.data.source import open_source
from bpnet.model import PARTS, load_model

# So many classes have a row in the table of their scores, and a row and a column in that of confusions.
_MOST_CLASSES = 30
_MOST_CONFUSED = 12


def add_parser(commands: Commands) -> None:
    """The command's options."""
    evaluate = commands.add_parser("evaluate", help="measure a model on data with known answers")
    evaluate.add_argument("model", metavar="MODEL")
    evaluate.add_argument("data", metavar="DATA")
    evaluate.add_argument(
        "--target", metavar="NAME", help="the table's target column, if it is named otherwise"
    )
    add_labels(evaluate)
    add_reading(evaluate)
    evaluate.add_argument("--loss", choices=_core.loss_names(), help="for a file that holds no run")
    evaluate.add_argument("--part", choices=PARTS, default=PARTS[0], help=f"which rows ({PARTS[0]})")
    add_machine(evaluate)


def run(options: argparse.Namespace) -> int:
    """Print the loss, and accuracy, recall, precision and confusions of a classifier or the errors of a regression."""
    model = load_model(options.model, **where(options))
    if model.preprocessing.image is not None:
        raise ValueError(
            f"evaluate: {options.model} was trained on photographs; python -m bpnet alexnet test "
            f"{options.model} {options.data} measures it"
        )
    if model.loss is None and options.loss is None:
        raise ValueError(f"evaluate: {options.model} holds a model but no run; give --loss")
    source = open_source(options.data, options.labels, **reading(options))
    if options.target is not None and source.table is None:
        raise ValueError("evaluate: --target is for tables, the data has no columns with names")
    metrics = model.evaluate(source, target=options.target, loss=options.loss, part=options.part)
    for line in _lines(metrics):
        print(line)
    return 0


def _lines(metrics: dict[str, Any]) -> list[str]:
    """The tables, then ``24 samples, loss 0.4312, accuracy 91.7 %``; or the errors."""
    head = f"{metrics['count']} samples, loss {metrics['loss']:.4f}"
    if "accuracy" not in metrics:
        return [
            f"{head} (of the standardised target), R² {metrics['r2']:.4f}, mean absolute error "
            f"{metrics['mae']:.6g}, root mean square error {metrics['rmse']:.6g}"
        ]
    names = [str(name) for name in metrics["recall"]]
    return [
        *_confusions(names, metrics["confusion"]),
        *_by_class(names, metrics),
        f"{head}, accuracy {100 * metrics['accuracy']:.1f} %",
    ]


def _by_class(names: list[str], metrics: dict[str, Any]) -> list[str]:
    samples = metrics["confusion"].sum(axis=1).tolist()
    rows = [["class", "samples", "recall", "precision"]]
    for name, count, recall, precision in zip(
        names, samples, metrics["recall"].values(), metrics["precision"].values()
    ):
        rows.append([name, str(count), _percent(recall), _percent(precision)])
    more = len(rows) - 1 - _MOST_CLASSES
    return _table(rows[: _MOST_CLASSES + 1]) + ([f"… and {more} more classes"] if more > 0 else [])


def _confusions(names: list[str], confusion: np.ndarray) -> list[str]:
    """The matrix; of many classes those that are confused most."""
    if len(names) <= _MOST_CONFUSED:
        header = ["right \\ answer", *names]
        return _table([header, *([name, *map(str, row)] for name, row in zip(names, confusion.tolist()))])
    wrong = confusion * (1 - np.eye(len(names), dtype=np.int64))
    most = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_CONFUSED]
    pairs = [divmod(int(index), len(names)) for index in most]
    rows = [[names[i], names[j], str(wrong[i, j])] for i, j in pairs if wrong[i, j]]
    return _table([["right", "answer", "samples"], *rows]) if rows else []


def _percent(part: float) -> str:
    return "-" if np.isnan(part) else f"{100 * part:.1f} %"


def _table(rows: list[list[str]]) -> list[str]:
    """Aligned: names on the left, numbers on the right."""
    wide = [max(map(len, column)) for column in zip(*rows)]
    return [
        "  ".join(
            field.ljust(width) if index == 0 else field.rjust(width)
            for index, (field, width) in enumerate(zip(row, wide))
        )
        for row in rows
    ]
