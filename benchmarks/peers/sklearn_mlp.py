"""scikit-learn's MLPClassifier or MLPRegressor, by partial_fit, from the same weights; it has no online case
with these losses."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.neural_network import MLPClassifier, MLPRegressor
from threadpoolctl import threadpool_limits

from benchmarks.cases import Case, Data
from benchmarks.peers import Runner


def make(case: Case, data: Data, weights: list[Any], threads: int) -> Runner | None:
    if case.online or case.dropout:
        return None
    kind = MLPClassifier if case.classes else MLPRegressor
    first = min(200, case.samples)
    model = kind(
        hidden_layer_sizes=case.widths[1:-1],
        activation=case.activation,
        solver="adam" if case.adam else "sgd",
        learning_rate_init=case.lr,
        momentum=case.momentum,
        nesterovs_momentum=False,
        alpha=0.0,
        batch_size=min(case.batch, first),
        shuffle=False,
    )
    more = {"classes": np.arange(case.widths[-1])} if case.classes else {}
    model.partial_fit(data.x[:first], data.y[:first], **more)  # makes the weights
    model.batch_size = case.batch
    for (weight, bias), coefficients, intercepts in zip(weights, model.coefs_, model.intercepts_):
        if coefficients.shape == weight.T.shape:  # two classes are one output here
            coefficients[...] = weight.T
            intercepts[...] = bias

    def train() -> None:
        with threadpool_limits(threads):
            for _ in range(case.epochs):
                model.partial_fit(data.x, data.y)

    outputs = model.predict_proba if case.classes else model.predict

    def predict() -> None:
        with threadpool_limits(threads):
            for first in range(0, case.samples, case.batch):
                outputs(data.x[first : first + case.batch])

    return Runner(predict if case.predict else train, outputs=outputs)
