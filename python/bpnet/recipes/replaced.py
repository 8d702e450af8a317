"""Whether a run may take the place of a file that is there."""

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
    kept = _kept(path, settings)
    if not kept:
        return
    ways = f"{option('overwrite', True)} replaces it"
    if holds_model(path):
        ways = f"{option('resume', os.fspath(path))} goes on with it, {ways}"
    raise ValueError(f"train: {os.fspath(path)} {kept}; {ways}")


def _kept(path: str | os.PathLike[str], settings: Mapping[str, Any]) -> str:
    """What would be lost, or nothing."""
    if not holds_model(path):
        return "is there already and holds no run"
    try:
        trainer = Trainer.load(path)
        kept = kept_settings(path, trainer.notes)
    except ValueError:  # a model without its run among them
        return "holds a model that was not trained by this run"
    if kept is None:
        return "holds a run that was begun otherwise"
    for name in SETTINGS:
        if name not in _FREE and kept[name] != settings[name]:
            return f"holds a run with {option(name, kept[name])}, not {settings[name]}"
    if kept["fingerprint"] != settings["fingerprint"]:
        return "holds a run on other data"
    if trainer.epochs > settings["epochs"]:
        return f"holds a run of {trainer.epochs} epochs, this one has {settings['epochs']}"
    return ""
