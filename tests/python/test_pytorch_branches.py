"""Networks of branches trained as PyTorch trains them: an Inception block and a DenseNet block."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import bpnet as bp

torch = pytest.importorskip("torch", reason="PyTorch comes with the parity extra")

pytestmark = pytest.mark.parity
nn, functional = torch.nn, torch.nn.functional

STEPS = 12


class Branches(nn.Module):
    """All branches see x; their outputs are concatenated along the channels, or added."""

    def __init__(self, branches: dict[str, nn.Module], concat: bool = True) -> None:
        super().__init__()
        self.names, self.concat = list(branches), concat
        for name, branch in branches.items():
            self.add_module(name, branch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = [getattr(self, name)(x) for name in self.names]
        return torch.cat(outputs, 1) if self.concat else sum(outputs)


def inception() -> tuple[list[bp.layers.Layer], nn.Module]:
    """Szegedy et al. 2015, figure 2(b), with few channels; and after it a sum of branches."""

    def conv(out: int, size: int) -> list[bp.layers.Layer]:
        return [bp.Conv2d(out, size, padding=size // 2), bp.ReLU()]

    def torch_conv(before: int, out: int, size: int) -> list[nn.Module]:
        return [nn.Conv2d(before, out, size, padding=size // 2), nn.ReLU()]

    block = bp.Parallel(
        [
            bp.Sequential(conv(4, 1)).named("one"),
            bp.Sequential([*conv(3, 1), *conv(6, 3)]).named("three"),
            bp.Sequential([*conv(2, 1), *conv(3, 5)]).named("five"),
            bp.Sequential([bp.MaxPool2d(3, stride=1, padding=1), *conv(2, 1)]).named("pool"),
        ],
        merge="concat",
    )
    head = bp.Parallel([bp.Conv2d(5, 1), [bp.AvgPool2d(3, 1, 1), bp.Conv2d(5, 3, padding=1)]], merge="sum")
    layers = [block.named("inception"), head.named("head"), bp.ReLU(), bp.AdaptiveAvgPool2d(1), bp.Flatten()]
    torch_block = Branches(
        {
            "one": nn.Sequential(*torch_conv(3, 4, 1)),
            "three": nn.Sequential(*torch_conv(3, 3, 1), *torch_conv(3, 6, 3)),
            "five": nn.Sequential(*torch_conv(3, 2, 1), *torch_conv(2, 3, 5)),
            "pool": nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), *torch_conv(3, 2, 1)),
        }
    )
    torch_head = Branches(
        {
            "0": nn.Conv2d(15, 5, 1),
            "1": nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.Conv2d(15, 5, 3, padding=1)),
        },
        concat=False,
    )
    model = nn.Sequential(
        OrderedDict(
            [("inception", torch_block), ("head", torch_head), ("relu", nn.ReLU())]
            + [("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten())]
        )
    )
    return layers, model


def densenet() -> tuple[list[bp.layers.Layer], nn.Module]:
    """Huang et al. 2017, equation 2: each layer sees the outputs of all before it."""
    growth, channels = 3, 4
    layers: list[bp.layers.Layer] = [bp.Conv2d(channels, 3, padding=1, bias=False).named("stem")]
    parts: list[tuple[str, nn.Module]] = [("stem", nn.Conv2d(3, channels, 3, padding=1, bias=False))]
    for name in ("dense1", "dense2", "dense3"):
        composite = [bp.BatchNorm2d(), bp.ReLU(), bp.Conv2d(growth, 3, padding=1, bias=False)]
        layers.append(bp.Parallel([[], bp.Sequential(composite).named("new")], merge="concat").named(name))
        torch_composite = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, growth, 3, padding=1, bias=False)
        )
        parts.append((name, Branches({"same": nn.Identity(), "new": torch_composite})))
        channels += growth
    layers += [bp.AdaptiveAvgPool2d(1), bp.Flatten(), bp.Linear(5).named("fc")]
    parts += [("pool", nn.AdaptiveAvgPool2d(1)), ("flat", nn.Flatten()), ("fc", nn.Linear(channels, 5))]
    return layers, nn.Sequential(OrderedDict(parts))


@pytest.mark.parametrize("backend", bp.backends())
@pytest.mark.parametrize("build", [inception, densenet])
def test_training_equals_pytorch(build, backend: str):
    layers, model = build()
    model.double()
    net = bp.Network((3, 6, 7), layers, seed=5, dtype="float64", backend=backend)
    state = net.state_dict()
    learned = {name for name, _ in model.named_parameters()}
    assert learned == set(net.gradients())
    model.load_state_dict({name: torch.tensor(value) for name, value in state.items()}, strict=False)
    trainer = bp.Trainer(net, "cross_entropy", bp.SGD(0.05, momentum=0.9))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    numbers = np.random.default_rng(1)
    first = {name: net.state_dict()[name].copy() for name in learned}
    for _ in range(STEPS):
        x, labels = numbers.normal(size=(8, 3, 6, 7)), numbers.integers(0, 5, 8)
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(torch.tensor(x)), torch.tensor(labels))
        loss.backward()
        optimizer.step()
        # A float64 sum of some thousand terms, through STEPS steps that each magnify what came before.
        assert trainer.step(x, labels) == pytest.approx(loss.item(), rel=1e-11)
    for name, tensor in model.state_dict().items():
        if name.endswith("num_batches_tracked"):
            assert net.state_dict()[name] == STEPS
            continue
        scale = max(1e-3, float(tensor.abs().max()))
        assert np.abs(net.state_dict()[name] - tensor.numpy()).max() <= 1e-11 * scale, name
    assert all(np.abs(net.state_dict()[name] - first[name]).max() > 1e-6 for name in learned)
