"""Wall time from data in memory to 98 % of 10,000 test images, on a made set of MNIST's size."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.cases import Case, Data, make_weights
from benchmarks.measure import Row, check_same_weights, row
from benchmarks.peers import Peers

CASE = Case("time to 98 %", (784, 128, 10), 32, 60_000, lr=0.01)
GOAL, MOST_EPOCHS = 0.98, 30
SIDE, CLASSES, TEST = 28, 10, 10_000
SHIFT = 3  # pixels, in each direction
STYLES = 8  # patterns of each class
DISTRACTIONS, NOISE = 0.5, 0.65


def _smooth(rng: np.random.Generator, count: int) -> np.ndarray:
    """Random fields (count, 34, 34) without fine detail, of deviation 1."""
    side = SIDE + 2 * SHIFT
    frequency = np.fft.fftfreq(side)
    keep = np.exp(-((frequency[:, None] ** 2 + frequency**2) * 12.0**2))
    fields = np.fft.ifft2(np.fft.fft2(rng.standard_normal((count, side, side))) * keep).real
    return fields / fields.std(axis=(1, 2), keepdims=True)


def make_images(seed: int = 0) -> tuple[Data, Data]:
    """60,000 and 10,000 images of ten classes. A class is 8 patterns, an image one of them, moved by up to 3
    pixels, mixed with another pattern that means nothing, and noise."""
    rng = np.random.default_rng(seed)
    patterns = _smooth(rng, CLASSES * STYLES)
    distractions = DISTRACTIONS * _smooth(rng, 200)

    def draw(count: int) -> Data:
        which = rng.integers(0, len(patterns), count)
        other = rng.integers(0, len(distractions), count)
        down, right = rng.integers(0, 2 * SHIFT + 1, (2, count))
        images = rng.standard_normal((count, SIDE, SIDE), np.float32) * np.float32(NOISE)
        for i in range(count):
            rows, columns = slice(down[i], down[i] + SIDE), slice(right[i], right[i] + SIDE)
            images[i] += patterns[which[i], rows, columns] + distractions[other[i], rows, columns]
        return Data(images.reshape(count, -1) / 2, which % CLASSES)

    return draw(CASE.samples), draw(TEST)


def seconds_to_goal(make, train: Data, test: Data, threads: int) -> tuple[float, int] | None:
    """Of one peer from scratch, whatever it compiles included, and its epochs; None where it has no such
    case."""
    start = time.perf_counter()
    runner = make(CASE, train, make_weights(CASE), threads)
    if runner is None or runner.outputs is None:
        return None
    for epoch in range(1, MOST_EPOCHS + 1):
        runner.run()
        if (runner.outputs(test.x).argmax(axis=1) == test.y).mean() >= GOAL:
            return time.perf_counter() - start, epoch
    raise RuntimeError(f"{CASE.title}: {MOST_EPOCHS} epochs were not enough")


def time_to_accuracy(peers: Peers, threads: int, repeats: int) -> list[Row]:
    check_same_weights(CASE, peers)
    train, test = make_images()
    seconds: dict[str, list[float]] = {}
    epochs = {}
    for _ in range(repeats):
        for name, make in peers.makers().items():
            taken = seconds_to_goal(make, train, test, threads)
            if taken:
                seconds.setdefault(name, []).append(taken[0])
                epochs[name] = taken[1]
    print("epochs to 98 %: " + ", ".join(f"{name} {count}" for name, count in epochs.items()))
    ours = seconds.pop("bpnet")
    return [
        row(CASE.name, threads, name, [b / a for a, b in zip(ours, theirs)])
        for name, theirs in seconds.items()
    ]
