"""What computes: device, backend and precision, and what is said where one of them is not available. With bpnet's CUDA
library, emulated on the processor, cuda_device.py holds."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
import cuda_on_cpu
from bpnet import _core, models
from bpnet.__main__ import main
from cuda_on_cpu import HERE, ON_LINUX, last_error, passes

built = cuda_on_cpu.built  # the fixture
LAYERS = [bp.Linear(3), bp.Tanh(), bp.Linear(2)]


def network(**where: Any) -> bp.Network:
    return bp.Network(4, LAYERS, **where)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``model``, ``run``, and ``kind``, a model that train_model made of ``data.csv``."""
    folder = tmp_path_factory.mktemp("device")
    net = network()
    net.save(folder / "model")
    net.fit(np.zeros((8, 4), np.float32), np.zeros(8, int), verbose=0)
    net.trainer.save(folder / "run")
    rows = ["a,b,kind", *(f"{i},{i % 3},{'xy'[i % 2]}" for i in range(20))]
    (folder / "data.csv").write_text("\n".join(rows))
    bp.train_model(folder / "data.csv", "kind", epochs=1, save=folder / "kind", verbose=0)
    return folder


# Everything that makes a network, by what it is given.
MAKERS: dict[str, Callable[..., Any]] = {
    "Network": lambda folder, **where: network(**where),
    "load": lambda folder, **where: bp.load(folder / "model", **where),
    "load_model": lambda folder, **where: bp.load_model(folder / "kind", **where),
    "Trainer.load": lambda folder, **where: bp.Trainer.load(folder / "run", **where),
    "train_model": lambda folder, **where: bp.train_model(
        folder / "data.csv", "kind", epochs=1, verbose=0, **where
    ),
    "train_model, resumed": lambda folder, **where: bp.train_model(
        folder / "data.csv", resume=folder / "kind", save=folder / "other", epochs=2, verbose=0, **where
    ),
    "alexnet": lambda folder, **where: models.alexnet(10, width=0.1, **where),
    "torchvision's alexnet": lambda folder, **where: models.alexnet(10, "torchvision", width=0.1, **where),
    "lenet5": lambda folder, **where: models.lenet5(**where),
    "vgg11": lambda folder, **where: models.vgg11(width=0.1, image_size=32, **where),
    "resnet18": lambda folder, **where: models.resnet18(width=0.1, image_size=32, **where),
}
makers = pytest.mark.parametrize("maker", MAKERS)


def has_library() -> bool:
    """Whether bpnet's CUDA library is here, with a GPU or without."""
    if len(bp.devices()) > 1:
        return True
    try:
        network(device="cuda")
    except bp.DeviceError as error:
        return "CUDA library" not in str(error)
    return True


without_library = pytest.mark.skipif(has_library(), reason="bpnet's CUDA library is here")


@makers
def test_a_name_that_is_no_devices(maker: str, files: Path):
    with pytest.raises(
        ValueError, match=r"^device: 'gpu' is unknown; give 'cpu', 'cuda', .*; did you mean 'cuda'\?$"
    ):
        MAKERS[maker](files, device="gpu")


@makers
def test_a_backend_beside_a_gpu(maker: str, files: Path):
    text = r"^backend: 'reference' is one of the processor's, device is 'cuda:1'; give one of the two$"
    with pytest.raises(ValueError, match=text):
        MAKERS[maker](files, device="cuda:1", backend="reference")


@makers
def test_tf32_on_the_processor(maker: str, files: Path):
    text = r"^precision: 'tf32' is for a GPU, the backend is 'reference'; give device 'cuda', or leave"
    with pytest.raises(ValueError, match=text):
        MAKERS[maker](files, backend="reference", precision="tf32")


@without_library
@makers
def test_a_gpu_without_the_library(maker: str, files: Path):
    with pytest.raises(bp.DeviceError, match=r"^device: 'cuda' .*CUDA library") as caught:
        MAKERS[maker](files, device="cuda")
    if sys.platform == "linux":
        text = str(caught.value)
        assert "pip install . -C cmake.define.BPNET_CUDA=ON (" in text and "libbpnet_cuda.so: " in text


MEANT = {
    "GPU": "cuda",
    "gpu:1": "cuda:1",
    "CUDA": "cuda",
    "cuda0": "cuda:0",
    "cuda-12": "cuda:12",
    "cude": "cuda",
    "CPU": "cpu",
    "host": "cpu",
    "cuda:": "cuda",
    "mps": None,
    "": None,
    "abacus": None,
    "nvidia": "cuda",
    "cuda:1000": None,
}


