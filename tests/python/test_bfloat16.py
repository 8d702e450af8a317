"""Products in bfloat16: by instructions of the processor and by their models, bit for bit the same; the API around
them, and files."""

from __future__ import annotations

import copy
import os
import pickle
import re
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet import _core
from bpnet.__main__ import main
from threading_layers import walk

INSTRUCTIONS = ["amx", "avx512_bf16"]
MODELS = {name: f"{name}_model" for name in INSTRUCTIONS}


def of_this_processor(names: list[str]) -> list[Any]:
    """As parameters: those that this processor has not are skipped."""
    here = bp.backends(precision="bfloat16")
    return [
        pytest.param(name, marks=pytest.mark.skipif(name not in here, reason=f"{name} is not available"))
        for name in names
    ]


instructions = pytest.mark.parametrize("backend", of_this_processor(INSTRUCTIONS))
backends = pytest.mark.parametrize("backend", of_this_processor([*INSTRUCTIONS, *MODELS.values()]))


def rounded(x: np.ndarray) -> np.ndarray:
    """To bfloat16, to the nearest, ties to even, as float64."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32)
    up = (bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) & np.uint32(0xFFFF0000)
    return up.view(np.float32).astype(np.float64)


def network(
    input_shape: Any,
    layers: Any,
    *,
    backend: str | None = None,
    precision: str | None = "bfloat16",
    **options: Any,
) -> bp.Network:
    return bp.Network(input_shape, layers, seed=5, backend=backend, precision=precision, **options)


def passed(net: bp.Network, x: np.ndarray, grad: np.ndarray) -> dict[str, np.ndarray]:
    """Outputs and all gradients."""
    y = net.forward(x, training=True).copy()
    grad_x = net.backward(grad)
    gradients = {name: array.copy() for name, array in net.gradients().items()}
    return {"y": y, "grad_x": grad_x, **gradients}


def assert_same_bits(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    for name in a:
        assert a[name].tobytes() == b[name].tobytes(), name


def drawn(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


LINEAR = [
    (1, 1, 1),
    (3, 5, 7),
    (16, 32, 16),
    (17, 33, 15),
    (32, 31, 32),
    (33, 65, 47),
    (2, 600, 40),
    (64, 100, 10),
    (130, 70, 90),
    (9, 1100, 33),
    (8200, 9, 10),
    (9000, 3, 2),
    (5, 9216, 20),  # as AlexNet's sixth layer: two depths, of which the last has the bias and activation
]


@instructions
@pytest.mark.parametrize(("batch", "inputs", "outputs"), LINEAR)
def test_a_linear_layer_by_instruction_and_model(backend: str, batch: int, inputs: int, outputs: int):
    x, grad = drawn((batch, inputs)), drawn((batch, outputs), 1)
    layers = [bp.Linear(outputs), bp.Tanh()]
    nets = [network(inputs, layers, backend=name) for name in (backend, MODELS[backend])]
    assert_same_bits(*(passed(net, x, grad) for net in nets))


@backends
@pytest.mark.parametrize(("batch", "inputs", "outputs"), LINEAR)
def test_a_linear_layer_by_the_oracle(backend: str, batch: int, inputs: int, outputs: int):
    """Every factor rounded to bfloat16, summed in float64."""
    x, grad = drawn((batch, inputs)), drawn((batch, outputs), 1)
    net = network(inputs, [bp.Linear(outputs)], backend=backend)
    found = passed(net, x, grad)
    weight, bias = (net.state_dict()[f"0.{name}"] for name in ("weight", "bias"))
    rx, rg, rw = rounded(x), rounded(grad), rounded(weight)
    for name, a, b, start in [
        ("y", rx, rw.T, bias.astype(np.float64)),
        ("grad_x", rg, rw, np.zeros(1)),
        ("0.weight", rg.T, rx, np.zeros(1)),
    ]:
        size = np.abs(a) @ np.abs(b) + np.abs(start)
        bound = (8 + np.sqrt(a.shape[1])) * np.finfo(np.float32).eps * size
        assert (np.abs(found[name] - (a @ b + start)) <= bound).all(), name
    np.testing.assert_allclose(found["0.bias"], grad.astype(np.float64).sum(0), rtol=1e-5, atol=1e-4)


CONVOLUTIONS: dict[str, tuple[tuple[int, int, int, int], dict[str, Any]]] = {
    "plain": ((3, 18, 7, 8), {"out_channels": 5, "kernel_size": 3, "padding": 1}),
    "wide": ((2, 34, 13, 13), {"out_channels": 40, "kernel_size": 3, "padding": 1}),
    "pointwise": ((2, 34, 6, 5), {"out_channels": 33, "kernel_size": 1}),
    "stride 4": ((2, 3, 23, 19), {"out_channels": 8, "kernel_size": 11, "stride": 4}),
    "stride 2 of 1": ((2, 16, 8, 8), {"out_channels": 20, "kernel_size": 1, "stride": 2}),
    "groups": ((1, 4, 9, 9), {"out_channels": 6, "kernel_size": 3, "stride": 2, "padding": 1, "groups": 2}),
    "dilated": ((1, 19, 14, 15), {"out_channels": 7, "kernel_size": 3, "dilation": (2, 4), "padding": 4}),
    "stride and dilation": (
        (2, 4, 16, 17),
        {"out_channels": 27, "kernel_size": 5, "stride": (4, 3), "dilation": 2, "padding": 4},
    ),
    "stride as dilation": (
        (1, 16, 11, 13),
        {"out_channels": 8, "kernel_size": 3, "stride": 2, "dilation": 2, "padding": 2},
    ),
    "stride over inputs": ((1, 17, 7, 7), {"out_channels": 4, "kernel_size": 2, "stride": 3}),
    "kernel as input": ((2, 16, 5, 4), {"out_channels": 9, "kernel_size": (5, 4)}),
    "many positions": ((3, 2, 58, 57), {"out_channels": 52, "kernel_size": 5, "padding": 2}),
    "long rows": ((2, 130, 6, 6), {"out_channels": 3, "kernel_size": 3, "padding": 1}),
    "mostly padding": ((2, 16, 4, 3), {"out_channels": 6, "kernel_size": 3, "padding": (4, 1, 0, 5)}),
    "few weights of 16 channels": ((2, 16, 5, 6), {"out_channels": 1, "kernel_size": 1}),
    "2,565 weights of 15 channels": ((2, 15, 6, 7), {"out_channels": 19, "kernel_size": 3}),
    # The next are multiplied without a copy of the windows: a row of the padded map is at most a third longer
    # than one of windows, and blocks of 32 are contiguous in the map; of 48 channels only most are.
    "in place": ((2, 64, 13, 13), {"out_channels": 40, "kernel_size": 3, "padding": 1}),
    "in place but for some blocks": ((1, 48, 14, 14), {"out_channels": 33, "kernel_size": 5, "padding": 2}),
    "in place, dilated": (
        (1, 32, 20, 20),
        {"out_channels": 17, "kernel_size": 3, "padding": 2, "dilation": 2},
    ),
    "in place, groups": ((2, 64, 14, 14), {"out_channels": 70, "kernel_size": 3, "padding": 1, "groups": 2}),
    "in place, columns in two parts": ((1, 512, 7, 7), {"out_channels": 70, "kernel_size": 3, "padding": 1}),
    "in place by the input": (
        (2, 32, 28, 28),
        {"out_channels": 64, "kernel_size": 3, "stride": 2, "padding": 1},
    ),
}
convolutions = pytest.mark.parametrize("name", CONVOLUTIONS)

# Those that stay in float32.
FEW: dict[str, tuple[tuple[int, int, int, int], dict[str, Any]]] = {
    "LeNet-5's first": ((20, 1, 28, 28), {"out_channels": 6, "kernel_size": 5, "padding": 2}),
    "LeNet-5's second": ((20, 6, 14, 14), {"out_channels": 16, "kernel_size": 5}),
    "stride": ((3, 3, 17, 18), {"out_channels": 32, "kernel_size": 3, "stride": 2}),
    "2,430 weights of 15 channels": ((2, 15, 6, 7), {"out_channels": 18, "kernel_size": 3}),
    "depthwise": ((2, 20, 7, 7), {"out_channels": 20, "kernel_size": 3, "groups": 20}),
}


def convolution(name: str, **options: Any) -> tuple[bp.Network, np.ndarray, np.ndarray]:
    (batch, *shape), arguments = {**CONVOLUTIONS, **FEW}[name]
    net = network(tuple(shape), [bp.Conv2d(**arguments)], **options)
    return net, drawn((batch, *shape)), drawn((batch, *net.output_shape), 1)


@instructions
@convolutions
def test_a_convolution_by_instruction_and_model(backend: str, name: str):
    results = []
    for each in (backend, MODELS[backend]):
        net, x, grad = convolution(name, backend=each)
        results.append(passed(net, x, grad))
    assert_same_bits(*results)


@backends
@convolutions
def test_a_convolution_by_the_oracle(backend: str, name: str):
    """The reference in float64, of factors that are rounded before."""
    net, x, grad = convolution(name, backend=backend)
    found = passed(net, x, grad)
    full, _, _ = convolution(name, precision="full")
    assert passed(full, x, grad)["y"].tobytes() != found["y"].tobytes()
    other, _, _ = convolution(name, precision=None, backend="reference", dtype="float64")
    state = net.state_dict()
    sizes, sums = {}, {}
    for result, form in ((sums, lambda a: a), (sizes, np.abs)):
        other.load_state_dict(
            {"0.weight": form(rounded(state["0.weight"])), "0.bias": form(state["0.bias"].astype(np.float64))}
        )
        result.update(passed(other, form(rounded(x)), form(rounded(grad))))
    terms = max(grad[:, 0].size, net.state_dict()["0.weight"][0].size, x[0].size)
    for key in ("y", "grad_x", "0.weight"):
        bound = (8 + np.sqrt(terms)) * np.finfo(np.float32).eps * sizes[key]
        assert (np.abs(found[key] - sums[key]) <= bound).all(), key


@backends
@pytest.mark.parametrize("name", FEW)
def test_few_channels_stay_in_float32(backend: str, name: str):
    results = []
    for options in ({"backend": backend}, {"precision": "full"}):
        net, x, grad = convolution(name, **options)
        results.append(passed(net, x, grad))
    assert_same_bits(*results)


@backends
def test_small_integers_are_exact(backend: str):
    """They are bfloat16 themselves, and their sums float32."""
    numbers = np.random.default_rng(2)
    for batch, inputs, outputs in LINEAR:
        x = numbers.integers(-8, 9, (batch, inputs)).astype(np.float32)
        grad = numbers.integers(-8, 9, (batch, outputs)).astype(np.float32)
        results = []
        for options in ({"backend": backend}, {"backend": "reference", "precision": None}):
            net = network(inputs, [bp.Linear(outputs)], **options)
            weight = np.random.default_rng(3).integers(-8, 9, (outputs, inputs)).astype(np.float32)
            net.load_state_dict({"0.weight": weight, "0.bias": weight[:, 0]})
            results.append(passed(net, x, grad))
        assert_same_bits(*({name: array + 0.0 for name, array in result.items()} for result in results))
    for name in CONVOLUTIONS:
        results = []
        for options in ({"backend": backend}, {"backend": "reference", "precision": None}):
            net, x, grad = convolution(name, **options)
            weight = np.random.default_rng(3).integers(-8, 9, net.state_dict()["0.weight"].shape)
            net.load_state_dict(
                {"0.weight": weight.astype(np.float32), "0.bias": net.state_dict()["0.bias"] * 0 + 3}
            )
            results.append(passed(net, np.rint(4 * x), np.rint(4 * grad)))
        assert_same_bits(*({name: array + 0.0 for name, array in result.items()} for result in results))


def odd_numbers(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Denormals, products that are, infinities, NaN, and what overflows, among others."""
    numbers = np.random.default_rng(seed)
    bits = numbers.integers(0, 2**32, shape, dtype=np.uint32)
    kind = numbers.integers(0, 8, shape)
    exponent = np.choose(kind, [0, 1, 63, 64, 127, 190, 250, 60]).astype(np.uint32)
    bits = (bits & np.uint32(0x807FFFFF)) | (exponent << np.uint32(23))
    x = bits.view(np.float32).copy()
    rare = numbers.random(shape)
    x[rare < 0.004] = np.inf
    x[rare > 0.998] = np.nan
    return x


