"""What training in bfloat16 costs in accuracy: ``python -m benchmarks.precisions``.

The same networks are trained in float32 and in bfloat16 with the same seeds: of a seed both have the same first weights and order
of samples, and so the differences of their final accuracies are paired. Told are their mean with its 95 % interval by Student's t,
and the difference that so many seeds would have detected: the smallest mean that a two-sided test of 5 % finds in four of five
experiments, (t₀.₉₇₅ + t₀.₈) · s / √n with the t of n − 1 degrees of freedom and s the differences' standard deviation.

The perceptron learns Fashion-MNIST (Debian's package dataset-fashion-mnist), or where that is not installed, scikit-learn's digits. With
``--photographs TRAIN TEST`` a narrow AlexNet learns photographs, folders of class folders.
"""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

import bpnet as bp

FASHION = Path("/usr/share/datasets/fashion-mnist")
SEEDS = 5
PRECISIONS = ("full", "bfloat16")
# Student's t for 1 to 9 degrees of freedom: the quantiles 0.975 and 0.8.
T975 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
T80 = (1.376, 1.061, 0.978, 0.941, 0.920, 0.906, 0.896, 0.889, 0.883)


class Comparison(NamedTuple):
    """
    Attributes:
        mean: of second − first, and half of its 95 % interval.
        detectable: the difference that would have been found with probability 0.8.
    """

    mean: float
    half: float
    detectable: float


def compare(first: Sequence[float], second: Sequence[float]) -> Comparison:
    """Of paired values, 2 to 10 of them."""
    differences = [b - a for a, b in zip(first, second, strict=True)]
    freedom = len(differences) - 1
    error = statistics.stdev(differences) / math.sqrt(len(differences))
    t975, t80 = T975[freedom - 1], T80[freedom - 1]
    return Comparison(statistics.mean(differences), t975 * error, (t975 + t80) * error)


class Data(NamedTuple):
    name: str
    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def fashion(samples: int) -> Data:
    """The first ``samples`` training images and all test images, in [−1, 1]."""

    def part(name: str) -> tuple[np.ndarray, np.ndarray]:
        images = bp.data.read_idx(FASHION / f"{name}-images-idx3-ubyte.gz")
        labels = bp.data.read_idx(FASHION / f"{name}-labels-idx1-ubyte.gz")
        return images.reshape(len(images), -1).astype(np.float32) / 127.5 - 1, labels.astype(np.int64)

    x, y = part("train")
    return Data("Fashion-MNIST", x[:samples], y[:samples], *part("t10k"))


def digits() -> Data:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, y = (x / 8 - 1).astype(np.float32), y.astype(np.int64)
    return Data("digits", x[:1400], y[:1400], x[1400:], y[1400:])


def perceptron(data: Data, hidden: Sequence[int], epochs: int) -> Callable[[int, str], float]:
    """A function of seed and precision: the test accuracy in percent after training."""

    def train(seed: int, precision: str) -> float:
        layers = [layer for width in hidden for layer in (bp.Linear(width), bp.ReLU())]
        net = bp.Network(data.x.shape[1:], [*layers, bp.Linear(10)], seed=seed, precision=precision)
        rule = bp.SGD(lr=0.05, momentum=0.9, weight_decay=1e-4, schedule=bp.CosineAnnealingLR(epochs))
        net.fit(
            data.x, data.y, loss="cross_entropy", optimizer=rule, epochs=epochs, batch_size=128, verbose=0
        )
        return 100 * net.evaluate(data.x_test, data.y_test)["accuracy"]

    return train


def photographs(train: str, test: str, width: float, epochs: int) -> Callable[[int, str], float]:
    def run(seed: int, precision: str) -> float:
        classes = len(bp.data.ImageFolder(train).classes)
        net = bp.models.alexnet(classes, "paper", width=width, seed=seed, precision=precision)
        done = bp.recipes.alexnet(
            train, test, network=net, seed=seed, epochs=epochs, batch_size=32, verbose=0
        )
        return 100 * done.history["val_accuracy"][-1]

    return run


def tell(title: str, train: Callable[[int, str], float], seeds: int) -> Comparison:
    """Trains with every seed in each precision, and prints what there is to know."""
    found: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
    for seed in range(seeds):
        for precision in PRECISIONS:
            found[precision].append(train(seed, precision))
        print(
            f"{title}, seed {seed}: " + ", ".join(f"{p} {a[-1]:.2f} %" for p, a in found.items()), flush=True
        )
    full, low = (found[precision] for precision in PRECISIONS)
    result = compare(full, low)
    print(
        f"{title}, {seeds} seeds: full {statistics.mean(full):.2f} %, bfloat16 {statistics.mean(low):.2f} %; "
        f"difference {result.mean:+.2f} ± {result.half:.2f} (95 %, paired t), "
        f"{result.detectable:.2f} could be detected (4 of 5 times)"
    )
    return result


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.precisions")
    parser.add_argument("--seeds", type=int, default=SEEDS, choices=range(2, 11), metavar="2..10")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--samples", type=int, default=60_000, help="of Fashion-MNIST (60000)")
    parser.add_argument("--photographs", nargs=2, metavar=("TRAIN", "TEST"))
    parser.add_argument("--width", type=float, default=0.25, help="of AlexNet (0.25)")
    options = parser.parse_args()
    if options.photographs:
        run = photographs(*options.photographs, options.width, options.epochs)
        tell(f"AlexNet, width {options.width:g}, {options.epochs} epochs", run, options.seeds)
        return
    data = fashion(options.samples) if FASHION.is_dir() else digits()
    hidden = (512, 512) if data.name == "Fashion-MNIST" else (128, 128)
    run = perceptron(data, hidden, options.epochs)
    tell(f"{data.name}, {'-'.join(map(str, hidden))}, {options.epochs} epochs", run, options.seeds)


if __name__ == "__main__":
    main()
