"""The settings of a training from raw data: their defaults, their checks, and how a run file keeps them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from bpnet import _core, checks, optimizers
from bpnet.described import Described, example
from bpnet.hints import did_you_mean
from bpnet.layers import elementwise
from bpnet.options import option

ACTIVATIONS = tuple(elementwise.ACTIVATIONS.classes)
OPTIMIZERS = tuple(optimizers.FAMILY.classes)
TASKS = ("classification", "regression")
MISSING = ("error", "mean", "median", "most-frequent", "drop", "category")
UNKNOWN = ("error", "ignore")
DTYPES = ("float32", "float64")

#: What a run file keeps of a training's settings, under this name of the run's notes.
KEPT_AS = "command"

Check = Callable[[str, Any], Any]


class Setting(NamedTuple):
    """What a setting is where nothing is said, and its check: of (name for messages, value), to a plain value."""

    default: Any
    check: Check


def _optional(check: Check) -> Check:
    return lambda name, value: None if value is None else check(name, value)


def _string(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"train: {name} is {value!r}, a string is needed")
    return value


def _path(name: str, value: Any) -> str:
    return _string(name, os.fspath(value) if isinstance(value, os.PathLike) else value)


def _names(name: str, value: Any) -> list[str]:
    if isinstance(value, (str, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"train: {name} is {value!r}, a list of names is needed")
    return [_string(f"a name of {name}", each) for each in value]


def _one_of(*words: str, family: str = "") -> Check:
    """The check of a word; the family's name says what other libraries' names mean."""

    def check(name: str, value: Any) -> str:
        if isinstance(value, type) and issubclass(value, Described):
            raise TypeError(f"train: {name} is the class {value.__name__}, give an object: {example(value)}")
        if value not in words:
            hint = did_you_mean(value, words, family) if family and isinstance(value, str) else ""
            raise ValueError(f"train: {name} is {value!r}, one of {', '.join(words)} is needed{hint}")
        return value

    return check


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"train: {name} is {value!r}, True or False is needed")
    return value


def _integer(least: int, most: int = (1 << 63) - 1) -> Check:
    return lambda name, value: checks.whole("train", name, value, least, most)


def _number(name: str, value: Any) -> float:
    return checks.number("train", name, value)


def _fraction(name: str, value: Any) -> float:
    number = _number(name, value)
    if not 0 <= number < 1:
        raise ValueError(f"train: {name} is {value!r}, a fraction from 0 to below 1 is needed")
    return number


def _widths(name: str, value: Any) -> list[int]:
    return [checks.whole("train", f"a width of {name}", each) for each in checks.items("train", name, value)]


def _class_weight(name: str, value: Any) -> Any:
    if value == "balanced":
        return value
    if isinstance(value, Mapping):
        return {str(label): _number(f"a weight of {name}", weight) for label, weight in value.items()}
    if isinstance(value, str):
        raise ValueError(f"train: {name} is {value!r}, only the word 'balanced' is known")
    return [_number(f"a weight of {name}", weight) for weight in checks.items("train", name, value)]


def _described(words: Check) -> Check:
    """One of the words, or the description of an object."""

    def check(name: str, value: Any) -> Any:
        if isinstance(value, Mapping) and isinstance(value.get("name"), str):
            checks.plain("train", dict(value), name)
            return dict(value)
        return words(name, value)

    return check


SETTINGS: dict[str, Setting] = {
    "target": Setting(None, _optional(_string)),
    "labels": Setting(None, _optional(_path)),
    "task": Setting(None, _optional(_one_of(*TASKS))),
    "drop": Setting([], _names),
    "numeric": Setting([], _names),
    "categorical": Setting([], _names),
    "encoding": Setting(None, _optional(_string)),
    "delimiter": Setting(None, _optional(_string)),
    "decimal": Setting(None, _optional(_string)),
    "thousands": Setting(None, _optional(_string)),
    "missing": Setting("error", _one_of(*MISSING)),
    "missing_values": Setting(None, _optional(_names)),
    "unknown": Setting("error", _one_of(*UNKNOWN)),
    "standardise": Setting(True, _switch),
    "layers": Setting([64, 64], _widths),
    "activation": Setting("tanh", _one_of(*ACTIVATIONS, family="activation")),
    "dropout": Setting(0.0, _fraction),
    "loss": Setting(None, _optional(_one_of(*_core.loss_names(), family="loss"))),
    "label_smoothing": Setting(0.0, _fraction),
    "huber_delta": Setting(1.0, _number),
    "class_weight": Setting(None, _optional(_class_weight)),
    "optimizer": Setting("adam", _described(_one_of(*OPTIMIZERS, family="optimizer"))),
    "lr": Setting(None, _optional(_number)),
    "momentum": Setting(None, _optional(_number)),
    "weight_decay": Setting(None, _optional(_number)),
    "schedule": Setting("constant", _described(_string)),
    "warmup": Setting(0, _integer(0)),
    "epochs": Setting(30, _integer(1)),
    "batch_size": Setting(32, _integer(1)),
    "validation": Setting(0.2, _fraction),
    "patience": Setting(None, _optional(_integer(0))),
    "seed": Setting(0, _integer(0, (1 << 64) - 1)),
    "dtype": Setting("float32", _one_of(*DTYPES)),
}

DEFAULTS: dict[str, Any] = {name: setting.default for name, setting in SETTINGS.items()}

# What a run's settings hold beside what a caller may give, and its default for files that were written before.
_FACTS: dict[str, Setting] = {
    "fingerprint": Setting(None, _string),
    "rows": Setting(None, _optional(lambda name, value: [_integer(0)(name, each) for each in value])),
}


def checked(said: Mapping[str, Any]) -> dict[str, Any]:
    """The settings as plain values that a run file can keep.

    Raises:
        TypeError, ValueError: a value that the setting cannot have.
    """
    return {name: SETTINGS[name].check(option(name), value) for name, value in said.items()}


def kept_settings(path: object, notes: Mapping[str, Any]) -> dict[str, Any] | None:
    """The settings that :func:`bpnet.train_model` left in a run's notes; None where it did not begin the run.

    Raises:
        FileFormatError: they are not as it writes them.
    """
    kept = notes.get(KEPT_AS)
    if not isinstance(kept, dict) or "fingerprint" not in kept:
        return None
    table = SETTINGS | _FACTS
    try:
        for name in kept:
            if name not in table:
                raise ValueError(f"there is no setting {name!r}")
        return {
            name: setting.check(name, kept[name]) if name in kept else setting.default
            for name, setting in table.items()
        }
    except (TypeError, ValueError) as error:
        text = str(error).removeprefix("train: ")
        raise _core.FileFormatError(
            f"load: the settings of the run in {path} cannot be read: {text}"
        ) from None


class Rule(NamedTuple):
    """Options that can have no effect under other settings."""

    options: tuple[str, ...]
    useless: Callable[[Mapping[str, Any]], bool]
    reason: str


def _optimizer_is_object(settings: Mapping[str, Any]) -> bool:
    return not isinstance(settings["optimizer"], str)


RULES = (
    Rule(
        ("huber_delta",),
        lambda settings: settings["loss"] not in (None, "huber"),
        "is for the loss huber, the loss is {loss}",
    ),
    Rule(
        ("label_smoothing", "class_weight"),
        lambda settings: settings["loss"] not in (None, "cross_entropy"),
        "is for the loss cross_entropy, the loss is {loss}",
    ),
    Rule(
        ("lr", "momentum", "weight_decay", "schedule", "warmup"),
        _optimizer_is_object,
        "is the optimizer's own where that is an object; give it to the optimizer",
    ),
    Rule(
        ("momentum",),
        lambda settings: settings["optimizer"] not in ("sgd", "rmsprop"),
        "is for sgd and rmsprop, the optimizer is {optimizer}",
    ),
    Rule(
        ("activation", "dropout"),
        lambda settings: not settings["layers"],
        "is for hidden layers, and there are none",
    ),
)


def check_effects(said: Iterable[str], settings: Mapping[str, Any]) -> None:
    """Refuse what was said and can have no effect.

    Args:
        said: the names of the settings that the caller gave.
        settings: all of them; the loss None where it is not known yet.
    """
    given = list(said)
    for rule in RULES:
        for name in rule.options:
            if name in given and rule.useless(settings):
                raise ValueError(f"train: {option(name)} {rule.reason.format_map(settings)}")
