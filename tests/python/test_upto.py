"""What an inner layer gives: the outputs of a network that ends there, with the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import bpnet as bp

BACKENDS = pytest.mark.parametrize("backend", bp.backends())
NUMBERS = np.random.default_rng(0)
IMAGES = NUMBERS.normal(size=(9, 3, 8, 7))
ROWS = NUMBERS.normal(size=(9, 6))


def dense_layers() -> list[bp.layers.Layer]:
    return [
        bp.Linear(5),
        bp.Tanh(),
        bp.Linear(8).named("fc"),
        bp.GELU(),
        bp.Dropout(0.5),
        bp.Sequential([bp.Linear(4), bp.ReLU(), bp.Sequential([bp.Linear(4), bp.Sigmoid()])]).named("head"),
        bp.Parallel([[], bp.Linear(4), [bp.Linear(3), bp.Tanh(), bp.Linear(4)]]),
        bp.Softmax(),
    ]


def image_layers() -> list[bp.layers.Layer]:
    def block(channels: int, shortcut: tuple = ()) -> bp.Residual:
        body = [bp.Conv2d(channels, 3, padding=1).named("conv1"), bp.BatchNorm2d().named("bn1"), bp.ReLU()]
        return bp.Residual([*body, bp.Conv2d(channels, 3, padding=1).named("conv2")], shortcut)

    inception = bp.Parallel(
        [[], bp.Conv2d(2, 1), [bp.AvgPool2d(3, stride=1, padding=1), bp.Conv2d(2, 1)]], "concat"
    )
    return [
        bp.BatchNorm2d(),
        bp.Conv2d(4, 3).named("stem"),
        bp.ReLU(),
        bp.Sequential([block(4), block(6, (bp.Conv2d(6, 1), bp.BatchNorm2d())), bp.ReLU()]).named("layer1"),
        inception.named("mixed"),
        bp.LocalResponseNorm(3),
        bp.MaxPool2d(2),
        bp.Flatten(),
        bp.Linear(7),
        bp.Sigmoid(),
        bp.Linear(3),
    ]


# Name, and the layers of a network that ends there, by hand.
def dense_cases() -> Iterator[tuple[str, list[bp.layers.Layer]]]:
    layers = dense_layers()
    head = layers[5].layers
    for index, name in enumerate(["0", "1", "fc", "3", "4", "head", "6", "7"]):
        yield name, layers[: index + 1]
    yield "head.0", [*layers[:5], head[0]]
    yield "head.1", [*layers[:5], *head[:2]]
    yield "head.2", [*layers[:5], *head]
    yield "head.2.0", [*layers[:5], *head[:2], head[2].layers[0]]
    yield "head.2.1", [*layers[:5], *head]
    branches = layers[6].branches
    yield "6.1", [*layers[:6], branches[1]]
    yield "6.2", [*layers[:6], branches[2]]
    yield "6.2.0", [*layers[:6], branches[2].layers[0]]
    yield "6.2.1", [*layers[:6], *branches[2].layers[:2]]
    yield "6.2.2", [*layers[:6], branches[2]]


def image_cases() -> Iterator[tuple[str, list[bp.layers.Layer]]]:
    layers = image_layers()
    for index, name in enumerate(["0", "stem", "2", "layer1", "mixed", "5", "6", "7", "8", "9", "10"]):
        yield name, layers[: index + 1]
    first, second, _ = layers[3].layers
    yield "layer1.0", [*layers[:3], first]
    yield "layer1.1", [*layers[:3], first, second]
    yield "layer1.2", layers[:4]
    for index, name in enumerate(["conv1", "bn1", "2", "conv2"]):
        yield f"layer1.0.{name}", [*layers[:3], *first.layers[: index + 1]]
        yield f"layer1.1.{name}", [*layers[:3], first, *second.layers[: index + 1]]
    yield "layer1.1.downsample", [*layers[:3], first, *second.shortcut]
    yield "layer1.1.downsample.0", [*layers[:3], first, second.shortcut[0]]
    yield "layer1.1.downsample.1", [*layers[:3], first, *second.shortcut]
    branches = layers[4].branches
    yield "mixed.1", [*layers[:4], branches[1]]
    yield "mixed.2", [*layers[:4], branches[2]]
    yield "mixed.2.0", [*layers[:4], branches[2].layers[0]]
    yield "mixed.2.1", [*layers[:4], branches[2]]


CASES = [
    *(("dense", *case) for case in dense_cases()),
    *(("images", *case) for case in image_cases()),
]
cases = pytest.mark.parametrize(
    "kind, name, truncated", CASES, ids=[f"{kind}-{name}" for kind, name, _ in CASES]
)


def network(kind: str, backend: str | None = None, dtype: str = "float64") -> bp.Network:
    """With running statistics of some data, so that evaluation is another thing than training."""
    shape, layers = (6, dense_layers()) if kind == "dense" else ((3, 8, 7), image_layers())
    net = bp.Network(shape, layers, seed=1, dtype=dtype, backend=backend)
    net.forward(ROWS if kind == "dense" else IMAGES, training=True)
    return net


def in_place_of(net: bp.Network, name: str, truncated: list[bp.layers.Layer]) -> bp.Network:
    """The truncated network; its tensors come in the order in which the whole network's do."""
    short = bp.Network(net.input_shape, truncated, dtype=net.dtype.name, backend=net.backend)
    parts = name.split(".")
    whole = list(net.state_dict().items())
    if "downsample" in parts or (
        parts[0] in ("6", "mixed") and len(parts) > 1
    ):  # what runs beside it is left out
        above = ".".join(parts[: parts.index("downsample")] if "downsample" in parts else parts[:1]) + "."
        way = ".".join(parts[: parts.index("downsample") + 1] if "downsample" in parts else parts[:2]) + "."
        whole = [(key, w) for key, w in whole if not key.startswith(above) or key.startswith(way)]
    short.load_state_dict(dict(zip(short.state_dict(), (w for _, w in whole))))
    return short


