"""A model: a network with what raw data needs to become its input, and its output to become an answer."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import closing
from typing import Any

import numpy as np

from bpnet import _core, checks, machine, photographs
from bpnet.arguments import by_position
from bpnet.data.images.decode import BadImage
from bpnet.data.images.folder import files_below
from bpnet.data.prepare import examples, features
from bpnet.data.preprocessing import Preprocessing
from bpnet.data.source import Source, open_source
from bpnet.losses import CustomLoss, Loss, LossFunction, as_loss
from bpnet.metrics import has_accuracy
from bpnet.network import Network, load_network
from bpnet.options import option
from bpnet.provenance import estimator_class, listed, trained_on
from bpnet.scores import class_scores, confusion_matrix, in_top, number_scores
from bpnet.settings import kept_settings
from bpnet.summary import summary_text
from bpnet.training import Trainer
from bpnet.training.progress import metrics_text

__all__ = ["PARTS", "Model", "load_model"]

#: Which rows :meth:`Model.evaluate` measures.
PARTS = ("all", "validation")

# So many categories or classes are listed before the others are counted.
_MOST_NAMES = 30


class Model:
    """A network, its preprocessing and its classes; and its run, where the file holds one.

    Wherever rows are taken they are raw: a DataFrame (of pandas, polars or others), a list of dicts, a dict of
    columns, an array, the path of a CSV, ``.npz`` or IDX file; for a model of photographs a path, a list of paths or a
    folder. Columns are found by name, in whatever order; others are ignored. A single row is given as a list of one.

    Attributes:
        network: the network, which takes encoded rows and gives raw outputs.
        preprocessing: how raw rows become its input.
        trainer: the run, or None for a file that ``network.save`` wrote.
    """

    def __init__(self, network: Network, trainer: Trainer | None = None) -> None:
        self.network = network
        estimator = estimator_class(network.preprocessing)
        if estimator:
            raise ValueError(f"the network is that of a {estimator}; {estimator}.load reads it")
        self.preprocessing = Preprocessing.from_description(network.preprocessing)
        self.preprocessing.check_network(network.input_shape, network.output_shape)
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
        """The arguments of the :func:`bpnet.train_model` that began the run, or None.

        Raises:
            FileFormatError: the file's are not as it writes them.
        """
        return kept_settings("the model", self.trainer.notes) if self.trainer else None

    def predict(
        self,
        rows: Any,
        *,
        encoding: str | None = None,
        delimiter: str | None = None,
        decimal: str | None = None,
        thousands: str | None = None,
    ) -> np.ndarray:
        """The class of each row, (N,), or its value in the target's unit: (N,), or (N, outputs).

        A row with a missing value, where the model was trained with ``missing="drop"``, has None for a class and NaN
        for a number; so has a file in a folder of photographs that is none.

        Args:
            rows: of whatever form the class names.
            encoding, delimiter: of a CSV (recognised).
            decimal, thousands: how a table's numbers are written (as those of the training).

        Raises:
            ValueError: rows that the model cannot take, with the row and the column.
        """
        outputs, kept = self._outputs(rows, _reading(encoding, delimiter, decimal, thousands))
        p = self.preprocessing
        if p.classes:
            return _with_gaps(_labels(p.classes)[p.decide(outputs)], kept)
        values = p.values(outputs)
        return _with_gaps(values[:, 0] if values.shape[1] == 1 else values, kept)

    def predict_proba(
        self,
        rows: Any,
        *,
        encoding: str | None = None,
        delimiter: str | None = None,
        decimal: str | None = None,
        thousands: str | None = None,
    ) -> np.ndarray:
        """(N, classes), the probability of each class; NaN where :meth:`predict` gives None.

        Args:
            rows, encoding, delimiter, decimal, thousands: as :meth:`predict` takes them.

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
        outputs, kept = self._outputs(rows, _reading(encoding, delimiter, decimal, thousands))
        return _with_gaps(outputs if p.image is not None else p.probabilities(outputs), kept)

    def evaluate(
        self,
        rows: Any,
        y: Any = None,
        *,
        target: str | None = None,
        labels: str | os.PathLike[str] | None = None,
        loss: Loss | str | None = None,
        part: str = "all",
        encoding: str | None = None,
        delimiter: str | None = None,
        decimal: str | None = None,
        thousands: str | None = None,
    ) -> dict[str, Any]:
        """How good the answers are on rows whose right answers are known.

        Args:
            rows: as :meth:`predict` takes them; for a model of photographs a folder of class folders, or a packed
                file.
            y: the right answers, where the rows do not hold them.
            target: the column of the right answers, where it is not named as in training.
            labels: the file of an IDX file's labels.
            loss: in place of the run's.
            part: ``"validation"`` measures what the training held out, of the same data; ``"all"`` all rows.
            encoding, delimiter, decimal, thousands: as :meth:`predict` takes them.

        Returns:
            ``loss`` and ``count``; of classes ``accuracy``, ``recall`` and ``precision`` by class and the
            ``confusion`` matrix, whose rows are the right classes (and ``top5`` of photographs); of numbers
            ``rmse``, ``mae`` and ``r2`` in the target's unit.
        """
        reading = _reading(encoding, delimiter, decimal, thousands)
        if part not in PARTS:
            raise ValueError(f"evaluate: part is {part!r}, one of {', '.join(PARTS)} is needed")
        if self.preprocessing.image is not None:
            given = {"y": y, "target": target, "labels": labels, "loss": loss, **reading}
            _refuse("evaluate", {**given, "part": None if part == PARTS[0] else part})
            return self._evaluate_photographs(rows)
        chosen = self.loss if loss is None else as_loss("evaluate", loss)
        if chosen is None:
            raise ValueError("evaluate: the model holds no run; give the loss")
        if has_accuracy(chosen) and not self.preprocessing.classes:
            raise ValueError(
                f"evaluate: the model has no classes, which {chosen.name} compares; model.network.evaluate measures its "
                "network, by class indices"
            )
        if y is not None and isinstance(rows, (str, os.PathLike)):
            raise ValueError("evaluate: y is for rows in memory; a file holds its own answers")
        _check_rows("evaluate", rows)
        source = open_source(rows if y is None else (rows, y), labels, **reading)
        X, encoded = examples(
            self._named("evaluate", source),
            self.preprocessing,
            chosen.name,
            target=target,
            part=part,
            settings=self.settings if part != "all" else None,
            dtype=self.network.dtype.name,
        )
        return self.measure(X, encoded, chosen)

    def measure(self, X: np.ndarray, y: np.ndarray, loss: Loss) -> dict[str, Any]:
        """:meth:`evaluate` of encoded rows and targets."""
        p = self.preprocessing
        metrics: dict[str, Any] = {"loss": self.network.evaluate(X, y, loss)["loss"], "count": len(X)}
        outputs = self.network.predict(X)
        if not p.classes:
            return metrics | number_scores(p.values(y), p.values(outputs))
        labels = y.astype(np.int64) if y.ndim == 1 else y.argmax(axis=1)
        confusion = confusion_matrix(labels, p.decide(outputs), len(p.classes))
        return metrics | class_scores(confusion, _labels(p.classes).tolist())

    def summary(self) -> None:
        """Print the layers, and what the model was trained on: columns, target, classes, rows, loss and epochs."""
        print("\n".join([summary_text(self.network._core), *self.data_lines(), *self.run_lines()]))

    def data_lines(self) -> list[str]:
        """What the model takes and gives, in lines."""
        p = self.preprocessing
        lines = []
        for column in p.columns:
            lines.append(f"column {column['name']}: {_column_text(column)}")
        if not p.columns and p.scale:
            lines.append("input: standardised" if len(p.scale) > 1 else f"input: divided by {p.scale[0]:g}")
        if p.image is not None:
            size, crop = p.image["size"], p.image["crop"]
            lines.append(
                f"input: photographs of {size} x {size} pixels, windows of {crop} x {crop}, less their mean image"
            )
        if p.target:
            lines.append(f"target: {p.target}")
        if p.classes:
            lines.append(f"classes: {listed(p.classes, _MOST_NAMES)}")
        return lines

    def run_lines(self) -> list[str]:
        """What the model's run did, in lines; none where there is no run."""
        trainer = self.trainer
        if trainer is None:
            return []
        rows = (self.settings or {}).get("rows")
        lines = [f"rows: {rows[0]:,} trained on, {rows[1]:,} held out"] if rows else []
        lines += [
            f"loss: {trainer.loss.name}",
            f"optimizer: {trainer.optimizer!r}",
            f"trained: {trainer.epochs} epochs, {trainer.steps} steps, seed {trainer.seed}",
        ]
        if trainer.history.get("epoch"):
            last = {name: values[-1] for name, values in trainer.history.items()}
            lines.append(f"last epoch: {metrics_text(last)}")
        return lines

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model, and its run if it has one; a file is replaced whole, never left half written."""
        (self.trainer or self.network).save(path)

    def __repr__(self) -> str:
        return f"<Model of {self._fact()}>"

    def _fact(self) -> str:
        p = self.preprocessing
        gives = f"classes {listed(p.classes)}" if p.classes else "numbers"
        run = f", {self.trainer.epochs} epochs" if self.trainer else ""
        return f"{trained_on(self.network.preprocessing) or 'encoded rows'}: {gives}{run}"

    def _repr_html_(self) -> str:
        """What a notebook shows: columns, target and classes, the run with its history, and the network."""
        from bpnet.html.history import history_html
        from bpnet.html.model import model_html
        from bpnet.html.network import network_html

        history = self.trainer.history if self.trainer else None
        return model_html(
            f"of {self._fact()}",
            network_html(self.network._core, None),
            self.data_lines(),
            self.run_lines(),
            history_html(history.columns(), history.best_epoch, history.undone) if history else None,
        )

    def __getstate__(self) -> dict[str, Any]:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model")
            self.save(path)
            with open(path, "rb") as file:
                contents = file.read()
        own_loss = self.loss if isinstance(self.loss, CustomLoss) else None  # which no file holds
        return {"file": contents, "machine": machine.of_core(self.network._core), "loss": own_loss}

    def __setstate__(self, state: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "model")
            with open(path, "wb") as file:
                file.write(state["file"])
            loaded = load_model(path, loss=state["loss"], **machine.restored(state["machine"]))
        vars(self).update(vars(loaded))

    def _outputs(self, rows: Any, reading: Mapping[str, str | None]) -> tuple[np.ndarray, np.ndarray]:
        """The raw outputs of the rows that have an answer (probabilities, of photographs), and which these are."""
        if self.preprocessing.image is not None:
            _refuse("predict", reading)
            return self._photograph_outputs(rows)
        _check_rows("predict", rows)
        source = self._named("predict", open_source(rows, need_y=False, **reading))
        X, kept = features(source, self.preprocessing, self.network.dtype.name)
        if len(X) == 0:
            return np.empty((0, *self.network.output_shape), self.network.dtype), kept
        return self.network.predict(X), kept

    def _named(self, operation: str, source: Source) -> Source:
        """Rows of an array under the names of the model's columns, where all of these are numbers."""
        columns = self.preprocessing.columns
        if source.table is not None or not columns or source.X is None:
            return source
        names = [column["name"] for column in columns]
        if any(column["categories"] for column in columns):
            raise ValueError(
                f"{operation}: the model was trained on the columns {', '.join(names)}, of which some are categories; an "
                "array does not say which is which: give a DataFrame, a list of dicts or a dict of columns"
            )
        if source.X.shape[1] != len(names):
            raise ValueError(
                f"{operation}: the array has {source.X.shape[1]} columns, the model has {len(names)}: {', '.join(names)}"
            )
        table = dict(zip(names, source.X.T))
        return open_source(table if source.y is None else (table, source.y))

    def _photograph_outputs(self, rows: Any) -> tuple[np.ndarray, np.ndarray]:
        one = isinstance(rows, (str, os.PathLike))
        folder = one and os.path.isdir(rows)
        if folder:
            paths = [os.path.join(rows, name) for name in files_below(os.fspath(rows))]
            if not paths:
                raise ValueError(f"predict: there is no file in the folder {os.fspath(rows)}")
        else:
            paths = [os.fspath(rows)] if one else _paths(rows)
        answers = list(photographs.probabilities(self.network, paths))
        for path, answer in zip(paths, answers):
            if isinstance(answer, BadImage) and not folder:
                raise ValueError(f"predict: {path}: {answer}")
        kept = np.array([not isinstance(answer, BadImage) for answer in answers], bool)
        sound = [answer for answer in answers if not isinstance(answer, BadImage)]
        return np.array(sound).reshape(len(sound), len(self.preprocessing.classes)), kept

    def _evaluate_photographs(self, rows: Any) -> dict[str, Any]:
        classes = photographs.classes_of(self.network)
        augmenter = photographs.augmenter_of(self.network)
        source = photographs.open_images(rows, augmenter.size)
        labels = photographs.labels_by_name(source, classes)
        confusion = np.zeros((len(classes), len(classes)), np.int64)
        loss, five = 0.0, 0
        with closing(
            photographs.ten_view_answers(self.network, source, augmenter, labels, verbose=0)
        ) as batches:
            for p, right in batches:
                own = p[np.arange(len(p)), right]
                confusion += confusion_matrix(right, p.argmax(axis=1), len(classes))
                loss -= float(np.log(np.maximum(own, 1e-300)).sum())
                five += int(in_top(p, right, 5).sum())
        count = int(confusion.sum())
        metrics = {"loss": loss / count, "count": count, "top5": five / count}
        return metrics | class_scores(confusion, _labels(classes).tolist())


