"""bpnet itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import bpnet as bp
from benchmarks.cases import Case, Data
from benchmarks.peers import Runner


def missing(options: Mapping[str, Any]) -> str:
    """Why nobody would measure a network with these options here; empty where there is no reason."""
    try:
        net = bp.Network((1,), [bp.Linear(1)], **options)
    except (TypeError, ValueError) as error:
        return str(error)
    if net.backend.endswith("_model"):
        return f"{net.backend} computes: this processor has no instruction for it, or BPNET_BACKEND says so"
    return ""


def forms(case: Case) -> list[str]:
    return ["fit"]


def make(
    case: Case,
    data: Data,
    weights: list[Any],
    threads: int,
    form: str,
    where: Mapping[str, str] | None = None,
) -> Runner:
    """``where`` are the network's options of that name: device and precision."""
    bp.set_num_threads(threads)
    activation = bp.Tanh if case.activation == "tanh" else bp.ReLU
    layers: list[Any] = []
    for index, width in enumerate(case.widths[1:]):
        layers.append(bp.Linear(width))
        if case.last or index + 2 < len(case.widths):
            layers += [activation(), *([bp.Dropout(case.dropout)] if case.dropout else [])]
    net = bp.Network((case.widths[0],), layers, seed=0, **(where or {}))
    names = list(net.state_dict())
    net.load_state_dict(dict(zip(names, [array for pair in weights for array in pair])))
    optimizer: Any = bp.Adam(case.lr) if case.adam else bp.SGD(lr=case.lr, momentum=case.momentum)

    def train() -> None:
        net.fit(
            data.x,
            data.y,
            loss=case.loss,
            optimizer=optimizer,
            epochs=case.epochs,
            batch_size=case.batch,
            shuffle=False,
            verbose=0,
        )

    def predict() -> None:
        for first in range(0, case.samples, case.batch):
            net.predict(data.x[first : first + case.batch])

    def state() -> list[tuple[np.ndarray, np.ndarray]]:
        arrays = [array.copy() for array in net.state_dict().values()]
        return list(zip(arrays[::2], arrays[1::2]))

    return Runner(predict if case.predict else train, state, net.predict)
