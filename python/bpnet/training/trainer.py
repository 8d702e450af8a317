"""The trainer: a network with a loss, an optimizer and the state of their run."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from bpnet import checks, frames
from bpnet._bridge import TRAINERS, dataset, to_json
from bpnet.arguments import by_position
from bpnet.exclusive import alone
from bpnet.losses import CustomLoss, Loss, LossFunction, as_loss, loss_from
from bpnet.metrics import Function
from bpnet.network import Network, load_network
from bpnet.optimizers import Optimizer, as_optimizer, optimizer_from
from bpnet.training.callbacks import Callback, as_callback, check_callbacks, kept_state, take_state
from bpnet.training.fit_data import FitOptions, source_of
from bpnet.training.history import History
from bpnet.training.loop import Loop
from bpnet.training.notes import check_notes, read_notes, write_notes

#: ``f(name, values)``, which changes ``values`` in place.
Reducer = Callable[[str, np.ndarray], object]

# What the core has a copy of, or is bound to.
_FIXED = ("network", "loss", "optimizer")


class Trainer:
    """Single steps, or whole fits, on a network.

    Args:
        network: trained in place.
        loss: a name, a loss object, or a function for :class:`bpnet.CustomLoss`.
        optimizer: a name or an optimizer object.
        seed: of masks and data order; the network's by default.
        reducer: several trainers make each step together, each on its part of every batch. ``f(name, values)``
            replaces what is in ``values``, in place, by its sum over all trainers. It is called in each step for
            ``"weight_sum"``, the sum of the samples' weights, and ``"loss"``, this part of the loss, both float64
            of shape (1,); then for each layer that has parameters and is not frozen, the last layer first and as
            soon as its gradient is there, with the layer's name (``"features.0"``) and a flat array of the network's dtype:
            its parameters' gradients one after another, between which there may be elements of none. Layers run
            one by one then. Losses are those of the whole batch, accuracies of this part. All trainers make the same
            number of steps, with a sample in each. What it raises ends the step, which updates nothing. It may not
            use the network, and an array is valid during the call.
        first_row: how many rows of the whole batch come before this trainer's part, or a function that says so for
            a part of ``rows`` rows, such as ``lambda rows: rank * rows``, where the last batch of an epoch is smaller
            than the others: dropout masks depend on a row's index in the whole.

    Raises:
        ValueError: a reducer for a network with BatchNorm, which normalises by the whole batch.

    Attributes:
        history: the metrics of every epoch so far, those before a resume too.
    """

    operation = "trainer"
    network: Network
    loss: Loss
    optimizer: Optimizer

    @by_position("fit takes those of the training: Trainer(network, 'mse', SGD(lr=0.1)).fit(X, y, epochs=10)")
    def __init__(
        self,
        network: Network,
        loss: Loss | str | LossFunction,
        optimizer: Optimizer | str,
        seed: int | None = None,
        reducer: Reducer | None = None,
        first_row: int | Callable[[int], int] = 0,
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(f"trainer: network is {network!r}, a bpnet.Network is needed")
        self.__dict__["network"] = network
        self.__dict__["loss"] = as_loss("trainer", loss)
        self.__dict__["optimizer"] = as_optimizer("trainer", optimizer)
        self.history = History()
        self._notes: dict[str, Any] = {}
        self._callbacks: list[Callback] = []
        self._callback_states: list[dict[str, Any]] = []
        self._best_kept_by: Callback | None = None
        self._say: Callable[[str], None] = _say_nothing
        self._opening = ""  # a line that begins the next fit's
        self._core = TRAINERS[network.dtype.name](
            network._core,
            to_json(self.loss.describe()),
            to_json(self.optimizer.describe()),
            to_json(self.optimizer.schedule.describe()),
            None if seed is None else checks.seed("trainer", seed),
            _loss_function(self) if isinstance(self.loss, CustomLoss) else None,
        )
        self._set_reducer(reducer, first_row)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in _FIXED:
            raise AttributeError(f"trainer: {name} cannot be changed; make a new Trainer")
        super().__setattr__(name, value)

    def _set_reducer(self, reducer: Reducer | None, first_row: int | Callable[[int], int]) -> None:
        if reducer is not None and not callable(reducer):
            raise TypeError(f"trainer: reducer is {reducer!r}, a function f(name, values) is needed")
        if not callable(first_row):
            first_row = checks.whole("trainer", "first_row", first_row, least=0)
        self._reducer, self._first_row = reducer, first_row
        # The core, of which Python's collector sees nothing, must not keep the trainer alive.
        me = weakref.ref(self)
        self._core.set_reducer(
            reducer and (lambda name, values: _reduce(me, name, values)), lambda rows: _first_row(me, rows)
        )

    @property
    def notes(self) -> dict[str, Any]:
        """Your own dictionary that the run file keeps, of JSON: dictionaries with string keys, lists,
        strings, finite numbers, booleans and None. Others are refused, when set and by :meth:`save`."""
        return self._notes

    @notes.setter
    def notes(self, value: dict[str, Any]) -> None:
        check_notes("trainer", value)
        self._notes = value

    @property
    def steps(self) -> int:
        """Updates so far."""
        return self._core.state["step"]

    @property
    def epochs(self) -> int:
        """Epochs finished."""
        return self._core.state["epoch"]

    @property
    def lr(self) -> float:
        """The rate of the next step, as the schedule has it."""
        return self._core.lr

    @property
    def seed(self) -> int:
        """The seed of masks and data order."""
        return self._core.seed

    def step(self, x: Any, y: Any, sample_weight: Any = None) -> float:
        """One update on a batch; returns the batch's loss before it.

        Raises:
            ValueError: sizes or labels that do not fit.
            NumericError: NaN or infinity in x, y or the loss; then nothing was updated.
        """
        self.network._check_columns("step", x)
        frames.check_rows("step", x, y, sample_weight)
        core = self.network._core
        loss = self._core.step(dataset("step", core, x, y, self.loss, sample_weight, convert=True))
        self.network._keep_columns(x)
        return loss

    def say(self, text: str) -> None:
        """Print a line among those of the fit that is running, unless it is silent: for callbacks, whose print would
        break the progress bar."""
        self._say(text)

    @by_position("the loss and the optimizer are the trainer's: trainer.fit(X, y, epochs=10)")
    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        epochs: int = 1,
        batch_size: int = 32,
        shuffle: bool = True,
        validation_data: tuple[Any, ...] | None = None,
        validation_split: float = 0.0,
        sample_weight: Any = None,
        metrics: Mapping[str, Function] | Sequence[str | Function] = (),
        callbacks: Sequence[Callback | Any] = (),
        verbose: int = 1,
        online_block: int | None = None,
    ) -> History:
        """Train for ``epochs`` more epochs; the arguments are those of :meth:`bpnet.Network.fit`.

        A run that was saved during an epoch first finishes that epoch, the first of the ``epochs``.

        Raises:
            RuntimeError: another fit is training this network, in another thread or around this callback.
        """
        options = FitOptions(epochs, batch_size, shuffle, validation_split, metrics, verbose, online_block)
        return alone(
            "fit",
            self.network._claims,
            lambda: self._fit(X, y, sample_weight, validation_data, callbacks, options),
        )

    def _fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any,
        validation_data: tuple[Any, ...] | None,
        callbacks: Sequence[Callback | Any],
        options: FitOptions,
    ) -> History:
        called = [as_callback(callback) for callback in checks.items("fit", "callbacks", callbacks)]
        called.sort(key=lambda callback: callback.last)
        epochs = checks.whole("fit", "epochs", options.epochs, least=0)
        self.network._check_columns("fit", X)
        check_callbacks(called, validation_data is not None or bool(options.validation_split))
        source, measures = source_of(self, X, y, sample_weight, validation_data, called, options)
        states = list(self._callback_states)
        for callback in called:
            state = take_state(states, callback)
            if state is not None:
                callback.load_state(state)
        self._callbacks, self._callback_states = called, []  # only when all have their states
        self.network._keep_columns(X)
        loop = Loop(self, source, self.epochs + epochs, measures, called, options.verbose)
        try:
            self._say = loop.progress.line
            if self._opening:
                self.say(self._opening)
                self._opening = ""
            return loop.run()
        finally:
            self._say = _say_nothing

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model and all that its training needs to go on bit-exactly: optimizer state,
        schedule, position in the data order, history and notes. bpnet.load reads the model of it.

        Raises:
            OSError: the file cannot be written; an old one stays as it was.
            ValueError: notes, history or a callback's state that load would refuse or give back as something else.
        """
        states = [kept_state(callback) for callback in self._callbacks]  # and those no fit has taken up yet
        notes = write_notes(self.history, states + self._callback_states, self.notes)
        self._core.save(checks.path("save", path), notes)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str],
        *,
        device: str = "cpu",
        backend: str | None = None,
        precision: str | None = None,
        winograd: bool | None = None,
        reducer: Reducer | None = None,
        first_row: int | Callable[[int], int] = 0,
        loss: CustomLoss | LossFunction | None = None,
    ) -> Trainer:
        """The trainer that save wrote, with its network as ``trainer.network``.

        To go on as the run would have, fit with the same data, batch_size, shuffle and callbacks, and give the
        same reducer and, of a run that was trained with a :class:`bpnet.CustomLoss`, the same ``loss``: no file holds
        functions. A run continues on any device, whichever it was saved on: bit-exactly on the same, with the rounding of
        the other there.

        Args:
            device, backend, precision, winograd: as :func:`bpnet.load` takes them.

        Raises:
            ValueError: the run was trained with a custom loss, which the message names, and another or none was given.
        """
        network = load_network(path, device=device, backend=backend, precision=precision, winograd=winograd)
        custom = _custom_loss(loss)
        trainer = cls.__new__(cls)
        core, notes = TRAINERS[network.dtype.name].load(
            network._core,
            checks.path("load", path),
            "" if custom is None else to_json(custom.describe()),
            None if custom is None else _loss_function(trainer),
        )
        trainer._core = core
        trainer.__dict__["network"] = network
        trainer.__dict__["loss"] = custom or loss_from(json.loads(core.loss))
        trainer.__dict__["optimizer"] = optimizer_from(json.loads(core.optimizer), json.loads(core.schedule))
        trainer._callbacks = []
        trainer._best_kept_by = None
        trainer._say = _say_nothing
        trainer._opening = ""
        trainer.history, trainer._notes, trainer._callback_states = read_notes(notes)
        trainer.history.truncate(trainer.epochs)  # a C++ program may have put the run back
        trainer._set_reducer(reducer, first_row)
        network._trainer = trainer
        return trainer


