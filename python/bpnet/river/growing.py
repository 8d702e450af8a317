"""A network whose inputs have names, and grow in number as names appear; so do its outputs."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from bpnet._bridge import DATASETS
from bpnet.layers import Layer, Linear
from bpnet.losses import Loss
from bpnet.network import Network
from bpnet.optimizers import Optimizer, as_optimizer
from bpnet.training import Trainer

_LEAST_INPUTS = 8


class GrowingNetwork:
    """Linear layers with activations, trained sample by sample.

    A feature that is not in a dict is 0. A new one gets a weight to each hidden unit that is drawn from the seed and the
    feature's name alone, so that the order in which features come does not matter; while inputs are left that no
    feature has yet, the network stays. A new output begins with weights from the seed and its number. The optimizer's
    averages begin anew with a new network.
    """

    def __init__(
        self,
        hidden: Sequence[int],
        activation: type[Layer] | None,
        loss: Loss,
        optimizer: Optimizer | str,
        outputs: int,
        seed: int,
    ) -> None:
        self._hidden, self._activation = list(hidden), activation
        self._loss, self._optimizer, self._seed = loss, as_optimizer("optimizer", optimizer), seed
        self.outputs = outputs
        self._inputs = 0
        self._places: dict[Hashable, int] = {}
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
        for feature, place in self._places.items():
            if not old or place >= self._inputs:
                first[:, place] = self._weights_of(feature, first.shape[0])
        self._network, self._inputs, self.outputs = network, inputs, outputs
        self._trainer = None

    def _weights_of(self, feature: Hashable, units: int) -> np.ndarray:
        """U(−r, r), r = √(6 / (units + inputs)) (Glorot and Bengio 2010) at the least number of inputs."""
        bound = np.sqrt(6.0 / (units + _LEAST_INPUTS))
        named = zlib.crc32(f"{type(feature).__name__} {feature!r}".encode())
        return np.random.default_rng([self._seed, named]).uniform(-bound, bound, units)

    def _learn_names(self, x: Mapping[Hashable, float]) -> None:
        new = sorted((name for name in x if name not in self._places), key=repr)
        for name in new:
            self._places[name] = len(self._places)
        inputs = max(self._inputs, _LEAST_INPUTS)
        while inputs < len(self._places):
            inputs *= 2
        if inputs > self._inputs or self._network is None:
            self._grow(inputs, self.outputs)
            return
        first = next(iter(self._network._core.writable_parameters().values()))
        for name in new:
            first[:, self._places[name]] = self._weights_of(name, first.shape[0])

    def add_output(self) -> None:
        """One output more."""
        if self._network is None:
            self.outputs += 1
        else:
            self._grow(self._inputs, self.outputs + 1)

    # Learning.

    def _row(self, x: Mapping[Hashable, Any]) -> np.ndarray:
        """x (1, inputs) of the features that are known."""
        row = np.zeros((1, self._inputs), dtype=np.float32)
        places = self._places
        try:
            row[0, [places[name] for name in x]] = list(x.values())
        except KeyError:
            known = [name for name in x if name in places]
            row[0, [places[name] for name in known]] = [x[name] for name in known]
        return row

    def learn(self, x: Mapping[Hashable, Any], target: np.ndarray | None, label: int | None) -> None:
        """One update by a target (1, outputs), or by the index of a class.

        Raises:
            NumericError: NaN or infinity in x, the target or the loss; then nothing was updated.
        """
        if self._network is None or not x.keys() <= self._places.keys():
            self._learn_names(x)
        assert self._network is not None
        if self._trainer is None:
            self._trainer = Trainer(self._network, self._loss, self._optimizer)
        labels = None if label is None else np.array([label], dtype=np.int64)
        self._trainer._core.step(DATASETS["float32"](self._row(x), self.outputs, target, labels))

    def outputs_of(self, x: Mapping[Hashable, Any]) -> np.ndarray | None:
        """The outputs (outputs,) for x; None before there is a network."""
        if self._network is None:
            return None
        return self._network.predict(self._row(x))[0]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_trainer": None}
