"""What a step of PyTorch's is, on any device: with autograd or by hand, and several of them as one CUDA graph."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from benchmarks.cases import Case
from benchmarks.peers.pytorch_steps import compiled_steps, in_place


class Autograd:
    """Gradients of a loss by autograd, and the fused SGD.

    Attributes:
        at_once: batches that a step takes, side by side.
        parameters: which a step changes.
    """

    at_once = 1

    def __init__(
        self, parameters: Sequence[torch.Tensor], loss_of: Callable[..., torch.Tensor], case: Any
    ) -> None:
        self.parameters = list(parameters)
        self._loss_of = loss_of
        self._optimizer = torch.optim.SGD(self.parameters, lr=case.lr, momentum=case.momentum, fused=True)

    def step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        loss = self._loss_of(x, y)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()

    def moments(self) -> list[torch.Tensor]:
        """Which are 0 at the beginning, and are there after the first step."""
        kept = (state.get("momentum_buffer") for state in self._optimizer.state.values())
        return [moment for moment in kept if moment is not None]

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        arrays = [p.detach().contiguous().cpu().numpy().copy() for p in self.parameters]
        return list(zip(arrays[::2], arrays[1::2]))


class ByHand:
    """A multi-layer perceptron's steps without autograd (pytorch_steps.py): one at a time in place, or several through
    torch.compile at once."""

    def __init__(
        self, case: Case, weights: list[Any], device: torch.device, transposed: bool, compiled: int = 0
    ) -> None:
        self.at_once = compiled or 1
        self._transposed = transposed
        self._pairs = [
            tuple(torch.from_numpy(array.copy()).to(device) for array in (w if transposed else w.T, b))
            for w, b in weights
        ]
        self._first, second = ([tuple(map(torch.zeros_like, pair)) for pair in self._pairs] for _ in range(2))
        self.parameters = [tensor for pair in self._pairs for tensor in pair]
        if compiled:
            steps = compiled_steps(case, compiled, transposed)
            held = (self._pairs, self._first, second, torch.zeros((), device=device))
            self._step: Any = lambda x, y: steps(held, x, y)
        else:
            self._step = lambda x, y: in_place(case, self._pairs, self._first, x, y, transposed)

    @torch.no_grad()
    def step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        self._step(x, y)

    def moments(self) -> list[torch.Tensor]:
        return [tensor for pair in self._first for tensor in pair]

    def weights(self) -> list[tuple[np.ndarray, np.ndarray]]:
        return [
            ((w if self._transposed else w.t()).cpu().numpy().copy(), b.cpu().numpy().copy())
            for w, b in self._pairs
        ]


Training = Autograd | ByHand


def captured(work: Callable[[], None]) -> Callable[[], None]:
    """The work, which is done three times here, as a CUDA graph that does it again. Never run by bpnet's authors, who had
    no GPU."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay


def as_graph(training: Training, x: torch.Tensor, y: torch.Tensor, batch: int) -> Callable[[], None]:
    """The steps of all batches that x and y hold by then, as one CUDA graph. Nothing is trained yet."""
    before = [tensor.detach().clone() for tensor in training.parameters]
    stride = batch * training.at_once

    def steps() -> None:
        for part in zip(x.split(stride), y.split(stride)):
            training.step(*part)

    replay = captured(steps)
    with torch.no_grad():
        for tensor, kept in zip(training.parameters, before):
            tensor.copy_(kept)
        for moment in training.moments():
            moment.zero_()
    return replay
