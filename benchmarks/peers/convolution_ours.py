"""bpnet's convolution: the layer without a network (benchmarks/native/convolution.cpp), or a network of one layer."""

from __future__ import annotations

import ctypes
import json
from functools import cache

import numpy as np

from benchmarks import native
from benchmarks.convolutions import Convolution, make_arrays, read_case
from benchmarks.peers import Runner

__all__ = ["forms", "make", "read_case"]

LAYER, NETWORK = "layer", "network of one layer"
ARRAYS = ("x", "weight", "bias", "grad_y", "y", "grad_x", "grad_weight", "grad_bias")
MAPS = ("x", "grad_y", "y", "grad_x")  # which the layer stores channels-last


def forms(case: Convolution) -> list[str]:
    return [LAYER, NETWORK] if native.CONVOLUTION.exists() else [NETWORK]


def make(case: Convolution, threads: int, form: str) -> Runner:
    if form == NETWORK:
        return network(case, threads)
    layer = Layer(case, threads)
    return Runner(layer.run, results=layer.results)


def network(case: Convolution, threads: int) -> Runner:
    """Through Python, with the conversions from and to the users' order of memory."""
    import bpnet as bp

    bp.set_num_threads(threads)
    options = {"stride": case.stride, "padding": case.padding, "groups": case.groups, "bias": case.bias}
    conv = bp.Conv2d(case.out, case.kernel, **options)
    net = bp.Network((case.channels, case.side, case.side), [conv], precision=case.precision)
    arrays = make_arrays(case)
    net.load_state_dict({f"0.{name}": arrays[name] for name in ("weight", "bias") if name in arrays})
    done: dict[str, np.ndarray] = {}

    def step() -> None:
        done["y"] = net.forward(arrays["x"], training=True)
        done["grad_x"] = net.backward(arrays["grad_y"])

    def run() -> int:
        for _ in range(case.rounds):
            step()
        return case.rounds * case.batch

    def results() -> dict[str, np.ndarray]:
        step()
        if case.first:
            del done["grad_x"]
        return {**done, **{f"grad_{name[2:]}": array for name, array in net.gradients().items()}}

    return Runner(run, results=results)


@cache
def library() -> ctypes.CDLL:
    found = ctypes.CDLL(str(native.CONVOLUTION))
    handle, size, text, integer = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_int
    found.convolution_make.restype = handle
    found.convolution_make.argtypes = [text, size, size, size, size, integer, text, integer]
    found.convolution_error.restype = text
    found.convolution_array.restype = ctypes.POINTER(ctypes.c_float)
    found.convolution_array.argtypes = [handle, integer]
    found.convolution_run.argtypes = [handle, size]
    found.convolution_free.argtypes = [handle]
    return found


class Layer:
    """The layer with its arrays, which the library owns."""

    def __init__(self, case: Convolution, threads: int) -> None:
        self._case = case
        self._handle = library().convolution_make(
            json.dumps([case.layer]).encode(),
            *(case.channels, case.side, case.side, case.batch, not case.first),
            *(case.precision.encode(), threads),
        )
        if not self._handle:
            raise ValueError(library().convolution_error().decode())
        given = make_arrays(case)
        shapes = {name: array.shape for name, array in given.items()}
        results = {"y": "grad_y", "grad_x": "x", "grad_weight": "weight", "grad_bias": "bias"}
        self._results = {
            name: self._view(name, shapes[like])
            for name, like in results.items()
            if like in shapes and not (case.first and name == "grad_x")
        }
        for name, array in given.items():
            self._view(name, array.shape)[...] = array

    def __del__(self) -> None:
        library().convolution_free(self._handle)

    def _view(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """In PyTorch's order of axes."""
        memory = library().convolution_array(self._handle, ARRAYS.index(name))
        if name not in MAPS:
            return np.ctypeslib.as_array(memory, shape)
        n, channels, height, width = shape
        return np.ctypeslib.as_array(memory, (n, height, width, channels)).transpose(0, 3, 1, 2)

    def run(self) -> int:
        library().convolution_run(self._handle, self._case.rounds)
        return self._case.rounds * self._case.batch

    def results(self) -> dict[str, np.ndarray]:
        library().convolution_run(self._handle, 1)
        return {name: view.copy() for name, view in self._results.items()}
