"""Interleaved repeats: every peer runs once, then every peer again, so that a noisy moment hits all."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping

from benchmarks.cases import Case
from benchmarks.peers import Runner


class Rates:
    """Samples a second of each peer, one number per repeat."""

    def __init__(self, case: Case, threads: int, rates: Mapping[str, list[float]]) -> None:
        self.case = case
        self.threads = threads
        self.rates = dict(rates)

    def ratios(self, peer: str) -> list[float]:
        """bpnet's rate over the peer's, repeat by repeat."""
        return [ours / theirs for ours, theirs in zip(self.rates["bpnet"], self.rates[peer])]

    def summary(self, peer: str) -> tuple[float, float, float]:
        """Median, least and largest ratio."""
        ratios = self.ratios(peer)
        return statistics.median(ratios), min(ratios), max(ratios)


def measure(case: Case, threads: int, runners: Mapping[str, Runner], repeats: int) -> Rates:
    rates: dict[str, list[float]] = {name: [] for name in runners}
    for runner in runners.values():
        runner.run()  # compiles, allocates, fills caches
    for _ in range(repeats):
        for name, runner in runners.items():
            start = time.perf_counter()
            samples = runner.run() or case.samples
            rates[name].append(samples / (time.perf_counter() - start))
    return Rates(case, threads, rates)