@cases
@BACKENDS
def test_the_output_of_a_layer(backend: str, kind: str, name: str, truncated: list[bp.layers.Layer]):
    net, x = network(kind, backend), ROWS if kind == "dense" else IMAGES
    wanted = in_place_of(net, name, truncated).forward(x)
    found = net.forward(x, upto=name)
    assert found.shape == wanted.shape and found.dtype == wanted.dtype
    assert found.flags.c_contiguous
    assert np.array_equal(found, wanted)


@pytest.mark.parametrize("kind", ["dense", "images"])
def test_every_layer_has_a_case(kind: str):
    net = network(kind)
    listed = {path for path, *_ in net._core.summary_rows()}
    assert listed <= {name for case, name, _ in CASES if case == kind}


def test_an_activation_that_the_plan_has_fused():
    net = bp.Network(6, [bp.Linear(5), bp.Tanh(), bp.Linear(2)], dtype="float64")
    s, x = net.forward(ROWS, upto="0"), net.forward(ROWS, upto="1")
    weight, bias = net.state_dict()["0.weight"], net.state_dict()["0.bias"]
    assert np.allclose(s, ROWS @ weight.T + bias, rtol=1e-14, atol=1e-14)
    assert np.allclose(x, np.tanh(s), rtol=1e-14, atol=1e-14)
    assert np.array_equal(net.forward(ROWS, upto="2"), net.forward(ROWS))


@BACKENDS
def test_it_follows_the_weights_and_disturbs_nothing(backend: str):
    net, other = network("images", backend, "float32"), network("images", backend, "float32")
    y = NUMBERS.integers(0, 3, 9)
    trainers = [bp.Trainer(each, "cross_entropy", bp.SGD(0.1, momentum=0.9)) for each in (net, other)]
    for _ in range(3):
        before = net.forward(IMAGES, upto="layer1")
        for trainer in trainers:
            trainer.step(IMAGES, y)
        assert not np.array_equal(net.forward(IMAGES, upto="layer1"), before)
        net.forward(IMAGES[:2], upto="stem")
    for name, w in net.state_dict().items():
        assert w.tobytes() == other.state_dict()[name].tobytes()
    assert np.array_equal(net.forward(IMAGES), other.forward(IMAGES))


@BACKENDS
def test_many_rows_are_taken_in_pieces(backend: str):
    net = bp.Network(
        (1, 40, 40), [bp.Conv2d(8, 3).named("conv"), bp.ReLU(), bp.Flatten(), bp.Linear(2)], backend=backend
    )
    x = NUMBERS.normal(size=(130, 1, 40, 40)).astype(np.float32)
    whole = net.forward(x, upto="conv")
    assert whole.shape == (130, 8, 38, 38)
    assert np.array_equal(
        whole, np.concatenate([net.forward(x[i : i + 50], upto="conv") for i in (0, 50, 100)])
    )


def test_layers_that_nest_as_deep_as_they_may():
    layer: bp.layers.Layer = bp.Linear(6)
    for _ in range(15):
        layer = bp.Residual([bp.Tanh()], [layer])
    net = bp.Network(6, [layer], dtype="float64")
    name = "0" + ".downsample.0" * 15
    weight, bias = net.state_dict()[f"{name}.weight"], net.state_dict()[f"{name}.bias"]
    assert np.allclose(net.forward(ROWS, upto=name), ROWS @ weight.T + bias, rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize(
    "upto",
    [
        "",
        "fc1",
        "head.3",
        "head.2.0.0",
        "0.",
        ".0",
        "6.0",
        "6.3",
        "fc.weight",
        "2",
        "head.downsample",
        "Linear",
    ],
)
def test_a_name_that_no_layer_has(upto: str):
    """6.0 is an identity: nothing that computes."""
    names = "0, 1, fc, 3, 4, head, head.0, head.1, head.2, head.2.0, head.2.1, 6, 6.1, 6.2, 6.2.0, 6.2.1, 6.2.2, 7"
    with pytest.raises(ValueError) as raised:
        network("dense").forward(ROWS, upto=upto)
    assert str(raised.value) == f"forward: upto is '{upto}', the network has the layers {names}"


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({"upto": 0}, TypeError, "forward: upto is 0, the name of a layer is needed, such as '0'"),
        ({"upto": "0", "training": True}, ValueError, "forward: upto is for evaluation"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], error: type[Exception], message: str):
    with pytest.raises(error, match=message):
        network("dense").forward(ROWS, **options)
