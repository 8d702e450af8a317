"""bpnet's LeNet5 and ResNet18 in training: ``peer("fp32")``, or ``peer("bf16")`` in bfloat16."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

import bpnet as bp
from benchmarks.models import Model, make_data, make_weights, read_case
from benchmarks.peers import Runner
from benchmarks.peers.ours import missing

PRECISIONS: dict[str, dict[str, Any]] = {"fp32": {}, "bf16": {"precision": "bfloat16"}}


def network(case: Model, options: Mapping[str, Any]) -> bp.Network:
    if case.network == "LeNet5":
        return bp.models.lenet5(case.classes, image_size=case.side, **options)
    return bp.models.resnet18(case.classes, image_size=case.side, **options)


class Peer:
    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self.read_case = read_case

    def forms(self, case: Model) -> list[str]:
        return ["fit" if case.samples > case.batch else "step"]

    def make(self, case: Model, threads: int, form: str) -> Runner:
        bp.set_num_threads(threads)
        net = network(case, self._options)
        # running_mean and the like are no parameters
        shapes = {
            name: array.shape for name, array in net.state_dict().items() if name.endswith(("weight", "bias"))
        }
        net.load_state_dict(make_weights(shapes), strict=False)
        x, y = make_data(case)
        optimizer: Any = bp.Adam(case.lr) if case.adam else bp.SGD(lr=case.lr, momentum=case.momentum)
        trainer = bp.Trainer(net, loss="cross_entropy", optimizer=optimizer)

        def step() -> int:
            trainer.step(x, y)
            return case.samples

        def fit() -> int:
            net.fit(
                x,
                y,
                loss="cross_entropy",
                optimizer=optimizer,
                epochs=1,
                batch_size=case.batch,
                shuffle=False,
                verbose=0,
            )
            return case.samples

        def state() -> list[tuple[np.ndarray, np.ndarray]]:
            return [(net.state_dict()[name].copy(),) for name in sorted(shapes)]

        return Runner(fit if form == "fit" else step, state)


def peer(precision: str) -> Peer:
    """
    Raises:
        ImportError: this bpnet has no such precision, or not on this processor.
    """
    problem = missing(PRECISIONS[precision])
    if problem:
        raise ImportError(problem)
    return Peer(PRECISIONS[precision])
