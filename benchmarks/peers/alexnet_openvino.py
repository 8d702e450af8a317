"""OpenVINO's AlexNet on the CPU, tuned for latency or for throughput."""

from __future__ import annotations

import numpy as np
import openvino

from benchmarks.alexnet import AlexNet, make_batch, read_case
from benchmarks.peers import Runner
from benchmarks.peers.alexnet_onnx import Folder


class Peer:
    def __init__(self, precision: str) -> None:
        self.precision = {"fp32": "f32"}.get(precision, precision)
        self.read_case = read_case

    def forms(self, case: AlexNet) -> list[str]:
        return ["LATENCY", "THROUGHPUT"] if case.predict else []

    def make(self, case: AlexNet, threads: int, form: str) -> Runner:
        core = openvino.Core()
        folder = Folder(case)
        settings = {
            "INFERENCE_PRECISION_HINT": self.precision,
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": form,
            "NUM_STREAMS": 1,
        }
        compiled = core.compile_model(core.read_model(folder.path), "CPU", settings)
        request = compiled.create_infer_request()
        x, _ = make_batch(case)
        tensor = openvino.Tensor(x, shared_memory=True)
        request.set_input_tensor(tensor)

        def predict() -> int:
            request.infer()
            return len(x)  # which keeps the shared memory

        def outputs(images: np.ndarray) -> np.ndarray:
            return compiled([images])[0]

        return Runner(predict, outputs=outputs)


def peer(precision: str) -> Peer:
    return Peer(precision)
