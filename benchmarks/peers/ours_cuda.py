"""bpnet on a GPU: ``fit`` of data on the host, which it sends to the card in each run.

``peer(device)`` is on that device of bpnet's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import bpnet as bp
from benchmarks import alexnet
from benchmarks.cases import Case
from benchmarks.cuda_cases import read_case
from benchmarks.peers import Runner, ours

# Of the same batch, side by side: the losses are read once an epoch.
MOST_BATCHES = 2


class Peer:
    def __init__(self, device: str) -> None:
        self.device = device
        self.read_case = read_case

    def forms(self, case: Any) -> list[str]:
        return ["fit"]

    def make(self, case: Any, *given: Any) -> Runner:
        where = {"device": self.device, "precision": case.precision}
        if isinstance(case, Case):
            return ours.make(case, *given, where=where)
        return alexnet_fit(case, where)


def alexnet_fit(case: alexnet.AlexNet, where: dict[str, str]) -> Runner:
    net = bp.models.alexnet(alexnet.CLASSES, variant="paper", dropout=case.dropout, **where)
    arrays = [array for pair in alexnet.make_weights() for array in pair]
    net.load_state_dict(dict(zip(net.state_dict(), arrays)))
    optimizer = bp.SGD(lr=case.lr, momentum=case.momentum)
    x, y = alexnet.make_batch(case)
    batches = min(case.steps, MOST_BATCHES)
    epochs = case.steps // batches
    x, y = np.concatenate([x] * batches), np.concatenate([y] * batches)

    def train() -> int:
        net.fit(
            x,
            y,
            loss="cross_entropy",
            optimizer=optimizer,
            epochs=epochs,
            batch_size=case.batch,
            shuffle=False,
            verbose=0,
        )
        return epochs * len(x)

    def state() -> list[tuple[np.ndarray, np.ndarray]]:
        arrays = [array.copy() for array in net.state_dict().values()]
        return list(zip(arrays[::2], arrays[1::2]))

    return Runner(train, state)


def peer(device: str) -> Peer:
    """
    Raises:
        ImportError: with what bpnet says of a device that is not available.
    """
    try:
        bp.Network((1,), [bp.Linear(1)], device=device)
    except bp.DeviceError as error:
        raise ImportError(str(error)) from None
    return Peer(device)
