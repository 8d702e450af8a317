"""A network whose inputs have names, and grow in number as names appear; so do its outputs."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Collection, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bpnet._bridge import DATASETS
from bpnet.layers import Layer, Linear
from bpnet.losses import CustomLoss, Loss
from bpnet.network import Network
from bpnet.optimizers import Optimizer
from bpnet.training import Trainer

_LEAST_INPUTS = 8


class GrowingNetwork:
    """Linear layers with activations, trained sample by sample.

    A feature that is not in a dict is 0. A new one gets a weight to each hidden unit that is drawn from the seed and the
    feature's name alone, so that the order in which features come does not matter; while inputs are left that no
    feature has yet, the network stays. A new output begins with weights from the seed and its number. A network that
    grows keeps the optimizer's averages and count of steps, and the averages of new weights are 0: a feature learns as
    one that was 0 in all samples before. A copy and a pickle keep them too.
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
        """A new network of so many inputs and outputs, with the weights and averages so far."""
        before = self._trainer
        layers: list[Layer] = []
        for size in self._hidden:
            layers += [Linear(size), *([] if self._activation is None else [self._activation()])]
        self._network = Network((inputs,), [*layers, Linear(outputs)], seed=self._seed)
        self._trainer = Trainer(self._network, self._loss, self._optimizer)
        self.inputs, self.outputs = inputs, outputs
        if before is not None:
            _copy_corners(before.network._core.state(), self._network._core.writable_parameters())
            slots = {name: np.zeros_like(values) for name, values in self._trainer._core.slots().items()}
            _copy_corners(before._core.slots(), slots)
            self._trainer._core.resume(before._core.described_state, slots)

    def _begin_columns(self, features: Sequence[Hashable]) -> None:
        """The first weights of features that have got an input, and averages of 0."""
        assert self._network is not None and self._trainer is not None
        columns = [self._columns[feature] for feature in features]
        first, weight = next(iter(self._network._core.writable_parameters().items()))  # (units, inputs)
        for feature, column in zip(features, columns):
            weight[:, column] = self._weights_of(feature, weight.shape[0])
        for name, averages in self._trainer._core.writable_slots().items():
            if name.endswith(f".{first}"):
                averages[:, columns] = 0

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
        self._begin_columns(new)

    def add_output(self) -> None:
        """One output more."""
        if self._network is None:
            self.outputs += 1
        else:
            self._grow(self.inputs, self.outputs + 1)

    # Learning.

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

    def _batch(
        self,
        names: Collection[Hashable],
        values: np.ndarray,
        targets: np.ndarray | None,
        labels: np.ndarray | None,
    ) -> Any:
        """The core's data of values (n, features), whose names get inputs."""
        if self._network is None or not all(name in self._columns for name in names):
            self._learn_names(names)
        rows = np.zeros((len(values), self.inputs), dtype=np.float32)
        rows[:, [self._columns[name] for name in names]] = values
        return DATASETS["float32"](rows, self.outputs, targets, labels)

    def learn(
        self,
        names: Collection[Hashable],
        values: np.ndarray,
        targets: np.ndarray | None,
        labels: np.ndarray | None,
    ) -> None:
        """One update by features' values (1, features) and targets (1, outputs) or the indices (1,) of a class.

        Raises:
            NumericError: the loss is not finite; then no weight was updated.
        """
        batch = self._batch(names, values, targets, labels)
        assert self._trainer is not None
        self._trainer._core.step(batch)

    def learn_each(
        self,
        names: Collection[Hashable],
        values: np.ndarray,
        targets: np.ndarray | None,
        labels: np.ndarray | None,
    ) -> None:
        """An update by each of n > 0 rows, in their order: values (n, features), targets (n, outputs) or labels (n,).

        Raises:
            NumericError: the loss of a row is not finite; then the rows before it were learned.
        """
        batch = self._batch(names, values, targets, labels)
        assert self._trainer is not None
        core = self._trainer._core
        try:
            core.run(batch, 1, False, np.inf)
        finally:
            core.begin_epoch()  # a stream has no epochs: the next call begins at its own first row

    def outputs_of(self, x: Mapping[Hashable, Any]) -> np.ndarray | None:
        """The outputs (outputs,) for x; None before there is a network."""
        if self._network is None:
            return None
        return self._network.predict(self._row(x))[0]

    def outputs_of_rows(self, names: Sequence[Hashable], values: np.ndarray) -> np.ndarray | None:
        """The outputs (n, outputs) for values (n, features), each row's to the bits of ``outputs_of``; None before there
        is a network."""
        if self._network is None:
            return None
        known = [index for index, name in enumerate(names) if name in self._columns]
        rows = np.zeros((len(values), self.inputs), dtype=np.float32)
        rows[:, [self._columns[names[index]] for index in known]] = values[:, known]
        outputs = np.empty((len(rows), self.outputs), dtype=np.float32)
        for row in range(len(rows)):  # a product of many rows is rounded differently
            outputs[row] = self._network.predict(rows[row : row + 1])[0]
        return outputs

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


def _copy_corners(kept: Mapping[str, np.ndarray], into: Mapping[str, np.ndarray]) -> None:
    """Write smaller arrays into those of the same names, at their beginnings."""
    for name, values in kept.items():
        into[name][tuple(slice(0, size) for size in values.shape)] = values
