"""The models against the same networks in PyTorch, with the same weights, which are taken over by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

import bpnet as bp

torch = pytest.importorskip("torch", reason="PyTorch comes with the parity extra")

pytestmark = pytest.mark.parity
nn, functional = torch.nn, torch.nn.functional


class Norm(nn.Module):
    """Local response normalisation within each of `groups`, or over a window of each map."""

    def __init__(self, alpha: float, k: float, groups: int = 1, within_map: bool = False) -> None:
        super().__init__()
        self.alpha, self.k, self.groups, self.within_map = alpha, k, groups, within_map

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.within_map:
            squares = functional.avg_pool2d(x * x, 5, stride=1, padding=2)  # zeros beyond the edge count
            return x * (self.k + self.alpha * squares) ** -0.75
        halves = x.reshape(len(x) * self.groups, -1, *x.shape[2:])
        return functional.local_response_norm(halves, 5, self.alpha, 0.75, self.k).reshape(x.shape)


class HalvedAtTest(nn.Module):
    """Dropout of 2012, without its masks: outputs are scaled in evaluation."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert not self.training or self.p == 0
        return x if self.training else x * (1 - self.p)


@pytest.fixture(autouse=True)
def _one_thread_of_torch():
    before = torch.get_num_threads()
    torch.set_num_threads(1)  # whose threads wait for each other where others work too
    yield
    torch.set_num_threads(before)


Widths = Callable[[int], int]


def two_groups(variant: str, classes: int, w: Widths, p: float) -> nn.Module:
    norm = {
        "paper": lambda: Norm(5e-4, 2),
        "krizhevsky": lambda: Norm(1e-4, 2, groups=2),
        "caffe": lambda: Norm(1e-4, 1),
        "caffenet": lambda: Norm(1e-4, 1),
    }[variant]
    conv1 = nn.Conv2d(3, w(96), 11, stride=4)
    conv2 = nn.Conv2d(w(96), w(256), 5, padding=2, groups=2)
    pool, relu = lambda: nn.MaxPool2d(3, stride=2), nn.ReLU
    if variant == "krizhevsky":
        stages = [
            ("pad", nn.ZeroPad2d((0, 3, 0, 3))),
            ("conv1", conv1), ("norm1", norm()), ("pool1", pool()), ("relu1", relu()),
            ("conv2", conv2), ("relu2", relu()), ("norm2", norm()), ("window2", Norm(1e-3, 1, within_map=True)),
            ("pool2", pool()),
        ]  # fmt: skip
    elif variant == "caffenet":
        stages = [
            ("conv1", conv1), ("relu1", relu()), ("pool1", pool()), ("norm1", norm()),
            ("conv2", conv2), ("relu2", relu()), ("pool2", pool()), ("norm2", norm()),
        ]  # fmt: skip
    else:
        stages = [
            ("conv1", conv1), ("relu1", relu()), ("norm1", norm()), ("pool1", pool()),
            ("conv2", conv2), ("relu2", relu()), ("norm2", norm()), ("pool2", pool()),
        ]  # fmt: skip
    drop = HalvedAtTest if variant == "krizhevsky" else nn.Dropout
    stages += [
        ("conv3", nn.Conv2d(w(256), w(384), 3, padding=1)), ("relu3", relu()),
        ("conv4", nn.Conv2d(w(384), w(384), 3, padding=1, groups=2)), ("relu4", relu()),
        ("conv5", nn.Conv2d(w(384), w(256), 3, padding=1, groups=2)), ("relu5", relu()), ("pool5", pool()),
        ("flat", nn.Flatten()),
        ("fc6", nn.Linear(36 * w(256), w(4096))), ("relu6", relu()), ("drop6", drop(p)),
        ("fc7", nn.Linear(w(4096), w(4096))), ("relu7", relu()), ("drop7", drop(p)),
        ("fc8", nn.Linear(w(4096), classes)),
    ]  # fmt: skip
    return nn.Sequential(OrderedDict(stages))


class FeaturesAndClassifier(nn.Module):
    """The shape of torchvision's AlexNet and VGG."""

    def __init__(self, features: list[nn.Module], side: int, classifier: list[nn.Module]) -> None:
        super().__init__()
        self.features = nn.Sequential(*features)
        self.avgpool = nn.AdaptiveAvgPool2d(side)
        self.classifier = nn.Sequential(*classifier)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(torch.flatten(self.avgpool(self.features(x)), 1))


