"""The choice of a GPU, with the GPUs emulated: cuda:0 and cuda:1 of the backend cuda-on-cpu. test_device.py builds
the library and runs this file."""

from __future__ import annotations

import copy
import ctypes
import json
import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
import test_device
from bpnet.__main__ import main
from test_device import MAKERS, makers

files = test_device.files  # the fixture
GPUS = ["cuda:0", "cuda:1"]
gpus = pytest.mark.parametrize("gpu", GPUS)

NUMBERS = np.random.default_rng(1)
X = NUMBERS.uniform(-1, 1, (22, 5)).astype(np.float32)
Y = NUMBERS.integers(0, 3, 22)


def network(device: str = "cpu", width: int = 9, **options: Any) -> bp.Network:
    """Without kinks, so that devices agree to rounding."""
    layers = [bp.Linear(width), bp.Tanh(), bp.Dropout(0.25), bp.Linear(3)]
    return bp.Network(5, layers, seed=3, device=device, **options)


def trainer(device: str = "cpu", **options: Any) -> bp.Trainer:
    return bp.Trainer(network(device, **options), "cross_entropy", bp.Adam(0.01))


def fit(of: bp.Trainer, epochs: int) -> bp.History:
    return of.fit(X, Y, epochs=epochs, batch_size=4, verbose=0)


def bits(net: bp.Network) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in net.state_dict().items()}


def assert_near(one: bp.Network, other: bp.Network, tolerance: float) -> None:
    for name, array in one.state_dict().items():
        difference = np.linalg.norm(array - other.state_dict()[name])
        assert difference <= tolerance * np.linalg.norm(array), name


def network_of(made: Any) -> bp.Network:
    return made if isinstance(made, bp.Network) else made.network


# Which device.


def test_the_devices():
    assert bp.devices() == ["cpu", *GPUS]
    assert bp.backends()[-1] == "cuda-on-cpu", "BPNET_CUDA_LIBRARY is set"
    for given, device in (
        ("cuda", "cuda:0"),
        ("cuda:0", "cuda:0"),
        ("cuda:1", "cuda:1"),
        ("cuda:01", "cuda:1"),
    ):
        net = network(given)
        assert (net.device, net.backend, net.precision) == (device, "cuda-on-cpu", "full")
    assert network(backend="cuda-on-cpu").device == "cuda:0"
    assert network().device == "cpu"


def test_a_gpu_that_is_not_here():
    with pytest.raises(bp.DeviceError, match=r"^device: 'cuda:2' is not available; the driver lists 2 GPUs$"):
        network("cuda:2")


@makers
def test_whatever_makes_a_network_makes_it_there(maker: str, files: Path):
    made = network_of(MAKERS[maker](files, device="cuda:1", precision="tf32"))
    assert (made.device, made.precision) == ("cuda:1", "tf32")


def test_it_is_shown(capsys: pytest.CaptureFixture[str]):
    assert repr(network("cuda")).endswith("dtype='float32', device='cuda:0')")
    network("cuda").summary()
    assert capsys.readouterr().out.splitlines()[-1] == "device cuda:0"
    network("cuda:1", precision="tf32").summary()
    assert capsys.readouterr().out.splitlines()[-1] == "device cuda:1, products in TF32"
    assert "parameters, device cuda:1, products in TF32<" in network("cuda:1", precision="tf32")._repr_html_()


# Copies.


@gpus
@pytest.mark.parametrize(
    "copier", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))]
)
def test_a_copy_is_on_the_same_device(copier: Callable[[Any], Any], gpu: str, files: Path):
    for net in (network(gpu, precision="tf32"), network(gpu, dtype="float64")):
        other = copier(net)
        assert (other.device, other.precision) == (net.device, net.precision)
        assert bits(other) == bits(net)
    model = copier(bp.load_model(files / "kind", device=gpu, precision="tf32"))
    assert (model.network.device, model.network.precision) == (gpu, "tf32")


