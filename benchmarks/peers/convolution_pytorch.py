"""PyTorch's convolution in both orders of memory: its operations in a loop of TorchScript, which no Python interrupts, and
through torch.compile."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any, Optional

import numpy as np
import torch

from benchmarks.convolutions import Convolution, make_arrays, read_case
from benchmarks.peers import Runner

__all__ = ["forms", "make", "read_case"]

ORDERS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}
WAYS = ("eager", "compiled")


def steps(
    count: int,
    x: torch.Tensor,
    grad_y: torch.Tensor,
    weight: torch.Tensor,
    bias: Optional[torch.Tensor],  # noqa: UP045
    stride: int,
    padding: int,
    groups: int,
    input_gradient: bool,
    half: bool,
):
    """For TorchScript, not optimized: of several rounds with one input it would make one."""
    wanted = [input_gradient, True, bias is not None]
    y, grad_x, grad_weight, grad_bias = x, x, weight, weight
    for _ in range(count):
        w, b = weight, bias
        if half:
            w = weight.to(torch.bfloat16)
            if bias is not None:
                b = bias.to(torch.bfloat16)
        y = torch.conv2d(x, w, b, [stride, stride], [padding, padding], [1, 1], groups)
        gradients = torch.ops.aten.convolution_backward(
            grad_y,
            x,
            w,
            [w.size(0)],
            [stride, stride],
            [padding, padding],
            [1, 1],
            False,
            [0, 0],
            groups,
            wanted,
        )
        # An undefined tensor is one that nobody may look at.
        if input_gradient:
            grad_x = gradients[0]
        grad_weight = gradients[1].to(torch.float32)
        if bias is not None:
            grad_bias = gradients[2].to(torch.float32)
    return y, grad_x, grad_weight, grad_bias


def forms(case: Convolution) -> list[str]:
    return [f"{order}, {way}" for order in ORDERS for way in WAYS]


def compiled(case: Convolution) -> Any:
    """A step of (x, grad_y, weight, bias)."""
    half, pair = case.precision == "bfloat16", [case.stride] * 2
    padding, wanted = [case.padding] * 2, [not case.first, True, case.bias]

    def step(x: Any, grad_y: Any, weight: Any, bias: Any) -> Any:
        if half:
            weight = weight.to(torch.bfloat16)
            bias = None if bias is None else bias.to(torch.bfloat16)
        y = torch.conv2d(x, weight, bias, pair, padding, 1, case.groups)
        gradients = torch.ops.aten.convolution_backward(
            grad_y, x, weight, [case.out], pair, padding, [1, 1], False, [0, 0], case.groups, wanted
        )
        if half:
            gradients = (gradients[0], *(None if g is None else g.to(torch.float32) for g in gradients[1:]))
        return y, *gradients

    return torch.compile(step, dynamic=False)


def make(case: Convolution, threads: int, form: str) -> Runner:
    torch.set_num_threads(threads)
    torch._dynamo.reset()
    name, _, way = form.partition(", ")
    dtype = torch.bfloat16 if case.precision == "bfloat16" else torch.float32
    given = {key: torch.from_numpy(array) for key, array in make_arrays(case).items()}
    x, grad_y = (given[key].to(dtype).contiguous(memory_format=ORDERS[name]) for key in ("x", "grad_y"))
    weight, bias = given["weight"].contiguous(memory_format=ORDERS[name]), given.get("bias")
    step = compiled(case) if way == "compiled" else None
    loop = None if step else scripted()

    def rounds(count: int) -> Any:
        with torch.inference_mode(), torch.jit.optimized_execution(False):
            if step:
                for _ in range(count):
                    done = step(x, grad_y, weight, bias)
                return done
            numbers = case.stride, case.padding, case.groups
            return loop(count, x, grad_y, weight, bias, *numbers, not case.first, dtype != torch.float32)

    def run() -> int:
        rounds(case.rounds)
        return case.rounds * case.batch

    def results() -> dict[str, np.ndarray]:
        made = dict(zip(("y", "grad_x", "grad_weight", "grad_bias"), rounds(1)))
        left_out = {"grad_x"} if case.first else set()
        left_out |= set() if case.bias else {"grad_bias"}
        return {key: made[key].float().contiguous().numpy() for key in made if key not in left_out}

    return Runner(run, results=results)


@cache
def scripted() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return torch.jit.script(steps)