@instructions
def test_odd_numbers(backend: str):
    """Where a NaN comes out it is a NaN in both; its bits are not looked at."""
    x, grad = odd_numbers((60, 40), 1), odd_numbers((60, 35), 2)
    weight = odd_numbers((35, 40), 3)
    weight[~np.isfinite(weight)] = 1
    results = []
    for name in (backend, MODELS[backend]):
        net = network(40, [bp.Linear(35)], backend=name)
        net.load_state_dict({"0.weight": weight, "0.bias": np.zeros(35, np.float32)})
        results.append(passed(net, x, grad))
    for name, array in results[0].items():
        other = results[1][name]
        assert (np.isnan(array) == np.isnan(other)).all()
        assert np.where(np.isnan(array), 0, array).tobytes() == np.where(np.isnan(other), 0, other).tobytes()
    assert np.isnan(results[0]["y"]).any() and np.isfinite(results[0]["y"]).any()


@backends
def test_denormals(backend: str):
    """A denormal factor counts as 0, also one that would be rounded to the least normal number; a sum is flushed
    to 0 where it is below the normal numbers after rounding."""
    least = np.float32(2.0**-126)
    for factor, other, start, sum_ in [
        (np.nextafter(least, np.float32(0)), 1.0, 0.0, 0.0),
        (least, 1.0, 0.0, least),
        (least, 0.5, 0.0, 0.0),
    ]:
        net = network(1, [bp.Linear(1)], backend=backend)
        net.load_state_dict({"0.weight": np.float32([[other]]), "0.bias": np.float32([start])})
        assert net.forward(np.float32([[factor]]))[0, 0] == sum_
    # 2^-126 - 2^-e: two products of one pair; AMX adds their sums, AVX-512 adds one to the other
    for e, expected in [(149, 0.0), (150, 0.0), (151, least), (153, least)]:
        net = network(2, [bp.Linear(1)], backend=backend)
        net.load_state_dict(
            {"0.weight": np.float32([[-(2.0 ** -(e - 70)), 2.0**-63]]), "0.bias": np.zeros(1, np.float32)}
        )
        y = net.forward(np.float32([[2.0**-70, 2.0**-63]]))[0, 0]
        if backend.startswith("amx"):
            assert y == least  # the small product is flushed before
        else:
            assert y == expected, e