def test_what_is_unpickled_where_there_is_no_gpu_is_on_the_processor(files: Path):
    net, model = network("cuda:1", precision="tf32"), bp.load_model(files / "kind", device="cuda")
    code = """
import pickle, sys
net, model = pickle.load(sys.stdin.buffer)
for each in net, model.network:
    print(each.device, each.precision, sum(float(a.sum()) for a in each.state_dict().values()))
"""
    for variables in ({"BPNET_CUDA_LIBRARY": ""}, {"BPNET_CUDA_ON_CPU_DEVICES": "0"}):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=pickle.dumps((net, model)),
            env=os.environ | variables,
            capture_output=True,
            check=True,
        )
        lines = [line.split() for line in done.stdout.decode().splitlines()]
        for line, each in zip(lines, (net, model.network), strict=True):
            total = sum(float(a.sum()) for a in each.state_dict().values())
            assert line == ["cpu", "full", str(total)]


def test_with_fewer_gpus_a_copy_comes_back_on_the_processor():
    code = "import pickle, sys; print(*(each.device for each in pickle.load(sys.stdin.buffer)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=pickle.dumps([network(gpu) for gpu in GPUS]),
        env=os.environ | {"BPNET_CUDA_ON_CPU_DEVICES": "1"},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().split() == ["cuda:0", "cpu"]


# Files.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_model_file_says_nothing_of_the_device(dtype: str, tmp_path: Path):
    contents = []
    for number, device in enumerate(["cpu", *GPUS]):
        network(device, dtype=dtype).save(tmp_path / str(number))
        contents.append((tmp_path / str(number)).read_bytes())
    assert contents[0] == contents[1] == contents[2]
    for device in ["cpu", *GPUS]:
        net = bp.load(tmp_path / "1", device=device)
        assert net.device == device and bits(net) == bits(network(dtype=dtype))


@pytest.mark.parametrize(("first", "second"), [("cpu", "cuda:1"), ("cuda:1", "cpu"), ("cuda:0", "cuda:1")])
def test_a_run_goes_on_on_another_device(first: str, second: str, tmp_path: Path):
    """From the same numbers, of which the file keeps every one, and near to where it would have come."""
    straight, begun = trainer(first), trainer(first)
    fit(straight, 4)
    fit(begun, 2)
    begun.save(tmp_path / "run")
    resumed = bp.Trainer.load(tmp_path / "run", device=second)
    assert resumed.network.device == second
    resumed.save(tmp_path / "again")
    assert (tmp_path / "run").read_bytes() == (tmp_path / "again").read_bytes()
    fit(resumed, 2)
    assert resumed.history["epoch"] == [1, 2, 3, 4]
    assert np.allclose(resumed.history["loss"], straight.history["loss"], rtol=1e-5)
    assert_near(straight.network, resumed.network, 1e-5)
    if "cpu" not in (first, second):
        assert bits(straight.network) == bits(resumed.network)


@gpus
def test_a_run_goes_on_bit_exactly_on_its_device(gpu: str, tmp_path: Path):
    straight, resumed = trainer(gpu), trainer(gpu)
    fit(straight, 3)
    for _ in range(3):
        fit(resumed, 1)
        resumed.save(tmp_path / "run")
        resumed = bp.Trainer.load(tmp_path / "run", device=gpu)
    assert bits(straight.network) == bits(resumed.network)


# The command line.


