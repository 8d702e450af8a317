"""The networks of the literature: how many parameters, which sizes on the way, which first weights."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import bpnet as bp

ALEXNETS = ["paper", "krizhevsky", "caffe", "caffenet", "torchvision"]
TWO_GROUPS = ALEXNETS[:4]

# What comes out of each layer that has weights, of each pool and of what a variant has of its own.
SIZES = {
    "conv1": (96, 55, 55),
    "norm1": (96, 55, 55),
    "pool1": (96, 27, 27),
    "conv2": (256, 27, 27),
    "norm2": (256, 27, 27),
    "pool2": (256, 13, 13),
    "conv3": (384, 13, 13),
    "conv4": (384, 13, 13),
    "conv5": (256, 13, 13),
    "pool5": (256, 6, 6),
    "fc6": (4096,),
    "fc7": (4096,),
    "fc8": (1000,),
}
SIZES_OF = {
    "paper": SIZES,
    "krizhevsky": SIZES | {"window2": (256, 27, 27), "relu1": (96, 27, 27), "relu5": (256, 6, 6)},
    "caffe": SIZES,
    "caffenet": SIZES | {"norm1": (96, 27, 27), "norm2": (256, 13, 13)},
    "torchvision": {
        "features.0": (64, 55, 55),
        "features.2": (64, 27, 27),
        "features.3": (192, 27, 27),
        "features.5": (192, 13, 13),
        "features.6": (384, 13, 13),
        "features.8": (256, 13, 13),
        "features.10": (256, 13, 13),
        "features.12": (256, 6, 6),
        "avgpool": (256, 6, 6),
        "classifier.1": (4096,),
        "classifier.4": (4096,),
        "classifier.6": (1000,),
    },
}
ORDERS = {
    "paper": "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5",
    "krizhevsky": "conv1 norm1 pool1 relu1 conv2 relu2 norm2 window2 pool2 conv3 relu3 conv4 relu4 conv5 pool5 relu5",
    "caffe": "conv1 relu1 norm1 pool1 conv2 relu2 norm2 pool2 conv3 relu3 conv4 relu4 conv5 relu5 pool5",
    "caffenet": "conv1 relu1 pool1 norm1 conv2 relu2 pool2 norm2 conv3 relu3 conv4 relu4 conv5 relu5 pool5",
}
# (bias of conv2, conv4, conv5, fc6 and fc7; σ of conv1 and conv2, of conv3 to conv5, of fc6 and fc7)
FIRST = {
    "paper": (1.0, 0.01, 0.01, 0.01),
    "krizhevsky": (1.0, 0.01, 0.03, 0.01),
    "caffe": (0.1, 0.01, 0.01, 0.005),
    "caffenet": (1.0, 0.01, 0.01, 0.005),
}
NORMS = {
    "paper": {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2, "groups": 1, "within_map": False},
    "krizhevsky": {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 2, "groups": 2, "within_map": False},
    "caffe": {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1, "groups": 1, "within_map": False},
    "caffenet": {"size": 5, "alpha": 1e-4, "beta": 0.75, "k": 1, "groups": 1, "within_map": False},
}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=[] if name == "paper" else pytest.mark.slow) for name in ALEXNETS],
)
def true_size(request: pytest.FixtureRequest) -> tuple[str, bp.Network]:
    """Sixty million weights, drawn once for all tests."""
    return request.param, bp.models.alexnet(variant=request.param, seed=3)


def rows(net: bp.Network) -> dict[str, tuple[str, tuple[int, ...], int]]:
    return {path: (kind, shape, count) for path, kind, shape, count in net._core.summary_rows()}


def described(net: bp.Network) -> dict[str, dict[str, Any]]:
    return {layer["name"]: layer for layer in net.description["layers"] if "name" in layer}


def test_parameters_and_sizes(true_size: tuple[str, bp.Network]):
    variant, net = true_size
    assert net.parameter_count == (61_100_840 if variant == "torchvision" else 60_965_224)
    side = 224 if variant in ("krizhevsky", "torchvision") else 227
    assert net.input_shape == (3, side, side) and net.output_shape == (1000,)
    found = rows(net)
    assert {path: found[path][1] for path in SIZES_OF[variant]} == SIZES_OF[variant]
    if variant in ORDERS:
        assert " ".join(found).startswith(ORDERS[variant])


def test_first_weights(true_size: tuple[str, bp.Network]):
    variant, net = true_size
    for name, w in net.state_dict().items():
        layer, kind = name.rsplit(".", 1)
        if variant == "torchvision":  # U(−1/√fan_in, 1/√fan_in)
            weight = net.state_dict()[layer + ".weight"]
            bound = 1 / math.sqrt(weight[0].size)
            assert abs(w).max() <= bound * (1 + 1e-6), name
            spread = bound / math.sqrt(3)
        elif kind == "bias":
            wanted = FIRST[variant][0] if layer in ("conv2", "conv4", "conv5", "fc6", "fc7") else 0.0
            assert np.all(w == np.float32(wanted)), name
            continue
        else:
            _, early, late, linear = FIRST[variant]
            spread = {"conv1": early, "conv2": early, "fc6": linear, "fc7": linear, "fc8": 0.01}.get(
                layer, late
            )
        assert abs(w.mean(dtype=float)) <= 5 * spread / math.sqrt(w.size), name
        assert abs(w.std(dtype=float) / spread - 1) <= 5 / math.sqrt(2 * w.size), name


def test_options(true_size: tuple[str, bp.Network]):
    variant, net = true_size
    if variant == "torchvision":
        kinds = {kind for kind, _, _ in rows(net).values()}
        assert "LocalResponseNorm" not in kinds
        return
    layers = described(net)
    for name in ("norm1", "norm2"):
        assert {key: layers[name][key] for key in NORMS[variant]} == NORMS[variant]
    assert [layers[f"conv{i}"]["groups"] for i in range(1, 6)] == [1, 2, 1, 2, 2]
    assert layers["drop6"]["p"] == 0.5
    assert layers["drop7"]["scale_at"] == ("test" if variant == "krizhevsky" else "training")
    if variant == "krizhevsky":
        window = {"size": 5, "alpha": 1e-3, "beta": 0.75, "k": 1, "groups": 1, "within_map": True}
        assert {key: layers["window2"][key] for key in window} == window
        assert layers["conv1"]["padding"] == [0, 3, 0, 3]


def test_training_at_batch_128_fits_in_2_5_gigabytes(true_size: tuple[str, bp.Network]):
    """Weights, gradients, activations and scratch; momentum, the trainer's snapshot of weights and momentum,
    and the batch itself."""
    variant, net = true_size
    parameters = 4 * net.parameter_count
    batch = 4 * 128 * math.prod(net.input_shape)
    assert net.training_memory(128) + 3 * parameters + batch < 2.5e9


def test_narrow_networks_train():
    for variant in ALEXNETS:
        net = bp.models.alexnet(4, variant, width=1 / 32, seed=1)
        x = np.random.default_rng(0).normal(size=(4, *net.input_shape)).astype(np.float32)
        trainer = bp.Trainer(net, "cross_entropy", bp.SGD(0.01))
        first = [trainer.step(x, [0, 1, 2, 3]) for _ in range(3)]
        assert all(map(math.isfinite, first))


def test_groups_keep_apart():
    """The second half of conv4's inputs does not reach the first half of its outputs."""
    net = bp.models.alexnet(4, width=1 / 16)
    assert net.state_dict()["conv4.weight"].shape == (24, 12, 3, 3)
    assert net.state_dict()["conv3.weight"].shape == (24, 16, 3, 3)


