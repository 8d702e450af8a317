"""bpnet's AlexNet: a step of a trainer, or ``predict``; ``peer("bf16")`` and ``peer("winograd")`` are the same by other
products."""

from __future__ import annotations

from collections.abc import Mapping
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
from benchmarks.peers.ours import missing

WAYS: dict[str, dict[str, Any]] = {"bf16": {"precision": "bfloat16"}, "winograd": {"winograd": True}}


def network(case: AlexNet, options: Mapping[str, Any]) -> bp.Network:
    """``options`` are the network's."""
    if case.norm:
        return bp.models.alexnet(CLASSES, "paper", dropout=case.dropout, **options)
    layers: list[Any] = []
    for c in CONVOLUTIONS:
        layers += [bp.Conv2d(c.out, c.kernel, stride=c.stride, padding=c.padding, groups=c.groups), bp.ReLU()]
        if c.pool:
            layers.append(bp.MaxPool2d(3, stride=2))
    layers.append(bp.Flatten())
    for _, out in LINEAR[:-1]:
        layers += [bp.Linear(out), bp.ReLU(), bp.Dropout(case.dropout)]
    return bp.Network((3, SIZE, SIZE), [*layers, bp.Linear(CLASSES)], **options)


class Peer:
    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self.read_case = read_case

    def forms(self, case: AlexNet) -> list[str]:
        return ["predict" if case.predict else "step"]

    def make(self, case: AlexNet, threads: int, form: str) -> Runner:
        bp.set_num_threads(threads)
        net = network(case, self._options)
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


_full = Peer({})
forms, make = _full.forms, _full.make


def peer(way: str) -> Peer:
    """
    Raises:
        ImportError: this bpnet has no such way, or not on this processor.
    """
    problem = missing(WAYS[way])
    if problem:
        raise ImportError(problem)
    return Peer(WAYS[way])
