"""A model: a network with what raw data needs to become its input, and its output to become an answer."""

from __future__ import annotations

import os
from typing import Any

import numpy as np

from bpnet import _core, checks
from bpnet.data.prepare import as_target, features, targets
from bpnet.data.preprocessing import Preprocessing
from bpnet.data.source import Source, open_source
from bpnet.losses import Loss, as_loss
from bpnet.network import Network, load
from bpnet.training import Trainer

__all__ = ["Model", "load_model"]


class Model:
    """A network, its preprocessing and its classes; and its run, where the file holds one.

    Attributes:
        network: the network, which takes encoded rows and gives raw outputs.
        preprocessing: how raw rows become its input.
        trainer: the run, or None for a file that ``network.save`` wrote.
    """

    def __init__(self, network: Network, trainer: Trainer | None = None) -> None:
        self.network = network
        self.preprocessing = Preprocessing.from_description(network.preprocessing)
        self.trainer = trainer

    @property
    def classes(self) -> np.ndarray | None:
        """The classes in the order of the outputs, integers where all their names are; None of a regression."""
        names = self.preprocessing.classes
        return _labels(names) if names else None

    @property
    def loss(self) -> Loss | None:
        """The loss of the run, or None."""
        return self.trainer.loss if self.trainer else None

    @property
    def settings(self) -> dict[str, Any] | None:
        """The arguments of the :func:`bpnet.train_model` that began the run, or None."""
        return self.trainer.notes.get("command") if self.trainer else None

    def predict(self, rows: Any) -> np.ndarray:
        """The class (N,) of each row, or its value in the target's unit: (N,), or (N, outputs).

        Args:
            rows: the path of a file, a table, or an array.
        """
        outputs = self._outputs(_source(rows))
        p = self.preprocessing
        if p.classes:
            return _labels(p.classes)[p.decide(outputs)]
        values = outputs.reshape(len(outputs), -1).astype(np.float64) * p.target_scale + p.target_mean
        return values[:, 0] if values.shape[1] == 1 else values

    def predict_proba(self, rows: Any) -> np.ndarray:
        """(N, classes), the probability of each class.

        Raises:
            ValueError: the model gives numbers, or was not trained with a cross-entropy.
        """
        p = self.preprocessing
        if not p.classes:
            raise ValueError("predict: the model gives numbers, not classes; there are no probabilities")
        if p.output == "values":
            raise ValueError(
                "predict: the model was not trained with a cross-entropy and gives no probabilities"
            )
        return p.probabilities(self._outputs(_source(rows)))

    def evaluate(self, rows: Any, y: Any = None, loss: Loss | str | None = None) -> dict[str, float]:
        """``{"loss": …}`` with ``"accuracy"`` of a classifier, or ``"rmse"`` in the target's unit."""
        source = _source(rows)
        if y is not None:
            raw: list[str] | np.ndarray = as_target(np.asarray(y))
        elif source.table is not None:
            raw = source.table.column(self.preprocessing.target)
        elif source.y is not None:
            raw = as_target(source.y)
        else:
            raise ValueError("evaluate: there are no targets; give y")
        chosen = self.loss if loss is None else as_loss("evaluate", loss)
        if chosen is None:
            raise ValueError("evaluate: the file holds a model but no run; give the loss")
        X, _ = features(source, self.preprocessing)
        encoded = targets(raw, self.preprocessing, chosen.name, source.where)
        return self.measure(X, encoded, chosen)

    def measure(self, X: np.ndarray, y: np.ndarray, loss: Loss) -> dict[str, float]:
        """The metrics of encoded rows and targets."""
        p = self.preprocessing
        metrics = {"loss": self.network.evaluate(X, y, loss)["loss"]}
        outputs = self.network.predict(X)
        if p.classes:
            labels = y if y.ndim == 1 else y.argmax(axis=1)
            metrics["accuracy"] = float((p.decide(outputs) == labels).mean())
        else:
            errors = (outputs.reshape(y.shape) - y) * p.target_scale
            metrics["rmse"] = float(np.sqrt((errors**2).mean()))
        return metrics

    def summary(self) -> None:
        """Print the layers."""
        self.network.summary()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, and its run if it has one."""
        (self.trainer or self.network).save(path)

    def _outputs(self, source: Source) -> np.ndarray:
        return self.network.predict(features(source, self.preprocessing)[0])


def load_model(path: str | os.PathLike[str], backend: str | None = None) -> Model:
    """The model of a model file or a run file.

    Raises:
        OSError: the file cannot be read.
        FileFormatError: it is not a whole bpnet file.
    """
    _, run = _core.inspect(checks.path("load", path))
    if run:
        trainer = Trainer.load(path, backend)
        return Model(trainer.network, trainer)
    return Model(load(path, backend))


def _source(rows: Any) -> Source:
    if isinstance(rows, Source):
        return rows
    if isinstance(rows, (str, os.PathLike)):
        return open_source(os.fspath(rows))
    return Source(X=np.asarray(rows))


def _labels(names: list[str]) -> np.ndarray:
    try:
        numbers = [int(name) for name in names]
    except ValueError:
        return np.array(names)
    return np.array(numbers if [str(number) for number in numbers] == names else names)
