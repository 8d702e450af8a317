"""Every convolution of the models beside PyTorch's: ``python -m benchmarks --convolutions``.

The cases are listed from the networks themselves: each convolution with its input map there, forward and
backward, the gradient by the input too but for a network's first layer. PyTorch has its images in either order of memory
and its operations called in a loop of TorchScript, without Python between them, or through torch.compile. In bfloat16 its
images are kept so and its weights are cast in each step, as autocast does. Before a case is measured its results are
checked to agree with bpnet's on two images, in float32 to a ten-thousandth of the largest.

All of them take an hour. ``--only`` and ``--json`` cut them into several runs, and ``python -m benchmarks.convolutions
FILE.json…`` gives the means of these together.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import report
from benchmarks.crew import Crew
from benchmarks.measure import (
    AboveThePeak,
    OtherWeights,
    Row,
    difference,
    fractions_of_peak,
    interleaved_rates,
    row,
)
from benchmarks.peers.ours import missing
from benchmarks.workers import Company

BATCHES = (1, 16, 128)
TRIAL_BATCH = 16
CHECKED_BATCH = 2
TOLERANCE = 1e-4
ROUND_OPERATIONS = 1e9  # of one run: some milliseconds, beside which a call from Python is nothing
MOST_ROUNDS = 1000
RESULTS = ("y", "grad_x", "grad_weight", "grad_bias")

PEERS = {
    "bpnet": "benchmarks.peers.convolution_ours",
    "PyTorch": "benchmarks.peers.convolution_pytorch",
}
# glibc gives a large array's pages back when it is freed, and the next step takes them anew, which can double PyTorch's time.
# bpnet keeps its arrays.
ENVIRONMENT = {"PyTorch": {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(1 << 40)}}


class Convolution(NamedTuple):
    """
    Attributes:
        models: that have it.
        first: the first layer of a network: nobody needs the gradient by its input.
        precision: of the products, "full" or "bfloat16".
    """

    models: tuple[str, ...]
    channels: int
    side: int  # of the input map
    out: int
    kernel: int
    stride: int
    padding: int
    groups: int
    bias: bool
    first: bool
    batch: int = 1
    precision: str = "full"

    @property
    def shape(self) -> str:
        kind = "depthwise " if self.depthwise else ""
        groups = f" in {self.groups} groups" if self.groups > 1 and not self.depthwise else ""
        stride = f" stride {self.stride}" if self.stride > 1 else ""
        ways = f"{self.channels}" if self.depthwise else f"{self.channels}→{self.out}"
        return f"{kind}{self.kernel}×{self.kernel}{stride} {ways}{groups} at {self.side}×{self.side}"

    @property
    def name(self) -> str:
        precision = "" if self.precision == "full" else f" {self.precision}"
        return f"{', '.join(self.models)}: {self.shape} B={self.batch}{precision}"

    @property
    def depthwise(self) -> bool:
        return self.groups == self.channels > 1

    @property
    def out_side(self) -> int:
        return (self.side + 2 * self.padding - self.kernel) // self.stride + 1

    @property
    def operations(self) -> float:
        """Of one image, a multiply-add counted as two: forward and both gradients, or one for a first layer."""
        each = 2.0 * self.out * self.out_side**2 * (self.channels // self.groups) * self.kernel**2
        return each * (2 if self.first else 3)

    @property
    def rounds(self) -> int:
        """Steps of one run."""
        return min(MOST_ROUNDS, math.ceil(ROUND_OPERATIONS / (self.operations * self.batch)))

    @property
    def layer(self) -> dict[str, Any]:
        """As a model file stores it."""
        numbers = {"kernel_size": self.kernel, "stride": self.stride, "padding": self.padding}
        return {
            "type": "Conv2d",
            "out_channels": self.out,
            **numbers,
            "groups": self.groups,
            "bias": self.bias,
        }


def read_case(fields: Mapping[str, Any]) -> Convolution:
    return Convolution(**{**fields, "models": tuple(fields["models"])})


def make_arrays(case: Convolution) -> dict[str, np.ndarray]:
    """x (B, channels, side, side), weight, bias and the gradient by y, in PyTorch's shapes, of numbers in [−1, 1]."""
    rng = np.random.default_rng(0)

    def numbers(*shape: int) -> np.ndarray:
        few = rng.random((min(shape[0], TRIAL_BATCH), *shape[1:]), np.float32) * 2 - 1
        return np.resize(few, shape)  # more images are the same again

    weight = (
        rng.random((case.out, case.channels // case.groups, case.kernel, case.kernel), np.float32) * 2 - 1
    )
    arrays = {"x": numbers(case.batch, case.channels, case.side, case.side), "weight": weight}
    if case.bias:
        arrays["bias"] = rng.random(case.out, np.float32) * 2 - 1
    arrays["grad_y"] = numbers(case.batch, case.out, case.out_side, case.out_side)
    return arrays


def mobile_block(channels: int, expanded: int, kernel: int, side: int) -> Any:
    """An inverted bottleneck of MobileNetV3 (Howard et al. 2019): 1×1 up, depthwise, 1×1 down."""
    import bpnet as bp

    layers = [
        bp.Conv2d(expanded, 1, bias=False),
        bp.BatchNorm2d(),
        bp.ReLU(),
        bp.Conv2d(expanded, kernel, padding=kernel // 2, groups=expanded, bias=False),
        bp.BatchNorm2d(),
        bp.ReLU(),
        bp.Conv2d(channels, 1, bias=False),
        bp.BatchNorm2d(),
    ]
    return bp.Network((channels, side, side), layers)


def models() -> dict[str, Callable[[], Any]]:
    from bpnet import models as known

    return {
        "AlexNet": lambda: known.alexnet(1000, "paper"),
        "VGG11": known.vgg11,
        "ResNet18": known.resnet18,
        "LeNet5": known.lenet5,
        "MobileNet 3×3": partial(mobile_block, 24, 72, 3, 56),
        "MobileNet 5×5": partial(mobile_block, 40, 120, 5, 28),
    }


def convolutions_of(name: str, network: Any) -> list[Convolution]:
    """Each with its input map, in the order of the layers; a map has one side here."""
    shapes = {path: shape for path, _, shape, _ in network._core.summary_rows()}
    starts = not name.startswith("MobileNet")  # a block is in the middle of a network
    found: list[Convolution] = []

    def walk(layers: Sequence[Mapping[str, Any]], prefix: str, shape: Sequence[int]) -> Sequence[int]:
        for index, layer in enumerate(layers):
            path = f"{prefix}{layer.get('name', index)}"
            if layer["type"] == "Conv2d":
                fields = (
                    layer[key]
                    for key in ("out_channels", "kernel_size", "stride", "padding", "groups", "bias")
                )
                found.append(Convolution((name,), shape[0], shape[1], *fields, first=starts and not found))
            inner = walk(layer.get("layers", ()), f"{path}.", shape)
            walk(layer.get("shortcut", ()), f"{path}.downsample.", shape)
            shape = shapes.get(path, inner)
        return shape

    walk(network.description["layers"], "", network.input_shape)
    return found


def distinct(found: Iterator[Convolution]) -> list[Convolution]:
    """Each once, with all the models that have it."""
    merged: dict[Convolution, tuple[str, ...]] = {}
    for convolution in found:
        key = convolution._replace(models=())
        merged[key] = tuple(dict.fromkeys((*merged.get(key, ()), *convolution.models)))
    return [key._replace(models=names) for key, names in merged.items()]


@cache
def listed() -> list[Convolution]:
    """All convolutions of the models, for one image."""
    return distinct(c for name, make in models().items() for c in convolutions_of(name, make()))


def precisions() -> list[str]:
    """Those that a network on this processor takes."""
    problem = missing({"precision": "bfloat16"})
    if problem:
        print(f"left out: bfloat16 ({problem})")
        return ["full"]
    return ["full", "bfloat16"]


def check(case: Convolution, crew: Crew, forms: Mapping[str, str]) -> None:
    """The peers' results on two images are bpnet's.

    Raises:
        OtherWeights: they are not, in float32; in bfloat16 the difference is only reported.
    """
    few = case._replace(batch=min(case.batch, CHECKED_BATCH))
    results = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "results.npz"
        for name, form in forms.items():
            crew.workers[name].ask("make", case=few._asdict(), form=form)
            crew.workers[name].ask("results", path=str(path))
            with np.load(path) as arrays:
                results[name] = [arrays[key] for key in RESULTS if key in arrays]
    ours = results.pop("bpnet")
    for name, theirs in results.items():
        error = difference(ours, theirs)
        if case.precision != "full":
            print(f"{case.name}: {name} differs by {error:.1e}")
        elif error > TOLERANCE:
            raise OtherWeights(f"{case.name}: the results of {name} ({forms[name]}) differ by {error:.1e}")


def summary(rows: Sequence[Row]) -> list[Row]:
    """The least ratio and the geometric mean: of all, of the depthwise ones, and of each model; by precision, threads and
    peer."""
    known = {case.name: case for case in cases(("full", "bfloat16"))}
    groups: dict[tuple[str, int, str], dict[Convolution, float]] = {}
    for found in rows:
        case = known.get(found.case)
        if case is None or found.peer in report.PEAKS:
            continue
        precision = "" if case.precision == "full" else f" {case.precision}"
        for title in ("all", *(["depthwise"] if case.depthwise else []), *case.models):
            groups.setdefault((f"mean, {title}{precision}", found.threads, found.peer), {})[case] = (
                found.median
            )
    return [summed(*key, ratios) for key, ratios in sorted(groups.items())]


def summed(title: str, threads: int, peer: str, ratios: Mapping[Convolution, float]) -> Row:
    mean = math.exp(sum(math.log(ratio) for ratio in ratios.values()) / len(ratios))
    worst = min(ratios, key=lambda case: ratios[case])
    note = f"geometric mean of {len(ratios)}; least {worst.shape} B={worst.batch}"
    return Row(title, threads, peer, mean, min(ratios.values()), max(ratios.values()), note)


def measure(case: Convolution, crew: Crew, repeats: int, peak: Callable[[], float] | None) -> list[Row]:
    """bpnet's rate over PyTorch's, and the fraction of the multiply-add peak that it reaches."""
    forms = crew.best_forms(case._replace(batch=min(case.batch, TRIAL_BATCH)))
    check(case, crew, forms)
    rates, peaks = interleaved_rates(crew.ready(case, forms), repeats, peak)
    ours = rates["bpnet"]
    rows = []
    for peer, theirs in rates.items():
        if peer != "bpnet":
            form = f"{forms[peer]}, {milliseconds(case, theirs)}; ours {milliseconds(case, ours)}"
            rows.append(row(case.name, crew.threads, peer, [a / b for a, b in zip(ours, theirs)], form))
    if peaks and case.precision == "full":  # the peak is float32's
        try:
            fractions = fractions_of_peak(case.name, [case.operations * rate for rate in ours], peaks)
            rows.append(row(case.name, crew.threads, "peak", fractions))
        except AboveThePeak as error:
            print(f"refused: {error}")
    return rows


def milliseconds(case: Convolution, rates: Sequence[float]) -> str:
    return f"{1e3 * case.batch / float(np.median(rates)):.3g} ms"


def cases(precisions: Sequence[str]) -> list[Convolution]:
    return [
        case._replace(batch=batch, precision=precision)
        for precision in precisions
        for case in listed()
        for batch in BATCHES
    ]


def measurements(
    company: Company,
    threads: int,
    processors: Sequence[int],
    repeats: int,
    peak: Callable[[], float] | None,
) -> dict[str, Callable[[], list[Row]]]:
    """The cases by name."""
    crew = Crew(company, threads, processors, PEERS, ENVIRONMENT)
    return {case.name: partial(measure, case, crew, repeats, peak) for case in cases(precisions())}


def main() -> None:
    """The means of several runs together."""
    rows = [found for path in sys.argv[1:] for found in report.read_json(path)]
    print(report.HEAD)
    for found in summary(rows):
        print(report.line(found))


if __name__ == "__main__":
    main()
