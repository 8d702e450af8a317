"""Interleaved repeats: every peer runs once, then every peer again, so that a noisy moment hits all."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.cases import Case
from benchmarks.crew import Crew

RUN_SECONDS = 0.15  # of each peer in each repeat, at least


class Row(NamedTuple):
    """One line of the report: how many times better than the peer bpnet is.

    Attributes:
        peer: or "peak", then the numbers are the fraction of it that bpnet reaches.
        form: in which the peer ran.
    """

    case: str
    threads: int
    peer: str
    median: float
    least: float
    most: float
    form: str = ""


def row(case: str, threads: int, peer: str, ratios: Sequence[float], form: str = "") -> Row:
    return Row(case, threads, peer, statistics.median(ratios), min(ratios), max(ratios), form)


class OtherWeights(ValueError):
    """A peer computes something else, and no ratio comes of it."""


class AboveThePeak(ValueError):
    """A fraction of the peak above 1: the peak was measured wrongly, and no figure comes of it."""


def fractions_of_peak(
    what: str,
    rates: Sequence[float],
    peaks: Sequence[float],
    unit: str = "operations",
    remedy: str = "mend benchmarks/native/peaks.cpp",
) -> list[float]:
    """Of the highest of the peaks that were measured in turn with the rates: a peak is what is reached at most.

    Raises:
        AboveThePeak: a rate above it.
    """
    peak = max(peaks)
    if max(rates) > peak:
        raise AboveThePeak(
            f"{what}: {max(rates):.4g} {unit} a second are above the peak of {peak:.4g}; {remedy}"
        )
    return [rate / peak for rate in rates]


def checked_part(case: Case) -> Case:
    """The few steps after which the peers' weights are compared."""
    # A unit of a ReLU network whose sum is next to 0 is on here and off there: rounding grows from 1e-7 to
    # 1e-3 within eight batches of a wide one.
    steps = 24 if case.activation == "tanh" else 8 if case.batch == 1 else 5
    samples = min(case.samples, steps * case.batch)
    return case._replace(samples=samples, epochs=steps * case.batch // samples)


def check_same_weights(case: Case, crew: Crew, forms: Mapping[str, str]) -> None:
    """After the same few steps from the same weights, all peers that can tell have the same weights.

    Raises:
        OtherWeights: they have not.
    """
    small = checked_part(case)
    with tempfile.TemporaryDirectory() as folder:
        states = {
            name: weights_after(crew, name, small, form, Path(folder) / f"{name}.npz")
            for name, form in forms.items()
        }
    ours = states.pop("bpnet") or []
    for name, theirs in states.items():
        if theirs is not None:
            error = difference(ours, theirs)
            if error > 1e-5:
                raise OtherWeights(
                    f"{case.name}: the weights of {name} ({forms[name]}) differ by {error:.1e}"
                )


def weights_after(crew: Crew, name: str, case: Case, form: str, path: Path) -> list[np.ndarray] | None:
    """The peer's weights after one run of the case, None where it cannot tell them."""
    worker = crew.workers[name]
    worker.ask("make", case=case._asdict(), form=form)
    worker.ask("run", seconds=0)
    if not worker.ask("weights", path=str(path))["known"]:
        return None
    with np.load(path) as arrays:
        return list(arrays.values())


def difference(ours: Sequence[np.ndarray], theirs: Sequence[np.ndarray]) -> float:
    """The largest difference of two networks' weights, each layer's of its largest weight."""
    if [a.shape for a in ours] != [b.shape for b in theirs]:
        return float("inf")
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in zip(ours, theirs))


def interleaved_rates(
    workers: Mapping[str, Any], repeats: int, peak: Callable[[], float] | None = None
) -> tuple[dict[str, list[float]], list[float]]:
    """Samples a second of each, one number per repeat, in rounds over all workers, and the peaks before and after the first one's runs."""
    rates: dict[str, list[float]] = {name: [] for name in workers}
    peaks = []
    for _ in range(repeats):
        for name, worker in workers.items():
            first = peak is not None and name == next(iter(workers))
            if first:
                peaks.append(peak())
            rates[name].append(worker.rate(RUN_SECONDS))
            if first:
                peaks.append(peak())
    return rates, peaks


def measure(case: Case, crew: Crew, repeats: int, peak: Callable[[], float] | None) -> list[Row]:
    """bpnet's rate over each peer's, and the fraction of the peak that its products reach."""
    forms = crew.best_forms(case)
    if not (case.predict or case.dropout):
        check_same_weights(case, crew, forms)
    rates, peaks = interleaved_rates(crew.ready(case, forms), repeats, peak)
    ours = rates["bpnet"]
    rows = [
        row(case.name, crew.threads, peer, [a / b for a, b in zip(ours, theirs)], forms[peer])
        for peer, theirs in rates.items()
        if peer != "bpnet"
    ]
    rows.sort(key=lambda r: r.median)  # the strongest peer first
    if peaks:
        try:
            fractions = fractions_of_peak(case.name, [case.operations * rate for rate in ours], peaks)
            rows.append(row(case.name, crew.threads, "peak", fractions))
        except AboveThePeak as error:
            print(f"refused: {error}")
    return rows
