"""The optimizers, with PyTorch's semantics and defaults."""

from __future__ import annotations

from typing import Any

from bpnet import checks
from bpnet.schedules import Schedule

__all__ = ["Adam", "AdamW", "Optimizer", "RMSprop", "SGD"]


class Optimizer:
    """Base of the optimizers. The object holds options; its running averages live in the trainer."""

    __slots__ = ("_options", "schedule")
    name = ""

    def __init__(self, schedule: Schedule | None, **options: Any) -> None:
        if schedule is not None and not isinstance(schedule, Schedule):
            raise TypeError(
                f"{self.name}: schedule is a {type(schedule).__name__}, one of bpnet's schedules is needed"
            )
        self.schedule = schedule or Schedule()
        self._options: dict[str, Any] = {
            name: value if isinstance(value, bool) else checks.number(self.name, name, value)
            for name, value in options.items()
        }

    @property
    def options(self) -> dict[str, Any]:
        """The options, a copy: a running optimizer does not change; give fit a new one, or a schedule."""
        return dict(self._options)

    def describe(self) -> dict[str, Any]:
        """The optimizer as a run file stores it: its name and options."""
        return {"name": self.name, **self._options}

    def __repr__(self) -> str:
        options = ", ".join(f"{k}={v!r}" for k, v in self._options.items())
        return f"{type(self).__name__}({options})"


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

    __slots__ = ()
    name = "sgd"

    def __init__(
        self,
        lr: float = 0.01,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
        schedule: Schedule | None = None,
        lr_in_velocity: bool = False,
        bias_lr: float | None = None,
        bias_lr_multiplier: float = 1.0,
        bias_decay: bool = True,
    ) -> None:
        super().__init__(
            schedule,
            lr=lr,
            momentum=momentum,
            weight_decay=weight_decay,
            nesterov=bool(nesterov),
            lr_in_velocity=bool(lr_in_velocity),
            bias_lr_multiplier=bias_lr_multiplier,
            bias_decay=bool(bias_decay),
        )
        self._options["bias_lr"] = None if bias_lr is None else checks.number("sgd", "bias_lr", bias_lr)


class _Adam(Optimizer):
    __slots__ = ()

    def __init__(
        self,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float,
        schedule: Schedule | None,
    ) -> None:
        pair = checks.items(self.name, "betas", betas)
        if len(pair) != 2:
            raise ValueError(f"{self.name}: betas is {betas!r}, two numbers are needed")
        super().__init__(
            schedule,
            lr=lr,
            beta1=pair[0],
            beta2=pair[1],
            eps=eps,
            weight_decay=weight_decay,
        )


class Adam(_Adam):
    """m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; w ← w − η m̂ / (√v̂ + ε) (Kingma and Ba 2015).

    m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ); weight_decay is added to g.
    """

    __slots__ = ()
    name = "adam"

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay, schedule)


class AdamW(_Adam):
    """Adam whose weight_decay shrinks the weights themselves: w ← (1 − ηλ) w − … (Loshchilov and
    Hutter 2019)."""

    __slots__ = ()
    name = "adamw"

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(lr, betas, eps, weight_decay, schedule)


class RMSprop(Optimizer):
    """v ← αv + (1−α)g²; d = g / (√v + ε); w ← w − η d, with momentum b ← μb + d, w ← w − η b
    (Tieleman and Hinton 2012)."""

    __slots__ = ()
    name = "rmsprop"

    def __init__(
        self,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        schedule: Schedule | None = None,
    ) -> None:
        super().__init__(
            schedule,
            lr=lr,
            alpha=alpha,
            eps=eps,
            weight_decay=weight_decay,
            momentum=momentum,
        )


_CLASSES: dict[str, type[Optimizer]] = {cls.name: cls for cls in (SGD, Adam, AdamW, RMSprop)}


def as_optimizer(operation: str, optimizer: Optimizer | str) -> Optimizer:
    """The optimizer itself, or a new one of this name with its defaults."""
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        if optimizer in _CLASSES:
            return _CLASSES[optimizer]()  # type: ignore[call-arg]
        raise ValueError(f"{operation}: optimizer {optimizer!r} is not one of {', '.join(_CLASSES)}")
    raise TypeError(
        f"{operation}: optimizer is a {type(optimizer).__name__}, a name or a bpnet optimizer is needed"
    )
