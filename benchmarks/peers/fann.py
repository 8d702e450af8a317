"""FANN, a C library, where libfann is installed: incremental training, one C call an epoch."""

from __future__ import annotations

import ctypes
import ctypes.util
from typing import Any

from benchmarks.cases import Case, Data
from benchmarks.peers import Runner

_SIGMOID_SYMMETRIC = 5  # tanh(steepness · s)
_TRAIN_INCREMENTAL = 0


def make(case: Case, data: Data, weights: list[Any], threads: int) -> Runner | None:
    if not case.online:
        return None
    path = ctypes.util.find_library("floatfann") or ctypes.util.find_library("fann")
    if path is None:
        raise ImportError("libfann is not installed")
    fann = ctypes.CDLL(path)
    fann.fann_create_standard_array.restype = ctypes.c_void_p
    fann.fann_create_train_from_callback.restype = ctypes.c_void_p
    fann.fann_train_epoch.restype = ctypes.c_float
    widths = (ctypes.c_uint * len(case.widths))(*case.widths)
    net = ctypes.c_void_p(fann.fann_create_standard_array(len(case.widths), widths))
    fann.fann_set_activation_function_hidden(net, _SIGMOID_SYMMETRIC)
    fann.fann_set_activation_function_output(net, _SIGMOID_SYMMETRIC)
    fann.fann_set_activation_steepness_hidden(net, ctypes.c_float(1))
    fann.fann_set_activation_steepness_output(net, ctypes.c_float(1))
    fann.fann_set_learning_rate(net, ctypes.c_float(case.lr))
    fann.fann_set_training_algorithm(net, _TRAIN_INCREMENTAL)

    # FANN goes through the samples slowly: a part of them is enough to tell.
    limit = min(case.samples, max(500, case.samples // 5))
    number = ctypes.POINTER(ctypes.c_float)

    @ctypes.CFUNCTYPE(None, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, number, number)
    def fill(index: int, inputs: int, outputs: int, x: Any, y: Any) -> None:
        ctypes.memmove(x, data.x[index].ctypes.data, 4 * inputs)
        ctypes.memmove(y, data.y[index].ctypes.data, 4 * outputs)

    sizes = (limit, case.widths[0], case.widths[-1])
    samples = fann.fann_create_train_from_callback(*map(ctypes.c_uint, sizes), fill)

    def train() -> int:
        fann.fann_train_epoch(net, ctypes.c_void_p(samples))
        return limit

    return Runner(train)