def convnet(**options: Any) -> bp.Network:
    layers = [
        bp.Conv2d(8, 3, padding=1),
        bp.ReLU(),
        bp.MaxPool2d(2),
        bp.Conv2d(16, 3, stride=2, padding=1, groups=2),
        bp.BatchNorm2d(),
        bp.GELU(),
        bp.Conv2d(16, 3, padding=1, groups=16),
        bp.Flatten(),
        bp.Dropout(0.2),
        bp.Linear(40),
        bp.Tanh(),
        bp.Linear(3),
    ]
    return network((3, 16, 16), layers, **options)


def photographs(samples: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Three classes: which third of the channels is bright."""
    labels = np.arange(samples) % 3
    x = drawn((samples, 3, 16, 16), 4) * np.float32(0.5)
    x[np.arange(samples), labels] += 1
    return x, labels


def mlp(**options: Any) -> bp.Network:
    return network(20, [bp.Linear(70), bp.Tanh(), bp.Linear(50), bp.ReLU(), bp.Linear(4)], **options)


def points(samples: int = 200) -> tuple[np.ndarray, np.ndarray]:
    x = drawn((samples, 20), 6)
    return x, (x[:, 0] > 0) * 2 + (x[:, 1] > 0)


def fitted(net: bp.Network, data: tuple[np.ndarray, np.ndarray], epochs: int) -> bp.Trainer:
    trainer = bp.Trainer(net, "cross_entropy", bp.Adam(lr=0.003))
    trainer.fit(*data, epochs=epochs, batch_size=20, verbose=0)
    return trainer


def bits(net: bp.Network) -> bytes:
    return b"".join(array.tobytes() for array in net.state_dict().values())


networks = pytest.mark.parametrize(
    ("make", "data"), [(mlp, points), (convnet, photographs)], ids=["mlp", "convnet"]
)


@instructions
@networks
def test_training_by_instruction_and_model(backend: str, make: Any, data: Any):
    nets = [make(backend=name) for name in (backend, MODELS[backend])]
    for net in nets:
        fitted(net, data(), 2)
    assert bits(nets[0]) == bits(nets[1])


@networks
def test_training(make: Any, data: Any):
    """It learns, as float32 does, with other bits."""
    losses = []
    for precision in ("bfloat16", "full"):
        trainer = fitted(make(precision=precision), data(), 25)
        losses.append(trainer.history["loss"])
    assert losses[0] != losses[1]
    for loss in losses:
        assert loss[-1] < 0.3 * loss[0]


def test_the_instructions_round_differently():
    nets = [mlp(backend=name) for name in MODELS.values()]
    for net in nets:
        fitted(net, points(), 1)
    assert bits(nets[0]) != bits(nets[1])


@backends
def test_the_same_bits_for_every_number_of_threads(backend: str):
    results = set()
    for _ in walk():
        net = convnet(backend=backend)
        fitted(net, photographs(), 1)
        wide = mlp(backend=backend)
        fitted(wide, points(), 1)
        name = "many positions"
        one, x, grad = convolution(name, backend=backend)
        results.add((bits(net), bits(wide), *(a.tobytes() for a in passed(one, x, grad).values())))
    assert len(results) == 1


def test_a_step_allocates_nothing():
    x, labels = photographs()
    net = convnet()
    trainer = bp.Trainer(net, "cross_entropy", bp.SGD(lr=0.01))
    trainer.fit(x, labels, epochs=1, batch_size=20, verbose=0)
    before = _core.arena_allocations()
    trainer.fit(x, labels, epochs=2, batch_size=20, verbose=0)
    trainer.fit(x[:35], labels[:35], epochs=1, batch_size=7, verbose=0)
    assert _core.arena_allocations() == before


def test_the_best_backend_of_the_processor():
    listed = bp.backends(precision="bfloat16")
    assert listed[-2:] == list(MODELS.values())
    assert listed == [name for name in [*INSTRUCTIONS, *MODELS.values()] if name in listed]
    assert mlp().backend == listed[0] and mlp().precision == "bfloat16"
    assert not set(listed) & set(bp.backends())
    assert mlp(precision=None).backend == bp.Network(20, [bp.Linear(4)]).backend in bp.backends()


@pytest.mark.parametrize("backend", INSTRUCTIONS)
def test_an_instruction_that_the_processor_has_not(backend: str):
    if backend in bp.backends(precision="bfloat16"):
        pytest.skip(f"{backend} is here")
    with pytest.raises(
        bp.DeviceError,
        match=rf"^backend: '{backend}' is not one of those .*; '{backend}_model' computes the same bits, slowly$",
    ):
        mlp(backend=backend)


# Run first by a process of its own: the system call arch_prctl(ARCH_REQ_XCOMP_PERM, …) alone gives EPERM.
WITHOUT_PERMISSION = """
import ctypes, struct
libc = ctypes.CDLL(None)
load, equal, give, allow, refuse = 0x20, 0x15, 0x06, 0x7FFF0000, 0x50001
steps = [(load, 0, 0, 0), (equal, 0, 3, 158), (load, 0, 0, 16), (equal, 0, 1, 0x1023), (give, 0, 0, refuse)]
steps.append((give, 0, 0, allow))
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = ctypes.create_string_buffer(struct.pack("HP", len(steps), ctypes.addressof(code)))
assert libc.prctl(38, 1, 0, 0, 0) == 0  # PR_SET_NO_NEW_PRIVS
assert libc.prctl(22, 2, program, 0, 0) == 0  # PR_SET_SECCOMP, by a filter
"""


@pytest.mark.skipif("amx" not in bp.backends(precision="bfloat16"), reason="amx is not available")
@pytest.mark.skipif(sys.platform != "linux", reason="Linux asks for permission")
def test_amx_without_the_system_s_permission():
    code = """
import bpnet as bp
print(*bp.backends(precision="bfloat16"))
try:
    bp.Network(2, [bp.Linear(1)], precision="bfloat16", backend="amx")
except bp.DeviceError as error:
    print(error)
"""
    said = subprocess.run(
        [sys.executable, "-c", WITHOUT_PERMISSION + code], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "amx" not in said[0].split() and "amx_model" in said[0].split()
    assert said[1].endswith("; 'amx_model' computes the same bits, slowly")


def test_products_alone_are_in_bfloat16():
    """All else is float32's: a network without weights gives the same bits."""
    layers = [bp.BatchNorm2d(), bp.Tanh(), bp.MaxPool2d(2), bp.LocalResponseNorm(5), bp.Flatten()]
    x = drawn((4, 6, 8, 8))
    results = []
    for precision in ("bfloat16", "full"):
        net = network((6, 8, 8), layers, precision=precision)
        results.append(passed(net, x, drawn((4, *net.output_shape))))
    assert_same_bits(*results)


def test_what_is_refused():
    with pytest.raises(
        ValueError, match=r"^precision: 'bfloat16' is for float32, the network's dtype is float64; choose"
    ):
        mlp(dtype="float64")
    with pytest.raises(
        ValueError, match=r"^precision: 'bfloat16' is for the processor, device is 'cuda'; give"
    ):
        mlp(device="cuda")
    with pytest.raises(
        ValueError,
        match=r"^precision: 'bfloat16' is computed by the backends .*, the backend is 'reference'; leave",
    ):
        mlp(backend="reference")
    with pytest.raises(
        ValueError,
        match=r"^backend: 'amx_model' multiplies in bfloat16, precision is 'full'; give precision 'bfloat16'",
    ):
        mlp(backend="amx_model", precision="full")
    with pytest.raises(ValueError, match=r"^precision: 'bf16' is unknown; .*; did you mean 'bfloat16'\?$"):
        mlp(precision="bf16")


def test_files_keep_the_precision(tmp_path: Path):
    path = tmp_path / "model"
    net = mlp()
    net.save(path)
    x = points()[0]
    loaded = bp.load(path)
    assert (loaded.precision, loaded.backend) == ("bfloat16", net.backend)
    assert loaded.forward(x).tobytes() == net.forward(x).tobytes()
    full = bp.load(path, precision="full")
    assert full.precision == "full" and full.forward(x).tobytes() != net.forward(x).tobytes()
    assert bp.load(path, backend="avx512_bf16_model").backend == "avx512_bf16_model"
    with pytest.raises(ValueError, match="^precision: 'bfloat16' is computed by the backends"):
        bp.load(path, backend="reference")
    with pytest.raises(ValueError, match="^precision: 'bfloat16' is for the processor, device is 'cuda'"):
        bp.load(path, device="cuda")
    mlp(precision="full").save(path)
    assert bp.load(path).precision == "full"
    assert bp.load(path, precision="bfloat16").precision == "bfloat16"


def test_a_file_with_an_unknown_precision(tmp_path: Path):
    path = tmp_path / "model"
    mlp().save(path)
    raw = path.read_bytes().replace(b"bfloat16", b"bfloat17")
    found = re.search(rb"crc32:[0-9a-f]{8}", raw)
    assert found
    zeroed = raw.replace(found[0], b"crc32:00000000")
    path.write_bytes(raw.replace(found[0], b"crc32:%08x" % zlib.crc32(zeroed)))
    with pytest.raises(bp.FileFormatError, match="precision: 'bfloat17' is unknown"):
        bp.load(path)


@pytest.mark.parametrize("precision", [None, "bfloat16"])
def test_a_run_goes_on_bit_by_bit(tmp_path: Path, precision: str | None):
    data = points()
    whole = fitted(mlp(), data, 4)
    half = fitted(mlp(), data, 2)
    half.save(tmp_path / "run")
    resumed = bp.Trainer.load(tmp_path / "run", precision=precision)
    assert resumed.network.precision == "bfloat16"
    resumed.fit(*data, epochs=2, batch_size=20, verbose=0)
    assert bits(resumed.network) == bits(whole.network)


def test_copies_are_in_bfloat16():
    net = mlp(backend="avx512_bf16_model")
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert (other.precision, other.backend) == ("bfloat16", "avx512_bf16_model")
        assert other.forward(points()[0]).tobytes() == net.forward(points()[0]).tobytes()


def test_models_and_summary(capsys: pytest.CaptureFixture[str]):
    net = bp.models.lenet5(precision="bfloat16")
    assert net.precision == "bfloat16"
    net.summary()
    assert capsys.readouterr().out.endswith("\nproducts in bfloat16\n")
    bp.models.lenet5().summary()
    assert "bfloat16" not in capsys.readouterr().out


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = "\n".join(f"{a},{b},{'up' if a > b else 'down'}" for a in range(8) for b in range(8))
    (tmp_path / "data.csv").write_text(f"a,b,c\n{rows}\n")
    data, file = str(tmp_path / "data.csv"), str(tmp_path / "model")
    begin = ["train", data, "--target", "c", "--epochs", "2", "--save", file]
    assert main([*begin, "--precision", "bfloat16"]) == 0
    assert bp.load_model(file).network.precision == "bfloat16"
    capsys.readouterr()
    scores = []
    for options in ([], ["--precision", "bfloat16"], ["--precision", "full"]):
        assert main(["evaluate", file, data, *options]) == 0
        scores.append(capsys.readouterr().out)
    assert scores[0] == scores[1]
    assert main(["train", data, "--resume", file, "--epochs", "3"]) == 0


@pytest.mark.parametrize(
    ("asked", "bfloat16", "full"), [("amx_model", "amx_model", None), ("baseline", None, "baseline")]
)
def test_the_environments_backend_is_for_its_precision(asked: str, bfloat16: str | None, full: str | None):
    code = "import bpnet as bp; print(*(bp.Network(2, [bp.Linear(1)], precision=p).backend for p in ('bfloat16', 'full')))"
    said = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "BPNET_BACKEND": asked},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert said == [bfloat16 or bp.backends(precision="bfloat16")[0], full or bp.backends()[0]]


def test_gradients_are_checked_in_float64():
    net = network(4, [bp.Linear(3), bp.Tanh(), bp.Linear(2)])
    x, y = drawn((5, 4)).astype(np.float64), drawn((5, 2), 1).astype(np.float64)
    assert max(bp.check_gradients(net, x, y, "mse").values()) < 1e-6
