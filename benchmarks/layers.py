"""The threading layers beside each other, on all processors: on the machine as it is, beside two busy processes, and
in four processes at once. ``auto`` is compared with the others, each in processes of its own."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence

from benchmarks.cases import CASES, Case
from benchmarks.measure import Row, row
from benchmarks.processes import four_processes
from benchmarks.workers import Company, Worker, bound_to

ENVIRONMENTS = {
    "auto": {"BPNET_THREADING": "auto"},
    "pool": {"BPNET_THREADING": "pool"},
    "openmp": {"BPNET_THREADING": "openmp"},
    "openmp, passive": {"BPNET_THREADING": "openmp", "OMP_WAIT_POLICY": "passive"},
}
RUN_SECONDS = 0.4  # several time slices of a busy machine
BUSY_PROCESSES = 2
MINI_BATCHES = [case for case in CASES if case.batch > 1 and not case.predict]


@contextlib.contextmanager
def busy_processes(count: int, processors: Sequence[int]) -> Iterator[None]:
    """While so many other processes compute without a pause."""
    command = [sys.executable, "-c", "while True: pass"]
    others = [subprocess.Popen(command, preexec_fn=bound_to(processors)) for _ in range(count)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def _told(rates: Sequence[float]) -> str:
    """Median, least and most, in thousand samples a second."""
    shown = (statistics.median(rates), min(rates), max(rates))
    return "{:.4g} [{:.4g}, {:.4g}] thousand/s".format(*(rate / 1000 for rate in shown))


def compare(case: Case, busy: int, company: Company, processors: Sequence[int], repeats: int) -> list[Row]:
    """The rate of ``auto`` over each other layer's, and over the better of pool and OpenMP."""
    workers: dict[str, Worker] = {}
    rates: dict[str, list[float]] = {name: [] for name in ENVIRONMENTS}
    with busy_processes(busy, processors):
        try:
            for name, environment in ENVIRONMENTS.items():
                module = "benchmarks.peers.ours"
                workers[name] = Worker(company, name, module, len(processors), processors, environment)
                workers[name].ask("make", case=case._asdict(), form="fit")
                workers[name].ask("run", seconds=RUN_SECONDS)
            for _ in range(repeats):
                for name, worker in workers.items():
                    rates[name].append(worker.rate(RUN_SECONDS))
            layer = workers["auto"].ask("threading")["layer"]
        finally:
            for worker in workers.values():
                worker.end()
    title = f"threads, {'beside two busy processes' if busy else 'quiet'}, {case.name}"
    ours = rates.pop("auto")
    rows = [
        row(title, len(processors), name, [a / b for a, b in zip(ours, theirs)], _told(theirs))
        for name, theirs in rates.items()
    ]
    better = [a / max(b, c) for a, b, c in zip(ours, rates["pool"], rates["openmp"])]
    form = f"auto {_told(ours)}, {layer} at its end"
    return [row(title, len(processors), "the better of pool and openmp", better, form), *rows]


def four_at_once(processors: Sequence[int], repeats: int) -> list[Row]:
    """benchmarks/processes.py under each layer."""
    rows = []
    for name in ("auto", "pool", "openmp"):
        for found in four_processes(processors, repeats, ENVIRONMENTS[name]):
            rows.append(found._replace(case=f"threads, {found.case}", form=name))
    return rows
