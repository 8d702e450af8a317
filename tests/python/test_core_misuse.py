"""What _core is given is checked where memory depends on it, whoever calls: each misuse is an exception, in a
process of its own, for it may not be."""

from __future__ import annotations

import subprocess
import sys

import pytest

PRELUDE = """
import json, sys
import numpy as np
import bpnet as bp
from bpnet import _core

def loss(name):
    return json.dumps({"name": name, "delta": 1.0, "label_smoothing": 0.0, "class_weight": []})

def network(width=4, outputs=3, dtype="float32"):
    return bp.Network(width, [bp.Linear(outputs)], dtype=dtype)

net, double = network(), network(dtype="float64")
zeros, labels = np.zeros((5, 4), "f4"), np.zeros(5, "i8")
wide = np.ones((200_000, 4))

def image(size=8, crop=4):
    mean = __import__("base64").b64encode(np.zeros((8, 8, 3), "<f4").tobytes()).decode()
    described = {"size": size, "crop": crop, "centre_mean": False, "mean": mean,
                 "eigenvalues": [1, 1, 1], "eigenvectors": [1, 0, 0, 0, 1, 0, 0, 0, 1]}
    rest = {"columns": [], "mean": [], "scale": [], "target": "", "output": "logits", "classes": [],
            "target_mean": 0, "target_scale": 1}
    options = {"random_crop": True, "flip": True, "lighting": 0.0, "lighting_by": "eigenvalues"}
    return _core.ImageAugmenter(json.dumps(rest | {"image": described}), json.dumps(options))

def trainer(net=net, loss="mse", optimizer="sgd"):
    return bp.Trainer(net, loss, optimizer)._core
"""

