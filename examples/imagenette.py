"""AlexNet on Imagenette, with its curve as a table: 40 epochs of the recipe in batches of 64.

    python examples/imagenette.py TRAIN TEST RUN [--precision bfloat16] [--epochs 40] [--batch-size 64]

TRAIN and TEST are folders of class folders, or files that ``python -m bpnet alexnet pack`` wrote. RUN.safetensors holds the
run and RUN.csv its curve, both written after each epoch; the same command continues a run that was stopped or killed,
bit-exactly from the end of its last epoch, or, after Ctrl-C, from where it was. The columns:

    epoch, loss     of the training photographs, each before its update
    top1            of the test photographs, the middle of each
    images_per_s    while training, with all that its batches need; measuring is not counted
    seconds         of the epoch, measuring and all
    lr              the learning rate
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from collections.abc import Mapping
from pathlib import Path

import bpnet as bp

COLUMNS = ("epoch", "loss", "top1", "images_per_s", "seconds", "lr")


class Curve(bp.Callback):
    """Writes a row of the table after each epoch."""

    def __init__(self, path: Path, epochs: int) -> None:
        self.path = path
        rows = read(path)
        # A row whose epoch the run's file does not hold was written by a run that is gone.
        self.rows = [row for row in rows if int(row["epoch"]) <= epochs]

    def on_epoch_begin(self, trainer: bp.Trainer, epoch: int) -> None:
        self.begin = self.now = time.perf_counter()
        self.first = self.last = trainer.steps

    def on_batch_end(self, trainer: bp.Trainer, batch: int, metrics: Mapping[str, float]) -> None:
        self.now, self.last = time.perf_counter(), trainer.steps

    def on_epoch_end(self, trainer: bp.Trainer, epoch: int, metrics: Mapping[str, float]) -> None:
        size = trainer.notes["alexnet"]["batch_size"]
        rate = (self.last - self.first) * size / (self.now - self.begin)
        values = (epoch, metrics["loss"], metrics["val_accuracy"], rate, metrics["seconds"], metrics["lr"])
        self.rows.append({name: f"{value:.6g}" for name, value in zip(COLUMNS, values)})
        write(self.path, self.rows)


def read(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def write(path: Path, rows: list[dict[str, str]]) -> None:
    """All of it anew, so that whoever reads it finds whole rows."""
    new = path.with_suffix(".csv.new")
    with new.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    os.replace(new, path)


def main() -> None:
    parser = argparse.ArgumentParser(description="AlexNet on Imagenette, with its curve as a table")
    parser.add_argument("train", help="a folder of class folders, or a packed file")
    parser.add_argument("test", help="likewise")
    parser.add_argument("run", help="RUN.safetensors and RUN.csv are written")
    parser.add_argument("--precision", help="of a new run, as bpnet.Network takes it")
    parser.add_argument("--epochs", type=int, default=40, help="in all (40)")
    parser.add_argument("--batch-size", type=int, default=64, help="(64)")
    parser.add_argument("--seed", type=int, default=0, help="of a new run (0)")
    options = parser.parse_args()
    path = Path(f"{options.run}.safetensors")
    if path.exists():
        begun = bp.Trainer.load(path).epochs
        how = {"resume": path}
    else:
        begun = 0
        how = {"save": path, "seed": options.seed, "precision": options.precision}
    run = bp.recipes.alexnet(
        options.train,
        options.test,
        batch_size=options.batch_size,
        epochs=options.epochs,
        on_epoch_end=Curve(Path(f"{options.run}.csv"), begun),
        **how,
    )
    print(f"ten views of {run.results['count']:,} photographs: top-1 {100 * run.results['top1']:.1f} %")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt as stop:
        print(stop)
