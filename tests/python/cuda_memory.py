"""A GPU's memory that is full, with the GPUs emulated: what was asked for is a MemoryError that names the sizes, and
the network is usable afterwards. test_device.py runs this file."""

from __future__ import annotations

import copy
import ctypes
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
import test_device
from cuda_device import bits, network

files = test_device.files  # the fixture

MEMORY = """
import numpy as np, bpnet as bp
x, y = np.ones((4, 64), np.float32), np.zeros(4, int)
net = bp.Network(64, [bp.Linear(64), bp.Tanh(), bp.Linear(3)], device="cuda:1")
before = net.predict(x)
def refused(call):
    try:
        call()
    except MemoryError as error:
        print(error)
    else:
        raise AssertionError("it was not refused")
refused(lambda: bp.Network(64, [bp.Linear(1_000_000)], device="cuda:1"))
many = 20_000
refused(lambda: net.forward(np.ones((many, 64), np.float32), training=True))
refused(lambda: net.fit(np.ones((many, 64)), np.zeros(many, int), batch_size=many, verbose=0))
assert np.array_equal(net.predict(x), before)
net.fit(x, y, batch_size=4, verbose=0)
assert not np.array_equal(net.predict(x), before)
other = bp.Network(64, [bp.Linear(64)], device="cuda:0")
assert other.predict(x).shape == (4, 64)
"""


def test_memory_that_is_not_there():
    """A MemoryError names the sizes, and the network is as it was."""
    environment = os.environ | {"BPNET_CUDA_ON_CPU_MEMORY": str(4 << 20)}
    done = subprocess.run(
        [sys.executable, "-c", MEMORY], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    for line in lines:
        words = line.split()
        assert line.endswith("; choose a smaller batch or network") and line.startswith("cuda: ")
        needed, free, total = (int(word) for word in words if word.isdigit() and int(word) > 1)
        assert needed > free and total == 4 << 20


def test_the_command_line_says_what_memory_is_missing(files: Path):
    command = [sys.executable, "-m", "bpnet", "train", os.fspath(files / "data.csv"), "--target", "kind"]
    done = subprocess.run(
        [*command, "--layers", "100000,10000", "--device", "cuda"],
        env=os.environ | {"BPNET_CUDA_ON_CPU_MEMORY": str(1 << 20)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("bpnet: not enough memory: cuda: ") and done.stderr.count("\n") == 1


# Refused at each call in turn.

LIBRARY = ctypes.CDLL(os.environ["BPNET_CUDA_LIBRARY"])
LIBRARY.cuda_on_cpu_calls.restype = ctypes.c_ulonglong


def calls(function: str) -> int:
    """How often the runtime's function has been called."""
    return LIBRARY.cuda_on_cpu_calls(function.encode())


def refuse(function: str, time: int) -> None:
    """The function's call after ``time - 1`` more fails for want of memory."""
    LIBRARY.cuda_on_cpu_fail(f"{function}:{time}:cudaErrorMemoryAllocation".encode())


def refuse_nothing() -> None:
    LIBRARY.cuda_on_cpu_fail(None)


def images(device: str = "cuda:1") -> bp.Network:
    layers = [
        bp.Conv2d(4, 3, padding=1),
        bp.Tanh(),
        bp.AvgPool2d(2),
        bp.Flatten(),
        bp.Dropout(0.25),
        bp.Linear(3),
    ]
    return bp.Network((1, 4, 4), layers, seed=1, device=device)


def data_for(net: bp.Network) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.random.default_rng(2)
    return numbers.uniform(-1, 1, (11, *net.input_shape)).astype(np.float32), numbers.integers(0, 3, 11)


def learnt(net: bp.Network, **options: Any) -> Any:
    x, y = data_for(net)
    history = net.fit(x, y, epochs=2, verbose=0, optimizer=bp.SGD(0.1, momentum=0.9), **options)
    return bits(net), history["loss"]


def went_back(net: bp.Network) -> Any:
    x, _ = data_for(net)
    net._training_calls = 0  # the same masks
    out = net.forward(x, training=True)
    return out.tobytes(), net.backward(np.ones_like(out)).tobytes(), net.gradients().keys()


ACTIONS: dict[str, Callable[[bp.Network], Any]] = {
    "predict": lambda net: net.predict(data_for(net)[0]).tobytes(),
    "evaluate": lambda net: net.evaluate(*data_for(net), loss="cross_entropy"),
    "forward and backward": went_back,
    "upto": lambda net: net.forward(data_for(net)[0], upto="1").tobytes(),
    "fit": lambda net: learnt(net, batch_size=4),
    "fit online": lambda net: learnt(net, batch_size=1),
    "a copy": lambda net: bits(copy.deepcopy(net)),
}


# Actions that send data take memory of the host's for it too.
REFUSED = [(name, "cudaMalloc") for name in ACTIONS] + [
    (name, "cudaHostAlloc") for name in ("evaluate", "fit", "fit online")
]


@pytest.mark.parametrize("make", [lambda: network("cuda:1"), images], ids=["dense", "images"])
@pytest.mark.parametrize(("name", "function"), REFUSED)
def test_memory_refused_at_any_place_leaves_the_network_usable(
    name: str, make: Callable[[], bp.Network], function: str
):
    """What was asked for is a MemoryError, or is done without; asked again it is as it would have been."""
    net = make()
    before = calls(function)
    wanted = ACTIONS[name](net)
    times = calls(function) - before
    assert times > 0
    for time in range(1, times + 1):
        net = make()
        refuse(function, time)
        try:
            ACTIONS[name](net)
            net = make()  # the action may have changed it
        except MemoryError as error:
            assert str(error).startswith("cuda: ") and "choose a smaller batch" in str(error)
        finally:
            refuse_nothing()
        assert ACTIONS[name](net) == wanted, f"after {function} {time} of {times}"


def test_a_launch_for_which_there_is_no_memory():
    """The driver takes some itself, when a kernel is launched for the first time."""
    net = images()
    wanted = ACTIONS["predict"](net)
    refuse("cudaLaunchKernelEx", 1)
    message = (
        r"^cuda: cudaLaunchKernelEx: the GPU's memory does not suffice, \d+ of \d+ bytes are free; choose"
    )
    with pytest.raises(MemoryError, match=message):
        ACTIONS["predict"](net)
    refuse_nothing()
    assert ACTIONS["predict"](net) == wanted


def test_memory_refused_while_a_network_is_made():
    before = calls("cudaMalloc")
    wanted = bits(network("cuda:1"))
    times = calls("cudaMalloc") - before
    assert times >= 3
    for time in range(1, times + 1):
        refuse("cudaMalloc", time)
        with pytest.raises(MemoryError, match="^cuda: .* bytes are needed on GPU 1, .* are free"):
            network("cuda:1")
        refuse_nothing()
    assert bits(network("cuda:1")) == wanted
