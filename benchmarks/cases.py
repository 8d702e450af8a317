"""What is measured. A case is a network, a way to train it, and how many samples one repeat takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """
    Attributes:
        kind: "online" (tanh, half squared error, one sample at a time), "batch" (ReLU, cross-entropy, SGD
            with momentum 0.9) or "predict" (forward only).
        widths: of the layers, input first.
        batch: samples per step.
        samples: per repeat, some tenths of a second of bpnet's time.
        lr: the learning rate.
    """

    kind: str
    widths: Sequence[int]
    batch: int
    samples: int
    lr: float

    @property
    def name(self) -> str:
        sizes = "-".join(map(str, self.widths))
        return f"{self.kind} {sizes}" + ("" if self.kind == "online" else f" B={self.batch}")


CASES = [
    Case("online", (2, 2, 1), 1, 400_000, 0.01),
    Case("online", (8, 32, 32, 1), 1, 100_000, 0.01),
    Case("online", (64, 128, 10), 1, 40_000, 0.01),
    Case("online", (784, 128, 10), 1, 10_000, 0.001),
    Case("online", (784, 512, 512, 10), 1, 1_500, 0.001),
    Case("batch", (16, 64, 64, 2), 32, 128_000, 0.01),
    Case("batch", (784, 128, 10), 32, 12_800, 0.01),
    Case("batch", (784, 512, 512, 10), 32, 6_400, 0.01),
    Case("batch", (784, 512, 512, 10), 128, 12_800, 0.01),
    Case("batch", (784, 2048, 2048, 10), 256, 2_560, 0.01),
    Case("predict", (784, 128, 10), 1, 2_000, 0.0),
    Case("predict", (784, 128, 10), 10_000, 40_000, 0.0),
]


class Data(NamedTuple):
    """Inputs in [−1, 1], and what the case's loss compares with."""

    x: np.ndarray  # (samples, in) float32
    targets: np.ndarray  # (samples, out) float32
    labels: np.ndarray  # (samples,) int64


def make_data(case: Case) -> Data:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (case.samples, case.widths[0])).astype(np.float32)
    labels = rng.integers(0, case.widths[-1], case.samples)
    targets = rng.uniform(-0.8, 0.8, (case.samples, case.widths[-1])).astype(np.float32)
    return Data(x, targets, labels)


def make_weights(case: Case) -> list[tuple[np.ndarray, np.ndarray]]:
    """[(weight (out, in), bias (out,)), …], the same for every peer."""
    rng = np.random.default_rng(1)
    pairs = zip(case.widths, case.widths[1:])
    return [
        (
            rng.uniform(-1, 1, (out, width)).astype(np.float32) / np.float32(np.sqrt(width)),
            rng.uniform(-1, 1, out).astype(np.float32) / np.float32(np.sqrt(width)),
        )
        for width, out in pairs
    ]
