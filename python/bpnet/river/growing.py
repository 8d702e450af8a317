"""A network whose inputs have names, and grow in number as names appear; so do its outputs."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Collection, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bpnet._bridge import DATASETS
from bpnet._core import NumericError
from bpnet.layers import Layer, Linear
from bpnet.losses import CustomLoss, Loss
from bpnet.network import Network
from bpnet.optimizers import Optimizer
from bpnet.training import Trainer

_LEAST_INPUTS = 8
_LARGEST = float(np.finfo(np.float32).max)


class GrowingNetwork:
    """Linear layers with activations, trained sample by sample.

    A feature that is not in a dict is 0. A new one gets a weight to each hidden unit that is drawn from the seed and the
    feature's name alone, so that the order in which features come does not matter; while inputs are left that no
    feature has yet, the network stays. A new output begins with weights from the seed and its number. The optimizer's
    averages begin again with a network that has grown; a copy and a pickle keep them.
    """

    def __init__(
        self,
        hidden: Sequence[int],
        activation: type[Layer] | None,
        loss: Loss,
        optimizer: Optimizer,
        outputs: int,
        seed: int,
    ) -> None:
        self._hidden, self._activation = list(hidden), activation
        self._loss, self._optimizer, self._seed = loss, optimizer, seed
        self.outputs = outputs
        self.inputs = 0
        self._columns: dict[Hashable, int] = {}
        self._network: Network | None = None
        self._trainer: Trainer | None = None

    # Growing.

    def _grow(self, inputs: int, outputs: int) -> None:
        """A new network of so many inputs and outputs, with the weights so far."""
        old = {} if self._network is None else self._network.state_dict()
        layers: list[Layer] = []
        for size in self._hidden:
            layers += [Linear(size), *([] if self._activation is None else [self._activation()])]
        network = Network((inputs,), [*layers, Linear(outputs)], seed=self._seed)
        state = network._core.writable_parameters()
        names = list(state)
        for name in names:
            kept = old.get(name)
            if kept is not None:
                state[name][tuple(slice(0, size) for size in kept.shape)] = kept
        first = state[names[0]]  # (units, inputs)
        for feature, column in self._columns.items():
            if not old or column >= self.inputs:
                first[:, column] = self._weights_of(feature, first.shape[0])
        self._network, self.inputs, self.outputs = network, inputs, outputs
        self._trainer = None

    def _weights_of(self, feature: Hashable, units: int) -> np.ndarray:
        """U(−r, r), r = √(6 / (units + inputs)) (Glorot and Bengio 2010) at the least number of inputs."""
        bound = np.sqrt(6.0 / (units + _LEAST_INPUTS))
        named = zlib.crc32(f"{type(feature).__name__} {feature!r}".encode())
        return np.random.default_rng([self._seed, named]).uniform(-bound, bound, units)

    def _learn_names(self, names: Collection[Hashable]) -> None:
        new = sorted((name for name in names if name not in self._columns), key=repr)
        for name in new:
            self._columns[name] = len(self._columns)
        inputs = max(self.inputs, _LEAST_INPUTS)
        while inputs < len(self._columns):
            inputs *= 2
        if inputs > self.inputs or self._network is None:
            self._grow(inputs, self.outputs)
            return
        first = next(iter(self._network._core.writable_parameters().values()))
        for name in new:
            first[:, self._columns[name]] = self._weights_of(name, first.shape[0])

    def add_output(self) -> None:
        """One output more."""
        if self._network is None:
            self.outputs += 1
        else:
            self._grow(self.inputs, self.outputs + 1)

    # Learning.

    @staticmethod
    def values_of(x: Mapping[Hashable, Any]) -> np.ndarray:
        """The values of x (features,), float32; a TypeError or NumericError where one is no finite number there."""
        values = np.array(list(x.values()))
        if values.dtype.kind not in "biuf" or not np.abs(values, dtype=np.float64).max(initial=0) <= _LARGEST:
            values = np.array([checked_number(f"feature {name!r}", value) for name, value in x.items()])
        return values.astype(np.float32)

    def _row(self, x: Mapping[Hashable, Any]) -> np.ndarray:
        """x (1, inputs) of the features that are known."""
        row = np.zeros((1, self.inputs), dtype=np.float32)
        columns = self._columns
        try:
            row[0, [columns[name] for name in x]] = list(x.values())
        except KeyError:
            known = [name for name in x if name in columns]
            row[0, [columns[name] for name in known]] = [x[name] for name in known]
        return row

    def learn(
        self, names: Collection[Hashable], values: np.ndarray, target: np.ndarray | None, label: int | None
    ) -> None:
        """One update by features' values (features,) and a target (1, outputs) or the index of a class.

        Raises:
            NumericError: the loss is not finite; then no weight was updated.
        """
        if self._network is None or not all(name in self._columns for name in names):
            self._learn_names(names)
        assert self._network is not None
        if self._trainer is None:
            self._trainer = Trainer(self._network, self._loss, self._optimizer)
        labels = None if label is None else np.array([label], dtype=np.int64)
        row = np.zeros((1, self.inputs), dtype=np.float32)
        row[0, [self._columns[name] for name in names]] = values
        self._trainer._core.step(DATASETS["float32"](row, self.outputs, target, labels))

    def outputs_of(self, x: Mapping[Hashable, Any]) -> np.ndarray | None:
        """The outputs (outputs,) for x; None before there is a network."""
        if self._network is None:
            return None
        return self._network.predict(self._row(x))[0]

    # Copies and pickles.

    def __getstate__(self) -> dict[str, Any]:
        """The network and its optimizer's averages as the bytes of a run file."""
        if self._trainer is None:
            return self.__dict__
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "run")
            self._trainer.save(path)
            return {**self.__dict__, "_network": None, "_trainer": path.read_bytes()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if self._trainer is None:
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "run")
            path.write_bytes(state["_trainer"])
            own_loss = self._loss if isinstance(self._loss, CustomLoss) else None
            self._trainer = Trainer.load(path, loss=own_loss)
        self._network = self._trainer.network


def checked_number(what: str, value: Any) -> float:
    """The value; a TypeError or NumericError where it is no finite number in float32."""
    try:
        number = None if isinstance(value, (str, bytes)) else float(value)
    except (TypeError, ValueError):
        number = None
    except OverflowError:
        number = np.inf
    if number is None:
        raise TypeError(f"learn_one: {what} is {value!r:.80}, a number is needed")
    if not abs(number) <= _LARGEST:
        raise NumericError(f"learn_one: {what} is {value!r:.80}, a finite number in float32 is needed")
    return number
