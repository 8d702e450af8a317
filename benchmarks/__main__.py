"""``python -m benchmarks``: bpnet beside its peers, interleaved in one run; ``--help`` lists the options.

Run from the checkout with the extra ``bench`` installed. Peers that are not installed are left out, and
said so; so is the peak where there is no cmake or compiler. For one thread the process binds itself to
one processor before any peer is loaded.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import native, report
from benchmarks.cases import CASES
from benchmarks.measure import Row, measure
from benchmarks.peers import Peers
from benchmarks.processes import four_processes
from benchmarks.startup import import_times, package_sizes
from benchmarks.threads import gain_of_threads
from benchmarks.to_accuracy import time_to_accuracy


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--threads", choices=("1", "all", "both"), default="1")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument(
        "--only", action="append", metavar="TEXT", help="what has this in its name; may be given again"
    )
    parser.add_argument("--kernels", action="store_true", help="each kernel beside the peak, too")
    parser.add_argument("--compile", action="store_true", help="PyTorch by torch.compile, too")
    parser.add_argument("--plot", metavar="PNG", help="bars of the ratios")
    parser.add_argument("--markdown", metavar="FILE")
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args()


def measurements(
    options: argparse.Namespace, peers: Peers, threads: int, peak: Callable[[], float] | None
) -> dict[str, Callable[[], list[Row]]]:
    """What there is to measure, by name, in the order in which it is done."""
    repeats = options.repeats
    found: dict[str, Callable[[], list[Row]]] = {
        case.name: partial(measure, case, peers, threads, repeats, peak) for case in CASES
    }
    found["time to 98 %"] = partial(time_to_accuracy, peers, threads, min(repeats, 3))
    if options.threads == "1":  # they know no threads
        found["import time"] = partial(import_times, repeats)
        found["sizes"] = package_sizes
    else:
        for case in CASES:
            if max(case.widths) >= 128 and not case.predict:
                found[f"all threads, {case.name}"] = partial(gain_of_threads, case, threads, repeats)
        found["four processes at once"] = partial(four_processes, threads, repeats)
    return found


def run(options: argparse.Namespace) -> list[Row]:
    processors = sorted(os.sched_getaffinity(0))
    threads = 1 if options.threads == "1" else len(processors)
    obstacle = native.build()  # with all processors
    peak = None if obstacle else partial(native.multiply_add_peak, threads)
    if obstacle:
        print(f"left out: the multiply-add peak and the kernels ({obstacle})")
    if threads == 1:
        os.sched_setaffinity(0, processors[-1:])
    peers = Peers(options.compile)
    print(report.HEAD)
    rows = []
    for name, measured in measurements(options, peers, threads, peak).items():
        if options.only and not any(text in name for text in options.only):
            continue
        for row in measured():
            print(report.line(row), flush=True)
            rows.append(row)
    if options.kernels and not obstacle:
        native.print_kernels(threads, options.repeats)
    return rows


def run_both(arguments: list[str]) -> list[Row]:
    """One thread, then all, each in a process of its own: JAX takes its threads once."""
    rows = []
    for threads in ("1", "all"):
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "rows.json")
            command = [sys.executable, "-m", "benchmarks", *arguments, "--threads", threads, "--json", path]
            subprocess.run(command, check=True)
            rows += report.read_json(path)
    return rows


def main() -> int:
    options = parse()
    rows = run_both(sys.argv[1:]) if options.threads == "both" else run(options)
    if options.plot and rows:
        report.plot(rows, options.plot)
    if options.markdown:
        report.write_markdown(rows, options.markdown)
    if options.json:
        report.write_json(rows, options.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
