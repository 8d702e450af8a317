"""What is measured. A case is a network, a way to train it, and how many samples one repeat takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Case(NamedTuple):
    """
    Attributes:
        title: what is done; the name begins with it.
        widths: of the layers, input first.
        batch: samples per step.
        samples: in the data.
        lr: the learning rate.
        loss: "half_squared_error" (summed over the outputs), "mse" (averaged) or "cross_entropy".
        activation: "tanh" or "relu", after every layer but the last.
        last: the last layer has the activation too, as in the lecture.
        momentum: of plain SGD.
        adam: Adam instead of SGD.
        dropout: probability after every activation but the last; each peer draws masks of its own.
        epochs: per repeat, so that bpnet takes some tenths of a second.
        predict: forward only.
        precision: of float32's products on a GPU, "full" or "tf32".
    """

    title: str
    widths: Sequence[int]
    batch: int
    samples: int
    lr: float = 0.01
    loss: str = "cross_entropy"
    activation: str = "relu"
    last: bool = False
    momentum: float = 0.9
    adam: bool = False
    dropout: float = 0.0
    epochs: int = 1
    predict: bool = False
    precision: str = "full"

    @property
    def name(self) -> str:
        sizes = "-".join(map(str, self.widths))
        batch = "" if self.batch == 1 and not self.predict else f" B={self.batch}"
        return f"{self.title} {sizes}{batch}" + (", TF32" if self.precision == "tf32" else "")

    @property
    def online(self) -> bool:
        """The lecture's algorithm: plain SGD, one sample at a time."""
        return self.batch == 1 and not (self.momentum or self.adam or self.dropout or self.predict)

    @property
    def classes(self) -> bool:
        """The data has labels, not targets."""
        return self.loss == "cross_entropy"

    @property
    def operations(self) -> float:
        """Floating-point operations of the matrix products of one sample, a multiply-add counted as two:
        forward, gradient of the weights, and, but for the first layer's, of the inputs."""
        products = [2.0 * width * out for width, out in zip(self.widths, self.widths[1:])]
        return sum(products) if self.predict else 3 * sum(products) - products[0]


def online(widths: Sequence[int], samples: int, lr: float) -> Case:
    return Case(
        "online", widths, 1, samples, lr, "half_squared_error", activation="tanh", last=True, momentum=0.0
    )


CASES = [
    online((2, 2, 1), 400_000, 0.01),
    online((8, 32, 32, 1), 100_000, 0.01),
    online((64, 128, 10), 40_000, 0.01),
    online((784, 128, 10), 10_000, 0.001),
    online((784, 512, 512, 10), 1_500, 0.001),
    Case("one by one with momentum", (784, 128, 10), 1, 4_000, 0.001),
    Case("one by one with Adam", (784, 128, 10), 1, 4_000, 0.001, adam=True),
    Case("one by one with dropout", (784, 128, 10), 1, 4_000, 0.001, momentum=0.0, dropout=0.5),
    Case("batch", (16, 64, 64, 2), 32, 128_000),
    Case("batch", (784, 128, 10), 32, 12_800),
    Case("batch", (784, 512, 512, 10), 32, 6_400),
    Case("batch", (784, 512, 512, 10), 128, 12_800),
    Case("batch", (784, 2048, 2048, 10), 256, 2_560),
    Case(
        "full batch, Adam", (4, 32, 16, 4), 10_000, 10_000, 0.001, "mse", "tanh", adam=True, epochs=100
    ),  # the case that SimpleChains.jl publishes
    Case("predict", (784, 128, 10), 1, 2_000, predict=True),
    Case("predict", (784, 128, 10), 10_000, 40_000, predict=True),
]


class Data(NamedTuple):
    """Inputs in [−1, 1], and what the case's loss compares with."""

    x: np.ndarray  # (samples, in) float32
    y: np.ndarray  # (samples,) int64 labels, or (samples, out) float32 targets


def make_data(case: Case) -> Data:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (case.samples, case.widths[0])).astype(np.float32)
    if case.classes:
        return Data(x, rng.integers(0, case.widths[-1], case.samples))
    return Data(x, rng.uniform(-0.8, 0.8, (case.samples, case.widths[-1])).astype(np.float32))


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
