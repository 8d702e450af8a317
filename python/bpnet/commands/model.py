"""A model file as the commands need it: the network, its preprocessing, and the run if it holds one."""

from __future__ import annotations

from typing import Any

from bpnet import _core, checks
from bpnet.data.preprocessing import Preprocessing
from bpnet.losses import Loss
from bpnet.network import Network, load
from bpnet.training import Trainer


class Model:
    """
    Attributes:
        network: the network.
        preprocessing: how data becomes its input.
        trainer: the run, or None for a file that net.save wrote.
        loss: the run's loss, or None.
        command: the options of the train command that began the run, or None.
    """

    def __init__(self, network: Network, trainer: Trainer | None) -> None:
        self.network = network
        self.preprocessing = Preprocessing.from_description(network.preprocessing)
        self.trainer = trainer
        self.loss: Loss | None = trainer.loss if trainer else None
        self.command: dict[str, Any] | None = trainer.notes.get("command") if trainer else None


def open_model(path: str, backend: str | None) -> Model:
    """Read a model file or a run file."""
    _, run = _core.inspect(checks.path("load", path))
    if run:
        trainer = Trainer.load(path, backend)
        return Model(trainer.network, trainer)
    return Model(load(path, backend), None)
