"""What bpnet gains by threads: one and all of them in turn, each in a process of its own."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.cases import Case
from benchmarks.measure import Row, interleaved_rates, row
from benchmarks.workers import Company, Worker


def gain_of_threads(case: Case, company: Company, processors: Sequence[int], repeats: int) -> list[Row]:
    """The rate with all threads over the rate with one."""
    workers = {
        threads: Worker(company, f"bpnet, {threads}", "benchmarks.peers.ours", threads, processors)
        for threads in (len(processors), 1)
    }
    try:
        for worker in workers.values():
            worker.ask("make", case=case._asdict(), form="fit")
            worker.ask("run", seconds=0)
        rates, _ = interleaved_rates(workers, repeats)
    finally:
        for worker in workers.values():
            worker.end()
    ratios = [a / b for a, b in zip(rates[len(processors)], rates[1])]
    return [row(f"all threads, {case.name}", len(processors), "one thread", ratios)]
