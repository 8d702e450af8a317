"""What bpnet gains by threads: one and all of them in turn."""

from __future__ import annotations

import bpnet as bp
from benchmarks.cases import Case, make_data, make_weights
from benchmarks.measure import Row, rates_of, row
from benchmarks.peers import Runner, ours


def gain_of_threads(case: Case, threads: int, repeats: int) -> list[Row]:
    """The rate with all threads over the rate with one."""
    runner = ours.make(case, make_data(case), make_weights(case), threads)

    def with_threads(count: int) -> Runner:
        def run() -> None:
            bp.set_num_threads(count)
            runner.run()

        return Runner(run)

    rates = rates_of(case, {str(count): with_threads(count) for count in (threads, 1)}, repeats)
    ratios = [a / b for a, b in zip(rates[str(threads)], rates["1"])]
    return [row(f"all threads, {case.name}", threads, "one thread", ratios)]
