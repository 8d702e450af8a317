"""PyTorch's AlexNet in both orders of memory, eager and through torch.compile; bf16 is autocast over float32
weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.alexnet import CONVOLUTIONS, NORM, AlexNet, make_batch, make_weights, read_case
from benchmarks.peers import Runner

ORDERS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
TRAIN = {  # through torch.compile, and the normalisation from slices instead of F.local_response_norm
    "eager": (False, False),
    "eager, normalisation from slices": (False, True),
    "compiled": (True, True),
}
PREDICT = ["eager", "traced and frozen", "compiled"]


def normalise(x: torch.Tensor) -> torch.Tensor:
    """F.local_response_norm, as a sum of five shifted slices; s^−0.75 by roots."""
    half, channels = NORM["size"] // 2, x.shape[1]
    square = F.pad(x * x, (0, 0, 0, 0, half, half))
    total = square[:, :channels]
    for shift in range(1, NORM["size"]):
        total = total + square[:, shift : shift + channels]
    root = torch.rsqrt(NORM["k"] + NORM["alpha"] / NORM["size"] * total)
    return x * root * torch.sqrt(root)


class Net(torch.nn.Module):
    def __init__(self, case: AlexNet, slices: bool) -> None:
        super().__init__()
        self.case, self.slices = case, slices
        self.pairs = torch.nn.ParameterList(
            torch.nn.Parameter(torch.from_numpy(array.copy())) for pair in make_weights() for array in pair
        )

    def norm(self, x: torch.Tensor) -> torch.Tensor:
        if self.slices:
            return normalise(x)
        return F.local_response_norm(x, NORM["size"], NORM["alpha"], NORM["beta"], NORM["k"])

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        weights = iter(zip(self.pairs[::2], self.pairs[1::2]))
        for c in CONVOLUTIONS:
            weight, bias = next(weights)
            x = F.relu(F.conv2d(x, weight, bias, c.stride, c.padding, 1, c.groups))
            if c.norm and self.case.norm:
                x = self.norm(x)
            if c.pool:
                x = F.max_pool2d(x, 3, 2)
        x = torch.flatten(x, 1)
        for _ in range(2):
            x = F.relu(F.linear(x, *next(weights)))
            x = F.dropout(x, self.case.dropout, self.training and self.case.dropout > 0)
        return F.linear(x, *next(weights))


class Peer:
    def __init__(self, precision: str) -> None:
        self.bf16 = precision == "bf16"
        self.read_case = read_case

    def forms(self, case: AlexNet) -> list[str]:
        ways = PREDICT if case.predict else [way for way in TRAIN if case.norm or "slices" not in way]
        return [f"{order}, {way}" for order in ORDERS for way in ways]

    def _autocast(self) -> Any:
        return torch.autocast("cpu", torch.bfloat16, enabled=self.bf16)

    def make(self, case: AlexNet, threads: int, form: str) -> Runner:
        torch.set_num_threads(threads)
        torch._dynamo.reset()
        name, _, way = form.partition(", ")
        order = ORDERS[name]
        images, labels = make_batch(case)
        x = torch.from_numpy(images).contiguous(memory_format=order)
        compiled, slices = TRAIN.get(way, (way == "compiled", way != "eager"))
        net = Net(case, slices)
        for parameter in net.pairs:
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=order)
        if case.predict:
            return self._predictor(net.eval(), x, way)
        y = torch.from_numpy(labels)
        optimizer = torch.optim.SGD(net.parameters(), lr=case.lr, momentum=case.momentum, fused=True)

        def loss_of(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            with self._autocast():
                return F.cross_entropy(net(x), y)

        error = torch.compile(loss_of, dynamic=False) if compiled else loss_of

        def train() -> int:
            loss = error(x, y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            return case.batch

        def state() -> list[Any]:
            arrays = [parameter.detach().contiguous().numpy().copy() for parameter in net.pairs]
            return list(zip(arrays[::2], arrays[1::2]))

        return Runner(train, state)

    def _predictor(self, net: Net, x: torch.Tensor, way: str) -> Runner:
        apply: Any = net
        if way == "traced and frozen":
            with (
                torch.inference_mode(),
                torch.autocast("cpu", torch.bfloat16, enabled=self.bf16, cache_enabled=False),
            ):
                apply = torch.jit.freeze(torch.jit.trace(net, x, check_trace=False))
        elif way == "compiled":
            apply = torch.compile(net, dynamic=False)

        def forward(x: torch.Tensor) -> torch.Tensor:
            with torch.inference_mode(), self._autocast(), torch._inductor.config.patch(freezing=True):
                return apply(x)

        def predict() -> int:
            return len(forward(x))

        def outputs(images: np.ndarray) -> np.ndarray:
            order = torch.channels_last if x.is_contiguous(memory_format=torch.channels_last) else None
            given = torch.from_numpy(images).contiguous(memory_format=order or torch.contiguous_format)
            return forward(given).float().numpy()

        return Runner(predict, outputs=outputs)


def peer(precision: str) -> Peer:
    return Peer(precision)
