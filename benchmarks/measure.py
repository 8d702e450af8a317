"""Interleaved repeats: every peer runs once, then every peer again, so that a noisy moment hits all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from benchmarks.cases import Case, make_data, make_weights
from benchmarks.peers import Peers, Runner


class Row(NamedTuple):
    """One line of the report: how many times better than the peer bpnet is.

    Attributes:
        peer: or "peak", then the numbers are the fraction of it that bpnet reaches.
    """

    case: str
    threads: int
    peer: str
    median: float
    least: float
    most: float


def row(case: str, threads: int, peer: str, ratios: Sequence[float]) -> Row:
    return Row(case, threads, peer, statistics.median(ratios), min(ratios), max(ratios))


def check_same_weights(case: Case, peers: Peers) -> None:
    """After the same few steps from the same weights, all peers that can tell have the same weights."""
    # A unit of a ReLU network whose sum is next to 0 is on here and off there: rounding grows from 1e-7 to
    # 1e-4 within ten steps of a wide one.
    steps = 5 if case.activation == "relu" else 20
    samples = min(case.samples, steps * case.batch)
    small = case._replace(samples=samples, epochs=steps * case.batch // samples)
    states = {}
    for name, runner in peers.make(small, make_data(small), make_weights(small), 1).items():
        if runner.weights is not None:
            runner.run()
            states[name] = [array for pair in runner.weights() for array in pair]
    ours = states.pop("bpnet", [])
    for name, theirs in states.items():
        for a, b in zip(ours, theirs):
            error = float(np.abs(a - b).max() / np.abs(b).max())
            if error > 1e-5:
                raise SystemExit(f"{case.name}: the weights of {name} differ by {error:.1e}")


def rates_of(
    case: Case, runners: Mapping[str, Runner], repeats: int, between: Callable[[], None] = lambda: None
) -> dict[str, list[float]]:
    """Samples a second of each peer, one number per repeat."""
    rates: dict[str, list[float]] = {name: [] for name in runners}
    for runner in runners.values():
        runner.run()  # compiles, allocates, fills caches
    for _ in range(repeats):
        between()
        for name, runner in runners.items():
            start = time.perf_counter()
            samples = runner.run() or case.samples * case.epochs
            rates[name].append(samples / (time.perf_counter() - start))
    return rates


def measure(
    case: Case, peers: Peers, threads: int, repeats: int, peak: Callable[[], float] | None
) -> list[Row]:
    """bpnet's rate over each peer's, and the fraction of the peak that its products reach."""
    if not (case.predict or case.dropout):
        check_same_weights(case, peers)
    runners = peers.make(case, make_data(case), make_weights(case), threads)
    peaks: list[float] = []
    rates = rates_of(case, runners, repeats, lambda: peaks.append(peak()) if peak else None)
    ours = rates["bpnet"]
    rows = [
        row(case.name, threads, peer, [a / b for a, b in zip(ours, theirs)])
        for peer, theirs in rates.items()
        if peer != "bpnet"
    ]
    if peaks:
        reached = [case.operations * rate / most for rate, most in zip(ours, peaks)]
        rows.append(row(case.name, threads, "peak", reached))
    return rows
