"""AlexNet as an ONNX file, for OpenVINO and ONNX Runtime."""

from __future__ import annotations

import tempfile
from pathlib import Path

import onnx
from onnx import TensorProto, helper, numpy_helper

from benchmarks.alexnet import CLASSES, CONVOLUTIONS, LINEAR, NORM, SIZE, AlexNet, make_weights


def model(case: AlexNet) -> onnx.ModelProto:
    """Of the case's batch, without dropout."""
    nodes, tensors = [], []
    last = "x"

    def add(kind: str, inputs: list[str], **attributes: object) -> None:
        nonlocal last
        out = f"{kind}{len(nodes)}"
        nodes.append(helper.make_node(kind, [last, *inputs], [out], **attributes))
        last = out

    pairs = iter(make_weights())

    def parameters() -> list[str]:
        names = []
        for array in next(pairs):
            names.append(f"parameter{len(tensors)}")
            tensors.append(numpy_helper.from_array(array, names[-1]))
        return names

    for c in CONVOLUTIONS:
        add(
            "Conv",
            parameters(),
            kernel_shape=[c.kernel] * 2,
            strides=[c.stride] * 2,
            pads=[c.padding] * 4,
            group=c.groups,
        )
        add("Relu", [])
        if c.norm and case.norm:
            add("LRN", [], size=NORM["size"], alpha=NORM["alpha"], beta=NORM["beta"], bias=NORM["k"])
        if c.pool:
            add("MaxPool", [], kernel_shape=[3, 3], strides=[2, 2])
    add("Flatten", [])
    for index in range(len(LINEAR)):
        add("Gemm", parameters(), transB=1)
        if index + 1 < len(LINEAR):
            add("Relu", [])
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [case.batch, 3, SIZE, SIZE])
    out = helper.make_tensor_value_info(last, TensorProto.FLOAT, [case.batch, CLASSES])
    graph = helper.make_graph(nodes, "alexnet", [x], [out], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


class Folder:
    """A folder with the model's file, removed with the object."""

    def __init__(self, case: AlexNet) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self.path = str(Path(self._folder.name) / "alexnet.onnx")
        onnx.save(model(case), self.path)