def torchvision_alexnet(classes: int, w: Widths, p: float) -> nn.Module:
    features = [
        nn.Conv2d(3, w(64), 11, stride=4, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(w(64), w(192), 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(w(192), w(384), 3, padding=1), nn.ReLU(),
        nn.Conv2d(w(384), w(256), 3, padding=1), nn.ReLU(),
        nn.Conv2d(w(256), w(256), 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
    ]  # fmt: skip
    hidden = w(4096)
    classifier = [
        nn.Dropout(p), nn.Linear(36 * w(256), hidden), nn.ReLU(),
        nn.Dropout(p), nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes),
    ]  # fmt: skip
    return FeaturesAndClassifier(features, 6, classifier)


def vgg11(classes: int, w: Widths, p: float) -> nn.Module:
    features: list[nn.Module] = []
    before = 3
    for stage in ((64,), (128,), (256, 256), (512, 512), (512, 512)):
        for channels in stage:
            features += [nn.Conv2d(before, w(channels), 3, padding=1), nn.ReLU()]
            before = w(channels)
        features.append(nn.MaxPool2d(2, 2))
    hidden = w(4096)
    classifier = [
        nn.Linear(49 * before, hidden), nn.ReLU(), nn.Dropout(p),
        nn.Linear(hidden, hidden), nn.ReLU(), nn.Dropout(p), nn.Linear(hidden, classes),
    ]  # fmt: skip
    return FeaturesAndClassifier(features, 7, classifier)


class Block(nn.Module):
    def __init__(self, before: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, channels, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        if stride != 1:
            conv = nn.Conv2d(before, channels, 1, stride=stride, bias=False)
            self.downsample = nn.Sequential(conv, nn.BatchNorm2d(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        return functional.relu(y + (self.downsample(x) if hasattr(self, "downsample") else x))


def resnet18(classes: int, w: Widths, p: float) -> nn.Module:
    layers: list[tuple[str, nn.Module]] = [
        ("conv1", nn.Conv2d(3, w(64), 7, stride=2, padding=3, bias=False)),
        ("bn1", nn.BatchNorm2d(w(64))),
        ("relu", nn.ReLU()),
        ("maxpool", nn.MaxPool2d(3, stride=2, padding=1)),
    ]
    before = w(64)
    for stage, (channels, stride) in enumerate([(64, 1), (128, 2), (256, 2), (512, 2)], start=1):
        first, second = Block(before, w(channels), stride), Block(w(channels), w(channels), 1)
        layers.append((f"layer{stage}", nn.Sequential(first, second)))
        before = w(channels)
    layers += [
        ("avgpool", nn.AdaptiveAvgPool2d(1)),
        ("flat", nn.Flatten()),
        ("fc", nn.Linear(before, classes)),
    ]
    return nn.Sequential(OrderedDict(layers))


def lenet5(classes: int, w: Widths, p: float) -> nn.Module:
    return nn.Sequential(
        OrderedDict(
            [
                ("conv1", nn.Conv2d(1, 6, 5, padding=2)),
                ("a", nn.Tanh()),
                ("b", nn.AvgPool2d(2)),
                ("conv2", nn.Conv2d(6, 16, 5)),
                ("c", nn.Tanh()),
                ("d", nn.AvgPool2d(2)),
                ("e", nn.Flatten()),
                ("fc1", nn.Linear(400, 120)),
                ("f", nn.Tanh()),
                ("fc2", nn.Linear(120, 84)),
                ("g", nn.Tanh()),
                ("fc3", nn.Linear(84, classes)),
            ]
        )  # fmt: skip
    )


class Pair(NamedTuple):
    """A model here and there; `options` make the narrow copy."""

    ours: Callable[..., bp.Network]
    theirs: Callable[..., nn.Module]
    options: dict[str, Any]
    batch: int = 3
    rate: float = 5e-4  # of the twenty steps


def alexnet(variant: str) -> Pair:
    def theirs(classes: int, w: Widths, p: float) -> nn.Module:
        if variant == "torchvision":
            return torchvision_alexnet(classes, w, p)
        return two_groups(variant, classes, w, p)

    def ours(classes: int, **options: Any) -> bp.Network:
        return bp.models.alexnet(classes, variant, **options)

    return Pair(ours, theirs, {"width": 1 / 16})


ALEXNETS = {name: alexnet(name) for name in ("paper", "krizhevsky", "caffe", "caffenet", "torchvision")}
PAIRS = ALEXNETS | {
    "lenet5": Pair(bp.models.lenet5, lenet5, {}, batch=8, rate=0.01),
    "vgg11": Pair(bp.models.vgg11, vgg11, {"width": 1 / 16, "image_size": 64}),
    "resnet18": Pair(bp.models.resnet18, resnet18, {"width": 1 / 8, "image_size": 64}, batch=4),
}
pairs = pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)


def both(
    pair: Pair, classes: int, dtype: str, dropout: float, **options: Any
) -> tuple[bp.Network, nn.Module]:
    """The two networks with the same weights, in evaluation mode."""
    if pair.ours not in (bp.models.lenet5, bp.models.resnet18):  # which have no dropout
        options["dropout"] = dropout
    net = pair.ours(classes, seed=4, dtype=dtype, **options)
    width = options.get("width", 1.0)
    model = pair.theirs(classes, lambda channels: max(2, 2 * round(channels * width / 2)), dropout)
    model = model.to(getattr(torch, dtype))
    take_over(model, net)
    return net, model.eval()


def take_over(model: nn.Module, net: bp.Network) -> None:
    state = {name: torch.from_numpy(w.copy()) for name, w in net.state_dict().items()}
    for name, w in state.items():
        if name.endswith("num_batches_tracked"):
            state[name] = w.to(torch.int64)
    model.load_state_dict(state, strict=True)


def enliven(net: bp.Network) -> None:
    """Weights with which signals and gradients keep their size, whatever the width: He's, and some biases;
    smaller ones at the end, so that the first loss is near that of chance."""
    numbers = np.random.default_rng(6)
    state = {}
    last = [name for name, w in net.state_dict().items() if w.ndim == 2][-1]
    for name, w in net.state_dict().items():
        if w.ndim > 1:
            spread = np.sqrt(2 / w[0].size) * (0.1 if name == last else 1)
            state[name] = numbers.normal(0, spread, w.shape)
        elif name.endswith("bias"):
            state[name] = numbers.normal(0, 0.1, w.shape)
        else:
            state[name] = w.copy()
    net.load_state_dict(state)


def photographs(net: bp.Network, batch: int, seed: int = 0) -> np.ndarray:
    """Smooth noise: neighbours are alike, as in a photograph."""
    numbers = np.random.default_rng(seed)
    channels, height, width = net.input_shape
    coarse = numbers.normal(size=(batch, channels, -(-height // 8), -(-width // 8)))
    x = np.kron(coarse, np.ones((8, 8)))[:, :, :height, :width]
    return (x + numbers.normal(0, 0.3, x.shape)).astype(net.dtype)


def assert_near(actual: np.ndarray, wanted: Any, relative: float, what: str) -> None:
    expected = wanted.detach().numpy() if isinstance(wanted, torch.Tensor) else wanted
    assert actual.shape == expected.shape, what
    error = abs(actual.astype(float) - expected).max() / max(abs(expected).max(), 1e-30)
    assert error <= relative, f"{what}: {error:.3g} > {relative:.3g}"


@pytest.mark.parametrize("variant", ALEXNETS)
def test_forward_at_true_size(variant: str):
    net, model = both(ALEXNETS[variant], 1000, "float32", 0.5)
    x = 50 * photographs(net, 2)
    assert_near(net.predict(x), model(torch.from_numpy(x)), 1e-5, variant)


@pairs
def test_forward_of_narrow_copies(pair: Pair):
    net, model = both(pair, 10, "float64", 0.5, **pair.options)
    enliven(net)
    take_over(model, net)
    x = photographs(net, pair.batch)
    assert_near(net.predict(x), model(torch.from_numpy(x)), 1e-11, "output")


@pairs
def test_gradients_of_narrow_copies(pair: Pair):
    net, model = both(pair, 10, "float64", 0.0, **pair.options)
    enliven(net)
    take_over(model, net)
    x = photographs(net, pair.batch)
    grad = np.random.default_rng(1).normal(size=(pair.batch, 10))
    theirs = torch.from_numpy(x).requires_grad_()
    out = model.train()(theirs)
    out.backward(torch.from_numpy(grad))
    assert_near(net.forward(x, training=True), out, 1e-11, "output")
    assert_near(net.backward(grad), theirs.grad, 1e-9, "x")
    gradients = net.gradients()
    assert gradients.keys() == dict(model.named_parameters()).keys()
    for name, parameter in model.named_parameters():
        assert abs(gradients[name]).max() > 0, name
        assert_near(gradients[name], parameter.grad, 1e-9, name)


@pytest.mark.parametrize("dtype, relative", [("float32", 1e-3), ("float64", 1e-9)])
@pairs
def test_twenty_steps(pair: Pair, dtype: str, relative: float):
    """At a rate where the loss goes down without jumps, and on photographs whose largest inputs of a pool are no
    ties but for a rounding: else that rounding decides which ReLU is open and where a gradient goes, and float32
    leaves float64 within a few steps in either library."""
    net, model = both(pair, 10, dtype, 0.0, **pair.options)
    enliven(net)
    take_over(model, net)
    model.train()
    trainer = bp.Trainer(net, "cross_entropy", bp.SGD(pair.rate, momentum=0.9, weight_decay=5e-4))
    theirs = torch.optim.SGD(model.parameters(), pair.rate, momentum=0.9, weight_decay=5e-4)
    labels = np.arange(4)
    losses = []
    for step in range(20):
        x = photographs(net, 4, seed=2 + step % 2)
        wanted = functional.cross_entropy(model(torch.from_numpy(x)), torch.from_numpy(labels))
        theirs.zero_grad()
        wanted.backward()
        theirs.step()
        losses.append((trainer.step(x, labels), wanted.item()))
    ours, expected = np.array(losses).T
    assert expected[-2:].mean() < 0.9 * expected[:2].mean(), f"nothing was learnt: {expected}"
    assert (abs(ours - expected) <= relative * expected).all(), losses
    buffers = dict(model.named_buffers())
    for name, buffer in buffers.items():  # running statistics
        assert_near(net.state_dict()[name], buffer, relative, name)
