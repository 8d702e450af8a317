"""``python -m benchmarks``: bpnet beside its peers, interleaved in one run; ``--help`` lists the options.

Run from the checkout with the extra ``bench`` installed, and ``bench-alexnet`` for ``--alexnet``. With ``--device cuda``
bpnet is measured on a GPU, beside PyTorch there. Every peer is a
process of its own, bound to one processor or to all, and stopped while another has its turn. Peers that are not
installed are left out, and said so; so is the peak where there is no cmake or compiler.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import alexnet, convolutions, cuda, estimators, models, native, report
from benchmarks.adult import adult
from benchmarks.cases import CASES
from benchmarks.crew import Crew
from benchmarks.layers import BUSY_PROCESSES, MINI_BATCHES, compare, four_at_once
from benchmarks.measure import OtherWeights, Row, measure
from benchmarks.processes import four_processes
from benchmarks.startup import import_times, package_sizes
from benchmarks.threads import gain_of_threads
from benchmarks.to_accuracy import time_to_accuracy
from benchmarks.workers import Company, PeerError

Measurements = dict[str, Callable[[], list[Row]]]
CPU_ONLY = ("kernels", "alexnet", "models", "convolutions", "sklearn", "adult")  # options


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """
    Raises:
        SystemExit: options that do not fit together, and those that argparse refuses.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda: on a GPU")
    parser.add_argument(
        "--threads", choices=("1", "all", "both"), help="1 where it is not given; all with a GPU"
    )
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="what has this in its name; may be given again"
    )
    parser.add_argument(
        "--kernels", action="store_true", help="each kernel, or layer of AlexNet, beside the peak, too"
    )
    instead = parser.add_mutually_exclusive_group()
    instead.add_argument("--alexnet", action="store_true", help="AlexNet instead, beside its own peers")
    instead.add_argument(
        "--models", action="store_true", help="LeNet5 and ResNet18 in training instead, beside PyTorch's"
    )
    instead.add_argument(
        "--convolutions",
        action="store_true",
        help="every convolution of the models instead, beside PyTorch's",
    )
    instead.add_argument(
        "--sklearn",
        action="store_true",
        help="scikit-learn's and river's estimators instead, beside bpnet's that replace them",
    )
    parser.add_argument(
        "--adult",
        metavar="CSV",
        help="the Adult data set, from its file to a tested model, too: 48,842 rows, a header",
    )
    parser.add_argument(
        "--forms", metavar="FILE", help="keep the peers' fastest forms there, and try none again that it has"
    )
    parser.add_argument("--plot", metavar="PNG", help="bars of the ratios")
    parser.add_argument("--markdown", metavar="FILE")
    parser.add_argument("--json", metavar="FILE")
    options = parser.parse_args(arguments)
    if options.device == "cuda":
        given = {f"--{name}": getattr(options, name) for name in CPU_ONLY}
        given["--threads"] = options.threads not in (None, "all")
        if any(given.values()):
            named = ", ".join(name for name, is_given in given.items() if is_given)
            parser.error(
                f"--device cuda has its own cases and all processors, {named} says otherwise; --only picks"
            )
    else:
        options.threads = options.threads or "1"
    return options


def measurements(
    options: argparse.Namespace,
    company: Company,
    crew: Crew,
    processors: Sequence[int],
    peak: Callable[[], float] | None,
    every_processor: Sequence[int],
) -> Measurements:
    """What there is to measure, by name, in the order in which it is done."""
    repeats = options.repeats
    found: Measurements = {case.name: partial(measure, case, crew, repeats, peak) for case in CASES}
    found["time to 98 %"] = partial(time_to_accuracy, crew, min(repeats, 3))
    if options.adult:
        found["adult"] = partial(adult, options.adult, processors, min(repeats, 5))
    if options.threads == "1":  # they know no threads
        found["import time"] = partial(import_times, repeats)
        found["sizes"] = package_sizes
        for busy in (0, BUSY_PROCESSES):  # these run on all processors
            for case in MINI_BATCHES:
                found[f"threads, {busy} busy, {case.name}"] = partial(
                    compare, case, busy, company, every_processor, repeats
                )
        found["threads, four processes at once"] = partial(four_at_once, every_processor, repeats)
    else:
        for case in CASES:
            if max(case.widths) >= 128 and not case.predict:
                found[f"all threads, {case.name}"] = partial(
                    gain_of_threads, case, company, processors, repeats
                )
        found["four processes at once"] = partial(four_processes, processors, repeats)
    return found