def test_lenet5():
    for image_size in (28, 32):
        net = bp.models.lenet5(image_size=image_size)
        assert net.parameter_count == 61_706
        assert net.input_shape == (1, image_size, image_size)
        found = [shape for _, kind, shape, _ in net._core.summary_rows() if kind not in ("Tanh", "Flatten")]
        assert found == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120,), (84,), (10,)]


def test_resnet18():
    net = bp.models.resnet18()
    assert net.parameter_count == 11_689_512
    found = rows(net)
    assert found["conv1"][1] == (64, 112, 112) and found["maxpool"][1] == (64, 56, 56)
    for stage, shape in enumerate([(64, 56, 56), (128, 28, 28), (256, 14, 14), (512, 7, 7)], start=1):
        for block in (0, 1):
            assert found[f"layer{stage}.{block}"][:2] == ("Residual", shape)
    state = net.state_dict()
    assert "layer1.0.downsample.0.weight" not in state
    assert state["layer2.0.downsample.0.weight"].shape == (128, 64, 1, 1)
    assert state["layer4.1.bn2.running_var"].shape == (512,)
    weight = state["layer3.0.conv1.weight"]
    assert abs(weight.std(dtype=float) / math.sqrt(2 / (256 * 9)) - 1) <= 5 / math.sqrt(2 * weight.size)


