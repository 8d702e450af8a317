"""Prints the best and the last accuracy of each table that is there; docs/pictures.py draws them."""

from __future__ import annotations

import csv
import itertools
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
CURVES = {
    "bpnet, float32": "bpnet_float32.csv",
    "bpnet, bfloat16": "bpnet_bfloat16.csv",
    "PyTorch, bfloat16, other processors": "pytorch_bfloat16.csv",
}
PHOTOGRAPHS = 9_469  # of an epoch


class Curve(NamedTuple):
    """
    Attributes:
        hours: of training until the epoch's end; measuring is not counted, for the tables' runs did it differently.
        top1: in percent.
    """

    epochs: list[int]
    hours: list[float]
    top1: list[float]


def read(path: Path) -> Curve:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    seconds = itertools.accumulate(PHOTOGRAPHS / float(row["images_per_s"]) for row in rows)
    return Curve(
        [int(row["epoch"]) for row in rows],
        [each / 3600 for each in seconds],
        [100 * float(row["top1"]) for row in rows],
    )


def curves(folder: Path) -> dict[str, Curve]:
    """Of the tables that are there."""
    return {name: read(folder / file) for name, file in CURVES.items() if (folder / file).exists()}


def main() -> None:
    for name, curve in curves(FOLDER).items():
        best = max(curve.top1)
        print(
            f"{name}: {best:.1f} % after epoch {curve.epochs[curve.top1.index(best)]}, "
            f"{curve.top1[-1]:.1f} % after the last, {curve.epochs[-1]}; {curve.hours[-1]:.2f} hours"
        )


if __name__ == "__main__":
    main()
