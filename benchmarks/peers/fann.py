"""FANN, a C library, built by ``benchmarks.libraries``: incremental training, one C call an epoch."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from benchmarks import libraries
from benchmarks.cases import Case, Data
from benchmarks.peers import Runner

_SIGMOID_SYMMETRIC = 5  # tanh(steepness · s)
_TRAIN_INCREMENTAL = 0
_ERROR_LINEAR = 0


def forms(case: Case) -> list[str]:
    return libraries.forms_of("fann") if case.online else []


def make(case: Case, data: Data, weights: list[Any], threads: int, form: str) -> Runner:
    fann = libraries.load("fann", form)
    fann.fann_create_standard_array.restype = ctypes.c_void_p
    fann.fann_create_train_from_callback.restype = ctypes.c_void_p
    fann.fann_train_epoch.restype = ctypes.c_float
    fann.peer_weights.restype = ctypes.POINTER(ctypes.c_float)
    widths = (ctypes.c_uint * len(case.widths))(*case.widths)
    net = ctypes.c_void_p(fann.fann_create_standard_array(len(case.widths), widths))
    fann.fann_set_activation_function_hidden(net, _SIGMOID_SYMMETRIC)
    fann.fann_set_activation_function_output(net, _SIGMOID_SYMMETRIC)
    fann.fann_set_activation_steepness_hidden(net, ctypes.c_float(1))
    fann.fann_set_activation_steepness_output(net, ctypes.c_float(1))
    # It halves the difference from the target where the activation is symmetric.
    fann.fann_set_learning_rate(net, ctypes.c_float(2 * case.lr))
    fann.fann_set_train_error_function(net, _ERROR_LINEAR)
    fann.fann_set_training_algorithm(net, _TRAIN_INCREMENTAL)

    # A unit's weights are together, that of the bias at the end.
    rows = [np.column_stack(pair) for pair in weights]
    held = np.ctypeslib.as_array(fann.peer_weights(net), (sum(row.size for row in rows),))
    held[:] = np.concatenate([row.ravel() for row in rows])

    # FANN is slow: a part of them is enough to tell.
    limit = min(case.samples, max(500, case.samples // 5))
    number = ctypes.POINTER(ctypes.c_float)

    @ctypes.CFUNCTYPE(None, ctypes.c_uint, ctypes.c_uint, ctypes.c_uint, number, number)
    def fill(index: int, inputs: int, outputs: int, x: Any, y: Any) -> None:
        ctypes.memmove(x, data.x[index].ctypes.data, 4 * inputs)
        ctypes.memmove(y, data.y[index].ctypes.data, 4 * outputs)

    sizes = (limit, case.widths[0], case.widths[-1])
    samples = fann.fann_create_train_from_callback(*map(ctypes.c_uint, sizes), fill)

    def train() -> int:
        for _ in range(case.epochs):
            fann.fann_train_epoch(net, ctypes.c_void_p(samples))
        return limit * case.epochs

    def state() -> list[Any]:
        ends = np.cumsum([row.size for row in rows])
        parts = [part.reshape(row.shape) for part, row in zip(np.split(held.copy(), ends[:-1]), rows)]
        return [(part[:, :-1], part[:, -1]) for part in parts]

    return Runner(train, state)
