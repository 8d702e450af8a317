"""bpnet on a GPU beside PyTorch on the same card: ``python -m benchmarks --device cuda``.

PyTorch is three peers: eager, as CUDA graphs, and through torch.compile; each is in the fastest of its forms. Its data is on
the card before a run, while bpnet sends its own in each run. A run ends when the card has done its work. What the card reaches at
most, in large products of the same precision and in copies, takes turns with them.

Networks are checked to be the same without TF32; with it the difference is reported.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Any

from benchmarks import alexnet
from benchmarks.cases import Case
from benchmarks.crew import Crew
from benchmarks.cuda_cases import CASES, bytes_of_sample
from benchmarks.measure import (
    AboveThePeak,
    OtherWeights,
    Row,
    check_same_weights,
    fractions_of_peak,
    interleaved_rates,
    row,
)
from benchmarks.report import BANDWIDTH, MATRIX_RATE
from benchmarks.workers import Company

CARD = {MATRIX_RATE: "products", BANDWIDTH: "copies"}
WAYS = ("eager", "CUDA graph", "compiled")


class NoCard(Exception):
    """bpnet and PyTorch do not both see a GPU."""


def modules(device: str) -> dict[str, str]:
    """Of the peers, by name."""
    pytorch = {f"PyTorch, {way}": f"benchmarks.peers.pytorch_cuda:{way},{device}" for way in WAYS}
    card = {name: f"benchmarks.peers.card:{what},{device}" for name, what in CARD.items()}
    return {"bpnet": f"benchmarks.peers.ours_cuda:{device}", **pytorch, **card}


def open_crew(company: Company, processors: Sequence[int], peers: Mapping[str, str]) -> Crew:
    """
    Raises:
        NoCard: without a peer that nothing can be measured without; Crew has said why.
    """
    crew = Crew(company, len(processors), processors, peers)
    missing = [name for name in ("bpnet", *CARD) if name not in crew.workers]
    if missing:
        raise NoCard(
            f"bpnet and PyTorch do not both see a GPU, nothing is measured; left out: {', '.join(missing)}"
        )
    return crew


def name_of_card(crew: Crew) -> str:
    return crew.workers[MATRIX_RATE].ask("device")["name"]


def check(case: Any, crew: Crew, forms: Mapping[str, str]) -> None:
    """The peers' weights are bpnet's after a few steps.

    Raises:
        OtherWeights: they are not, without TF32.
    """
    judge = check_same_weights if isinstance(case, Case) else alexnet.check_step
    judge(case._replace(precision="full"), crew, forms)
    if case.precision != "full":
        try:
            judge(case, crew, forms)
        except OtherWeights as error:
            print(f"reported, not judged: {error}")


def fractions(case: Any, crew: Crew, rates: Mapping[str, list[float]]) -> list[Row]:
    """What bpnet reaches of the card's matrix rate and of its bandwidth, with these as the form."""
    amounts = {MATRIX_RATE: case.operations, BANDWIDTH: bytes_of_sample(case)}
    units = {MATRIX_RATE: "FLOP", BANDWIDTH: "B"}
    rows = []
    for peak, amount in amounts.items():
        reached = [amount * rate for rate in rates["bpnet"]]
        try:
            found = fractions_of_peak(
                case.name, reached, rates[peak], units[peak], "it stays in the card's caches"
            )
        except AboveThePeak as error:
            print(f"refused: {error}")
            continue
        rows.append(
            row(case.name, crew.threads, peak, found, f"{max(rates[peak]) / 1e12:.3g} T{units[peak]}/s")
        )
    return rows


def measure(case: Any, crew: Crew, repeats: int) -> list[Row]:
    """bpnet's rate over each peer's, and the fractions of what the card reaches."""
    forms = crew.best_forms(case)
    check(case, crew, {name: form for name, form in forms.items() if name not in CARD})
    rates, _ = interleaved_rates(crew.ready(case, forms), repeats)
    medians = ", ".join(f"{name} {median(rate):.4g}" for name, rate in rates.items() if name not in CARD)
    print(f"{case.name}, samples a second: {medians}")
    rows = [
        row(case.name, crew.threads, peer, [a / b for a, b in zip(rates["bpnet"], theirs)], forms[peer])
        for peer, theirs in rates.items()
        if peer not in ("bpnet", *CARD)
    ]
    rows.sort(key=lambda r: r.median)  # the strongest peer first
    return rows + fractions(case, crew, rates)


def measurements(crew: Crew, repeats: int) -> dict[str, Callable[[], list[Row]]]:
    """The cases by name."""
    return {case.name: partial(measure, case, crew, repeats) for case in CASES}
