"""The progress bar and the line per epoch."""

from __future__ import annotations

from collections.abc import Mapping

from bpnet.metrics import measured_names, value_text
from bpnet.progress_bar import new_bar


def metrics_text(metrics: Mapping[str, float]) -> str:
    """``loss 0.312, accuracy 91.2 %, validation loss 0.335, accuracy 90.8 %``"""
    names = measured_names(metrics)
    own = [f"{name} {value_text(name, metrics[name])}" for name in names if name in metrics]
    held_out = [
        f"{name} {value_text(name, metrics['val_' + name])}" for name in names if "val_" + name in metrics
    ]
    if held_out:
        held_out[0] = "validation " + held_out[0]
    return ", ".join(own + held_out)


class Progress:
    """A bar over the samples of all epochs; verbose 2 prints lines only, 0 nothing."""

    def __init__(
        self, verbose: int, epochs: int, total: int | None, unit: str = " samples", initial: int = 0
    ) -> None:
        self.verbose = verbose
        self.last_epoch = epochs
        self.bar = new_bar(verbose, total, unit, initial=initial)

    def begin_epoch(self, epoch: int) -> None:
        """Name the epoch before the bar."""
        self.bar.describe(f"epoch {epoch}/{self.last_epoch}")

    def advance(self, samples: int) -> None:
        """Move the bar by so many samples."""
        self.bar.update(samples)

    def show(self, text: str) -> None:
        """Show text behind the bar."""
        self.bar.note(text)

    def end_epoch(self, epoch: int, metrics: Mapping[str, float]) -> None:
        """Print the epoch's line."""
        if self.verbose:
            self.bar.say(f"epoch {epoch}/{self.last_epoch}: {metrics_text(metrics)}")

    def line(self, text: str) -> None:
        """Print another line."""
        if self.verbose:
            self.bar.say(text)

    def close(self) -> None:
        """Take the bar away."""
        self.bar.close()
