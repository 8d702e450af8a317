"""PyTorch with forward, loss and backward through torch.compile, which takes its minute a case; the cases it
may gain on, that is."""

from __future__ import annotations

from typing import Any

from benchmarks.cases import Case, Data
from benchmarks.peers import Runner, pytorch


def make(case: Case, data: Data, weights: list[Any], threads: int) -> Runner | None:
    if case.predict or case.online:
        return None
    return pytorch.make(case, data, weights, threads, compiled=True)
