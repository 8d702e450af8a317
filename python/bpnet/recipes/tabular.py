"""A fully connected network on a table or on arrays, from raw data to a model."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from bpnet import checks
from bpnet.console import escaped, say
from bpnet.data.idx import labels_beside
from bpnet.data.prepare import Prepared, check_options, prepare
from bpnet.data.preprocessing import Preprocessing
from bpnet.data.source import open_source
from bpnet.losses import Loss
from bpnet.model import Model
from bpnet.network import Network
from bpnet.optimizers import Optimizer
from bpnet.options import option
from bpnet.output_files import check_outputs
from bpnet.plots import check_format
from bpnet.recipes.replaced import check_replaced
from bpnet.recipes.tabular_parts import (
    describe_optimizer,
    hidden_and_output_layers,
    loss_of,
    loss_settings,
    optimizer_of,
    schedule_of,
)
from bpnet.schedules import Schedule
from bpnet.settings import DEFAULTS, KEPT_AS, check_effects, checked, kept_settings
from bpnet.summary import summary_text
from bpnet.training import Callback, Checkpoint, EarlyStopping, Trainer
from bpnet.training.callbacks import as_callback
from bpnet.training.progress import metrics_text

Path = str | os.PathLike[str]

# What may be given again where a run continues.
_OF_ONE_CALL = ("epochs", "labels")


def train_model(
    data: Any,
    target: str | None = None,
    *,
    labels: Path | None = None,
    task: str | None = None,
    drop: Sequence[str] | None = None,
    numeric: Sequence[str] | None = None,
    categorical: Sequence[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: str | None = None,
    thousands: str | None = None,
    missing: str | None = None,
    missing_values: Sequence[str] | None = None,
    unknown: str | None = None,
    standardise: bool | None = None,
    layers: Sequence[int] | None = None,
    activation: str | None = None,
    dropout: float | None = None,
    loss: Loss | str | None = None,
    label_smoothing: float | None = None,
    huber_delta: float | None = None,
    class_weight: Mapping[Any, float] | Sequence[float] | str | None = None,
    optimizer: Optimizer | str | None = None,
    lr: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    schedule: Schedule | str | None = None,
    warmup: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    validation: float | None = None,
    patience: int | None = None,
    seed: int | None = None,
    dtype: str | None = None,
    save: Path | None = None,
    resume: Path | None = None,
    overwrite: bool = False,
    plot: Path | None = None,
    callbacks: Sequence[Callback | Any] = (),
    device: str = "cpu",
    backend: str | None = None,
    precision: str | None = None,
    winograd: bool | None = None,
    verbose: int = 1,
) -> Model:
    """Train a fully connected network on raw data; what ``python -m bpnet train`` does.

    >>> model = bp.train_model("flowers.csv", target="species", layers=(64, 64), epochs=50)
    >>> model.predict("new.csv")

    Args:
        data: the path of a CSV, an ``.npz`` with X and y, an IDX file or a folder of them, or ``"digits"``; a
            DataFrame, a list of dicts, a dict of columns; an array; or a pair (X, y).
        target: the column of a table to learn.
        labels: the file of an IDX file's labels (the one beside it).
        task: ``"classification"`` or ``"regression"`` (guessed from the target, and printed).
        drop: columns to leave out (none).
        numeric: columns that are numbers (those whose values all are).
        categorical: columns whose values are categories (those of text that is not nearly unique).
        encoding: of a CSV (UTF-8, or UTF-16 by its byte order mark).
        delimiter: of a CSV's fields (comma, semicolon or tab, whichever its header has).
        decimal, thousands: how a table's numbers are written (recognised by the whole column).
        missing: what a missing value is (``"error"``): ``"mean"``, ``"median"`` or ``"most-frequent"`` of the
            training rows replaces it, ``"drop"`` leaves its row out, ``"category"`` makes it a category.
        missing_values: more fields that say "no value" (than empty, NA, n/a, null and others; see bpnet.data).
        unknown: what a category is that training did not have (``"error"``); ``"ignore"`` makes it none of them.
        standardise: numbers to mean 0 and deviation 1 (True).
        layers: the hidden layers' widths ((64, 64)).
        activation: after each hidden layer (``"tanh"``), see :mod:`bpnet.layers`.
        dropout: the part of activations left out in training (0).
        loss: a name or an object (cross_entropy for classes, mse for numbers).
        label_smoothing: of cross_entropy, from 0 to below 1 (0).
        huber_delta: of huber (1).
        class_weight: of cross_entropy: ``"balanced"``, a weight per class, or {class: weight} (all 1).
        optimizer: ``"sgd"``, ``"adam"``, ``"adamw"``, ``"rmsprop"`` or an object (adam).
        lr, momentum, weight_decay: of an optimizer given by its name (its own defaults).
        schedule: of the rate: ``"constant"``, ``"step:EPOCHS:FACTOR"``, ``"multi_step:E,E:FACTOR"``,
            ``"exponential:FACTOR"``, ``"cosine"``, ``"plateau:FACTOR:PATIENCE"`` or an object (constant).
        warmup: steps over which the rate rises to its value (0).
        epochs: in all, those before a resume too (30).
        batch_size: samples per update (32).
        validation: the part of the rows that is held out (0.2), where the data has no validation part of its own.
        patience: stop when the validation loss (the loss, where nothing is held out) has not improved for so many
            epochs, and go back to the best (never); see :class:`bpnet.EarlyStopping`.
        seed: of weights, masks, data order and split (0).
        dtype: ``"float32"`` or ``"float64"`` (float32).
        save: the file of the model and its run, written after every epoch (none).
        resume: a file to go on with, bit-exactly, on the same data; what is given beside it must be what the run
            was begun with, ``epochs`` and ``labels`` excepted. It is ``save`` too unless that is given.
        overwrite: let ``save`` replace what is no run of these settings on this data, or one of more epochs (False).
        plot: a picture of the curves, in a format that matplotlib writes (none).
        callbacks: bpnet callbacks, or functions called with (epoch, metrics) after each epoch (none).
        device, backend, precision, winograd: as :class:`bpnet.Network` takes them (the processor, by its best
            backend), and :func:`bpnet.load` where a run continues.
        verbose: 0 nothing, 1 a progress bar and lines, 2 lines only.

    Raises:
        OSError: a file cannot be read or written.
        ValueError: data or options that do not fit, with the line, the column and the option.
        NumericError: a loss that is not finite; the file keeps the last epoch's end.
        KeyboardInterrupt: after Ctrl-C; the file then holds the run as of the last epoch's end.
    """
    said = {name: value for name, value in locals().items() if name in DEFAULTS and value is not None}
    where = {"device": device, "backend": backend, "precision": precision, "winograd": winograd}
    run = TabularRun.open(data, said, save, resume, overwrite, plot, callbacks, where)
    run.train(verbose)
    if verbose:
        for line in run.outcome():
            say(line)
    return run.model


class TabularRun:
    """A model in training, with its data.

    Attributes:
        model: the model that is trained.
        prepared: what it is trained on.
    """

    def __init__(self, trainer: Trainer, prepared: Prepared) -> None:
        self._trainer = trainer
        self._settings: dict[str, Any] = trainer.notes[KEPT_AS]
        self.prepared = prepared
        self.model = Model(trainer.network, trainer)
        self._is_new = trainer.epochs == 0
        self._path: Path | None = None
        self._plot: Path | None = None
        self._callbacks: Sequence[Any] = ()

    @classmethod
    def open(
        cls,
        data: Any,
        said: Mapping[str, Any],
        save: Path | None = None,
        resume: Path | None = None,
        overwrite: bool = False,
        plot: Path | None = None,
        callbacks: Sequence[Callback | Any] = (),
        where: Mapping[str, Any] | None = None,
    ) -> TabularRun:
        """A run that is ready to train, all of its options and files checked; see :func:`train_model`.

        Args:
            said: the settings that the caller gave.
            where: device, backend, precision and winograd, as Network takes them.
        """
        callbacks = [as_callback(each) for each in checks.items("train", option("callbacks"), callbacks)]
        path, written = (save, option("save")) if save is not None else (resume, option("resume"))
        resumed_in_place = resume is not None and (save is None or _is_one_file(save, resume))
        if overwrite and (save is None or resumed_in_place):
            raise ValueError(
                f"train: {option('overwrite')} is for {option('save')}, which replaces no other file"
            )
        inputs = _input_files(data, said.get("labels"))
        if not resumed_in_place:
            inputs[option("resume")] = resume
        check_outputs({written: path, option("plot"): plot}, inputs, model=written)
        if plot is not None:
            check_format(option("plot"), plot)
        run = cls._resumed(data, resume, said, where or {}) if resume else cls._begun(data, said, where or {})
        if path is not None and not resumed_in_place and not overwrite:
            check_replaced(path, run._settings)
        run._path, run._plot, run._callbacks = path, plot, callbacks
        return run

    @classmethod
    def _begun(cls, data: Any, said: Mapping[str, Any], where: Mapping[str, Any]) -> TabularRun:
        plain = checked(_plain(said))
        settings = DEFAULTS | plain
        check_effects(plain, settings)
        source = _source(data, settings)
        check_options(source, plain)
        prepared = prepare(source, settings)
        settings["loss"] = prepared.loss
        check_effects(plain, settings)
        _check_unknown(plain, prepared.preprocessing)
        if settings["labels"] is not None:
            settings["labels"] = escaped(settings["labels"])
        settings["fingerprint"] = source.fingerprint()
        settings["rows"] = [len(prepared.X), 0 if prepared.X_val is None else len(prepared.X_val)]
        optimizer = said.get("optimizer")
        if not isinstance(optimizer, Optimizer):
            given = said.get("schedule")
            schedule = schedule_of(settings, given if isinstance(given, Schedule) else None)
            optimizer = optimizer_of(settings, schedule)
        network = Network(
            (prepared.X.shape[1],),
            hidden_and_output_layers(settings, prepared.outputs),
            seed=settings["seed"],
            dtype=settings["dtype"],
            **where,
        )
        network.preprocessing = prepared.preprocessing.describe()
        trainer = Trainer(network, loss_of(settings, prepared.preprocessing.classes, prepared.y), optimizer)
        trainer.notes[KEPT_AS] = settings
        return cls(trainer, prepared)

    @classmethod
    def _resumed(cls, data: Any, path: Path, said: Mapping[str, Any], where: Mapping[str, Any]) -> TabularRun:
        trainer = Trainer.load(path, **where)
        settings = kept_settings(path, trainer.notes)
        if settings is None:
            raise ValueError(
                f"train: {path} was not written by this command; continue it with bpnet.Trainer.load"
            )
        _take_up(settings, said, trainer)
        trainer.notes[KEPT_AS] = settings
        _check_cosine(settings, trainer)
        source = _source(data, settings)
        if source.fingerprint() != settings["fingerprint"]:
            shown = data if isinstance(data, (str, os.PathLike)) else "this"
            raise ValueError(f"train: {shown} is not the data that the run in {path} was begun with")
        known = Preprocessing.from_description(trainer.network.preprocessing)
        return cls(trainer, prepare(source, settings, known))

    def train(self, verbose: int = 1) -> None:
        """Train until the run has its epochs; its file is written after each, and the picture at the end.

        Raises:
            KeyboardInterrupt: after Ctrl-C, with the file as of the last epoch's end; its message says so.
        """
        settings, trainer, prepared = self._settings, self._trainer, self.prepared
        left = settings["epochs"] - trainer.epochs
        if left < 1:
            raise ValueError(
                f"train: the run has its {trainer.epochs} epochs already; give a larger {option('epochs')}"
            )
        if verbose and self._is_new:
            self._announce()
        try:
            trainer.fit(
                prepared.X,
                prepared.y,
                epochs=left,
                batch_size=settings["batch_size"],
                validation_data=None if prepared.X_val is None else (prepared.X_val, prepared.y_val),
                callbacks=self._called(),
                verbose=verbose,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._keep()) from None
        except ValueError as error:
            raise ValueError(f"{error}. {self._keep()}") from None
        if self._path is not None:
            trainer.save(self._path)
        if self._plot is not None:
            trainer.history.plot(self._plot)

    def outcome(self) -> list[str]:
        """What came of the training, and how good the model is that was kept."""
        lines = []
        if self._path is not None:
            lines.append(f"saved {os.fspath(self._path)}")
        if self._plot is not None:
            lines.append(f"plotted {os.fspath(self._plot)}")
        return [*lines, self._quality()]

    def _announce(self) -> None:
        """Print what is trained on what."""
        for line in (summary_text(self._trainer.network._core), *self.prepared.report):
            say(line)
        training, held_out = self._settings["rows"]
        say(f"training on {training} rows, validating on {held_out}; loss {self._trainer.loss.name}")

    def _called(self) -> list[Any]:
        patience = self._settings["patience"]
        called: list[Any] = []
        if patience is not None:
            monitor = "loss" if self.prepared.X_val is None else "val_loss"
            called.append(EarlyStopping(monitor, patience=patience))
        called += self._callbacks
        if self._path is not None:
            called.append(Checkpoint(self._path))  # last, so that the file holds what the others know
        return called

    def _keep(self) -> str:
        """Save what fit has put back, for it may have been stopped before the checkpoint; say what there is."""
        epochs = self._trainer.epochs
        if epochs and self._path is not None:
            self._trainer.save(self._path)
        if epochs == 0:
            return "stopped before the first epoch's end: nothing was saved"
        kept = (
            f"{self._path} holds the model"
            if self._path
            else f"no {option('save')} was given: the model is gone"
        )
        return f"stopped after epoch {epochs}: {kept}"

    def _quality(self) -> str:
        trainer, prepared = self._trainer, self.prepared
        if prepared.X_val is None or prepared.y_val is None:
            last = {name: values[-1] for name, values in trainer.history.items()}
            return f"training: {metrics_text(last)}"
        metrics = self.model.measure(prepared.X_val, prepared.y_val, trainer.loss)
        text = metrics_text({name: metrics[name] for name in ("loss", "accuracy") if name in metrics})
        text = f"validation: {text}"
        if "rmse" not in metrics:
            return text
        return f"{text} (of the standardised target), root mean square error {metrics['rmse']:.6g}"


def _is_one_file(path: Path, other: Path) -> bool:
    return os.path.realpath(path) == os.path.realpath(other)


def _input_files(data: Any, labels: Path | None) -> dict[str, Path | None]:
    """The files that the data is read from, by the words for messages."""
    if not isinstance(data, (str, os.PathLike)):
        return {}
    beside = labels_beside(os.fspath(data)) if labels is None and os.path.isfile(data) else None
    return {"the data": data, option("labels"): labels, "the file of labels": beside}


def _source(data: Any, settings: Mapping[str, Any]) -> Any:
    reading = {name: settings[name] for name in ("encoding", "delimiter", "decimal", "thousands")}
    return open_source(data, settings["labels"], **reading)


def _plain(said: Mapping[str, Any]) -> dict[str, Any]:
    """The settings with descriptions in place of objects."""
    plain = dict(said)
    if isinstance(said.get("loss"), Loss):
        of_loss = loss_settings(said["loss"])
        for name in ("label_smoothing", "huber_delta", "class_weight"):
            if name in said:
                raise ValueError(f"train: {option(name)} is the loss's own where that is an object")
        plain |= of_loss
    if isinstance(said.get("optimizer"), Optimizer):
        plain["optimizer"] = describe_optimizer(said["optimizer"])
    if isinstance(said.get("schedule"), Schedule):
        plain["schedule"] = said["schedule"].describe()
    return plain


def _check_unknown(said: Mapping[str, Any], preprocessing: Preprocessing) -> None:
    if "unknown" in said and not any(column["categories"] for column in preprocessing.columns):
        raise ValueError(f"train: {option('unknown')} is for categories, and no column has any")


def _take_up(settings: dict[str, Any], said: Mapping[str, Any], trainer: Trainer) -> None:
    """What a resumed run is given again; anything else must be what it was begun with."""
    for name, value in checked(_plain(said)).items():
        if name in _OF_ONE_CALL:
            settings[name] = value
        elif name == "optimizer" and value == describe_optimizer(trainer.optimizer):
            continue
        elif value != settings[name]:
            begun = "without it" if settings[name] in (None, []) else f"with {settings[name]}"
            raise ValueError(
                f"train: {option(name)} is {said[name]} but the run was begun {begun}; a run continues as it was"
            )


def _check_cosine(settings: Mapping[str, Any], trainer: Trainer) -> None:
    ends = trainer.optimizer.schedule.describe().get("epochs")
    if settings["schedule"] == "cosine" and ends is not None and settings["epochs"] > ends:
        raise ValueError(
            f"train: the run's cosine schedule ends with epoch {ends}, where its rate is 0; begin anew with more "
            f"{option('epochs')}"
        )
