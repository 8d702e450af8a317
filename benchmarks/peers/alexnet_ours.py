"""bpnet's AlexNet: a step of a trainer, or ``predict``."""

from __future__ import annotations

from typing import Any

import numpy as np

import bpnet as bp
from benchmarks.alexnet import (
    CLASSES,
    CONVOLUTIONS,
    LINEAR,
    SIZE,
    AlexNet,
    make_batch,
    make_weights,
    read_case,
)
from benchmarks.peers import Runner

__all__ = ["forms", "make", "read_case"]


def forms(case: AlexNet) -> list[str]:
    return ["predict" if case.predict else "step"]


def network(case: AlexNet) -> bp.Network:
    if case.norm:
        return bp.models.alexnet(CLASSES, "paper", dropout=case.dropout)
    layers: list[Any] = []
    for c in CONVOLUTIONS:
        layers += [bp.Conv2d(c.out, c.kernel, stride=c.stride, padding=c.padding, groups=c.groups), bp.ReLU()]
        if c.pool:
            layers.append(bp.MaxPool2d(3, stride=2))
    layers.append(bp.Flatten())
    for _, out in LINEAR[:-1]:
        layers += [bp.Linear(out), bp.ReLU(), bp.Dropout(case.dropout)]
    return bp.Network((3, SIZE, SIZE), [*layers, bp.Linear(CLASSES)])


def make(case: AlexNet, threads: int, form: str) -> Runner:
    bp.set_num_threads(threads)
    net = network(case)
    names = list(net.state_dict())
    net.load_state_dict(dict(zip(names, [array for pair in make_weights() for array in pair])))
    x, y = make_batch(case)

    def state() -> list[tuple[np.ndarray, np.ndarray]]:
        arrays = [array.copy() for array in net.state_dict().values()]
        return list(zip(arrays[::2], arrays[1::2]))

    if case.predict:
        return Runner(lambda: len(net.predict(x)), state, net.predict)
    trainer = bp.Trainer(net, loss="cross_entropy", optimizer=bp.SGD(lr=case.lr, momentum=case.momentum))

    def train() -> int:
        trainer.step(x, y)
        return case.batch

    return Runner(train, state, net.predict)
