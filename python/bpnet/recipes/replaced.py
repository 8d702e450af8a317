"""Whether a run may replace a file that is there."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from bpnet.options import option
from bpnet.output_files import holds_model
from bpnet.settings import SETTINGS, kept_settings
from bpnet.training import Trainer

# What does not make a run another one.
_FREE = ("epochs", "labels")


def check_replaced(path: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
    """Raise a ValueError unless there is no such file, or one that training again only brings back: a run with the
    same settings on the same data, of at most as many epochs."""
    if not os.path.exists(path):
        return
    shown, replaces = os.fspath(path), f"{option('overwrite', True)} replaces it"
    if not holds_model(path):
        raise ValueError(f"train: {shown} is there already and holds no run; {replaces}")
    trainer, kept = _run_of(path)
    if trainer is None or kept is None:
        raise ValueError(f"train: {shown} holds a model that was not trained by this command; {replaces}")
    lost = _lost(trainer, kept, settings)
    if lost:
        goes_on = f"{option('resume', shown)} continues it"
        raise ValueError(f"train: {shown} holds a run {lost}; {goes_on}, {replaces}")


def _run_of(path: str | os.PathLike[str]) -> tuple[Trainer | None, dict[str, Any] | None]:
    """The run in a model's file and its settings, where there are some that can be read."""
    try:
        trainer = Trainer.load(path)
        return trainer, kept_settings(path, trainer.notes)
    except ValueError:  # a model without its run among them
        return None, None


def _written(name: str, value: Any) -> str:
    return f"no {option(name)}" if value in (None, []) else option(name, value)


def _lost(trainer: Trainer, kept: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    """What training again would not bring back, or nothing."""
    for name in SETTINGS:
        if name not in _FREE and kept[name] != settings[name]:
            return f"with {_written(name, kept[name])}, not {_written(name, settings[name])}"
    if kept["fingerprint"] != settings["fingerprint"]:
        return "on other data"
    if trainer.epochs > settings["epochs"]:
        return f"of {trainer.epochs} epochs, this one has {settings['epochs']}"
    return ""
