"""bpnet's scikit-learn and river estimators beside scikit-learn's and river's own, by ``--sklearn``.

Each is a process of its own. A peer runs with BLAS on one thread and on all, and the better takes turns with bpnet. Where
``--threads`` is 1, which it is unless given, each has one thread and one processor.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

from benchmarks.measure import Row, row
from benchmarks.workers import Company, MissingPeer, Worker

MODULE = "benchmarks.peers.estimators"
SCIKIT_LEARN = ("scikit-learn",)
RIVER = ("river, a line", "river, a tree", "scikit-learn in river", "deep-river")


class EstimatorCase(NamedTuple):
    """
    Attributes:
        kind: the function of benchmarks/peers/estimators.py that makes it.
        batch: the samples of one run.
    """

    name: str
    kind: str
    dtype: str
    batch: int


FITS = (
    EstimatorCase("MLPClassifier.fit, 60,000 × 784", "fit", "float64", 60_000 * 4),
    EstimatorCase("MLPClassifier.fit, 60,000 × 784", "fit", "float32", 60_000 * 4),
    EstimatorCase("lbfgs, digits", "lbfgs", "float64", 100),
    EstimatorCase("partial_fit, a sample at a time", "partial_fit", "float64", 200),
    EstimatorCase("predict, a row at a time", "predict", "float64", 500),
    EstimatorCase("predict_proba, a row at a time", "predict_proba", "float64", 500),
    EstimatorCase("GridSearchCV, n_jobs=2, digits", "grid", "float64", 18),
)
STREAM = EstimatorCase("river, learn_one and predict_one", "stream", "float64", 1250)
# bpnet makes an update for each row, the others one for all.
TABLES = EstimatorCase("river, learn_many and predict_many of 50 rows", "tables", "float64", 1250)
RIVER_OF_TABLES = ("river, a line", "deep-river")


def pairs() -> Iterator[tuple[EstimatorCase, str]]:
    """Each case with a peer."""
    for case in FITS:
        yield from ((case, peer) for peer in SCIKIT_LEARN)
    yield from ((STREAM, peer) for peer in RIVER)
    yield from ((TABLES, peer) for peer in RIVER_OF_TABLES)


def title(case: EstimatorCase) -> str:
    return case.name if case.dtype == "float64" else f"{case.name}, {case.dtype}"


def compare(
    case: EstimatorCase,
    peer: str,
    company: Company,
    threads: int,
    processors: Sequence[int],
    repeats: int,
) -> list[Row]:
    """Ratios of rates, taken in turn."""

    def worker(name: str) -> Worker:
        return Worker(company, name, f"{MODULE}:{name}", threads, processors)

    try:
        ours, theirs = worker("bpnet"), worker(peer)
    except MissingPeer as error:
        print(f"left out: {title(case)} beside {peer} ({error})")
        return []
    try:
        fields = case._asdict()
        forms = theirs.ask("forms", case=fields)["forms"]
        rates = {}
        for form in forms:
            theirs.ask("make", case=fields, form=form)
            rates[form] = theirs.rate(0.2)
        best = max(rates, key=lambda form: rates[form])
        theirs.ask("make", case=fields, form=best)
        ours.ask("make", case=fields, form=forms[-1])
        ours.rate(0.0)
        theirs.rate(0.0)
        taken = [(ours.rate(0.2), theirs.rate(0.2)) for _ in range(repeats)]
    finally:
        ours.end()
        theirs.end()
    if case in (STREAM, TABLES):
        mine, yours = (statistics.median(each) for each in zip(*taken))
        best += f"; {mine:,.0f} samples/s beside {yours:,.0f}"
    return [row(title(case), threads, peer, [mine / yours for mine, yours in taken], best)]


def measurements(
    company: Company,
    threads: int,
    processors: Sequence[int],
    repeats: int,
    peak: Callable[[], float] | None,
) -> dict[str, Callable[[], list[Row]]]:
    """The cases by name."""
    return {
        f"{title(case)}, {peer}": partial(compare, case, peer, company, threads, processors, repeats)
        for case, peer in pairs()
    }