# What is called, and what the error says.
MISUSES = {
    "net._core.evaluate(loss('mse'), _core.DatasetF32(zeros, 3), 0, 5)": "neither targets nor labels",
    "net._core.evaluate(loss('mse'), _core.DatasetF32(zeros, 3, None, labels), 0, 5)": "needs targets",
    "net._core.evaluate(loss('cross_entropy'), _core.DatasetF32(zeros, 3, None, labels), 0, 6)": "rows 0 to 6",
    "net._core.evaluate(loss('cross_entropy'), _core.DatasetF32(zeros, 3, None, labels), 4, 3)": "rows 4 to 3",
    "net._core.evaluate(loss('cross_entropy'), _core.DatasetF32(zeros, 4, None, labels), 0, 5)": "4 outputs",
    "net._core.evaluate(loss('mse'), _core.DatasetF32(zeros[:, :3].copy(), 3, zeros[:, :3].copy()), 0, 5)": (
        "3 features"
    ),
    "_core.check_gradients(double._core, loss('mse'), _core.DatasetF64(wide.astype('f4'), 3, wide[:, :3].copy()))": (
        "float64"
    ),
    "_core.check_gradients(double._core, loss('mse'), _core.DatasetF64(wide.astype('u1'), 3, wide[:, :3].copy()))": (
        "float64"
    ),
    "_core.check_gradients(network(4, 3000, 'float64')._core, loss('mse'), "
    "_core.DatasetF64(wide[:2000].copy(), 1, wide[:2000, :1].copy()))": "1 outputs",
    "_core.check_gradients(double._core, loss('mse'), _core.DatasetF64(wide, 3))": "neither targets nor labels",
    "net._core.trace(loss('mse'), zeros[0], None, None)": "neither targets nor labels",
    "net._core.trace(loss('mse'), zeros[0], None, 1)": "needs targets",
    "net._core.trace(loss('cross_entropy'), zeros[0], None, 3)": "the label is 3",
    "net._core.trace(loss('cross_entropy'), zeros[0], None, -1)": "the label is -1",
    "net._core.trace(loss('mse'), zeros[0], zeros[0], None)": "4 elements, 3 are needed",
    "trainer().restore(trainer(network(4000, 300), 'mse', bp.SGD(momentum=0.9)).snapshot())": "restore: the snapshot",
    "trainer(optimizer=bp.Adam()).restore(trainer().snapshot())": "restore: the snapshot",
    "trainer().step(_core.DatasetF32(zeros, 3, None, labels))": "needs targets",
    "trainer().step(_core.DatasetF32(zeros, 3))": "neither targets nor labels",
    "trainer().step(_core.DatasetF32(zeros.astype('f8'), 3, zeros[:, :3].copy()))": "dtype",
    "trainer(loss='cross_entropy').step_in_epoch(zeros, labels + 3, 5)": "the label in row 0 is 3",
    "trainer().step_in_epoch(zeros, labels, 5)": "needs targets",
    "trainer().step_in_epoch(zeros[:3], labels, 5)": "12 elements, 20 are needed",
    "trainer().run(_core.DatasetF32(zeros[:0], 3, zeros[:0, :3].copy()), 5, True, 1.0)": "0 samples",
    "trainer().run(_core.DatasetF32(zeros, 3, None, labels), 5, True, 1.0)": "needs targets",
    "_core.DatasetF32(zeros, 3, None, labels + 3)": "the label in row 0 is 3",
    "_core.DatasetF32(zeros, 3, zeros)": "20 elements, 15 are needed",
    "_core.DatasetF32(zeros, 3, None, None, zeros[0])": "4 elements, 5 are needed",
    "_core.DatasetF32(zeros[:, ::2], 3)": "C-contiguous",
    "_core.DatasetF32(zeros[:, :0].copy(), 1).bad_rows()": "x has 0 features",
    "_core.DatasetF64(wide[:, :0].copy(), 1).bad_rows()": "x has 0 features",
    "_core.DatasetF32(zeros, 0, zeros[:, :0].copy()).bad_rows()": "y has 0 outputs",
    "_core.DatasetF32(zeros, 0, None, labels)": "y has 0 outputs",
    "_core.DatasetF32(zeros, 2**62, zeros)": "more than memory can address",
    "net._core.backward(zeros[:, :3].copy(), False)": "no forward",
    "net._core.forward(zeros[:, :3].copy())": "15 elements, 20 are needed",
    "net._core.set_state('0.weight', zeros)": "shape",
    "image(size=2**32)": "more than memory can address",
    "image(size=9)": "the mean image has 192 numbers",
    "image().centre_batch(np.zeros((2, 8, 8, 3), 'u1'), np.array([2], 'u8'), np.zeros(48, 'f4'), True)": "row 2",
    "image().centre_batch(np.zeros((2, 8, 8, 3), 'u1'), np.array([1], 'u8'), np.zeros(47, 'f4'), True)": (
        "47 numbers"
    ),
    "_core.decide('logits', np.zeros(3))": "outputs of shape (N, outputs)",
    "_core.decide('logits', np.zeros((3, 0)))": "outputs of shape (N, outputs)",
    "_core.decide('logit', np.zeros((2, 3)))": "a logit is one output, there are 3",
    "_core.decide('maybe', np.zeros((2, 3)))": "'maybe' is none of values, logits, logit",
    "_core.probabilities('logit', np.zeros((2, 3)))": "a logit is one output, there are 3",
    "_core.probabilities('logits', wide[:, ::2])": "C-contiguous",
    "_core.rescale(0.0, 1.0, np.zeros((2, 2, 2)))": "outputs of shape (N, outputs)",
    "_core.number_texts(wide[:, ::2])": "C-contiguous",
    "_core.standardise('{\"mean\": [1, 2]}', np.ones((3, 5)), 'float64')": "mean has 2 numbers, the data has 5",
    "_core.standardise('{}', wide[:, ::2], 'float64')": "C-contiguous",
    '_core.encode_columns(\'{"columns": [{"name": "a"}]}\', [wide], \'float64\')': "one axis",
    '_core.encode_columns(\'{"columns": [{"name": "a"}]}\', [], \'float64\')': "has 0 columns",
    "_core.encode_columns('{}', [], 'float64')": "trained on arrays",
    "_core.check_preprocessing('{}', (2**40, 2**40), (1,))": "more than memory can address",
}


@pytest.mark.parametrize("misuse", MISUSES)
def test_a_misuse_is_an_exception(misuse: str):
    code = f"{PRELUDE}\ntry:\n    {misuse}\nexcept (ValueError, TypeError) as error:\n    print(error)\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"ended with {done.returncode}: {done.stderr[-500:]}"
    assert MISUSES[misuse] in done.stdout
