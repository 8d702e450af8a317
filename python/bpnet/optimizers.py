"""The optimizers, with PyTorch's semantics and defaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from bpnet import _core, checks
from bpnet.arguments import by_position
from bpnet.described import Described, Family
from bpnet.schedules import Schedule, as_schedule, schedule_from

__all__ = ["Adam", "AdamW", "Optimizer", "RMSprop", "SGD"]

_PARAMETERS = "the parameters are the network's: "


class Optimizer(Described):
    """Base of the optimizers. The object holds options; its running averages live in the trainer.

    All take these two, which change the gradients before the formula uses them, decay included:

    - ``clip_value``: each element is clamped to −clip_value … clip_value, as by PyTorch's ``clip_grad_value_``;
    - ``clip_norm``: all gradients are multiplied by min(1, clip_norm / (‖g‖ + 10⁻⁶)), where ‖g‖ is the L2 norm of
      the gradients of all trained parameters together, as by PyTorch's ``clip_grad_norm_`` (Pascanu et al. 2013);
      with both, of the clamped ones. A norm that is not finite ends the training as a loss that is not does.

    A network of linear layers at ``batch_size=1`` is then trained layer by layer rather than in one kernel.
    """

    name: ClassVar[str] = ""
    _check = staticmethod(_core.check_optimizer)

    def __init_subclass__(cls) -> None:
        cls.operation = cls.name

    def _numbers(self, **values: Any) -> dict[str, float]:
        return {name: checks.number(self.name, name, value) for name, value in values.items()}

    def _numbers_or_none(self, **values: Any) -> dict[str, float | None]:
        return {
            name: None if value is None else checks.number(self.name, name, value)
            for name, value in values.items()
        }

    def _clipping(self, clip_norm: Any, clip_value: Any) -> dict[str, float | None]:
        return self._numbers_or_none(clip_norm=clip_norm, clip_value=clip_value)

    def _set(self, **options: Any) -> None:
        schedule = options["schedule"]
        if schedule is not None:
            schedule = as_schedule(self.name, "schedule", schedule)
        super()._set(**options | {"schedule": None if schedule == Schedule() else schedule})

    @property
    def schedule(self) -> Schedule:
        """What the rate is multiplied by, epoch after epoch."""
        return self._options["schedule"] or Schedule()

    def describe(self) -> dict[str, Any]:
        """The optimizer as a run file stores it: its name and options; the schedule describes itself."""
        options = super().describe()
        del options["schedule"]
        return {"name": self.name, **options}


class SGD(Optimizer):
    """g' = g + λw; v ← μv + g'; w ← w − η (nesterov ? g' + μv : v).

    η = lr, μ = momentum, λ = weight_decay. At momentum 0 and batch_size 1 it is the lecture's update.

    Args:
        lr_in_velocity: the form of Krizhevsky, Sutskever and Hinton 2012, section 5, and of Caffe:
            v ← μv − ηλw − ηg; w ← w + v. It is another update only where η changes: the velocity then
            still holds the steps of the old rate.
        bias_lr: a constant rate of the parameters named bias, which no schedule changes (0.02 in
            Krizhevsky's code).
        bias_lr_multiplier: or their rate as a multiple of the scheduled one (2 in Caffe's files).
        bias_decay: False leaves the biases out of weight_decay.
    """

    name = "sgd"

    @by_position(_PARAMETERS + "SGD(0.1, momentum=0.9, weight_decay=1e-4)")
    def __init__(
        self,
        lr: float = 0.01,
        momentum: float = 0.0,
        *,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        schedule: Schedule | None = None,
        lr_in_velocity: bool = False,
        bias_lr: float | None = None,
        bias_lr_multiplier: float = 1.0,
        bias_decay: bool = True,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        self._set(
            **self._numbers(lr=lr, momentum=momentum, weight_decay=weight_decay),
            nesterov=checks.flag("sgd", "nesterov", nesterov),
            schedule=schedule,
            lr_in_velocity=checks.flag("sgd", "lr_in_velocity", lr_in_velocity),
            **self._numbers_or_none(bias_lr=bias_lr),
            **self._numbers(bias_lr_multiplier=bias_lr_multiplier),
            bias_decay=checks.flag("sgd", "bias_decay", bias_decay),
            **self._clipping(clip_norm, clip_value),
        )


class _Adam(Optimizer):
    def _set_adam(
        self,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        bias_decay: bool,
        schedule: Schedule | None,
        clip_norm: float | None,
        clip_value: float | None,
    ) -> None:
        pair = [checks.number(self.name, "betas", beta) for beta in checks.items(self.name, "betas", betas)]
        if len(pair) != 2:
            raise ValueError(f"{self.name}: betas is {betas!r}, two numbers are needed")
        numbers = self._numbers(eps=eps, weight_decay=weight_decay)
        self._set(
            **self._numbers(lr=lr),
            betas=tuple(pair),
            **numbers,
            schedule=schedule,
            bias_decay=checks.flag(self.name, "bias_decay", bias_decay),
            **self._clipping(clip_norm, clip_value),
        )

    def describe(self) -> dict[str, Any]:
        """The optimizer as a run file stores it: its name and options; the schedule describes itself."""
        options = super().describe()
        options["beta1"], options["beta2"] = options.pop("betas")
        return options

    @classmethod
    def _from(cls, options: Mapping[str, Any]) -> _Adam:
        others = dict(options)
        betas = (others.pop("beta1"), others.pop("beta2"))
        return super()._from({**others, "betas": betas})


class Adam(_Adam):
    """m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − η m̂ / (√v̂ + ε) (Kingma and Ba 2015).

    m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ); λw is added to g, λ = weight_decay. ``bias_decay=False`` leaves the biases
    out of it.
    """

    name = "adam"

    @by_position(_PARAMETERS + "Adam(1e-3)")
    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        *,
        schedule: Schedule | None = None,
        bias_decay: bool = True,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        self._set_adam(lr, betas, eps, weight_decay, bias_decay, schedule, clip_norm, clip_value)


class AdamW(_Adam):
    """Adam whose weight_decay shrinks the weights themselves: w ← (1 − ηλ) w − … (Loshchilov and
    Hutter 2019). ``bias_decay=False`` leaves the biases out of it."""

    name = "adamw"

    @by_position(_PARAMETERS + "AdamW(1e-3)")
    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        *,
        schedule: Schedule | None = None,
        bias_decay: bool = True,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        self._set_adam(lr, betas, eps, weight_decay, bias_decay, schedule, clip_norm, clip_value)


class RMSprop(Optimizer):
    """v ← αv + (1−α)g²; d = g / (√v + ε); w ← w − η d, with momentum b ← μb + d, w ← w − η b
    (Tieleman and Hinton 2012); λw is added to g. ``bias_decay=False`` leaves the biases out of it."""

    name = "rmsprop"

    @by_position(_PARAMETERS + "RMSprop(1e-2)")
    def __init__(
        self,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        *,
        schedule: Schedule | None = None,
        bias_decay: bool = True,
        clip_norm: float | None = None,
        clip_value: float | None = None,
    ) -> None:
        numbers = self._numbers(lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum)
        self._set(
            **numbers,
            schedule=schedule,
            bias_decay=checks.flag("rmsprop", "bias_decay", bias_decay),
            **self._clipping(clip_norm, clip_value),
        )


FAMILY: Family[Optimizer] = Family(
    "optimizer", Optimizer, {cls.name: cls for cls in (SGD, Adam, AdamW, RMSprop)}, by_name=True
)


def as_optimizer(operation: str, optimizer: Optimizer | str) -> Optimizer:
    """The optimizer itself, or a new one of this name with its defaults."""
    return FAMILY.given(operation, optimizer)


def optimizer_from(description: Mapping[str, Any], schedule_description: Mapping[str, Any]) -> Optimizer:
    """The optimizer that describe() said, with the schedule that its own describe() said."""
    options = {**description, "schedule": schedule_from(schedule_description)}
    return FAMILY.from_description(options.pop("name"), options)
