"""``python -m bpnet train DATA``"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any

import numpy as np

from bpnet import optimizers, plots, schedules
from bpnet.commands.prepare import Prepared, prepare
from bpnet.commands.source import open_source
from bpnet.data.preprocessing import Preprocessing
from bpnet.layers import ACTIVATIONS, Dropout, Layer, Linear
from bpnet.losses import CrossEntropy, Huber, as_loss
from bpnet.network import Network
from bpnet.training import Callback, Checkpoint, EarlyStopping, Trainer
from bpnet.training.progress import metrics_text

OPTIMIZERS = tuple(optimizers.FAMILY.classes)

# An option left out has the value None on the command line, so that a resumed run can tell what was said.
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


def run(options: argparse.Namespace) -> int:
    """Train, or go on with a run; the exit status."""
    if options.plot:
        plots.require_matplotlib()
    path = options.save or options.resume
    for written in (path, options.plot):
        check_writable(written, options.data)
    said = {name: getattr(options, name) for name in DEFAULTS if getattr(options, name) is not None}
    trainer, prepared = _resume(options, said) if options.resume else _begin(options, DEFAULTS | said)
    config = trainer.notes["command"]
    left = config["epochs"] - trainer.epochs
    if left < 1:
        raise ValueError(f"train: the run has its {trainer.epochs} epochs already; give a larger --epochs")
    if not options.quiet and not options.resume:
        trainer.network.summary()
        rows = 0 if prepared.X_val is None else len(prepared.X_val)
        print(f"training on {len(prepared.X)} rows, validating on {rows}; loss {trainer.loss.name}")
    try:
        trainer.fit(
            prepared.X,
            prepared.y,
            epochs=left,
            batch_size=config["batch_size"],
            validation_data=None if prepared.X_val is None else (prepared.X_val, prepared.y_val),
            callbacks=_callbacks(config, path),
            verbose=0 if options.quiet else 1,
        )
    except KeyboardInterrupt:
        print(_keep(trainer, path))
        return 130
    except ValueError as error:
        raise ValueError(f"{error}. {_keep(trainer, path)}") from None
    if path:
        trainer.save(path)
        print(f"saved {path}")
    if options.plot:
        trainer.history.plot(options.plot)
        print(f"plotted {options.plot}")
    print(_result(trainer, prepared))
    return 0


def _begin(options: argparse.Namespace, config: dict[str, Any]) -> tuple[Trainer, Prepared]:
    source = open_source(options.data, config["labels"])
    prepared = prepare(source, config)
    config["loss"] = prepared.loss
    config["fingerprint"] = source.fingerprint()
    network = Network(
        (prepared.X.shape[1],),
        _layers(config, prepared.outputs),
        seed=config["seed"],
        dtype=config["dtype"],
        backend=options.backend,
    )
    network.preprocessing = prepared.preprocessing.describe()
    trainer = Trainer(network, _loss(config), _optimizer(config))
    trainer.notes["command"] = config
    return trainer, prepared


def _resume(options: argparse.Namespace, said: dict[str, Any]) -> tuple[Trainer, Prepared]:
    trainer = Trainer.load(options.resume, backend=options.backend)
    config = trainer.notes.get("command")
    if config is None:
        raise ValueError(
            f"train: {options.resume} was not written by this command; go on with bpnet.Trainer.load"
        )
    for name, value in said.items():
        if name in ("epochs", "labels"):
            config[name] = value
        elif value != config[name]:
            option = "--" + name.replace("_", "-")
            raise ValueError(
                f"train: {option} is {value} but the run was begun with {config[name]}; a run goes on as it was"
            )
    if (
        str(config["schedule"]) == "cosine"
        and config["epochs"] > trainer.optimizer.schedule.describe()["epochs"]
    ):
        raise ValueError(
            f"train: the run's cosine schedule ends with epoch {trainer.optimizer.schedule.describe()['epochs']}, "
            "where its rate is 0; begin anew with more --epochs"
        )
    source = open_source(options.data, config["labels"])
    if source.fingerprint() != config["fingerprint"]:
        raise ValueError(
            f"train: {options.data} is not the data that the run in {options.resume} was begun with"
        )
    known = Preprocessing.from_description(trainer.network.preprocessing)
    return trainer, prepare(source, config, known)


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


def check_writable(path: str | None, data: str) -> None:
    """Before the work, not after it."""
    if not path:
        return
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise ValueError(f"{path}: there is no folder {folder!r} to write to")
    if os.path.isdir(path):
        raise ValueError(f"{path}: this is a folder, a file's name is needed")
    if os.path.exists(path) and os.path.exists(data) and os.path.samefile(path, data):
        raise ValueError(f"{path}: this is the data; give another name to write to")
    if not os.access(folder, os.W_OK):
        raise ValueError(f"{path}: the folder {folder!r} cannot be written to")


def _keep(trainer: Trainer, path: str | None) -> str:
    """Save what fit has put back, for it may have been stopped before the checkpoint; say what there is."""
    if trainer.epochs and path:
        trainer.save(path)
    if trainer.epochs == 0:
        return "stopped before the first epoch's end: nothing was saved"
    kept = f"{path} holds the model" if path else "no --save was given: the model is gone"
    return f"stopped after epoch {trainer.epochs}: {kept}"


def _result(trainer: Trainer, prepared: Prepared) -> str:
    """The last line: how good the model is that was kept."""
    if prepared.X_val is None:
        last = {name: values[-1] for name, values in trainer.history.items()}
        return f"training: {metrics_text(last)}"
    metrics = trainer.network.evaluate(prepared.X_val, prepared.y_val, trainer.loss)
    text = f"validation: {metrics_text(metrics)}"
    if prepared.preprocessing.classes or prepared.y_val is None:
        return text
    errors = trainer.network.predict(prepared.X_val).reshape(prepared.y_val.shape) - prepared.y_val
    error = float(np.sqrt((errors**2).mean())) * prepared.preprocessing.target_scale
    return f"{text} (of the standardised target), root mean square error {error:.6g}"
