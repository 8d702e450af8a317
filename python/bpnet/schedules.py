"""Learning-rate schedules: a factor on the optimizer's rate. Give one as an optimizer's ``schedule``.

By epoch as PyTorch's schedulers when stepped once an epoch; epochs count from 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bpnet import checks

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LinearWarmup",
    "MultiStepLR",
    "ReduceLROnPlateau",
    "Schedule",
    "StepLR",
]


class Schedule:
    """Base of the schedules."""

    def __init__(self, name: str = "constant", **options: Any) -> None:
        self._description = {"name": name, **options}

    def describe(self) -> dict[str, Any]:
        """The schedule as a run file stores it: its name and options."""
        return {"warmup_steps": 0, "warmup_start": 0.0, **self._description}

    def __repr__(self) -> str:
        options = ", ".join(f"{k}={v!r}" for k, v in self._description.items() if k != "name")
        return f"{type(self).__name__}({options})"


class StepLR(Schedule):
    """lr · gamma^⌊epoch / step_size⌋."""

    def __init__(self, step_size: int, gamma: float = 0.1) -> None:
        super().__init__(
            "step",
            step_size=checks.whole("step schedule", "step_size", step_size, least=0),
            gamma=checks.number("step schedule", "gamma", gamma),
        )


class MultiStepLR(Schedule):
    """lr · gamma^(number of milestones ≤ epoch)."""

    def __init__(self, milestones: Sequence[int], gamma: float = 0.1) -> None:
        listed = checks.items("multi-step schedule", "milestones", milestones)
        super().__init__(
            "multi_step",
            milestones=[checks.whole("multi-step schedule", "a milestone", each, least=0) for each in listed],
            gamma=checks.number("multi-step schedule", "gamma", gamma),
        )


class ExponentialLR(Schedule):
    """lr · gamma^epoch."""

    def __init__(self, gamma: float) -> None:
        super().__init__("exponential", gamma=checks.number("exponential schedule", "gamma", gamma))


class CosineAnnealingLR(Schedule):
    """lr · (m + (1 − m) ½ (1 + cos(π epoch / T_max))), m = min_factor; it stays at lr · m after T_max
    (Loshchilov and Hutter 2017)."""

    def __init__(self, T_max: int, min_factor: float = 0.0) -> None:
        super().__init__(
            "cosine",
            epochs=checks.whole("cosine schedule", "T_max", T_max, least=0),
            minimum=checks.number("cosine schedule", "min_factor", min_factor),
        )


class ReduceLROnPlateau(Schedule):
    """lr · factor each time the validation loss (the training loss where there is none) has not fallen
    below best · (1 − threshold) for more than ``patience`` epochs."""

    def __init__(
        self, factor: float = 0.1, patience: int = 10, threshold: float = 1e-4, min_factor: float = 0.0
    ) -> None:
        super().__init__(
            "plateau",
            factor=checks.number("plateau schedule", "factor", factor),
            patience=checks.whole("plateau schedule", "patience", patience, least=0),
            threshold=checks.number("plateau schedule", "threshold", threshold),
            minimum=checks.number("plateau schedule", "min_factor", min_factor),
        )


class LinearWarmup(Schedule):
    """The rate rises linearly over the first ``steps`` updates from start_factor to 1; ``after`` is the
    schedule that it multiplies (constant by default)."""

    def __init__(self, steps: int, start_factor: float = 0.0, after: Schedule | None = None) -> None:
        if after is not None and not isinstance(after, Schedule):
            raise TypeError(f"warm-up: after is {after!r}, one of bpnet's schedules is needed")
        base = (after or Schedule()).describe()
        base.update(
            warmup_steps=checks.whole("warm-up", "steps", steps, least=0),
            warmup_start=checks.number("warm-up", "start_factor", start_factor),
        )
        super().__init__(**base)