def _reduce(trainer: weakref.ref[Trainer], name: str, values: np.ndarray) -> None:
    alive = trainer()
    if alive is not None and alive._reducer is not None:
        alive._reducer(name, values)


def _first_row(trainer: weakref.ref[Trainer], rows: int) -> int:
    alive = trainer()
    first_row = alive._first_row if alive is not None else 0
    return checks.whole(
        "trainer", "first_row", first_row(rows) if callable(first_row) else first_row, least=0
    )


def _loss_function(trainer: Trainer) -> LossFunction:
    """The trainer's custom loss, for the core, which must not keep the trainer alive."""
    me = weakref.ref(trainer)

    def function(*batch: np.ndarray) -> tuple[float, np.ndarray]:
        alive = me()
        if alive is None or not isinstance(alive.loss, CustomLoss):
            raise RuntimeError("trainer: its custom loss was called without it")
        return alive.loss(*batch)

    return function


def _custom_loss(loss: CustomLoss | LossFunction | None) -> CustomLoss | None:
    given = None if loss is None else as_loss("load", loss)
    if given is None or isinstance(given, CustomLoss):
        return given
    raise ValueError(f"load: loss is {given}, which the run's file holds; it is for a custom loss alone")


def _say_nothing(text: str) -> None:
    """Outside a fit."""
