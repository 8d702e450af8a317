"""PyTorch: eager modules, the fused SGD where there is one, one sample a step for the online cases."""

from __future__ import annotations

from typing import Any

import torch

from benchmarks.cases import Case, Data
from benchmarks.peers import Runner


def make(case: Case, data: Data, weights: list[Any], threads: int) -> Runner:
    torch.set_num_threads(threads)
    modules: list[torch.nn.Module] = []
    for index, (weight, bias) in enumerate(weights):
        linear = torch.nn.Linear(weight.shape[1], weight.shape[0])
        linear.weight.data = torch.from_numpy(weight.copy())
        linear.bias.data = torch.from_numpy(bias.copy())
        modules.append(linear)
        if case.kind == "online":
            modules.append(torch.nn.Tanh())
        elif index + 1 < len(weights):
            modules.append(torch.nn.ReLU())
    net = torch.nn.Sequential(*modules)
    momentum = 0.0 if case.kind == "online" else 0.9
    optimizer = torch.optim.SGD(net.parameters(), lr=case.lr, momentum=momentum, fused=True)
    x, targets, labels = map(torch.from_numpy, data)
    # One sample at a time in eager mode takes some 140 µs: a part of the samples is enough to tell.
    limit = min(case.samples, 2_000) if case.kind == "online" else case.samples

    def train() -> int:
        for first in range(0, limit, case.batch):
            part = slice(first, first + case.batch)
            out = net(x[part])
            if case.kind == "online":
                loss = 0.5 * ((out - targets[part]) ** 2).sum()
            else:
                loss = torch.nn.functional.cross_entropy(out, labels[part])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return limit

    def predict() -> None:
        with torch.inference_mode():
            for first in range(0, case.samples, case.batch):
                net(x[first : first + case.batch])

    def state() -> list[Any]:
        return [
            (m.weight.detach().numpy().copy(), m.bias.detach().numpy().copy())
            for m in modules
            if isinstance(m, torch.nn.Linear)
        ]

    return Runner(predict if case.kind == "predict" else train, state)
