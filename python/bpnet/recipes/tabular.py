"""A fully connected network on a table or on arrays, from raw data to a model."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bpnet import optimizers, schedules
from bpnet.data.prepare import Prepared, prepare
from bpnet.data.preprocessing import Preprocessing
from bpnet.data.source import open_source
from bpnet.layers import ACTIVATIONS, Dropout, Layer, Linear
from bpnet.losses import CrossEntropy, Huber, as_loss
from bpnet.model import Model
from bpnet.network import Network
from bpnet.training import Callback, Checkpoint, EarlyStopping, Trainer

OPTIMIZERS = tuple(optimizers.FAMILY.classes)

# What a run is begun with, where nothing else is said.
DEFAULTS: dict[str, Any] = {
    "target": None,
    "labels": None,
    "drop": [],
    "categorical": [],
    "standardise": True,
    "layers": [64, 64],
    "activation": "tanh",
    "dropout": 0.0,
    "loss": None,
    "label_smoothing": 0.0,
    "huber_delta": 1.0,
    "optimizer": "adam",
    "lr": None,
    "momentum": None,
    "weight_decay": None,
    "schedule": "constant",
    "warmup": 0,
    "epochs": 30,
    "batch_size": 32,
    "validation": 0.2,
    "patience": None,
    "seed": 0,
    "dtype": "float32",
}


def train_model(
    data: str | os.PathLike[str],
    target: str | None = None,
    *,
    labels: str | None = None,
    drop: Sequence[str] | None = None,
    categorical: Sequence[str] | None = None,
    standardise: bool | None = None,
    layers: Sequence[int] | None = None,
    activation: str | None = None,
    dropout: float | None = None,
    loss: str | None = None,
    label_smoothing: float | None = None,
    huber_delta: float | None = None,
    optimizer: str | None = None,
    lr: float | None = None,
    momentum: float | None = None,
    weight_decay: float | None = None,
    schedule: str | None = None,
    warmup: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    validation: float | None = None,
    patience: int | None = None,
    seed: int | None = None,
    dtype: str | None = None,
    save: str | os.PathLike[str] | None = None,
    resume: str | os.PathLike[str] | None = None,
    backend: str | None = None,
    verbose: int = 1,
) -> Model:
    """Train a fully connected network; what ``python -m bpnet train`` does."""
    said = {name: value for name, value in locals().items() if name in DEFAULTS and value is not None}
    run = TabularRun.resume(data, resume, said, backend) if resume else TabularRun.begin(data, said, backend)
    if verbose and not resume:
        run.announce()
    run.train(save or resume, verbose)
    return run.model


class TabularRun:
    """A model in training, with its data."""

    def __init__(self, trainer: Trainer, prepared: Prepared) -> None:
        self.trainer = trainer
        self.prepared = prepared
        self.model = Model(trainer.network, trainer)

    @classmethod
    def begin(cls, data: Any, said: Mapping[str, Any], backend: str | None = None) -> TabularRun:
        """A new run."""
        config = DEFAULTS | dict(said)
        source = open_source(os.fspath(data), config["labels"])
        prepared = prepare(source, config)
        config["loss"] = prepared.loss
        config["fingerprint"] = source.fingerprint()
        network = Network(
            (prepared.X.shape[1],),
            _layers(config, prepared.outputs),
            seed=config["seed"],
            dtype=config["dtype"],
            backend=backend,
        )
        network.preprocessing = prepared.preprocessing.describe()
        trainer = Trainer(network, _loss(config), _optimizer(config))
        trainer.notes["command"] = config
        return cls(trainer, prepared)

    @classmethod
    def resume(cls, data: Any, path: Any, said: Mapping[str, Any], backend: str | None = None) -> TabularRun:
        """A saved run that goes on bit-exactly."""
        trainer = Trainer.load(path, backend=backend)
        config = trainer.notes.get("command")
        if config is None:
            raise ValueError(f"train: {path} was not written by this command; go on with bpnet.Trainer.load")
        for name, value in said.items():
            if name in ("epochs", "labels"):
                config[name] = value
            elif value != config[name]:
                option = "--" + name.replace("_", "-")
                raise ValueError(
                    f"train: {option} is {value} but the run was begun with {config[name]}; a run goes on as it was"
                )
        ends = trainer.optimizer.schedule.describe().get("epochs")
        if str(config["schedule"]) == "cosine" and config["epochs"] > ends:
            raise ValueError(
                f"train: the run's cosine schedule ends with epoch {ends}, where its rate is 0; begin anew with "
                "more --epochs"
            )
        source = open_source(os.fspath(data), config["labels"])
        if source.fingerprint() != config["fingerprint"]:
            raise ValueError(f"train: {data} is not the data that the run in {path} was begun with")
        known = Preprocessing.from_description(trainer.network.preprocessing)
        return cls(trainer, prepare(source, config, known))

    @property
    def config(self) -> dict[str, Any]:
        """What the run was begun with."""
        return self.trainer.notes["command"]

    def announce(self) -> None:
        """Print what is trained on what."""
        self.trainer.network.summary()
        rows = 0 if self.prepared.X_val is None else len(self.prepared.X_val)
        print(
            f"training on {len(self.prepared.X)} rows, validating on {rows}; loss {self.trainer.loss.name}",
            flush=True,
        )

    def train(self, path: Any = None, verbose: int = 1) -> None:
        """Train until the run has its epochs; ``path`` is written after each.

        Raises:
            KeyboardInterrupt: after Ctrl-C, with the file as of the last epoch's end; its message says so.
        """
        config, trainer, prepared = self.config, self.trainer, self.prepared
        left = config["epochs"] - trainer.epochs
        if left < 1:
            raise ValueError(
                f"train: the run has its {trainer.epochs} epochs already; give a larger --epochs"
            )
        try:
            trainer.fit(
                prepared.X,
                prepared.y,
                epochs=left,
                batch_size=config["batch_size"],
                validation_data=None if prepared.X_val is None else (prepared.X_val, prepared.y_val),
                callbacks=_callbacks(config, path),
                verbose=verbose,
            )
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._keep(path)) from None
        except ValueError as error:
            raise ValueError(f"{error}. {self._keep(path)}") from None
        if path:
            trainer.save(path)

    def _keep(self, path: Any) -> str:
        """Save what fit has put back, for it may have been stopped before the checkpoint; say what there is."""
        epochs = self.trainer.epochs
        if epochs and path:
            self.trainer.save(path)
        if epochs == 0:
            return "stopped before the first epoch's end: nothing was saved"
        kept = f"{path} holds the model" if path else "no --save was given: the model is gone"
        return f"stopped after epoch {epochs}: {kept}"


def _layers(config: dict[str, Any], outputs: int) -> list[Layer]:
    chain: list[Layer] = []
    for width in config["layers"]:
        chain += [Linear(width), ACTIVATIONS.named("train", config["activation"])]
        if config["dropout"]:
            chain.append(Dropout(config["dropout"]))
    return [*chain, Linear(outputs)]


def _loss(config: dict[str, Any]) -> Any:
    if config["loss"] == "cross_entropy":
        return CrossEntropy(label_smoothing=config["label_smoothing"])
    if config["loss"] == "huber":
        return Huber(delta=config["huber_delta"])
    return as_loss("train", config["loss"])


def _optimizer(config: dict[str, Any]) -> optimizers.Optimizer:
    given = {name: config[name] for name in ("lr", "momentum", "weight_decay") if config[name] is not None}
    name = config["optimizer"]
    if "momentum" in given and name not in ("sgd", "rmsprop"):
        raise ValueError(f"train: --momentum goes with sgd and rmsprop, the optimizer is {name}")
    make: Any = optimizers.FAMILY.classes[name]
    return make(**given, schedule=_schedule(config))


def _schedule(config: dict[str, Any]) -> schedules.Schedule | None:
    """``step:30:0.1``, ``multi_step:30,60:0.1``, ``exponential:0.95``, ``cosine``, ``plateau:0.1:10``"""
    name, *parts = str(config["schedule"]).split(":")
    try:
        schedule = (
            None if name == "constant" and not parts else _named_schedule(name, parts, config["epochs"])
        )
    except (KeyError, TypeError):
        raise ValueError(
            f"train: --schedule {config['schedule']!r} is not one of constant, step:EPOCHS[:FACTOR], "
            "multi_step:EPOCH,EPOCH…[:FACTOR], exponential:FACTOR, cosine[:EPOCHS], plateau[:FACTOR[:PATIENCE]]"
        ) from None
    return schedules.LinearWarmup(config["warmup"], after=schedule) if config["warmup"] else schedule


# What stands between the colons after a schedule's name.
_SCHEDULE_PARTS: dict[str, tuple[tuple[str, Callable[[str], Any]], ...]] = {
    "step": (("step_size", int), ("gamma", float)),
    "multi_step": (("milestones", lambda part: [int(epoch) for epoch in part.split(",")]), ("gamma", float)),
    "exponential": (("gamma", float),),
    "cosine": (("T_max", int),),
    "plateau": (("factor", float), ("patience", int)),
}


def _named_schedule(name: str, parts: list[str], epochs: int) -> schedules.Schedule:
    """The schedule; a KeyError or TypeError for a name or parts that there are not, a ValueError of its own for
    numbers that it does not take."""
    readers = _SCHEDULE_PARTS[name]
    if len(parts) > len(readers):
        raise TypeError(parts)
    options = {"T_max": epochs} if name == "cosine" else {}
    for (option, read), part in zip(readers, parts):
        try:
            options[option] = read(part)
        except ValueError:
            raise TypeError(part) from None
    make: Any = schedules.FAMILY.classes[name]
    return make(**options)


def _callbacks(config: dict[str, Any], path: str | None) -> list[Callback]:
    callbacks: list[Callback] = []
    if config["patience"] is not None:
        monitor = "val_loss" if config["validation"] else "loss"
        callbacks.append(EarlyStopping(monitor, patience=config["patience"]))
    if path:
        callbacks.append(Checkpoint(path))  # last, so that the file holds what the others know
    return callbacks
