"""The layers, loss, optimizer and callbacks that a training's settings describe."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from bpnet import optimizers, schedules
from bpnet.layers import Dropout, Layer, Linear
from bpnet.layers.elementwise import ACTIVATIONS
from bpnet.losses import CrossEntropy, Huber, Loss, as_loss, with_class_weight
from bpnet.optimizers import Optimizer
from bpnet.options import option
from bpnet.schedules import Schedule


def hidden_and_output_layers(settings: Mapping[str, Any], outputs: int) -> list[Layer]:
    """Linear, activation and dropout for each width, then Linear(outputs)."""
    chain: list[Layer] = []
    for width in settings["layers"]:
        chain += [Linear(width), ACTIVATIONS.named("train", settings["activation"])]
        if settings["dropout"]:
            chain.append(Dropout(settings["dropout"]))
    return [*chain, Linear(outputs)]


def loss_settings(loss: Loss) -> dict[str, Any]:
    """The settings that describe a loss object."""
    described = loss.describe()
    found = {"loss": described["name"]}
    if described["name"] == "huber":
        found["huber_delta"] = described["delta"]
    if described["name"] == "cross_entropy":
        found["label_smoothing"] = described["label_smoothing"]
        found["class_weight"] = list(described["class_weight"]) or None
    return found


def loss_of(settings: Mapping[str, Any], classes: list[str], y: np.ndarray) -> Loss:
    """The loss.

    Args:
        settings: of the training.
        classes: the classes' names.
        y: the training rows' targets, which balanced class weights count.
    """
    if settings["loss"] == "huber":
        return Huber(delta=settings["huber_delta"])
    if settings["loss"] != "cross_entropy":
        return as_loss("train", settings["loss"])
    loss = CrossEntropy(label_smoothing=settings["label_smoothing"])
    weight = settings["class_weight"]
    if weight is None:
        return loss
    labels = y if y.ndim == 1 else y.argmax(axis=1)
    count = len(classes) or y.shape[-1]
    if isinstance(weight, Mapping):
        weight = _by_index(weight, classes)
    elif not isinstance(weight, str) and len(weight) != count:
        raise ValueError(
            f"train: {option('class_weight')} has {len(weight)} weights, there are {count} classes"
        )
    return with_class_weight("train", loss, weight, labels, count)


def _by_index(weight: Mapping[str, float], classes: list[str]) -> dict[int, float]:
    index = {name: index for index, name in enumerate(classes)}
    for name in weight:
        if name not in index:
            raise ValueError(
                f"train: {option('class_weight')} names the class {name!r}, there are {', '.join(classes)}"
            )
    return {index[name]: value for name, value in weight.items()}


def optimizer_of(settings: Mapping[str, Any], schedule: Schedule | None) -> Optimizer:
    """The optimizer of the settings' name, with the options that were given."""
    given = {
        name: settings[name] for name in ("lr", "momentum", "weight_decay") if settings[name] is not None
    }
    make: Any = optimizers.FAMILY.classes[settings["optimizer"]]
    return make(**given, schedule=schedule)


def describe_optimizer(optimizer: Optimizer) -> dict[str, Any]:
    """An optimizer object as a run file's settings keep it."""
    return {**optimizer.describe(), "schedule": optimizer.schedule.describe()}


def schedule_of(settings: Mapping[str, Any], given: Schedule | None = None) -> Schedule | None:
    """``step:30:0.1``, ``multi_step:30,60:0.1``, ``exponential:0.95``, ``cosine``, ``plateau:0.1:10``, or the given
    object; after the warm-up, where there is one."""
    schedule = given if given is not None else _written(str(settings["schedule"]), settings["epochs"])
    warmup = settings["warmup"]
    return schedules.LinearWarmup(warmup, after=schedule) if warmup else schedule


def _written(text: str, epochs: int) -> Schedule | None:
    name, *parts = text.split(":")
    try:
        make, arguments = _named(name, parts, epochs)
    except ValueError:
        raise ValueError(
            f"train: {option('schedule')} {text!r} is not one of constant, step:EPOCHS[:FACTOR], "
            "multi_step:EPOCH,EPOCH…[:FACTOR], exponential:FACTOR, cosine[:EPOCHS], plateau[:FACTOR[:PATIENCE]]"
        ) from None
    return make(**arguments)


def _named(name: str, parts: list[str], epochs: int) -> tuple[Callable[..., Schedule | None], dict[str, Any]]:
    """What makes the schedule, and its arguments; a ValueError for anything that is not written so."""
    gamma = {"gamma": float(parts[1])} if len(parts) == 2 else {}
    if name == "constant" and not parts:
        return lambda: None, {}
    if name == "step" and len(parts) in (1, 2):
        return schedules.StepLR, {"step_size": int(parts[0]), **gamma}
    if name == "multi_step" and len(parts) in (1, 2):
        return schedules.MultiStepLR, {"milestones": [int(epoch) for epoch in parts[0].split(",")], **gamma}
    if name == "exponential" and len(parts) == 1:
        return schedules.ExponentialLR, {"gamma": float(parts[0])}
    if name == "cosine" and len(parts) < 2:
        return schedules.CosineAnnealingLR, {"T_max": int(parts[0]) if parts else epochs}
    if name == "plateau" and len(parts) < 3:
        factor, patience = [*parts, *("0.1", "10")[len(parts) :]]
        return schedules.ReduceLROnPlateau, {"factor": float(factor), "patience": int(patience)}
    raise ValueError(name)