@by_position()
def load_model(
    path: str | os.PathLike[str],
    *,
    loss: CustomLoss | LossFunction | None = None,
    device: str = "cpu",
    backend: str | None = None,
    precision: str | None = None,
    winograd: bool | None = None,
) -> Model:
    """The model of a model file or a run file, on whatever device.

    Args:
        loss: of a run that was trained with a :class:`bpnet.CustomLoss`, that loss.
        device, backend, precision, winograd: as :func:`bpnet.load` takes them.

    Raises:
        OSError: the file cannot be read.
        FileFormatError: it is not a whole bpnet file, or its preprocessing does not fit its network.
    """
    _, run = _core.inspect(checks.path("load", path))
    where: dict[str, Any] = {
        "device": device,
        "backend": backend,
        "precision": precision,
        "winograd": winograd,
    }
    trainer = Trainer.load(path, loss=loss, **where) if run else None
    network = trainer.network if trainer else load_network(path, **where)
    try:
        return Model(network, trainer)
    except ValueError as error:
        raise _core.FileFormatError(f"load: {error}") from None


def _column_text(column: Mapping[str, Any]) -> str:
    """``a number, decimal mark ','``, ``one of blue, green, red; a missing value is red``."""
    categories = column["categories"]
    text = f"one of {listed(categories, _MOST_NAMES)}" if categories else "a number"
    if column["decimal"] != ".":
        text += f", decimal mark {column['decimal']!r}"
    if column["thousands"]:
        text += f", thousands separator {column['thousands']!r}"
    if column["unknown"] == "ignore":
        text += "; another is none of them"
    meanings = {
        "fill": f"is {column['fill']}" if categories else f"is {column['fill'] or 0:g}",
        "drop": "leaves its row without an answer",
        "category": "is a category of its own",
    }
    missing = meanings.get(column["missing"])
    return f"{text}; a missing value {missing}" if missing else text