@pytest.mark.parametrize("given", MEANT)
def test_what_a_device_may_have_meant(given: str):
    with pytest.raises(ValueError) as caught:
        network(device=given)
    meant = MEANT[given]
    end = "for the second GPU" if meant is None else f"; did you mean {meant!r}?"
    assert str(caught.value).startswith(f"device: {given!r} is unknown; give ")
    assert str(caught.value).endswith(end)


@pytest.mark.parametrize("value", [None, 0, True, ["cpu"], np.dtype("f4")])
def test_options_that_are_no_names(value: Any):
    with pytest.raises(
        TypeError, match=r"^network: device is .*, a string such as 'cpu' or 'cuda' is needed"
    ):
        network(device=value)
    if value is None:
        assert network(precision=value).precision == "full"
        return
    with pytest.raises(TypeError, match=r"^network: precision is .*, 'full', 'tf32', 'bfloat16' or None is"):
        network(precision=value)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("TF32", "tf32"),
        ("high", "tf32"),
        ("highest", "full"),
        ("float32", "full"),
        ("bf16", "bfloat16"),
        ("int8", None),
    ],
)
def test_an_unknown_precision(given: str, meant: str | None):
    end = "" if meant is None else rf"; did you mean '{meant}'\?"
    with pytest.raises(
        ValueError, match=rf"^precision: '{given}' is unknown; give 'full', 'tf32' or 'bfloat16'{end}$"
    ):
        network(precision=given)


def test_tf32_in_float64():
    with pytest.raises(
        ValueError, match=r"^precision: 'tf32' is for float32, the network's dtype is float64"
    ):
        network(dtype="float64", device="cuda", precision="tf32")


@pytest.mark.parametrize("device", [name for name in ("cpu", "cuda", "cuda:1") if name not in bp.backends()])
def test_a_device_given_as_backend(device: str):
    with pytest.raises(ValueError, match=rf"^backend: '{device}' is a device; give device='{device}'$"):
        network(backend=device)


def test_the_processor():
    for net in (network(), network(device="cpu", precision="full"), network(backend="reference")):
        assert (net.device, net.precision) == ("cpu", "full")
        assert "device" not in repr(net)
    assert network(device="cpu", backend="reference").backend == "reference"
    assert bp.devices()[0] == "cpu"


def test_the_core_refuses_by_itself():
    """As C++ programs call it."""
    description = '{"input_shape": [4], "seed": "0", "layers": []}'
    for name in ("gpu", "cuda:", "cuda:x", "cuda:1000", "CPU", ""):
        with pytest.raises(ValueError, match=f"^device: '{name}' is unknown; give 'cpu', 'cuda', or"):
            _core.NetworkF32(description, device=name)
    with pytest.raises(ValueError, match="^precision: 'half' is unknown; give 'full', 'tf32' or 'bfloat16'"):
        _core.NetworkF32(description, precision="half")


def test_what_is_asked_for_is_not_the_files_fault(files: Path):
    for where in ({"device": "cuda", "backend": "reference"}, {"precision": "tf32"}):
        with pytest.raises(ValueError) as caught:
            bp.load(files / "model", **where)
        assert not isinstance(caught.value, bp.FileFormatError)


def test_the_loads_take_a_path_alone_by_position(files: Path):
    others = "device, backend, precision, winograd"
    for call, names in ((bp.load, others), (bp.load_model, f"loss, {others}")):
        with pytest.raises(TypeError) as caught:
            call(files / "kind", "cuda")
        text = f"{call.__name__}: takes path alone by position, the others by name: {names}"
        assert str(caught.value) == text
        with pytest.raises(TypeError, match=r"no option 'map_location', .*; did you mean 'device'\?$"):
            call(files / "kind", map_location="cuda")
    with pytest.raises(TypeError):
        bp.Trainer.load(files / "run", "cuda")


@without_library
def test_a_network_of_a_gpu_that_is_not_here_comes_back_on_the_processor(files: Path):
    net = network(seed=5)
    model = bp.load_model(files / "kind")
    for thing, weights in ((net, net.state_dict), (model, model.network.state_dict)):
        state = thing.__getstate__()
        assert state["machine"] == {"device": "cpu", "backend": net.backend, "precision": "full"}
        state["machine"] = {"device": "cuda:7", "backend": "cuda", "precision": "tf32"}
        other = type(thing).__new__(type(thing))
        other.__setstate__(pickle.loads(pickle.dumps(state)))
        other = other if isinstance(other, bp.Network) else other.network
        assert (other.device, other.backend, other.precision) == ("cpu", net.backend, "full")
        assert all(np.array_equal(other.state_dict()[name], array) for name, array in weights().items())


# The command line.

