"""The solvers sgd and adam on a bpnet trainer, to scikit-learn's formulas, and any optimizer of bpnet's."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from bpnet.losses import Loss
from bpnet.network import Network
from bpnet.optimizers import SGD, Adam, Optimizer, as_optimizer
from bpnet.sklearn.losses import TrainingLoss
from bpnet.training import Trainer

_BELOW_ONE = 1 - 1e-15


class Kept(NamedTuple):
    """What a trainer was at, for another one.

    Attributes:
        slots: the optimizer's averages, by name.
        state: the core's description of its steps, epochs and schedule.
        lr: the rate of the next step.
    """

    slots: dict[str, np.ndarray]
    state: str
    lr: float


class BaseSolver:
    """What an optimizer keeps between steps: its learning rate, and the trainer with its averages.

    A pickle holds the averages and the count of steps; the next step makes another trainer that continues there.
    """

    learning_rate: float

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._trainer: Trainer | None = None
        self._loss: Loss | None = None
        self._kept: Kept | None = None

    def trainer_of(self, network: Network, loss: TrainingLoss) -> Trainer:
        """The trainer of this network and loss, which continues where the one before was."""
        trainer = self._trainer
        if trainer is None or trainer.network is not network or self._loss != loss.loss:
            kept = self._kept_now()
            trainer = Trainer(network, loss.loss, self._optimizer)
            if kept is not None:
                slots = {name: each.astype(network.dtype, copy=False) for name, each in kept.slots.items()}
                trainer._core.resume(kept.state, slots)
            self._trainer, self._kept, self._loss = trainer, None, loss.loss
            self._begin()
        return trainer

    def _kept_now(self) -> Kept | None:
        trainer = self._trainer
        if trainer is None:
            return self._kept
        slots = {name: np.array(values) for name, values in trainer._core.slots().items()}
        return Kept(slots, trainer._core.described_state, trainer.lr)

    def _begin(self) -> None:
        """A trainer was made, which has the optimizer's own rates."""

    def before_step(self, decay: float) -> None:
        """Tell the core what the step needs: its rates, and the penalty's factor alpha / Σ weight."""

    def end_epoch(self, samples_seen: int, loss: float) -> None:
        """Change the rate after an epoch."""

    def continues(self, message: str, verbose: Any) -> bool:
        """Whether the training continues, with a lower rate, though it has ceased to improve."""
        if verbose:
            print(message + " Stopping.")
        return False

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_trainer": None, "_loss": None, "_kept": self._kept_now()}


class SGDSolver(BaseSolver):
    """v ← μv − ηg, w ← w + (nesterov ? μv − ηg : v), with the rate η of a schedule.

    bpnet's velocity is −v / η. So it is multiplied by η / η' where the rate becomes η'.
    """

    def __init__(self, rate: float, schedule: str, momentum: float, nesterov: bool, power_t: float) -> None:
        momentum = min(float(momentum), _BELOW_ONE)
        super().__init__(
            SGD(lr=rate, momentum=momentum, nesterov=bool(nesterov) and momentum > 0, bias_decay=False)
        )
        self.learning_rate_init, self.learning_rate = rate, rate
        self.lr_schedule, self.power_t = schedule, power_t
        self._rates: tuple[float, float] | None = None

    def _begin(self) -> None:
        self._rates = None
        assert self._trainer is not None
        if (
            self._trainer.network.device != "cpu"
            and self.lr_schedule != "constant"
            and self._optimizer.momentum
        ):
            raise ValueError(
                f"learning_rate is {self.lr_schedule!r} with momentum, which device='cpu' has alone; give an "
                "optimizer with a schedule, such as optimizer=bpnet.SGD(0.1, momentum=0.9, schedule=…)"
            )

    def before_step(self, decay: float) -> None:
        """Tell the core the step's rates."""
        now = (self.learning_rate, decay)
        if now != self._rates:
            assert self._trainer is not None
            self._trainer._core.set_rates(*now, 0.0)
            self._rates = now

    def _set_rate(self, rate: float) -> None:
        if rate == self.learning_rate:
            return
        assert self._trainer is not None
        for velocity in self._trainer._core.writable_slots().values():
            velocity *= self.learning_rate / rate
        self.learning_rate = rate

    def end_epoch(self, samples_seen: int, loss: float) -> None:
        """Change the rate by the schedule."""
        if self.lr_schedule == "invscaling":
            self._set_rate(float(self.learning_rate_init) / (samples_seen + 1) ** self.power_t)

    def continues(self, message: str, verbose: Any) -> bool:
        """With a fifth of the rate, where it is adaptive and not yet 1e-6."""
        if self.lr_schedule != "adaptive":
            return super().continues(message, verbose)
        if self.learning_rate <= 1e-6:
            return super().continues(message + " Learning rate too small.", verbose)
        self._set_rate(self.learning_rate / 5.0)
        if verbose:
            print(f"{message} Setting learning rate to {self.learning_rate:f}")
        return True


class AdamSolver(BaseSolver):
    """w ← w − η √(1 − β₂ᵗ) / (1 − β₁ᵗ) · m / (√v + ε), the form at the end of section 2 of Kingma and Ba 2015.

    bpnet's is η m̂ / (√v̂ + ε'), which is the same for ε' = ε / √(1 − β₂ᵗ).
    """

    def __init__(self, rate: float, beta_1: float, beta_2: float, epsilon: float) -> None:
        super().__init__(Adam(lr=rate, betas=(float(beta_1), float(beta_2)), eps=epsilon, bias_decay=False))
        self.learning_rate_init, self.learning_rate = rate, rate
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.t = 0
        self._rates: tuple[float, float, float] | None = None

    def _begin(self) -> None:
        self._rates = None

    def before_step(self, decay: float) -> None:
        """Tell the core the step's rates."""
        self.t += 1
        mean, root = 1 - self.beta_1**self.t, math.sqrt(1 - self.beta_2**self.t)
        rate = self.learning_rate_init * root / mean
        self.learning_rate = rate
        now = (rate * mean / root, decay, self.epsilon / root)  # the core divides by both
        if now != self._rates:
            assert self._trainer is not None
            self._trainer._core.set_rates(*now)
            self._rates = now


class OwnSolver(BaseSolver):
    """An optimizer of bpnet's as it is, with its schedule."""

    def __init__(self, optimizer: Optimizer | str) -> None:
        super().__init__(as_optimizer("optimizer", optimizer))

    @property
    def learning_rate(self) -> float:  # type: ignore[override]
        """The rate of the next step."""
        if self._trainer is not None:
            return self._trainer.lr
        return self._optimizer.lr if self._kept is None else self._kept.lr

    def end_epoch(self, samples_seen: int, loss: float) -> None:
        """Change the rate by the schedule."""
        assert self._trainer is not None
        self._trainer._core.end_epoch(loss)


def solver_of(estimator: Any) -> BaseSolver:
    """The solver of the estimator's parameters."""
    e = estimator
    if e.optimizer is not None:
        return OwnSolver(e.optimizer)
    if e.solver == "sgd":
        return SGDSolver(e.learning_rate_init, e.learning_rate, e.momentum, e.nesterovs_momentum, e.power_t)
    return AdamSolver(e.learning_rate_init, e.beta_1, e.beta_2, e.epsilon)
