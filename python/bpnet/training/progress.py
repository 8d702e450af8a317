"""The progress bar and the line per epoch."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from bpnet.progress_bar import new_bar


def metrics_text(metrics: Mapping[str, float]) -> str:
    """``loss 0.312, accuracy 91.2 %, validation loss 0.335, accuracy 90.8 %``"""
    own = [name for name in metrics if not name.startswith("val_") and name not in ("epoch", "lr", "seconds")]
    parts = [_part(name, metrics[name]) for name in own]
    held_out = [_part(name[4:], value) for name, value in metrics.items() if name.startswith("val_")]
    if held_out:
        parts.append("validation " + held_out[0])
    return ", ".join(parts + held_out[1:])


def _part(name: str, value: float) -> str:
    if name.endswith("accuracy"):
        return f"{name} {value:.1%}".replace("%", " %")
    return f"{name} {value:.4f}"


class Progress:
    """A tqdm bar over the samples of all epochs; verbose 2 prints lines only, 0 nothing."""

    def __init__(
        self, verbose: int, epochs: int, total: int | None, unit: str = " samples", initial: int = 0
    ) -> None:
        self.verbose = verbose
        self.last_epoch = epochs
        self.bar: Any = None
        if verbose == 1:
            self.bar = new_bar(verbose, total, unit, initial=initial)

    def begin_epoch(self, epoch: int) -> None:
        """Name the epoch before the bar."""
        if self.bar is not None:
            self.bar.set_description(f"epoch {epoch}/{self.last_epoch}", refresh=False)

    def advance(self, samples: int) -> None:
        """Move the bar by so many samples."""
        if self.bar is not None:
            self.bar.update(samples)

    def show(self, text: str) -> None:
        """Show text behind the bar."""
        if self.bar is not None:
            self.bar.set_postfix_str(text, refresh=False)

    def end_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Print the epoch's line."""
        if self.verbose:
            self.line(f"epoch {epoch}/{self.last_epoch}: {metrics_text(metrics)}")

    def line(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        if self.bar is not None:
            self.bar.write(text, file=sys.stdout)
        elif self.verbose:
            print(text, flush=True)

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.close()
