"""Can AlexNet learn at all? 512 photographs are fitted by heart, without augmentation.

    python examples/fit_512.py FOLDER [RUN]

FOLDER holds class folders of photographs; the first photographs of each are taken, 512 in all. The
recipe's network, optimizer and mean image are used, at a batch size and rate that suit few photographs. Stop it
with Ctrl-C and start it again: it continues from RUN (fit_512.safetensors), and each epoch has the
bits it would have had.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

import bpnet as bp

PHOTOGRAPHS = 512
GOAL = 0.99
LONGEST = 300  # epochs


def first_photographs(folder: str) -> bp.data.ImageFolder:
    """The first files of every class in turn, PHOTOGRAPHS in all."""
    source = bp.data.ImageFolder(folder)
    by_class: list[list[int]] = [[] for _ in source.classes]
    for index, label in enumerate(source.labels.tolist()):
        by_class[label].append(index)
    interleaved = sorted((rank, index) for each in by_class for rank, index in enumerate(each))
    kept = {source.files[index] for _, index in interleaved[:PHOTOGRAPHS]}
    source.leave_out([file for file in source.files if file not in kept])
    return source


def almost(epoch: int, metrics: Mapping[str, float]) -> bool:
    """True once nearly all are right while they are trained, with dropout."""
    return metrics["accuracy"] >= 0.95


def all_are_learned(epoch: int, metrics: Mapping[str, float]) -> bool:
    """True once the photographs are learned: measured after the epoch, without dropout."""
    return metrics["val_accuracy"] >= GOAL


def measured(path: str) -> list[float]:
    """The accuracy after each epoch that was measured without dropout."""
    return bp.Trainer.load(path).history.get("val_accuracy", [])


def main() -> None:
    folder, path = [*sys.argv[1:], "fit_512.safetensors"][:2]
    source = first_photographs(folder)
    packed = f"{path}.packed"
    if not os.path.exists(path):
        bp.recipes.alexnet(
            source,
            packed=packed,
            batch_size=16,
            lr=0.001,  # at 0.01 the first steps overshoot, and most units of fc6 and fc7 go out for good
            patience=1000,
            augmentation=bp.data.Augmentation.off(),
            save=path,
            epochs=1,
        )
    if not measured(path):
        bp.recipes.alexnet(source, packed=packed, resume=path, epochs=LONGEST, on_epoch_end=almost)
    if not measured(path) or measured(path)[-1] < GOAL:
        bp.recipes.alexnet(source, source, packed=packed, resume=path, on_epoch_end=all_are_learned)
    known = f"{100 * measured(path)[-1]:.1f} %" if measured(path) else "fewer than 95 % were ever"
    print(f"after {bp.Trainer.load(path).epochs} epochs: {known} known by heart")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt as stop:
        print(stop)
