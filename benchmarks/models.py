"""Whole networks in training beside PyTorch: ``python -m benchmarks --models``.

LeNet5 is trained on arrays in memory by Adam, ResNet18 takes steps of SGD with momentum on a batch that stays in memory. PyTorch
has its images in either order of memory, eager or through torch.compile. Before a case is measured, what a step of SGD changed
is checked to agree with bpnet's, in float32.
"""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.crew import Crew
from benchmarks.measure import (
    AboveThePeak,
    OtherWeights,
    Row,
    difference,
    fractions_of_peak,
    interleaved_rates,
    row,
    weights_after,
)
from benchmarks.workers import Company

PEERS = {
    "bpnet": "benchmarks.peers.models_ours:fp32",
    "bpnet bf16": "benchmarks.peers.models_ours:bf16",
    "PyTorch": "benchmarks.peers.models_pytorch:fp32",
    "PyTorch bf16": "benchmarks.peers.models_pytorch:bf16",
}
TOLERANCE = 1e-3  # of an array's largest change
# A unit of a ReLU network whose sum is next to 0 may be on for one peer and off for another: as benchmarks/alexnet.py says.
MOST_SEEDS = 6


class Model(NamedTuple):
    """
    Attributes:
        network: "LeNet5" or "ResNet18".
        side: of an image.
        samples: of one run, in batches.
        operations: of one image's products in training, a multiply-add counted as two.
        seed: of the images.
    """

    network: str
    side: int
    channels: int
    classes: int
    batch: int
    samples: int
    operations: float
    lr: float
    adam: bool = False
    momentum: float = 0.9
    seed: int = 0

    @property
    def name(self) -> str:
        rule = "Adam" if self.adam else "SGD"
        return f"{self.network} at {self.side}×{self.side}, training by {rule}, B={self.batch}"

    @property
    def checked(self) -> Model:
        """The same for the check: a step on few images, small where the network is large. It is SGD's, for Adam's first
        step is the gradient's sign, which rounding decides where that is next to 0."""
        few = min(self.batch, 8)
        return self._replace(batch=few, samples=few, side=min(self.side, 64), adam=False)


# Multiply-adds forward and of all but the first layer's gradient by its input: 416,520 of LeNet5, of which 117,600 in its first
# layer; 1,814,073,344 of ResNet18, of which 118,013,952 are.
CASES = [
    Model("LeNet5", 28, 1, 10, 128, 12_800, 2.0 * (3 * 416_520 - 117_600), 1e-3, adam=True),
    Model("ResNet18", 224, 3, 1000, 16, 16, 2.0 * (3 * 1_814_073_344 - 118_013_952), 0.01),
]


def read_case(fields: Mapping[str, Any]) -> Model:
    return Model(**fields)


def make_data(case: Model) -> tuple[np.ndarray, np.ndarray]:
    """Images (samples, channels, side, side) in [−1, 1] and labels (samples,) int64."""
    rng = np.random.default_rng(case.seed)
    x = rng.random((case.samples, case.channels, case.side, case.side), np.float32) * 2 - 1
    return x, rng.integers(0, case.classes, case.samples)


def make_weights(shapes: Mapping[str, Sequence[int]]) -> dict[str, np.ndarray]:
    """Parameters by name: He's weights, scales about 1 and small biases, each drawn by its name."""
    weights = {}
    for name, shape in shapes.items():
        numbers = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, np.float32)
        if len(shape) > 1:
            weights[name] = numbers * np.float32(np.sqrt(2 / np.prod(shape[1:])))
        else:
            weights[name] = numbers * np.float32(0.1) + np.float32(name.endswith("weight"))
    return weights


def check(case: Model, crew: Crew, forms: Mapping[str, str]) -> None:
    """What a step changed is bpnet's to a thousandth of each array's largest change, with one of a few seeds at least.

    Raises:
        OtherWeights: it is not, in float32; in bf16 the difference is only reported.
    """
    errors: dict[str, list[float]] = {name: [] for name in forms if name != "bpnet"}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.npz"
        for seed in range(MOST_SEEDS):
            left = [name for name, found in errors.items() if not found or min(found) > TOLERANCE]
            left = [name for name in left if seed == 0 or "bf16" not in name]
            few = case.checked._replace(seed=seed)
            changes = {
                name: changed(crew, name, few, forms[name], path)
                for name in (["bpnet", *left] if left else [])
            }
            for name in left:
                errors[name].append(difference(changes["bpnet"], changes[name]))
    for name, found in errors.items():
        if "bf16" in name:
            print(f"{case.name}: a step of {name} differs by {min(found):.1e}")
        elif min(found) > TOLERANCE:
            raise OtherWeights(f"{case.name}: a step of {name} ({forms[name]}) differs by {min(found):.1e}")


def changed(crew: Crew, name: str, case: Model, form: str, path: Path) -> list[np.ndarray]:
    crew.workers[name].ask("make", case=case._asdict(), form=form)
    crew.workers[name].ask("weights", path=str(path))
    with np.load(path) as arrays:
        before = list(arrays.values())
    after = weights_after(crew, name, case, form, path)
    assert after is not None
    return [a - b for a, b in zip(after, before)]


def measure(case: Model, crew: Crew, repeats: int, peak: Callable[[], float] | None) -> list[Row]:
    """The rates of bpnet over each peer's, those in bf16 beside those in bf16, and the fraction of the multiply-add peak."""
    forms = crew.best_forms(case)
    check(case, crew, forms)
    rates, peaks = interleaved_rates(crew.ready(case, forms), repeats, peak)
    medians = ", ".join(f"{name} {np.median(rate):.4g}" for name, rate in rates.items())
    print(f"{case.name}, images a second: {medians}")
    rows = []
    for ours in (name for name in ("bpnet", "bpnet bf16") if name in rates):
        title = case.name + (", bfloat16" if "bf16" in ours else "")
        for peer, theirs in rates.items():
            if not peer.startswith("bpnet") and ("bf16" in peer or "bf16" not in ours):
                ratios = [a / b for a, b in zip(rates[ours], theirs)]
                rows.append(row(title, crew.threads, peer, ratios, forms[peer]))
    if peaks:
        try:
            fractions = fractions_of_peak(
                case.name, [case.operations * rate for rate in rates["bpnet"]], peaks
            )
            rows.append(row(case.name, crew.threads, "peak", fractions))
        except AboveThePeak as error:
            print(f"refused: {error}")
    return rows


def measurements(
    company: Company,
    threads: int,
    processors: Sequence[int],
    repeats: int,
    peak: Callable[[], float] | None,
) -> dict[str, Callable[[], list[Row]]]:
    """The cases by name."""
    crew = Crew(company, threads, processors, PEERS)
    return {case.name: partial(measure, case, crew, repeats, peak) for case in CASES}
