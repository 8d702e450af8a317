"""Winograd's minimal filtering: beside float64's plain loop it errs by 1e-4 of the largest number at most, and where
it does not apply a convolution is the direct one, bit by bit."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bpnet as bp
from bpnet import _core
from bpnet.__main__ import main
from test_convolution import Setting, plain

BACKENDS = [name for name in bp.backends() if name in ("avx512", "avx2", "baseline")]
backends = pytest.mark.parametrize("backend", BACKENDS)
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])
LIMITS = {"float32": 1e-4, "float64": 1e-12}
SAME = (1, 1, 1, 1)

# Large enough for it; channels end within a vector, within a tile of the product or with it.
FILTERED = [
    Setting(9, 64, (13, 13), 64, (3, 3), padding=SAME),
    Setting(15, 33, (13, 14), 70, (3, 3), padding=SAME),
    Setting(33, 40, (7, 7), 100, (3, 3), padding=SAME),
    Setting(44, 68, (6, 9), 140, (3, 3), padding=(0, 2, 2, 1), groups=2),
    Setting(30, 35, (12, 11), 64, (3, 3)),
    Setting(24, 48, (9, 10), 53, (3, 3), padding=(2, 2, 2, 2)),
    Setting(40, 32, (3, 31), 64, (3, 3), padding=(0, 3, 1, 0)),  # padding beyond the window's reach
    Setting(16, 144, (13, 13), 144, (3, 3), padding=SAME, groups=3),
    Setting(75, 32, (13, 13), 32, (3, 3), padding=SAME),  # several blocks in each of several parts
    Setting(26, 200, (14, 14), 150, (3, 3), padding=SAME),  # several blocks, each shared out by matrices
    Setting(4, 450, (13, 13), 64, (3, 3), padding=SAME),  # the product is summed in passes
]
DIRECT = {
    "a kernel of 5": Setting(9, 64, (13, 13), 64, (5, 5), padding=(2, 2, 2, 2)),
    "a kernel of 3 x 1": Setting(9, 64, (13, 13), 64, (3, 1)),
    "stride 2": Setting(40, 64, (13, 13), 64, (3, 3), (2, 2), SAME),
    "stride 2 across": Setting(20, 64, (13, 13), 64, (3, 3), (1, 2), SAME),
    "dilation 2": Setting(16, 64, (13, 13), 64, (3, 3), padding=SAME, dilation=(2, 2)),
    "16 channels": Setting(75, 16, (13, 13), 64, (3, 3), padding=SAME),
    "every channel by itself": Setting(40, 64, (13, 13), 64, (3, 3), padding=SAME, groups=64),
    "one image": Setting(1, 256, (13, 13), 256, (3, 3), padding=SAME),
    "little to compute": Setting(3, 32, (13, 13), 32, (3, 3), padding=SAME),
    "maps of 2 x 2": Setting(150, 64, (2, 2), 64, (3, 3), padding=SAME),
    "padding before of 3": Setting(15, 64, (9, 10), 64, (3, 3), padding=(3, 0, 1, 1)),
}


def numbers(s: Setting, dtype: str) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """x, weight, bias and the gradient by the output."""
    rng = np.random.default_rng(7)
    shapes = [w.shape for w in bp.Network((s.channels, *s.map), [s.layer()]).state_dict().values()]
    out = bp.Network((s.channels, *s.map), [s.layer()]).output_shape
    x, weight, bias, grad_y = (
        rng.normal(size=shape).astype(dtype)
        for shape in ((s.samples, s.channels, *s.map), *shapes, (s.samples, *out))
    )
    return x, weight, bias, grad_y


def passes(s: Setting, dtype: str, **where: Any) -> dict[str, np.ndarray]:
    """What the layer gives forward and back."""
    x, weight, bias, grad_y = numbers(s, dtype)
    net = bp.Network(x.shape[1:], [s.layer()], dtype=dtype, **where)
    net.load_state_dict({"0.weight": weight, "0.bias": bias})
    found = {"y": net.forward(x, training=True).copy(), "grad_x": net.backward(grad_y).copy()}
    found |= {name: values.copy() for name, values in net.gradients().items()}
    net.forward(x, training=True)
    net.backward(grad_y, accumulate=True)
    return found | {"twice": net.gradients()["0.weight"].copy()}


def error(found: np.ndarray, wanted: np.ndarray) -> float:
    return float(abs(found - wanted).max() / abs(wanted).max())


@backends
@dtypes
@pytest.mark.parametrize("s", FILTERED, ids=str)
def test_errs_by_little(s: Setting, dtype: str, backend: str):
    x, weight, bias, grad_y = (values.astype(np.float64) for values in numbers(s, dtype))
    wanted = plain(s, x, weight, grad_y)
    found = passes(s, dtype, backend=backend, winograd=True)
    errors = {
        "y": error(found["y"], wanted.y + bias[:, None, None]),
        "grad_x": error(found["grad_x"], wanted.grad_x),
        "weight": error(found["0.weight"], wanted.grad_weight),
        "twice": error(found["twice"], 2 * wanted.grad_weight),
    }
    assert max(errors.values()) <= LIMITS[dtype], errors
    directly = passes(s, dtype, backend=backend)
    assert error(found["0.bias"], directly["0.bias"]) <= LIMITS[dtype]
    for name in ("y", "grad_x", "0.weight"):
        assert not np.array_equal(found[name], directly[name]), f"{name} was made directly"


@backends
@pytest.mark.parametrize("s", DIRECT.values(), ids=DIRECT)
def test_where_it_does_not_apply_the_bits_are_the_direct_ones(s: Setting, backend: str):
    found, directly = (passes(s, "float32", backend=backend, winograd=on) for on in (True, False))
    assert all(np.array_equal(found[name], directly[name]) for name in found)


@backends
def test_an_activation_may_be_joined(backend: str):
    x = np.random.default_rng(0).normal(size=(40, 64, 9, 9))
    for groups in (1, 2):
        layer = bp.Conv2d(80, 3, padding=1, groups=groups)
        where: dict[str, Any] = {"dtype": "float64", "backend": backend, "winograd": True}
        alone = bp.Network(x.shape[1:], [layer], **where).predict(x)
        joined = bp.Network(x.shape[1:], [layer, bp.Tanh()], **where).predict(x)
        assert abs(joined - np.tanh(alone)).max() <= 4e-16


@pytest.fixture
def threads() -> Iterator[None]:
    before = bp.num_threads()
    yield
    bp.set_num_threads(before)


@backends
@pytest.mark.parametrize("s", [FILTERED[2], FILTERED[3], FILTERED[8], FILTERED[9]], ids=str)
def test_the_same_bits_for_every_number_of_threads(s: Setting, backend: str, threads: None):
    runs = []
    for count in (1, 2, 3, 7):
        bp.set_num_threads(count)
        runs.append(
            {name: a.tobytes() for name, a in passes(s, "float32", backend=backend, winograd=True).items()}
        )
    assert all(run == runs[0] for run in runs)


def convnet(**where: Any) -> bp.Network:
    layers = [
        bp.Conv2d(32, 3, padding=1),
        bp.ReLU(),
        bp.Conv2d(64, 3, padding=1),
        bp.BatchNorm2d(),
        bp.ReLU(),
        bp.MaxPool2d(2),
        bp.Dropout(0.2),
        bp.Flatten(),
        bp.Linear(4),
    ]
    return bp.Network((1, 8, 8), layers, seed=3, **where)


def stripes(samples: int = 320) -> tuple[np.ndarray, np.ndarray]:
    """Noisy images of stripes in four directions."""
    rng = np.random.default_rng(5)
    y = rng.integers(0, 4, samples)
    rows, columns = np.mgrid[:8, :8]
    directions = np.stack([rows, columns, rows + columns, rows - columns])
    x = np.sin(directions[y] * 1.7 + rng.uniform(0, 6, (samples, 1, 1))) + rng.normal(0, 0.4, (samples, 8, 8))
    return x[:, None].astype(np.float32), y


def trained(epochs: int, **where: Any) -> bp.Network:
    x, y = stripes()
    net = convnet(**where)
    net.fit(x, y, epochs=epochs, batch_size=64, optimizer=bp.Adam(lr=0.003), verbose=0)
    return net


def weights(net: bp.Network) -> dict[str, bytes]:
    return {name: values.tobytes() for name, values in net.state_dict().items()}


def test_training_beside_the_direct_way():
    filtered, direct = (trained(4, winograd=on) for on in (True, False))
    assert weights(filtered) != weights(direct)
    for net in (filtered, direct):
        assert net.evaluate(*stripes(), loss="cross_entropy")["accuracy"] >= 0.95
    losses = [np.array(net.trainer.history["loss"]) for net in (filtered, direct)]
    assert abs(losses[0] / losses[1] - 1).max() <= 0.02


def test_a_step_takes_no_memory():
    x, y = stripes(64)
    net = convnet(winograd=True)
    net.forward(x, training=True)
    net.backward(np.ones((64, 4), np.float32))
    taken = _core.arena_allocations()
    for _ in range(3):
        net.forward(x, training=True)
        net.backward(np.ones((64, 4), np.float32))
    assert _core.arena_allocations() == taken


def test_alexnets_memory():
    """Of training on 128 photographs."""
    for winograd in (False, True):
        assert bp.models.alexnet(winograd=winograd)._core.training_bytes(128) <= 2.1e9


def test_gradients_are_checked_as_they_are_made():
    """Of the layer before: weights of its own would take too many passes."""
    rng = np.random.default_rng(1)
    filtered = bp.Conv2d(32, 3, padding=1, trainable=False)
    layers = [bp.Conv2d(32, 1), filtered, bp.AdaptiveAvgPool2d(1), bp.Flatten(), bp.Linear(2)]
    nets = [bp.Network((1, 8, 8), layers, winograd=on) for on in (True, False)]
    x, y = rng.normal(size=(128, 1, 8, 8)), rng.normal(size=(128, 2))
    errors = [bp.check_gradients(net, x, y, loss="mse") for net in nets]
    assert max(errors[0].values()) <= 1e-6
    assert errors[0] != errors[1]


# Files and copies.


def test_a_file_keeps_it(tmp_path: Path):
    x, _ = stripes()
    filtered, direct = trained(1, winograd=True), trained(1)
    for net in (filtered, direct):
        net.save(tmp_path / "model")
        same = bp.load(tmp_path / "model")
        assert same.winograd == net.winograd
        assert np.array_equal(same.predict(x), net.predict(x))
        for asked in (True, False):
            other = bp.load(tmp_path / "model", winograd=asked)
            assert other.winograd is asked
            assert np.array_equal(other.predict(x), net.predict(x)) == (asked is net.winograd)
            other.save(tmp_path / "other")
            assert bp.load(tmp_path / "other").winograd is asked
    assert "winograd" not in direct.description


@pytest.mark.filterwarnings("ignore:load. the network in:UserWarning")
def test_older_files_are_direct():
    golden = Path(__file__).parent.parent / "golden" / "format1"
    for name in ("dense_float64", "image_float32", "run_sgd"):
        assert not bp.load(golden / f"{name}.safetensors").winograd


def test_a_run_goes_on_exactly(tmp_path: Path):
    x, y = stripes()
    straight = trained(3, winograd=True)
    trained(2, winograd=True).trainer.save(tmp_path / "run")
    trainer = bp.Trainer.load(tmp_path / "run")
    assert trainer.network.winograd
    trainer.fit(x, y, epochs=1, batch_size=64, verbose=0)
    assert weights(trainer.network) == weights(straight)
    assert not bp.Trainer.load(tmp_path / "run", winograd=False).network.winograd


@pytest.mark.parametrize("copier", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_keep_it(copier: Any):
    x, _ = stripes()
    net = trained(1, winograd=True)
    other = copier(net)
    assert other.winograd
    assert np.array_equal(other.predict(x), net.predict(x))


# What is said.


def test_what_a_network_says(capsys: pytest.CaptureFixture[str]):
    filtered, direct = convnet(winograd=True), convnet(winograd=False)
    assert (filtered.winograd, direct.winograd, convnet().winograd) == (True, False, False)
    filtered.summary()
    assert capsys.readouterr().out.endswith("\n3×3 convolutions by Winograd's minimal filtering\n")
    direct.summary()
    assert "Winograd" not in capsys.readouterr().out


@pytest.mark.parametrize("value", [1, "yes", 0.0])
def test_a_value_that_is_none(value: Any):
    with pytest.raises(TypeError, match=rf"^network: winograd is {value!r}, True or False is needed$"):
        convnet(winograd=value)


def test_the_reference_has_none(tmp_path: Path):
    text = r"^winograd: it is for .* by the backends 'avx512', 'avx2' and 'baseline'; the backend is 'reference'; give winograd false"
    with pytest.raises(ValueError, match=text):
        convnet(winograd=True, backend="reference")
    convnet(winograd=True).save(tmp_path / "model")
    with pytest.raises(ValueError, match=text) as caught:
        bp.load(tmp_path / "model", backend="reference")
    assert not isinstance(caught.value, bp.FileFormatError)
    assert bp.load(tmp_path / "model", backend="reference", winograd=False).backend == "reference"


def test_bfloat16_has_none():
    with pytest.raises(
        ValueError, match=r"^winograd: it is for products in full precision on the processor, by the"
    ):
        convnet(winograd=True, precision="bfloat16")


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "data.csv").write_text("\n".join(["a,kind", *(f"{i},{'xy'[i % 2]}" for i in range(20))]))
    begin = [
        "train",
        f"{tmp_path}/data.csv",
        "--target",
        "kind",
        "--epochs",
        "1",
        "--save",
        f"{tmp_path}/model",
    ]
    assert main([*begin, "--winograd"]) == 0
    assert bp.load_model(tmp_path / "model").network.winograd
    capsys.readouterr()
    assert main(["predict", f"{tmp_path}/model", f"{tmp_path}/data.csv", "--backend", "reference"]) == 2
    assert capsys.readouterr().err.startswith("bpnet: winograd: it is for ")
    again = [
        "predict",
        f"{tmp_path}/model",
        f"{tmp_path}/data.csv",
        "--backend",
        "reference",
        "--no-winograd",
    ]
    assert main(again) == 0
