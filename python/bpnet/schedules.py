"""Learning-rate schedules: a factor on the optimizer's rate. Give one as an optimizer's ``schedule``.

By epoch as PyTorch's schedulers when stepped once an epoch; epochs count from 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from bpnet import _core, checks
from bpnet.arguments import by_position
from bpnet.described import Described, Family

__all__ = [
    "CosineAnnealingLR",
    "ExponentialLR",
    "LinearWarmup",
    "MultiStepLR",
    "ReduceLROnPlateau",
    "Schedule",
    "StepLR",
]

_OPTIMIZER = "the optimizer takes the schedule: SGD(lr=0.1, schedule="


class Schedule(Described):
    """Base of the schedules; itself the constant one, an optimizer's default."""

    operation = "schedule"
    name: ClassVar[str] = "constant"
    _check = staticmethod(_core.check_schedule)

    def describe(self) -> dict[str, Any]:
        """The schedule as a run file stores it: its name and options."""
        return {"warmup_steps": 0, "warmup_start": 0.0, "name": self.name, **super().describe()}


class StepLR(Schedule):
    """lr · gamma^⌊epoch / step_size⌋."""

    operation = "step schedule"
    name = "step"

    @by_position(_OPTIMIZER + "StepLR(30, 0.1))")
    def __init__(self, step_size: int, gamma: float = 0.1) -> None:
        self._set(
            step_size=checks.whole(self.operation, "step_size", step_size, least=0),
            gamma=checks.number(self.operation, "gamma", gamma),
        )


class MultiStepLR(Schedule):
    """lr · gamma^(number of milestones ≤ epoch)."""

    operation = "multi-step schedule"
    name = "multi_step"

    @by_position(_OPTIMIZER + "MultiStepLR([30, 60], 0.1))")
    def __init__(self, milestones: Sequence[int], gamma: float = 0.1) -> None:
        listed = checks.items(self.operation, "milestones", milestones)
        self._set(
            milestones=[checks.whole(self.operation, "a milestone", each, least=0) for each in listed],
            gamma=checks.number(self.operation, "gamma", gamma),
        )


class ExponentialLR(Schedule):
    """lr · gamma^epoch."""

    operation = "exponential schedule"
    name = "exponential"

    @by_position(_OPTIMIZER + "ExponentialLR(0.95))")
    def __init__(self, gamma: float) -> None:
        self._set(gamma=checks.number(self.operation, "gamma", gamma))


class CosineAnnealingLR(Schedule):
    """lr · (m + (1 − m) ½ (1 + cos(π epoch / T_max))), m = min_factor; it stays at lr · m after T_max
    (Loshchilov and Hutter 2017).

    Args:
        T_max: epochs until the least rate.
        min_factor: the least rate as a part of the first; PyTorch's eta_min is the rate itself.
    """

    operation = "cosine schedule"
    name = "cosine"
    _stored = {"T_max": "epochs", "min_factor": "minimum"}

    @by_position(
        "the least rate is min_factor · lr and not an eta_min: CosineAnnealingLR(50, min_factor=0.01)"
    )
    def __init__(self, T_max: int, *, min_factor: float = 0.0) -> None:
        self._set(
            T_max=checks.whole(self.operation, "T_max", T_max, least=0),
            min_factor=checks.number(self.operation, "min_factor", min_factor),
        )


class ReduceLROnPlateau(Schedule):
    """lr · factor each time the validation loss (the training loss where there is none) has not fallen
    below best · (1 − threshold) for more than ``patience`` epochs."""

    operation = "plateau schedule"
    name = "plateau"
    _stored = {"min_factor": "minimum"}

    @by_position("it watches the loss, which has to fall: ReduceLROnPlateau(factor=0.5, patience=5)")
    def __init__(
        self,
        *,
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        min_factor: float = 0.0,
    ) -> None:
        self._set(
            factor=checks.number(self.operation, "factor", factor),
            patience=checks.whole(self.operation, "patience", patience, least=0),
            threshold=checks.number(self.operation, "threshold", threshold),
            min_factor=checks.number(self.operation, "min_factor", min_factor),
        )


class LinearWarmup(Schedule):
    """The rate rises linearly over the first ``steps`` updates from start_factor to 1; ``after`` is the
    schedule that it multiplies (constant by default)."""

    operation = "warm-up"

    @by_position("such as LinearWarmup(500, after=CosineAnnealingLR(50))")
    def __init__(self, steps: int, *, start_factor: float = 0.0, after: Schedule | None = None) -> None:
        if after is not None:
            after = as_schedule("warm-up", "after", after)
        if isinstance(after, LinearWarmup):
            raise ValueError("warm-up: after is a LinearWarmup; one warm-up is possible")
        self._set(
            steps=checks.whole("warm-up", "steps", steps, least=0),
            start_factor=checks.number("warm-up", "start_factor", start_factor),
            after=None if after == Schedule() else after,
        )

    def describe(self) -> dict[str, Any]:
        """The schedule as a run file stores it: that after the warm-up, with the warm-up's steps and start."""
        after = (self.after or Schedule()).describe()
        return {**after, "warmup_steps": self.steps, "warmup_start": self.start_factor}


FAMILY: Family[Schedule] = Family(
    "schedule",
    Schedule,
    {
        cls.name: cls
        for cls in (Schedule, StepLR, MultiStepLR, ExponentialLR, CosineAnnealingLR, ReduceLROnPlateau)
    },
    by_name=False,
)


def as_schedule(operation: str, name: str, schedule: Any) -> Schedule:
    """The schedule, which was given as ``name``; an error for anything else."""
    return FAMILY.given(operation, schedule, name)


def schedule_from(description: Mapping[str, Any]) -> Schedule:
    """The schedule that describe() said."""
    options = dict(description)
    steps, start = options.pop("warmup_steps", 0), options.pop("warmup_start", 0.0)
    after = FAMILY.from_description(options.pop("name"), options)
    return LinearWarmup(steps, start_factor=start, after=after) if steps or start else after
