"""Wall time from data in memory to 98 % of 10,000 test images, on a made set of MNIST's size."""

from __future__ import annotations

import time
from functools import cache

import numpy as np

from benchmarks.cases import Case, Data, make_weights
from benchmarks.crew import Crew
from benchmarks.measure import Row, check_same_weights, row

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


@cache
def images() -> tuple[Data, Data]:
    return make_images()


def seconds_to_goal(make, threads: int, form: str) -> tuple[float, int]:
    """Of one peer from scratch, whatever it compiles included, and its epochs."""
    train, test = images()
    start = time.perf_counter()
    runner = make(CASE, train, make_weights(CASE), threads, form)
    for epoch in range(1, MOST_EPOCHS + 1):
        runner.run()
        if (runner.outputs(test.x).argmax(axis=1) == test.y).mean() >= GOAL:
            return time.perf_counter() - start, epoch
    raise RuntimeError(f"{CASE.title}: {MOST_EPOCHS} epochs were not enough")


def time_to_accuracy(crew: Crew, repeats: int) -> list[Row]:
    """Each peer in the form that takes it there soonest, found by trying each once."""
    forms = {}
    for name in list(crew.workers):
        tried = {form: to_goal(crew, name, form)[0] for form in crew.forms(name, CASE._asdict())}
        if tried:
            forms[name] = min(tried, key=lambda form: tried[form])
    check_same_weights(CASE, crew, forms)
    seconds: dict[str, list[float]] = {name: [] for name in forms}
    epochs = {}
    for _ in range(repeats):
        for name, form in forms.items():
            taken, epochs[name] = to_goal(crew, name, form)
            seconds[name].append(taken)
    print("epochs to 98 %: " + ", ".join(f"{name} {count}" for name, count in epochs.items()))
    ours = seconds.pop("bpnet")
    rows = [
        row(CASE.name, crew.threads, name, [b / a for a, b in zip(ours, theirs)], forms[name])
        for name, theirs in seconds.items()
    ]
    return sorted(rows, key=lambda r: r.median)


def to_goal(crew: Crew, name: str, form: str) -> tuple[float, int]:
    reply = crew.workers[name].ask("to_goal", form=form)
    return reply["seconds"], reply["epochs"]
