"""PyTorch: eager modules with the fused optimizers, the loss through torch.compile, steps without autograd
that update in place, and such steps through torch.compile, several at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from benchmarks.cases import Case, Data
from benchmarks.peers import Runner
from benchmarks.peers.pytorch_steps import compiled_steps, in_place

EAGER, COMPILED_LOSS = "eager, fused optimizer", "compiled loss, fused optimizer"
IN_PLACE = {"in place, (in, out)": False, "in place, (out, in)": True}
STEPS = {
    f"compiled steps, {count} at once, {layout}": (count, layout == "(out, in)")
    for count in (1, 8, 24)
    for layout in ("(in, out)", "(out, in)")
}
PREDICT = ["eager", "functions", "traced and frozen", "compiled"]


def forms(case: Case) -> list[str]:
    if case.predict:
        return PREDICT
    if case.batch == 1:
        steps = [form for form, (count, _) in STEPS.items() if count > 1]
        return [EAGER, *([] if case.adam else IN_PLACE), *steps]
    steps = [form for form, (count, _) in STEPS.items() if count == 1]
    return [EAGER, COMPILED_LOSS, *([] if case.adam else IN_PLACE), *steps]


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


def make(case: Case, data: Data, weights: list[Any], threads: int, form: str) -> Runner:
    torch.set_num_threads(threads)
    torch._dynamo.reset()  # it gives up compiling a function that it has compiled for eight cases
    if case.predict:
        return predictor(case, data, weights, form)
    x, y = map(torch.from_numpy, data)
    # One sample at a time takes up to 300 µs: a part of the samples is enough to tell.
    limit = min(case.samples, 2_400) if case.batch == 1 else case.samples // case.batch * case.batch
    if form in (EAGER, COMPILED_LOSS):
        return with_autograd(case, x, y, limit, weights, form == COMPILED_LOSS)
    return without_autograd(case, x, y, limit, weights, form)


def with_autograd(case: Case, x: Any, y: Any, limit: int, weights: list[Any], compiled: bool) -> Runner:
    net = network(case, weights)
    optimizer: Any
    if case.adam:
        optimizer = torch.optim.Adam(net.parameters(), lr=case.lr, fused=True)
    else:
        optimizer = torch.optim.SGD(net.parameters(), lr=case.lr, momentum=case.momentum, fused=True)

    def forward_loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return loss_of(case, net(x), y)

    error = torch.compile(forward_loss, dynamic=False) if compiled else forward_loss

    def train() -> int:
        for _ in range(case.epochs):
            for first in range(0, limit, case.batch):
                part = slice(first, first + case.batch)
                loss = error(x[part], y[part])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return limit * case.epochs

    def state() -> list[Any]:
        linear = [m for m in net if isinstance(m, torch.nn.Linear)]
        return [(m.weight.detach().numpy().copy(), m.bias.detach().numpy().copy()) for m in linear]

    def outputs(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return net(torch.from_numpy(x)).numpy()

    return Runner(train, state, outputs)


def without_autograd(case: Case, x: Any, y: Any, limit: int, weights: list[Any], form: str) -> Runner:
    transposed = IN_PLACE[form] if form in IN_PLACE else STEPS[form][1]
    pairs = [
        (torch.from_numpy((w if transposed else w.T).copy()), torch.from_numpy(b.copy())) for w, b in weights
    ]
    first, second = ([(torch.zeros_like(w), torch.zeros_like(b)) for w, b in pairs] for _ in range(2))
    if form in IN_PLACE:
        count = 1

        def step(x: torch.Tensor, y: torch.Tensor) -> None:
            in_place(case, pairs, first, x, y, transposed)

        guard: Any = torch.inference_mode
    else:
        count = min(STEPS[form][0], limit // case.batch)
        steps = compiled_steps(case, count, transposed)
        held = (pairs, first, second, torch.zeros(()))

        def step(x: torch.Tensor, y: torch.Tensor) -> None:
            steps(held, x, y)

        guard = torch.no_grad
    stride = count * case.batch
    limit -= limit % stride
    parts = [(x[begin : begin + stride], y[begin : begin + stride]) for begin in range(0, limit, stride)]

    def train() -> int:
        with guard(), torch._inductor.config.patch(cpp_wrapper=True):
            for _ in range(case.epochs):
                for part in parts:
                    step(*part)
        return limit * case.epochs

    def state() -> list[Any]:
        return [((w if transposed else w.t()).numpy().copy(), b.numpy().copy()) for w, b in pairs]

    def outputs(x: np.ndarray) -> np.ndarray:
        modules = network(case, state())
        with torch.inference_mode():
            return modules(torch.from_numpy(x)).numpy()

    return Runner(train, state, outputs)


def predictor(case: Case, data: Data, weights: list[Any], form: str) -> Runner:
    net = network(case, weights).eval()
    x = torch.from_numpy(data.x)
    activation = torch.tanh if case.activation == "tanh" else torch.relu
    pairs = [(m.weight.detach().t().contiguous(), m.bias.detach()) for m in net if hasattr(m, "weight")]

    def functions(x: torch.Tensor) -> torch.Tensor:
        for weight, bias in pairs[:-1]:
            x = activation(torch.addmm(bias, x, weight))
        return torch.addmm(pairs[-1][1], x, pairs[-1][0])

    apply: Any = net
    if form == "functions":
        apply = functions
    elif form == "traced and frozen":
        with torch.inference_mode():
            apply = torch.jit.freeze(torch.jit.trace(net, x[: case.batch]))
    elif form == "compiled":
        apply = torch.compile(functions, dynamic=False)

    def predict() -> None:
        with torch.inference_mode(), torch._inductor.config.patch(cpp_wrapper=True, freezing=True):
            for begin in range(0, case.samples, case.batch):
                apply(x[begin : begin + case.batch])

    def outputs(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return apply(torch.from_numpy(x)).numpy()

    return Runner(predict, outputs=outputs)
