"""AlexNet beside the peers that are strongest there: ``python -m benchmarks --alexnet``.

Training is one step of SGD with momentum on a batch that stays in memory, inference one call. The peers' forms
are tried with 16 images at most. Before a case is measured, the peers in single precision are checked to agree
with bpnet on four images: on the outputs, and after a step without dropout on what it changed.

bpnet is there in bfloat16 and with Winograd's convolutions too, where it has them: cases of their own, the former beside the
peers in bf16. The share of a training step that is not products is reported: the products are run alone in turn with it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import native, report
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

SIZE, CLASSES = 227, 1000
NORM = {"size": 5, "alpha": 5e-4, "beta": 0.75, "k": 2.0}  # α Σ x² / size, as PyTorch has it
TOLERANCE = 1e-3
# A unit whose sum is next to 0 may be on for one peer and off for another, which changes all gradients before it
# by about a hundredth. That happens with some images, and another network differs with all of them.
MOST_IMAGES = 6
TRIAL_BATCH = 16

OURS = {  # with what a case's name ends
    "bpnet": "",
    "bpnet bf16": ", bfloat16",
    "bpnet Winograd": ", Winograd",
}
OWN_PEERS = {
    "bpnet": "benchmarks.peers.alexnet_ours",
    "bpnet bf16": "benchmarks.peers.alexnet_ours:bf16",
    "bpnet Winograd": "benchmarks.peers.alexnet_ours:winograd",
}
PRODUCTS = "products alone"
TRAINING = {
    **OWN_PEERS,
    "TensorFlow": "benchmarks.peers.alexnet_tensorflow:fp32",
    "TensorFlow bf16": "benchmarks.peers.alexnet_tensorflow:bf16",
    "PyTorch": "benchmarks.peers.alexnet_pytorch:fp32",
    "PyTorch bf16": "benchmarks.peers.alexnet_pytorch:bf16",
}
INFERENCE = {
    **OWN_PEERS,
    "OpenVINO": "benchmarks.peers.alexnet_openvino:fp32",
    "OpenVINO bf16": "benchmarks.peers.alexnet_openvino:bf16",
    "ONNX Runtime": "benchmarks.peers.alexnet_onnxruntime",
    "PyTorch": "benchmarks.peers.alexnet_pytorch:fp32",
    "PyTorch bf16": "benchmarks.peers.alexnet_pytorch:bf16",
}


class Convolution(NamedTuple):
    """With ReLU; then, where the network has it, normalisation, and a pool of 3 × 3 by steps of 2."""

    channels: int
    out: int
    kernel: int
    stride: int
    padding: int
    groups: int
    norm: bool
    pool: bool
    side: int  # of its output


CONVOLUTIONS = [
    Convolution(3, 96, 11, 4, 0, 1, True, True, 55),
    Convolution(96, 256, 5, 1, 2, 2, True, True, 27),
    Convolution(256, 384, 3, 1, 1, 1, False, False, 13),
    Convolution(384, 384, 3, 1, 1, 2, False, False, 13),
    Convolution(384, 256, 3, 1, 1, 2, False, True, 13),
]
LINEAR = [(9216, 4096), (4096, 4096), (4096, CLASSES)]  # with ReLU and dropout after the first two


class AlexNet(NamedTuple):
    """
    Attributes:
        norm: with local response normalisation, as in the paper.
        seed: of the images.
        steps: that one run takes on the same batch, where the peer is on a GPU.
        precision: of float32's products on a GPU, "full" or "tf32".
    """

    norm: bool
    batch: int
    predict: bool
    dropout: float = 0.5
    lr: float = 0.001
    momentum: float = 0.9
    seed: int = 0
    steps: int = 1
    precision: str = "full"

    @property
    def name(self) -> str:
        kind = "inference" if self.predict else "training"
        name = f"AlexNet {'paper' if self.norm else 'without LRN'}, {kind}, B={self.batch}"
        return name + (", TF32" if self.precision == "tf32" else "")

    @property
    def operations(self) -> float:
        """Of one image's products, a multiply-add counted as two, as in benchmarks/cases.py."""
        products = [2.0 * c.channels // c.groups * c.kernel**2 * c.out * c.side**2 for c in CONVOLUTIONS]
        products += [2.0 * width * out for width, out in LINEAR]
        return sum(products) if self.predict else 3 * sum(products) - products[0]


def make_batch(case: AlexNet) -> tuple[np.ndarray, np.ndarray]:
    """Images (B, 3, 227, 227) in [−1, 1] and labels (B,) int64."""
    rng = np.random.default_rng(case.seed)
    x = rng.random((case.batch, 3, SIZE, SIZE), np.float32) * 2 - 1
    return x, rng.integers(0, CLASSES, case.batch)


@cache
def make_weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """[(weight, bias), …] in PyTorch's shapes, with which the activations keep their size."""
    rng = np.random.default_rng(1)
    shapes = [(c.out, c.channels // c.groups, c.kernel, c.kernel) for c in CONVOLUTIONS]
    pairs = []
    for shape in [*shapes, *((out, width) for width, out in LINEAR)]:
        scale = np.float32(np.sqrt(2 / np.prod(shape[1:])))
        bias = rng.standard_normal(shape[0], np.float32) * np.float32(0.1)
        pairs.append((rng.standard_normal(shape, np.float32) * scale, bias))
    return pairs


def check_outputs(case: AlexNet, crew: Crew, forms: Mapping[str, str]) -> None:
    """The peers' outputs are bpnet's to a thousandth of the largest; those of bf16 are only reported."""
    few = case._replace(batch=4)
    x, _ = make_batch(few)
    outputs = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npy"
        for name, form in forms.items():
            np.save(path, x)
            crew.workers[name].ask("make", case=few._asdict(), form=form)
            crew.workers[name].ask("outputs", path=str(path))
            outputs[name] = np.load(path)
    ours = outputs.pop("bpnet")
    for name, theirs in outputs.items():
        judge(case, f"outputs of {name} ({forms[name]})", difference([ours], [theirs]))


def check_step(case: AlexNet, crew: Crew, forms: Mapping[str, str]) -> None:
    """What a step on one image without dropout changed is the same to a thousandth of each array's largest change:
    of one image at least, for each peer."""
    before = [array for pair in make_weights() for array in pair]
    errors = {name: [] for name in forms if name != "bpnet"}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(MOST_IMAGES):
            few = case._replace(batch=1, dropout=0.0, seed=seed, steps=1)
            # bf16 is only reported, and one image is enough for that.
            left = [
                name
                for name, found in errors.items()
                if not found or (min(found) > TOLERANCE and "bf16" not in name)
            ]
            changes = {}
            for name in ["bpnet", *left] if left else []:
                after = weights_after(crew, name, few, forms[name], Path(folder) / "w.npz")
                assert after is not None
                changes[name] = [a - b for a, b in zip(after, before)]
            for name in left:
                errors[name].append(difference(changes["bpnet"], changes[name]))
    for name, found in errors.items():
        judge(case, f"step of {name} ({forms[name]})", min(found))


def judge(case: AlexNet, what: str, error: float) -> None:
    if "bf16" in what:
        print(f"{case.name}: the {what} differs by {error:.1e}")
    elif error > TOLERANCE:
        raise OtherWeights(f"{case.name}: the {what} differs by {error:.1e}")


class ProductsAlone:
    """Takes turns as a worker does: images a second if a step were its products, by benchmarks/native/alexnet.cpp."""

    def __init__(self, company: Company, case: AlexNet, threads: int) -> None:
        self._batch = case.batch
        self._process = company.start(
            PRODUCTS, [str(native.PROGRAM), str(threads), "products", str(case.batch)]
        )
        self._process.rest()

    def rate(self, seconds: float) -> float:
        """Of one step, however few ``seconds`` are."""
        return self._batch / float(self._process.ask(""))

    def end(self) -> None:
        self._process.end()


def measure(
    case: AlexNet, crew: Crew, repeats: int, peak: Callable[[], float] | None, company: Company
) -> list[Row]:
    """The rate of each of bpnet's ways over each peer's, the fraction of the peak that the products of float32 reach, and
    of a training step the share that is not products."""
    forms = crew.best_forms(case._replace(batch=min(case.batch, TRIAL_BATCH)))
    (check_outputs if case.predict else check_step)(case, crew, forms)
    workers: dict[str, Any] = dict(crew.ready(case, forms))
    if peak and case.norm and not case.predict:  # the program has the layers of the paper's network
        workers[PRODUCTS] = ProductsAlone(company, case, crew.threads)
    try:
        rates, peaks = interleaved_rates(workers, repeats, peak)
    finally:
        if PRODUCTS in workers:
            workers.pop(PRODUCTS).end()
    products = rates.pop(PRODUCTS, None)
    medians = ", ".join(f"{name} {np.median(rate):.3g}" for name, rate in rates.items())
    print(f"{case.name}, images a second: {medians}")
    rows = [
        found for ours in OURS if ours in rates for found in compared(case, crew.threads, ours, rates, forms)
    ]
    ours = rates["bpnet"]
    if products:
        shares = [1 - a / b for a, b in zip(ours, products)]
        rows.append(row(case.name, crew.threads, report.OTHER_WORK, shares))
    if peaks:
        try:
            fractions = fractions_of_peak(case.name, [case.operations * rate for rate in ours], peaks)
            rows.append(row(case.name, crew.threads, "peak", fractions))
        except AboveThePeak as error:
            print(f"refused: {error}")
    return rows


def compared(
    case: AlexNet, threads: int, ours: str, rates: Mapping[str, list[float]], forms: Mapping[str, str]
) -> list[Row]:
    """One of bpnet's ways beside the peers, the strongest first; bfloat16 beside those in bf16."""
    rows = [
        row(
            f"{case.name}{OURS[ours]}",
            threads,
            peer,
            [a / b for a, b in zip(rates[ours], theirs)],
            forms[peer],
        )
        for peer, theirs in rates.items()
        if peer not in OURS and ("bf16" in peer or "bf16" not in ours)
    ]
    return sorted(rows, key=lambda r: r.median)


def measurements(
    company: Company,
    threads: int,
    processors: Sequence[int],
    repeats: int,
    peak: Callable[[], float] | None,
) -> dict[str, Callable[[], list[Row]]]:
    """The cases by name. The peers of training end before those of inference begin: they take gigabytes."""
    crews: dict[bool, Crew] = {}

    def crew_of(predict: bool) -> Crew:
        if predict not in crews:
            for other in crews.values():
                for worker in other.workers.values():
                    worker.end()
            crews.clear()
            crews[predict] = Crew(company, threads, processors, INFERENCE if predict else TRAINING)
        return crews[predict]

    def run(case: AlexNet) -> list[Row]:
        return measure(case, crew_of(case.predict), repeats, peak, company)

    cases = [AlexNet(norm, batch, False) for norm in (True, False) for batch in (32, 128)]
    cases += [AlexNet(True, batch, True) for batch in (1, 32, 128)]
    return {case.name: partial(run, case) for case in cases}


def read_case(fields: Mapping[str, Any]) -> AlexNet:
    return AlexNet(**fields)
