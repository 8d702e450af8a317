"""``python -m benchmarks [--threads 1|all] [--repeats 7] [--only TEXT] [--plot PNG]``

Run from the checkout with the extra ``bench`` installed. Peers that are not installed are left out, and
said so. For one thread the process binds itself to one processor before any peer is loaded.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

import numpy as np

from benchmarks.cases import CASES, Case, make_data, make_weights
from benchmarks.measure import Rates, measure
from benchmarks.peers import Runner

PEERS = {
    "bpnet": "ours",
    "PyTorch": "pytorch",
    "JAX": "jax_scan",
    "scikit-learn": "sklearn_mlp",
    "FANN": "fann",
}


def load_peers() -> dict[str, object]:
    """The modules of the peers that are installed."""
    modules = {}
    for name, file in PEERS.items():
        try:
            modules[name] = importlib.import_module(f"benchmarks.peers.{file}")
        except ImportError as error:
            print(f"left out: {name} ({error})")
    return modules


def runners_of(case: Case, modules: dict[str, object], threads: int) -> dict[str, Runner]:
    data, weights = make_data(case), make_weights(case)
    runners = {}
    for name, module in modules.items():
        try:
            runner = module.make(case, data, weights, threads)  # type: ignore[attr-defined]
        except ImportError as error:
            print(f"left out: {name} ({error})")
            continue
        if runner is not None:
            runners[name] = runner
    return runners


def check_same_weights(case: Case, modules: dict[str, object]) -> None:
    """After the same few steps from the same weights, all peers that can tell have the same weights."""
    steps = 20
    small = case._replace(samples=steps * case.batch)
    states = {}
    for name, runner in runners_of(small, modules, 1).items():
        if runner.weights is not None and case.kind != "predict":
            runner.run()
            states[name] = [array for pair in runner.weights() for array in pair]
    ours = states.pop("bpnet", [])
    for name, theirs in states.items():
        for a, b in zip(ours, theirs):
            error = float(np.abs(a - b).max() / np.abs(b).max())
            if error > 1e-4:
                raise SystemExit(f"{case.name}: the weights of {name} differ by {error:.1e}")


def print_rates(rates: Rates) -> None:
    for peer in rates.rates:
        if peer != "bpnet":
            median, least, most = rates.summary(peer)
            print(
                f"| {rates.case.name} | {rates.threads} | {peer} | {median:.2f} | {least:.2f} to {most:.2f} |",
                flush=True,
            )


def plot(measured: list[Rates], path: str) -> None:
    """Bars of the median ratios, on a logarithmic scale."""
    from matplotlib.figure import Figure

    rows = [(r, peer) for r in measured for peer in r.rates if peer != "bpnet"]
    figure = Figure(figsize=(9, 0.35 * len(rows) + 1), layout="constrained")
    axes = figure.subplots()
    axes.barh([f"{r.case.name} × {p}" for r, p in rows], [r.summary(p)[0] for r, p in rows])
    axes.set_xscale("log")
    axes.axvline(1, color="black", linewidth=1)
    axes.invert_yaxis()
    axes.set_xlabel("times the peer's rate")
    figure.savefig(path, dpi=120)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--threads", choices=("1", "all"), default="1")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    parser.add_argument("--plot", metavar="PNG")
    options = parser.parse_args()
    processors = sorted(os.sched_getaffinity(0))
    threads = 1 if options.threads == "1" else len(processors)
    if threads == 1:
        os.sched_setaffinity(0, processors[-1:])
    modules = load_peers()
    print("| case | threads | peer | bpnet is × faster (median) | least to most |\n|---|---|---|---|---|")
    measured = []
    for case in CASES:
        if options.only not in case.name:
            continue
        check_same_weights(case, modules)
        rates = measure(case, threads, runners_of(case, modules, threads), options.repeats)
        print_rates(rates)
        measured.append(rates)
    if options.plot and measured:
        plot(measured, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