def chosen(found: Measurements, only: Sequence[str] | None) -> Measurements:
    return {
        name: measured for name, measured in found.items() if not only or any(text in name for text in only)
    }


def suite_of(options: argparse.Namespace) -> Any:
    """The module whose cases are measured instead of the perceptrons, or None."""
    suites = {
        "alexnet": alexnet,
        "models": models,
        "convolutions": convolutions,
        "sklearn": estimators,
    }
    return next((module for name, module in suites.items() if getattr(options, name)), None)


def run(options: argparse.Namespace) -> list[Row]:
    processors = every_processor = (
        sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    )
    # With all processors.
    obstacle = "estimators are not measured by it" if options.sklearn else native.build()
    if obstacle:
        print(f"left out: the multiply-add peak and the kernels ({obstacle})")
    if options.threads == "1" and hasattr(os, "sched_setaffinity"):
        processors = processors[-1:]
        os.sched_setaffinity(0, processors)
    threads = len(processors)
    with Company(options.forms) as company:
        peak = None if obstacle else native.Peak(company, threads)
        suite = suite_of(options)
        if suite:
            found = suite.measurements(company, threads, processors, options.repeats, peak)
        else:
            crew = Crew(company, threads, processors)
            found = measurements(options, company, crew, processors, peak, every_processor)
        rows = each(options, found)
    if options.convolutions:
        rows += printed(convolutions.summary(rows))
    if options.kernels and not obstacle:
        which = ("alexnet", "128") if options.alexnet else ()
        rows += printed(native.kernels(threads, options.repeats, *which))
    return rows


def printed(rows: list[Row]) -> list[Row]:
    for row in rows:
        print(report.line(row), flush=True)
    return rows


def each(options: argparse.Namespace, found: Measurements, card: str = "") -> list[Row]:
    """The rows of what was chosen, printed and written as they come."""
    rows: list[Row] = []
    print(report.HEAD)
    for measured in chosen(found, options.only).values():
        try:
            found_rows = measured()
        except (OtherWeights, PeerError) as error:  # the other cases are measured
            print(f"refused: {error}", flush=True)
            continue
        rows += printed(found_rows)
        write(options, rows, card)
    return rows


def run_on_gpu(options: argparse.Namespace) -> tuple[list[Row], str]:
    """The rows, and the card's name.

    Raises:
        SystemExit: there is no GPU, or nothing to measure on it.
    """
    processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else [0]
    with Company(options.forms) as company:
        try:
            crew = cuda.open_crew(company, processors, cuda.modules(options.device))
        except cuda.NoCard as error:
            raise SystemExit(f"python -m benchmarks --device cuda: {error}") from None
        card = cuda.name_of_card(crew)
        print(f"{card}; {report.processor()}")
        return each(options, cuda.measurements(crew, options.repeats), card), card


def write(options: argparse.Namespace, rows: list[Row], card: str = "") -> None:
    """After each case, for a run may take an hour and be ended before."""
    if options.markdown:
        report.write_markdown(rows, options.markdown, sys.argv[1:], card)
    if options.json:
        report.write_json(rows, options.json)


def run_both(arguments: list[str]) -> list[Row]:
    """One thread, then all, each in a process of its own: the one is bound to a processor."""
    rows = []
    for threads in ("1", "all"):
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "rows.json")
            command = [sys.executable, "-m", "benchmarks", *arguments, "--threads", threads, "--json", path]
            subprocess.run(command, check=True)
            rows += report.read_json(path)
    return rows


def main() -> int:
    options = parse(sys.argv[1:])
    card = ""
    if options.device == "cuda":
        rows, card = run_on_gpu(options)
    else:
        rows = run_both(sys.argv[1:]) if options.threads == "both" else run(options)
    if options.plot and rows:
        report.plot(rows, options.plot)
    write(options, rows, card)
    return 0


if __name__ == "__main__":
    sys.exit(main())
