"""ONNX Runtime with all of its optimisations, on its own threads; outputs into memory that stays, or new."""

from __future__ import annotations

import numpy as np
import onnxruntime

from benchmarks.alexnet import CLASSES, AlexNet, make_batch, read_case
from benchmarks.peers import Runner
from benchmarks.peers.alexnet_onnx import Folder

__all__ = ["forms", "make", "read_case"]

BOUND = "bound memory"


def forms(case: AlexNet) -> list[str]:
    return ["run", BOUND] if case.predict else []


def make(case: AlexNet, threads: int, form: str) -> Runner:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    folder = Folder(case)
    session = onnxruntime.InferenceSession(folder.path, options, ["CPUExecutionProvider"])
    x, _ = make_batch(case)
    out = np.empty((case.batch, CLASSES), np.float32)
    binding = session.io_binding()
    binding.bind_cpu_input("x", x)
    name = session.get_outputs()[0].name
    binding.bind_output(name, "cpu", 0, np.float32, out.shape, out.ctypes.data)

    def predict() -> int:
        if form == BOUND:
            session.run_with_iobinding(binding)
        else:
            session.run(None, {"x": x})
        return len(out)  # which keeps the bound memory, as x is kept above

    return Runner(predict, outputs=lambda images: session.run(None, {"x": images})[0])
