"""The trainer: a network with a loss, an optimizer and the state of their run."""

from __future__ import annotations

import json
import os
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bpnet import _core, arrays, checks
from bpnet._bridge import TRAINERS, dataset, finite_dataset, to_json
from bpnet.evaluation import evaluate
from bpnet.exclusive import alone
from bpnet.losses import Loss, as_loss, loss_from, with_class_weight
from bpnet.network import Network, load_network
from bpnet.optimizers import Optimizer, as_optimizer, optimizer_from
from bpnet.training.callbacks import Callback, as_callback, kept_state, take_state
from bpnet.training.history import History
from bpnet.training.loop import Loop, Validation
from bpnet.training.notes import check_notes, read_notes, write_notes
from bpnet.training.sources import ArraySource, BatchSource, Source

#: ``f(name, values)``, which changes ``values`` in place.
Reducer = Callable[[str, np.ndarray], object]


class Trainer:
    """Single steps, or whole fits, on a network.

    Args:
        network: trained in place.
        loss: a name or a loss object.
        optimizer: a name or an optimizer object.
        seed: of masks and data order; the network's by default.
        reducer: several trainers make each step together, each on its part of every batch. ``f(name, values)``
            replaces what is in ``values``, in place, by its sum over all trainers. It is called in each step for
            ``"weight_sum"``, the sum of the samples' weights, and ``"loss"``, this part of the loss, both float64
            of shape (1,); then for each layer that has parameters, the last layer first and as soon as its
            gradient is there, with the layer's name (``"features.0"``) and a flat array of the network's dtype:
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

    def __init__(
        self,
        network: Network,
        loss: Loss | str,
        optimizer: Optimizer | str,
        seed: int | None = None,
        reducer: Reducer | None = None,
        first_row: int | Callable[[int], int] = 0,
    ) -> None:
        if not isinstance(network, Network):
            raise TypeError(f"trainer: network is {network!r}, a bpnet.Network is needed")
        self.network = network
        self.loss = as_loss("trainer", loss)
        self.optimizer = as_optimizer("trainer", optimizer)
        self.history = History()
        self._notes: dict[str, Any] = {}
        self._callbacks: list[Callback] = []
        self._callback_states: list[dict[str, Any]] = []
        self._core = TRAINERS[network.dtype.name](
            network._core,
            to_json(self.loss.describe()),
            to_json(self.optimizer.describe()),
            to_json(self.optimizer.schedule.describe()),
            None if seed is None else checks.seed("trainer", seed),
        )
        self._set_reducer(reducer, first_row)

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
    def learning_rate(self) -> float:
        """The rate of the next step, as the schedule has it."""
        return self._core.learning_rate

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
        core = self.network._core
        return self._core.step(dataset("step", core, x, y, self.loss, sample_weight, convert=True))

    def fit(
        self,
        X: Any,
        y: Any = None,
        epochs: int = 1,
        batch_size: int = 32,
        shuffle: bool = True,
        validation_data: tuple[Any, ...] | None = None,
        sample_weight: Any = None,
        callbacks: Sequence[Callback | Any] = (),
        verbose: int = 1,
        online_block: int | None = None,
    ) -> History:
        """Train for ``epochs`` more epochs; the arguments are those of :meth:`bpnet.Network.fit`.

        A run that was saved during an epoch first finishes that epoch.

        Raises:
            RuntimeError: another fit is training this network, in another thread or around this callback.
        """
        return alone(
            "fit",
            self.network._claims,
            lambda: self._fit(
                self._source(X, y, sample_weight, batch_size, shuffle, online_block),
                checks.whole("fit", "epochs", epochs, least=0),
                self._validation(validation_data),
                callbacks,
                verbose,
            ),
        )

    def _source(
        self, X: Any, y: Any, sample_weight: Any, batch_size: int, shuffle: bool, online_block: int | None
    ) -> Source:
        batch_size = checks.whole("fit", "batch_size", batch_size)
        if online_block is not None:
            checks.whole("fit", "online_block", online_block, most=_core.most_online_block)
        if y is not None or not _is_iterable_of_batches(X):
            data = finite_dataset("fit", self.network._core, X, y, self.loss, sample_weight)
            return ArraySource(self._core, data, batch_size, shuffle, online_block or 0)
        if sample_weight is not None:
            raise ValueError(
                "fit: X gives batches; give weights as each batch's third item, not sample_weight"
            )
        return BatchSource(self._core, self.network._core, self.loss, X)

    def _validation(self, data: tuple[Any, ...] | None) -> Validation | None:
        if data is None:
            return None
        if not isinstance(data, (tuple, list)) or len(data) not in (2, 3):
            raise ValueError("fit: validation_data must be (X, y) or (X, y, sample_weight)")
        X, y, *weight = data
        core = self.network._core
        held = finite_dataset("fit (validation_data)", core, X, y, self.loss, *weight)
        return lambda: evaluate(core, held, self.loss)

    def _fit(
        self,
        source: Source,
        epochs: int,
        validation: Validation | None,
        callbacks: Sequence[Callback | Any],
        verbose: int,
    ) -> History:
        called = [as_callback(callback) for callback in checks.items("fit", "callbacks", callbacks)]
        called.sort(key=lambda callback: callback.last)
        states = list(self._callback_states)
        for callback in called:
            state = take_state(states, callback)
            if state is not None:
                callback.load_state(state)
        self._callbacks, self._callback_states = called, []  # only when all have their states
        return Loop(self, source, self.epochs + epochs, validation, called, verbose).run()

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
        backend: str | None = None,
        reducer: Reducer | None = None,
        first_row: int | Callable[[int], int] = 0,
    ) -> Trainer:
        """The trainer that save wrote, with its network as ``trainer.network``.

        To go on as the run would have, fit with the same data, batch_size, shuffle and callbacks, and give the
        same reducer, which no file holds.
        """
        network = load_network(path, backend)
        core, notes = TRAINERS[network.dtype.name].load(network._core, checks.path("load", path))
        trainer = cls.__new__(cls)
        trainer.network = network
        trainer._core = core
        trainer.loss = loss_from(json.loads(core.loss))
        trainer.optimizer = optimizer_from(json.loads(core.optimizer), json.loads(core.schedule))
        trainer._callbacks = []
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


def _is_iterable_of_batches(X: Any) -> bool:
    return hasattr(X, "__iter__") and not hasattr(X, "__array__")


def trainer_for(
    network: Network,
    X: Any,
    y: Any,
    loss: Loss | str,
    optimizer: Optimizer | str,
    class_weight: Any,
    seed: int | None,
) -> Trainer:
    """The network's trainer if it has this very optimizer, else a new one."""
    loss = as_loss("fit", loss)
    if class_weight is not None:
        labels = None if y is None else arrays.numeric("fit", "y", y)
        labels = labels if labels is not None and labels.ndim == 1 else None
        loss = with_class_weight("fit", loss, class_weight, labels, int(np.prod(network.output_shape)))
    kept = network._trainer
    if (
        kept is not None
        and kept.optimizer is optimizer
        and kept.loss == loss
        and (seed is None or seed == kept.seed)
    ):
        return kept
    return Trainer(network, loss, optimizer, seed)
