"""The progress bar and the line per epoch."""

from __future__ import annotations

from collections.abc import Mapping

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
