"""PyTorch: eager modules, the fused optimizers, one sample a step for the online cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.cases import Case, Data
from benchmarks.peers import Runner


def network(case: Case, weights: list[Any]) -> torch.nn.Sequential:
    modules: list[torch.nn.Module] = []
    for index, (weight, bias) in enumerate(weights):
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data = torch.from_numpy(weight.copy())
        linear.bias.data = torch.from_numpy(bias.copy())
        modules.append(linear)
        if case.last or index + 1 < len(weights):
            modules.append(torch.nn.Tanh() if case.activation == "tanh" else torch.nn.ReLU())
            modules += [torch.nn.Dropout(case.dropout)] if case.dropout else []
    return torch.nn.Sequential(*modules)


def loss_of(case: Case, out: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    if case.loss == "half_squared_error":
        return 0.5 * ((out - y) ** 2).sum()
    if case.loss == "mse":
        return torch.nn.functional.mse_loss(out, y)
    return torch.nn.functional.cross_entropy(out, y)


def make(case: Case, data: Data, weights: list[Any], threads: int, compiled: bool = False) -> Runner | None:
    torch.set_num_threads(threads)
    net = network(case, weights)
    optimizer: Any
    if case.adam:
        optimizer = torch.optim.Adam(net.parameters(), lr=case.lr, fused=True)
    else:
        optimizer = torch.optim.SGD(net.parameters(), lr=case.lr, momentum=case.momentum, fused=True)
    x, y = map(torch.from_numpy, data)
    # One sample at a time in eager mode takes some 140 µs: a part of the samples is enough to tell.
    limit = min(case.samples, 2_000) if case.batch == 1 else case.samples

    def forward_loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return loss_of(case, net(x), y)

    error = torch.compile(forward_loss) if compiled else forward_loss

    def train() -> int:
        for _ in range(case.epochs):
            for first in range(0, limit, case.batch):
                part = slice(first, first + case.batch)
                loss = error(x[part], y[part])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return limit * case.epochs

    def predict() -> None:
        with torch.inference_mode():
            for first in range(0, case.samples, case.batch):
                net(x[first : first + case.batch])

    def state() -> list[Any]:
        return [
            (m.weight.detach().numpy().copy(), m.bias.detach().numpy().copy())
            for m in net
            if isinstance(m, torch.nn.Linear)
        ]

    def outputs(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return net(torch.from_numpy(x)).numpy()

    return Runner(predict if case.predict else train, state, outputs)
