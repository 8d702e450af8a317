"""The progress bar and the line per epoch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any


def metrics_text(metrics: Mapping[str, float]) -> str:
    """``loss 0.312, accuracy 91.2 %, validation loss 0.335, accuracy 90.8 %``"""
    parts = [f"loss {metrics['loss']:.4f}"]
    if "accuracy" in metrics:
        parts.append(f"accuracy {metrics['accuracy']:.1%}".replace("%", " %"))
    if "val_loss" in metrics:
        parts.append(f"validation loss {metrics['val_loss']:.4f}")
    if "val_accuracy" in metrics:
        parts.append(f"accuracy {metrics['val_accuracy']:.1%}".replace("%", " %"))
    return ", ".join(parts)


class Progress:
    """A tqdm bar over the samples of all epochs; verbose 2 prints lines only, 0 nothing."""

    def __init__(self, verbose: int, epochs: int, total: int | None) -> None:
        self.verbose = verbose
        self.last_epoch = epochs
        self.bar: Any = None
        if verbose == 1:
            from tqdm import tqdm

            self.bar = tqdm(
                total=total,
                unit=" samples",
                unit_scale=True,
                leave=False,
                file=sys.stderr,
                mininterval=0.1 if sys.stderr.isatty() else 5.0,  # a log file wants fewer of them
            )

    def begin_epoch(self, epoch: int) -> None:
        if self.bar is not None:
            self.bar.set_description(f"epoch {epoch}/{self.last_epoch}", refresh=False)

    def advance(self, samples: int) -> None:
        if self.bar is not None:
            self.bar.update(samples)

    def end_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        if self.verbose:
            line = f"epoch {epoch}/{self.last_epoch}: {metrics_text(metrics)}"
            if self.bar is not None:
                self.bar.write(line, file=sys.stdout)
            else:
                print(line, flush=True)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()