COMMANDS: dict[str, list[str]] = {
    "train": ["train", "{}/data.csv", "--target", "kind"],
    "predict": ["predict", "{}/kind", "{}/data.csv"],
    "evaluate": ["evaluate", "{}/kind", "{}/data.csv"],
    "alexnet train": ["alexnet", "train", "{}"],
    "alexnet test": ["alexnet", "test", "{}/model", "{}"],
}
commands = pytest.mark.parametrize("command", COMMANDS)


def said(capsys: pytest.CaptureFixture[str], folder: Path, command: str, *options: str) -> str:
    """What a command that fails says."""
    arguments = [each.format(folder) for each in COMMANDS[command]]
    try:
        assert main([*arguments, *options]) == 2
    except SystemExit as stop:
        assert stop.code == 2
    return capsys.readouterr().err


@commands
def test_options_of_the_command_line(command: str, files: Path, capsys: pytest.CaptureFixture[str]):
    text = said(capsys, files, command, "--device", "gpu")
    assert text.startswith("bpnet: argument --device: 'gpu' is unknown; ") and "did you mean 'cuda'?" in text
    text = said(capsys, files, command, "--device", "cuda", "--backend", "reference")
    assert "argument --backend: not allowed with argument --device" in text
    text = said(capsys, files, command, "--precision", "half")
    assert "argument --precision: invalid choice: 'half'" in text


@without_library
@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "alexnet train"])
def test_the_command_line_without_the_library(command: str, files: Path, capsys: pytest.CaptureFixture[str]):
    text = said(capsys, files, command, "--device", "cuda")
    assert text.startswith("bpnet: device: 'cuda' ") and text.count("\n") == 1
    text = said(capsys, files, command, "--precision", "tf32")
    assert text.startswith("bpnet: precision: 'tf32' is for a GPU, ") and text.count("\n") == 1


def test_what_a_network_of_your_own_computes_on_is_its_own(tmp_path: Path):
    where: tuple[tuple[str, Any], ...] = (("device", "cuda"), ("backend", "reference"), ("precision", "tf32"))
    for name, value in where:
        with pytest.raises(ValueError, match=f"^alexnet: a network is given and {name} too"):
            bp.recipes.alexnet(tmp_path, network=network(), **{name: value})


def test_packing_computes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["alexnet", "pack", os.fspath(tmp_path), os.fspath(tmp_path / "file"), "--device", "cuda"])
    assert "unrecognized arguments: --device cuda" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="bpnet's CUDA library is for Linux")
def test_a_library_that_is_none(tmp_path: Path):
    """What is said of the file that BPNET_CUDA_LIBRARY names: it is not there, or another library."""
    code = "import bpnet as bp\nprint(*bp.devices(), *bp.backends())\nbp.Network(2, [bp.Linear(1)], device='cuda')"
    for library, reason in (
        (os.fspath(tmp_path / "absent.so"), "absent.so: cannot open shared object file"),
        (_core.__file__, "has no bpnet_cuda_module"),
    ):
        environment = {**os.environ, "BPNET_CUDA_LIBRARY": library}
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
        )
        assert done.stdout.split() == [
            "cpu",
            *(name for name in bp.backends() if not name.startswith("cuda")),
        ]
        last = done.stderr.splitlines()[-1]
        assert last.startswith("bpnet.DeviceError: device: 'cuda' needs") and reason in last


# With the library, its GPUs emulated.


@pytest.mark.slow
@ON_LINUX
def test_a_library_without_a_gpu(built: Path):
    """The driver's word is passed on."""
    code = """
import bpnet as bp
assert bp.devices() == ['cpu'] and not any(name.startswith('cuda') for name in bp.backends())
bp.Network(2, [bp.Linear(1)], device='cuda')"""
    assert last_error(built, code, BPNET_CUDA_ON_CPU_DEVICES="0") == (
        "bpnet.DeviceError: device: 'cuda:0' is not available; the driver says: no CUDA-capable device is detected "
        "(cudaErrorNoDevice); nvidia-smi lists the GPUs that the driver sees"
    )


@pytest.mark.slow
@ON_LINUX
def test_a_gpu_that_is_too_old(built: Path):
    code = "import bpnet as bp\nbp.Network(2, [bp.Linear(1)], device='cuda')"
    assert last_error(built, code, BPNET_CUDA_ON_CPU_CAPABILITY="75") == (
        "bpnet.DeviceError: device: 'cuda:0' has compute capability 7.5, bpnet needs 8.0 or newer; choose another GPU, "
        "or the device 'cpu'"
    )


@pytest.mark.slow
@ON_LINUX
def test_the_choice_of_a_gpu(built: Path):
    assert passes(built, os.fspath(HERE / "cuda_device.py")) >= 40


@pytest.mark.slow
@ON_LINUX
def test_memory_that_is_full(built: Path):
    assert passes(built, os.fspath(HERE / "cuda_memory.py")) >= 23
