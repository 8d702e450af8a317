"""PyTorch on a GPU, its data there before a run: ``peer("WAY,DEVICE")``, where a way is one of ``FORMS``.

torch.compile's mode max-autotune is left out: it takes minutes for each form of AlexNet.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F

from benchmarks import alexnet
from benchmarks.alexnet import AlexNet
from benchmarks.cases import Case, Data
from benchmarks.cuda_cases import read_case
from benchmarks.peers import Runner
from benchmarks.peers.alexnet_pytorch import ORDERS, Net
from benchmarks.peers.pytorch import loss_of, network
from benchmarks.peers.pytorch_device import free_memory, open_device, set_precision, synchronize
from benchmarks.peers.pytorch_training import Autograd, ByHand, Training, as_graph

ENOUGH_STEPS = 1_000  # of a run, whose data is on the card already; fewer where the case has fewer


class Form(NamedTuple):
    """Of a multi-layer perceptron's steps.

    Attributes:
        by_hand: without autograd.
        transposed: by hand, weights (out, in), not (in, out).
        at_once: by hand, through torch.compile, so many steps.
        mode: of torch.compile of the loss, "" for none.
        graph: steps of one CUDA graph, 0 for none.
    """

    by_hand: bool = False
    transposed: bool = False
    at_once: int = 0
    mode: str = ""
    graph: int = 0


EAGER = {
    "modules, fused optimizer": Form(),
    "in place, (in, out)": Form(True),
    "in place, (out, in)": Form(True, True),
}
COMPILED_STEPS = {
    "compiled steps, 8 at once, (in, out)": Form(True, at_once=8),
    "compiled steps, 8 at once, (out, in)": Form(True, True, at_once=8),
}
FORMS = {
    "eager": EAGER,
    "CUDA graph": {
        **{f"{name}, {n} a graph": f._replace(graph=n) for name, f in EAGER.items() for n in (1, 24)},
        **{f"{name}, 24 a graph": f._replace(graph=24) for name, f in COMPILED_STEPS.items()},
    },
    "compiled": {
        "compiled loss, fused optimizer": Form(mode="default"),
        "compiled loss, reduce-overhead, fused optimizer": Form(mode="reduce-overhead"),
        **COMPILED_STEPS,
    },
}
# Of AlexNet: whether the normalisation is one from slices, and the mode of torch.compile.
ALEXNET_FORMS = {
    "eager": {"F.local_response_norm": (False, ""), "normalisation from slices": (True, "")},
    "CUDA graph": {"F.local_response_norm": (False, ""), "normalisation from slices": (True, "")},
    "compiled": {"default": (True, "default"), "reduce-overhead": (True, "reduce-overhead")},
}


def compiled(function: Callable[..., torch.Tensor], mode: str) -> Callable[..., torch.Tensor]:
    return torch.compile(function, dynamic=False, mode=mode) if mode else function


class Peer:
    def __init__(self, way: str, device: torch.device) -> None:
        self.way, self.device = way, device
        self.read_case = read_case

    def forms(self, case: Any) -> list[str]:
        if isinstance(case, Case):
            return list(FORMS[self.way])
        return [f"{order}, {name}" for order in ORDERS for name in ALEXNET_FORMS[self.way]]

    def make(self, case: Any, *given: Any) -> Runner:
        form = given[-1]
        if self.way == "compiled" or "compiled" in form:
            torch._dynamo.reset()  # it gives up compiling a function that it has compiled for eight cases
        free_memory(self.device)
        set_precision(case.precision)
        if isinstance(case, Case):
            data, weights = given[:2]
            return self._perceptron(case, data, weights, FORMS[self.way][form])
        return self._alexnet(case, form)

    def _perceptron(self, case: Case, data: Data, weights: list[Any], form: Form) -> Runner:
        training = perceptron(case, weights, form, self.device)
        steps = case.samples // case.batch
        # One by one and by eager modules takes a fifth of a millisecond: a part of the samples is enough to tell.
        steps = min(steps, 2 * ENOUGH_STEPS) if case.batch == 1 else steps
        epochs = min(case.epochs, -(-ENOUGH_STEPS // steps))
        in_graph = min(form.graph, steps)
        taken = max(in_graph, training.at_once)
        samples = steps // taken * taken * case.batch
        x, y = (torch.from_numpy(array[:samples]).to(self.device) for array in data)
        stride = taken * case.batch
        parts = list(zip(x.split(stride), y.split(stride)))
        step = training.step
        if form.graph:
            held_x, held_y = (
                tensor.clone() for tensor in parts[0]
            )  # a graph reads from where it was captured
            replay = as_graph(training, held_x, held_y, case.batch)

            def step(x: torch.Tensor, y: torch.Tensor) -> None:
                held_x.copy_(x)
                held_y.copy_(y)
                replay()

        def train() -> int:
            for _ in range(epochs):
                for part in parts:
                    step(*part)
            synchronize(self.device)
            return samples * epochs

        return Runner(train, training.weights)

    def _alexnet(self, case: AlexNet, form: str) -> Runner:
        order, _, name = form.partition(", ")
        slices, mode = ALEXNET_FORMS[self.way][name]
        net = Net(case, slices).to(self.device)
        for parameter in net.pairs:
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=ORDERS[order])
        x, y = (torch.from_numpy(array).to(self.device) for array in alexnet.make_batch(case))
        x = x.contiguous(memory_format=ORDERS[order])
        error = compiled(lambda x, y: F.cross_entropy(net(x), y), mode)
        training = Autograd(net.pairs, error, case)
        step = partial(training.step, x, y)
        if self.way == "CUDA graph":
            step = as_graph(training, x, y, case.batch)

        def train() -> int:
            for _ in range(case.steps):
                step()
            synchronize(self.device)
            return case.steps * case.batch

        return Runner(train, training.weights)


def perceptron(case: Case, weights: list[Any], form: Form, device: torch.device) -> Training:
    if form.by_hand:
        at_once = min(form.at_once, case.samples // case.batch)
        return ByHand(case, weights, device, form.transposed, at_once)
    net = network(case, weights).to(device)
    return Autograd(net.parameters(), compiled(lambda x, y: loss_of(case, net(x), y), form.mode), case)


def peer(argument: str) -> Peer:
    way, device = argument.split(",")
    return Peer(way, open_device(device))