def _reading(
    encoding: str | None, delimiter: str | None, decimal: str | None, thousands: str | None
) -> dict[str, Any]:
    """How a table is read, as open_source takes it."""
    return {"encoding": encoding, "delimiter": delimiter, "decimal": decimal, "thousands": thousands}


def _refuse(operation: str, given: Mapping[str, Any]) -> None:
    """What is given to a model of photographs and can have no effect."""
    for name, value in given.items():
        if value is not None:
            raise ValueError(f"{operation}: {option(name)} has no effect, the model is one of photographs")


def _check_rows(operation: str, rows: Any) -> None:
    """A row by itself is refused: it may be taken for a column."""
    if isinstance(rows, Mapping):
        one = bool(rows) and all(np.ndim(value) == 0 for value in rows.values())
    elif isinstance(rows, (list, tuple)):
        one = bool(rows) and all(np.ndim(each) == 0 and not isinstance(each, (str, Mapping)) for each in rows)
    else:
        one = getattr(rows, "ndim", 2) == 1 and getattr(getattr(rows, "dtype", None), "names", None) is None
    if one:
        raise ValueError(f"{operation}: this is a single row; give a list of one, [row]")


def _paths(rows: Any) -> list[str]:
    if isinstance(rows, Iterable) and not isinstance(rows, Mapping) and not hasattr(rows, "columns"):
        listed_rows = list(rows)
        if all(isinstance(each, (str, os.PathLike)) for each in listed_rows):
            return [os.fspath(each) for each in listed_rows]
    raise TypeError("predict: the model was trained on photographs; give a path, a list of paths or a folder")


def _with_gaps(answers: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The answers at the rows that have one; None or NaN at the others."""
    if kept.all():
        return answers
    is_float = answers.dtype.kind == "f"
    shape = (len(kept), *answers.shape[1:])
    filled = np.full(shape, np.nan if is_float else None, answers.dtype if is_float else object)
    filled[kept] = answers
    return filled


def _labels(names: list[str]) -> np.ndarray:
    try:
        numbers = [int(name) for name in names]
    except ValueError:
        return np.array(names)
    return np.array(numbers if [str(number) for number in numbers] == names else names)
