"""scikit-learn's MLPClassifier, by partial_fit; it has no online case with these losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

from benchmarks.cases import Case, Data
from benchmarks.peers import Runner


def make(case: Case, data: Data, weights: list[Any], threads: int) -> Runner | None:
    if case.kind == "online":
        return None
    model = MLPClassifier(
        case.widths[1:-1],
        solver="sgd",
        learning_rate_init=max(case.lr, 1e-3),
        momentum=0.9,
        nesterovs_momentum=False,
        alpha=0.0,
        batch_size=min(case.batch, 200),
        shuffle=False,
    )
    classes = np.arange(case.widths[-1])
    model.partial_fit(data.x[:200], data.labels[:200], classes=classes)
    model.batch_size = case.batch

    def train() -> None:
        with threadpool_limits(threads):
            model.partial_fit(data.x, data.labels)

    def predict() -> None:
        with threadpool_limits(threads):
            for first in range(0, case.samples, case.batch):
                model.predict_proba(data.x[first : first + case.batch])

    return Runner(predict if case.kind == "predict" else train)
