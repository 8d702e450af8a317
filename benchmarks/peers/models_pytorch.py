"""PyTorch's LeNet5 and ResNet18 in training, in both orders of memory, eager and through torch.compile; bf16 is autocast over
float32 weights."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.models import Model, make_data, make_weights, read_case
from benchmarks.peers import Runner

ORDERS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
WAYS = ("eager", "compiled")


class LeNet5(torch.nn.Module):
    def __init__(self, classes: int, side: int) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(1, 6, 5, padding=(32 - side) // 2)
        self.conv2 = torch.nn.Conv2d(6, 16, 5)
        self.fc1 = torch.nn.Linear(400, 120)
        self.fc2 = torch.nn.Linear(120, 84)
        self.fc3 = torch.nn.Linear(84, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for convolution in (self.conv1, self.conv2):
            x = F.avg_pool2d(torch.tanh(convolution(x)), 2)
        x = torch.flatten(x, 1)
        for linear in (self.fc1, self.fc2):
            x = torch.tanh(linear(x))
        return self.fc3(x)


class Block(torch.nn.Module):
    """Two 3 × 3 convolutions beside the identity, or beside a 1 × 1 convolution where the size changes."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(channels, out, 3, stride, 1, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(out)
        self.conv2 = torch.nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = torch.nn.BatchNorm2d(out)
        self.downsample = None
        if stride > 1:
            shortcut = torch.nn.Conv2d(channels, out, 1, stride, bias=False)
            self.downsample = torch.nn.Sequential(shortcut, torch.nn.BatchNorm2d(out))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)), inplace=True)


class ResNet18(torch.nn.Module):
    """torchvision's, with its names."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(64)
        before = 64
        for number, channels in enumerate((64, 128, 256, 512), 1):
            blocks = Block(before, channels, 1 if number == 1 else 2), Block(channels, channels, 1)
            setattr(self, f"layer{number}", torch.nn.Sequential(*blocks))
            before = channels
        self.fc = torch.nn.Linear(512, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        for number in range(1, 5):
            x = getattr(self, f"layer{number}")(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class Peer:
    def __init__(self, precision: str) -> None:
        self.bf16 = precision == "bf16"
        self.read_case = read_case

    def forms(self, case: Model) -> list[str]:
        return [f"{order}, {way}" for order in ORDERS for way in WAYS]

    def make(self, case: Model, threads: int, form: str) -> Runner:
        torch.set_num_threads(threads)
        torch._dynamo.reset()
        order, _, way = form.partition(", ")
        net = LeNet5(case.classes, case.side) if case.network == "LeNet5" else ResNet18(case.classes)
        weights = make_weights({name: tuple(p.shape) for name, p in net.named_parameters()})
        with torch.no_grad():
            for name, parameter in net.named_parameters():
                parameter.copy_(torch.from_numpy(weights[name]))
        net = net.to(memory_format=ORDERS[order]).train()
        images, labels = make_data(case)
        batches = list(
            zip(
                torch.from_numpy(images).contiguous(memory_format=ORDERS[order]).split(case.batch),
                torch.from_numpy(labels).split(case.batch),
            )
        )
        if case.adam:
            optimizer: Any = torch.optim.Adam(net.parameters(), lr=case.lr, fused=True)
        else:
            optimizer = torch.optim.SGD(net.parameters(), lr=case.lr, momentum=case.momentum, fused=True)

        def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
                return F.cross_entropy(net(x), y)

        error = torch.compile(loss_of, dynamic=False) if way == "compiled" else loss_of

        def train() -> int:
            for x, y in batches:
                loss = error(x, y)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            return case.samples

        def state() -> list[Any]:
            named = dict(net.named_parameters())
            return [(named[name].detach().contiguous().numpy().copy(),) for name in sorted(named)]

        return Runner(train, state)


def peer(precision: str) -> Peer:
    return Peer(precision)
