"""What the card reaches at most: ``peer("products,DEVICE")`` large matrix products, its samples their operations,
``peer("copies,DEVICE")`` a copy of a large array, its samples the bytes read and written."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks.cuda_cases import WORD, read_case
from benchmarks.peers import Runner
from benchmarks.peers.pytorch_device import name_of, open_device, set_precision, synchronize

SIDE = {"cuda": 8192, "cpu": 64}  # of the matrices; without a GPU it only shows that it runs
NUMBERS = {"cuda": 1 << 28, "cpu": 1 << 10}  # that are copied: 1 GiB, many times what a cache holds
ROUNDS = 4  # of a run, between two of which nobody waits for the card


class Peer:
    def __init__(self, what: str, device: torch.device) -> None:
        self.device = device
        self.read_case = read_case
        self._make = {"products": self.products, "copies": self.copies}[what]

    def device_name(self) -> str:
        return name_of(self.device)

    def forms(self, case: Any) -> list[str]:
        return [case.precision]

    def make(self, case: Any, *_: Any) -> Runner:
        set_precision(case.precision)
        work, amount = self._make()

        def run() -> int:
            for _ in range(ROUNDS):
                work()
            synchronize(self.device)
            return ROUNDS * amount

        return Runner(run)

    def products(self) -> tuple[Callable[[], Any], int]:
        side = SIDE[self.device.type]
        a, b, c = (torch.randn(side, side, device=self.device) for _ in range(3))
        return lambda: torch.matmul(a, b, out=c), 2 * side**3

    def copies(self) -> tuple[Callable[[], Any], int]:
        source = torch.ones(NUMBERS[self.device.type], device=self.device)
        target = torch.empty_like(source)
        return lambda: target.copy_(source), 2 * WORD * source.numel()


def peer(argument: str) -> Peer:
    what, device = argument.split(",")
    return Peer(what, open_device(device))
