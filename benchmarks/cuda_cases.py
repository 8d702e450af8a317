"""What is measured on a GPU, and the bytes that each case moves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.alexnet import CONVOLUTIONS, LINEAR, SIZE, AlexNet
from benchmarks.cases import Case, online

WORD = 4  # bytes of a float32

# Epochs and steps are such that a run takes some tenths of a second, beside which sending its data is little.
CASES: list[Any] = [
    *(AlexNet(True, 128, False, steps=40, precision=precision) for precision in ("full", "tf32")),
    *(AlexNet(True, 1024, False, steps=8, precision=precision) for precision in ("full", "tf32")),
    *(
        Case("batch", (784, 512, 512, 10), 128, 12_800, epochs=50, precision=precision)
        for precision in ("full", "tf32")
    ),
    Case("batch", (16, 64, 64, 2), 32, 128_000, epochs=8),
    online((784, 128, 10), 10_000, 0.001)._replace(epochs=4),
]


def read_case(fields: Mapping[str, Any]) -> Any:
    return AlexNet(**fields) if "norm" in fields else Case(**fields)


def outputs(case: Any) -> int:
    """Numbers that one sample's layers put out, a ReLU or tanh counted with the layer before it."""
    if isinstance(case, Case):
        return sum(case.widths[1:])
    total = sum(out for _, out in LINEAR)
    for c in CONVOLUTIONS:
        total += c.out * c.side**2 * (1 + (c.norm and case.norm))
        total += c.out * ((c.side - 3) // 2 + 1) ** 2 * c.pool
    return total


def parameters(case: Any) -> int:
    if isinstance(case, Case):
        return sum((width + 1) * out for width, out in zip(case.widths, case.widths[1:]))
    total = sum((width + 1) * out for width, out in LINEAR)
    return total + sum((c.channels // c.groups * c.kernel**2 + 1) * c.out for c in CONVOLUTIONS)


def bytes_of_sample(case: Any) -> float:
    """The least that a step that computes layer by layer moves between the card's memory and its processors, for one
    sample: its inputs are read, every layer's outputs are written, and read on the way back; in each step parameters and their
    momentum are read and written."""
    inputs = case.widths[0] if isinstance(case, Case) else 3 * SIZE**2
    arrays = 2 if case.momentum else 1
    return WORD * (inputs + 2 * outputs(case) + 2 * arrays * parameters(case) / case.batch)