def test_the_command_line(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    data, run = os.fspath(files / "data.csv"), os.fspath(tmp_path / "run")
    begin = ["train", data, "--target", "kind", "--save", run, "--epochs", "2"]
    assert main([*begin, "--device", "cuda:1", "--precision", "tf32"]) == 0
    assert "device cuda:1, products in TF32" in capsys.readouterr().out
    for device in ("cpu", "cuda"):
        epochs = "3" if device == "cpu" else "4"
        assert main(["train", data, "--resume", run, "--epochs", epochs, "--device", device]) == 0
    capsys.readouterr()
    answers = []
    for device in ("cpu", "cuda:1"):
        assert main(["predict", run, data, "--device", device]) == 0
        assert main(["evaluate", run, data, "--device", device]) == 0
        answers.append(capsys.readouterr().out)
    assert answers[0] == answers[1]
    assert main(["predict", run, data, "--device", "cuda:2"]) == 2
    assert capsys.readouterr().err.startswith("bpnet: device: 'cuda:2' is not available; ")


# Views.


@gpus
def test_weights_and_gradients_are_copies_that_nobody_can_write(gpu: str):
    """What is written into one would be lost: it is an error."""
    net = trainer(gpu)
    fit(net, 1)
    state, gradients = net.network.state_dict(), net.network.gradients()
    before = [{name: a.copy() for name, a in arrays.items()} for arrays in (state, gradients)]
    fit(net, 1)
    for arrays, old, new in zip(
        (state, gradients), before, (net.network.state_dict(), net.network.gradients())
    ):
        for name, array in arrays.items():
            assert np.array_equal(array, old[name]), "it does not follow the training"
            assert not np.array_equal(array, new[name])
            with pytest.raises(ValueError, match="read-only"):
                array[...] = 0


@gpus
def test_weights_are_loaded(gpu: str):
    net, other = network(gpu), network(gpu, width=9)
    fit(bp.Trainer(other, "cross_entropy", bp.SGD(0.1)), 1)
    assert bits(net) != bits(other)
    net.load_state_dict(other.state_dict())
    assert bits(net) == bits(other)


# Processes and threads.


def _told(pipe: Any, call: Callable[[], Any]) -> None:
    try:
        pipe.send(("", call()))
    except Exception as error:
        pipe.send((type(error).__name__, str(error)))


def in_a_fork(call: Callable[[], Any]) -> tuple[str, Any]:
    """What call() returns, or its error, in the child of a fork()."""
    here, there = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=_told, args=(there, call))
    child.start()
    received = here.recv()
    child.join()
    assert child.exitcode == 0
    return received


def test_in_the_child_of_a_fork():
    net = network("cuda:1")
    net.predict(X)
    for call in (
        lambda: net.predict(X),
        lambda: net.state_dict(),
        lambda: net.fit(X, Y, verbose=0),
        lambda: network("cuda"),
    ):
        kind, text = in_a_fork(call)
        assert kind == "DeviceError", text
        assert "child of a fork()" in text and "'spawn'" in text
    assert in_a_fork(bp.devices) == ("", ["cpu"])
    pickled = pickle.dumps(net)
    assert in_a_fork(lambda: pickle.loads(pickled).device) == ("", "cpu")
    assert in_a_fork(lambda: network().predict(X).shape) == ("", (22, 3))
    assert net.predict(X).shape == (22, 3), "the parent continues"


def test_a_fork_before_the_first_use_has_the_gpus():
    code = """
import os, bpnet as bp
child = os.fork()
if child == 0:
    os._exit(0 if bp.Network(2, [bp.Linear(1)], device="cuda").device == "cuda:0" else 1)
assert os.waitpid(child, 0)[1] == 0
assert bp.Network(2, [bp.Linear(1)], device="cuda").device == "cuda:0"
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_networks_on_two_devices_by_several_threads():
    """Each learns what it learns alone, while its weights are read."""
    alone = trainer("cuda:0")
    fit(alone, 2)
    trainers = [trainer(device) for device in (*GPUS, *GPUS, "cpu")]
    threads = [threading.Thread(target=fit, args=(each, 2)) for each in trainers]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        for each in trainers:
            each.network.state_dict()
    for thread in threads:
        thread.join()
    for each in trainers[:-1]:
        assert bits(each.network) == bits(alone.network), each.network.device
    assert_near(alone.network, trainers[-1].network, 1e-5)


def test_the_applications_gpu_stays_current(tmp_path: Path):
    """Other libraries of the process, PyTorch for instance, go on using the GPU that they use."""
    current = ctypes.CDLL(os.environ["BPNET_CUDA_LIBRARY"]).cuda_on_cpu_current_device
    made = trainer("cuda:1")
    assert current() == 0
    fit(made, 2)
    made.fit(X, Y, epochs=1, batch_size=1, verbose=0)
    made.network.predict(X)
    made.save(tmp_path / "run")
    with pytest.raises(ValueError, match="NaN"):
        made.network.predict(np.full_like(X, np.nan))
    assert current() == 0
    del made
    assert current() == 0


def test_one_network_by_several_threads():
    net = network("cuda:1")
    wanted = net.predict(X)
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(net.predict(X))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6 and all(np.array_equal(each, wanted) for each in found)


def test_a_description_says_nothing_of_the_device():
    assert json.dumps(network("cuda").description) == json.dumps(network().description)