def test_vgg11_narrow():
    net = bp.models.vgg11(10, width=1 / 16, image_size=64)
    weights = [w.shape for name, w in net.state_dict().items() if w.ndim == 4]
    assert [shape[:2] for shape in weights] == [
        (4, 3),
        (8, 4),
        (16, 8),
        (16, 16),
        (32, 16),
        (32, 32),
        (32, 32),
        (32, 32),
    ]
    assert list(net.state_dict())[-1] == "classifier.6.bias"
    assert rows(net)["features.20"][1] == (32, 2, 2) and rows(net)["avgpool"][1] == (32, 7, 7)


@pytest.mark.slow
def test_vgg11():
    assert bp.models.vgg11().parameter_count == 132_863_336


@pytest.mark.parametrize("model", [bp.models.lenet5, bp.models.resnet18, bp.models.vgg11, bp.models.alexnet])
def test_names_come_back_from_a_file(model: Any, tmp_path):
    options = {} if model is bp.models.lenet5 else {"width": 1 / 16}
    net = model(10, **options, seed=2, dtype="float64")
    net.save(tmp_path / "net")
    again = bp.load(tmp_path / "net")
    assert again.description == net.description and list(again.state_dict()) == list(net.state_dict())


@pytest.mark.parametrize(
    "call, fragments",
    [
        (lambda: bp.models.alexnet(variant="zfnet"), ("alexnet: variant", "'zfnet'", "'krizhevsky'")),
        (lambda: bp.models.alexnet(variant=None), ("alexnet: variant", "None")),
        (lambda: bp.models.alexnet(width=0), ("alexnet: width", "0")),
        (lambda: bp.models.alexnet(width=math.nan), ("alexnet: width", "nan")),
        (lambda: bp.models.alexnet(width="wide"), ("alexnet: width", "'wide'")),
        (lambda: bp.models.lenet5(image_size=29), ("lenet5: image_size", "29")),
        (lambda: bp.models.vgg11(width=0.1, image_size=16), ("vgg11: image_size is 16", "at least 32")),
        (lambda: bp.models.resnet18(width=0.1, image_size=0), ("resnet18: image_size is 0",)),
        (lambda: bp.models.alexnet(0), ("alexnet: num_classes is 0, at least 1",)),
        (lambda: bp.models.alexnet(variant="torchvision", num_classes=2.5), ("alexnet: num_classes is 2.5",)),
        (lambda: bp.models.lenet5(0), ("lenet5: num_classes is 0",)),
        (lambda: bp.models.vgg11(0), ("vgg11: num_classes is 0",)),
        (lambda: bp.models.resnet18(-1), ("resnet18: num_classes is -1",)),
        (lambda: bp.models.alexnet(10, dropout=2), ("alexnet: dropout is 2",)),
        (lambda: bp.models.vgg11(10, dropout=-0.1), ("vgg11: dropout is -0.1",)),
    ],
)
def test_what_is_refused(call: Any, fragments: tuple[str, ...]):
    with pytest.raises((ValueError, TypeError)) as caught:
        call()
    for fragment in fragments:
        assert fragment in str(caught.value), caught.value
