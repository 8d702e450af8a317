"""genann, a C library in double precision, built by ``benchmarks.libraries``: one C call an epoch. Its hidden
layers are all of one width."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from benchmarks import libraries
from benchmarks.cases import Case, Data
from benchmarks.peers import Runner


def forms(case: Case) -> list[str]:
    alike = len(set(case.widths[1:-1])) == 1
    return libraries.forms_of("genann") if case.online and alike else []


def make(case: Case, data: Data, weights: list[Any], threads: int, form: str) -> Runner:
    genann = libraries.load("genann", form)
    genann.peer_create.restype = ctypes.c_void_p
    genann.peer_weights.restype = ctypes.POINTER(ctypes.c_double)
    inputs, *hidden, outputs = case.widths
    net = ctypes.c_void_p(genann.peer_create(inputs, len(hidden), hidden[0], outputs))

    # A unit's weights are together, that of the bias first; the bias is subtracted.
    rows = [np.column_stack([-bias, weight]).astype(np.float64) for weight, bias in weights]
    held = np.ctypeslib.as_array(genann.peer_weights(net), (sum(row.size for row in rows),))
    held[:] = np.concatenate([row.ravel() for row in rows])

    limit = min(case.samples, max(500, case.samples // 5))  # it is slow: a part of them is enough to tell
    x, y = (np.ascontiguousarray(array[:limit], np.float64) for array in data)
    pointers = [array.ctypes.data_as(ctypes.POINTER(ctypes.c_double)) for array in (x, y)]

    def train() -> int:
        for _ in range(case.epochs):
            genann.peer_epoch(net, *pointers, len(x), ctypes.c_double(case.lr))
        return limit * case.epochs

    def state() -> list[Any]:
        ends = np.cumsum([row.size for row in rows])
        parts = [part.reshape(row.shape) for part, row in zip(np.split(held.copy(), ends[:-1]), rows)]
        return [(part[:, 1:], -part[:, 0]) for part in parts]

    return Runner(train, state)
