"""Draws docs/pictures/imagenette.svg of the tables that are there; another path may be given."""

from __future__ import annotations

import csv
import itertools
import sys
from pathlib import Path
from typing import NamedTuple

FOLDER = Path(__file__).parent
PICTURE = FOLDER.parents[1] / "docs" / "pictures" / "imagenette.svg"
CURVES = {
    "bpnet, float32": "bpnet_float32.csv",
    "bpnet, bfloat16": "bpnet_bfloat16.csv",
    "PyTorch, bfloat16": "pytorch_bfloat16.csv",
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


def draw(found: dict[str, Curve], path: Path) -> None:
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    by_epoch, by_hour = figure.subplots(1, 2, sharey=True)
    for name, curve in found.items():
        by_epoch.plot(curve.epochs, curve.top1, label=name)
        by_hour.plot(curve.hours, curve.top1, label=name)
    by_epoch.set_xlabel("epoch")
    by_hour.set_xlabel("hours of training")
    by_epoch.set_ylabel("top-1 of 3,925 photographs, %")
    by_epoch.legend()
    for axes in (by_epoch, by_hour):
        axes.grid(alpha=0.3)
        axes.set_xlim(left=0)
        axes.set_ylim(bottom=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with rc_context({"svg.hashsalt": "bpnet"}):  # the same curves give the same file
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    path = Path(sys.argv[1]) if sys.argv[1:] else PICTURE
    found = curves(FOLDER)
    draw(found, path)
    for name, curve in found.items():
        best = max(curve.top1)
        print(
            f"{name}: {best:.1f} % after epoch {curve.epochs[curve.top1.index(best)]}, "
            f"{curve.top1[-1]:.1f} % after the last, {curve.epochs[-1]}; {curve.hours[-1]:.2f} hours"
        )
    print(path)


if __name__ == "__main__":
    main()
